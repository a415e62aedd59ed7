"""``segbench profile``: one network, or a few, at one resolution or several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from segbench import catalog, resolution, store
from segbench.cli import options
from segbench.cli.networks import input_texts, own_networks, with_own_arguments
from segbench.cli.output import Step, check_json_target, console, progress, write_json
from segbench.errors import BadOption, OutputError
from segbench.record import Record
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
    time_layers: Annotated[
        bool, typer.Option("--time", help="With --layers: time and share of every module too, slowest first.")
    ] = False,
    csv_path: Annotated[
        Path | None,
        typer.Option("--csv", metavar="PATH", help="Write what --layers shows as CSV.", show_default=False),
    ] = None,
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
    check_json_target(json_path)
    _check_layers(layers, depth, csv_path)
    out = console(json_path)
    with progress("importing torch"):
        from segbench.job import Job, Settings
        from segbench.measure.record import check_settings, measure_job
        from segbench.measure.subject import resolve
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
        subjects = [
            resolve(name, classes, given, output) if is_own(name) else resolve(name, classes)
            for name in dict.fromkeys(names)
        ]
        jobs = [
            (subject, size, images)
            for subject in subjects
            for size in asked or [subject.default_resolution]
            for images in several
        ]
        for subject, size, _ in jobs:
            subject.check_resolution(size)
    records: list[Record] = []
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
                    classes=subject.asked or subject.classes,
                    resolution=size,
                    settings=replace(settings, batch=images),
                    inputs=given if is_own(subject.spec) else (),
                    output=output if is_own(subject.spec) else None,
                )
            record = measure_job(job, say, subject=subject)
            records.append(record)
            if json_path != "-":
                whole = len(jobs) == 1 or rules or layers or waterfall or record.failure
                card = profile_card(record, counter or (), DEPTH if depth is None else depth, rules=rules)
                out.print(card if whole else Text(headline(record), style="bold"))
        if len(records) > 1 and json_path != "-":
            out.print(side_by_side(records))
    finally:
        if records:
            write_json(json_path, records)
        if records and csv_path is not None:
            store.write_text(csv_path, layers_csv(records, depth))
    if any(record.failure for record in records):
        raise typer.Exit(1)


def _check_layers(layers: bool, depth: int | None, csv_path: Path | None) -> None:
    """Refuse options of ``--layers`` without it, and a file that cannot be written."""
    for given, name in ((depth, "--depth"), (csv_path, "--csv")):
        if given is not None and not layers:
            raise BadOption(f"{name} {given} belongs to --layers: give both")
    if depth is not None and depth < 0:
        raise BadOption(f"depth must be 0 (the network alone) or more: {depth} given")
    if csv_path is not None:
        if csv_path.is_dir():
            raise OutputError(f"cannot write {csv_path}: it is a folder, --csv takes a file")
        store.check_writable(csv_path.parent)
