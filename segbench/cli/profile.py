"""``segbench profile``: one network, or a few, at one resolution or several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench import catalog, resolution, stopping
from segbench.cli import options
from segbench.cli.networks import input_texts, own_networks, source_files, with_own_arguments
from segbench.cli.output import Step, check_targets, console, progress, write_json, write_out
from segbench.errors import BadOption, SegbenchError
from segbench.records.record import Record
from segbench.spec import is_own


def profile(
    model: options.Models,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    inputs: options.Inputs = None,
    output: options.Output = None,
    arguments: options.Arguments = None,
    device: options.DeviceOption = "auto",
    mode: options.Mode = None,
    protocol: options.ProtocolName = None,
    precision: options.Precision = "fp32",
    batch: options.Batches = "1",
    rounds: options.Rounds = None,
    budget: options.Budget = None,
    counter: options.Counters = None,
    no_speed: options.NoSpeed = False,
    optimize: options.Optimize = False,
    waterfall: options.Waterfall = False,
    rules: Annotated[bool, typer.Option("--rules", help="Show the operations under every counting rule.")] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Parameters, MACs, output shape and share module by module.")
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(metavar="N", help="Deepest level of --layers; 2 by default, all in a file.", show_default=False),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --layers: the N modules of most MACs alone.", show_default=False),
    ] = None,
    time_layers: Annotated[
        bool, typer.Option("--time", help="With --layers: time and share of every module too, slowest first.")
    ] = False,
    csv_path: Annotated[
        Path | None,
        typer.Option("--csv", metavar="PATH|-", help="Write what --layers shows as CSV.", show_default=False),
    ] = None,
    timeout: options.Timeout = 600.0,
    json_path: options.JsonPath = None,
) -> None:
    """Measure parameters, operations, FPS and memory of a network; several stand side by side, with ratios.

    Example: segbench profile mfpnet --res 512x1024
    """
    patterns = [name for spec in model for name in ([spec] if is_own(spec) else catalog.match([spec]))]
    names = with_own_arguments(patterns, arguments or [])
    given = input_texts(inputs)
    own_networks(names, given, output)
    asked = [resolution.parse(text) for text in res or []]
    several = options.batches(batch)
    check_targets(reads=source_files(names), json=json_path, csv=csv_path)
    _check_layers(layers, depth, csv_path, top)
    reserved = "-" in (json_path, str(csv_path))
    out = console("-" if reserved else None)
    with progress("importing torch"):
        from segbench.cli.isolated import measure, resolve_all
        from segbench.job import Job, Settings
        from segbench.measure.record import check_settings
        from segbench.report.card import profile_card
        from segbench.report.layers import DEPTH, layers_csv
        from segbench.report.side_by_side import headline, side_by_side

        settings = check_settings(
            Settings(
                device=device,
                mode=mode,
                preset=protocol,
                precision=precision,
                batch=several[0],
                rounds=rounds,
                **options.budgets(budget),
                counters=tuple(counter or ()),
                speed=not no_speed,
                module_levels=None if layers else 0,
                layer_times=time_layers,
                waterfall=waterfall,
                optimize=optimize,
            )
        )
        subjects = resolve_all(list(dict.fromkeys(names)), classes, timeout, given, output)
        jobs = [
            (subject, size, images)
            for subject in subjects
            for size in asked or [subject.default_resolution]
            for images in several
        ]
        for subject, size, _ in jobs:
            subject.check_resolution(size)
    records: list[Record] = []
    refused: SegbenchError | None = None
    try:
        for subject, size, images in jobs:
            label = f"{subject.spec} at {resolution.show(size)}" + (f", batch {images}" if images > 1 else "")
            with progress(label, ticking=False) as step:

                def say(
                    what: str, done: int = 0, total: int | None = None, step: Step = step, label: str = label
                ) -> None:
                    step(f"{label}: {what}", done, total)

                job = Job(
                    model=subject.spec,
                    classes=subject.classes if subject.entry else subject.asked,
                    resolution=size,
                    settings=replace(settings, batch=images),
                    inputs=given if is_own(subject.spec) else (),
                    output=output if is_own(subject.spec) else None,
                )
                finished = measure(job, subject, say, timeout)
            records.append(record := finished.record)
            stopping.keeps_in((json_path, csv_path), f"{len(records)} of {len(jobs)} networks, those measured before")
            refused = refused or finished.refused
            if not (reserved or finished.refused):
                # Of several networks a line each, and then all of them side by side.
                whole = len(jobs) == 1 or rules or layers or waterfall or bool(record.failure)
                out.print(
                    profile_card(record, counter or (), DEPTH if depth is None else depth, rules=rules, top=top)
                    if whole
                    else headline(record),
                    markup=False,
                )
        if len(records) > 1 and not reserved:
            out.print(side_by_side(records))
    finally:
        if records:
            write_json(json_path, records)
        if records and csv_path is not None:
            write_out(csv_path, layers_csv(records, depth))
    if refused is not None:
        raise refused
    if any(record.failure for record in records):
        raise typer.Exit(1)


def _check_layers(layers: bool, depth: int | None, csv_path: Path | None, top: int | None) -> None:
    """Refuse options of ``--layers`` without it."""
    for given, name in ((depth, "--depth"), (csv_path, "--csv"), (top, "--top")):
        if given is not None and not layers:
            raise BadOption(f"{name} {given} belongs to --layers: give both")
    if depth is not None and depth < 0:
        raise BadOption(f"depth must be 0 (the network alone) or more: {depth} given")
