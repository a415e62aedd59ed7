"""``segbench profile``: one network, or a few, at one resolution or several."""

from __future__ import annotations

import typer
from rich.status import Status

from segbench import catalog, resolution
from segbench.cli import options
from segbench.cli.output import check_json_target, console, progress_console, write_json
from segbench.record import Record


def profile(
    model: options.Models,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    device: options.DeviceOption = "auto",
    mode: options.Mode = "forward",
    precision: options.Precision = "fp32",
    batch: options.Batch = 1,
    rounds: options.Rounds = None,
    budget: options.Budget = 20.0,
    counter: options.Counters = None,
    no_speed: options.NoSpeed = False,
    json_path: options.JsonPath = None,
) -> None:
    """Measure parameters, operations, FPS and memory of a network.

    Example: segbench profile mfpnet --res 512x1024
    """
    names = [name for spec in model for name in (catalog.match([spec]) if ":" not in spec else [spec])]
    asked = [resolution.parse(text) for text in res or []]
    check_json_target(json_path)
    out, screen = console(json_path), progress_console()
    with screen.status("importing torch"):
        from segbench.measure.profile import Settings
        from segbench.measure.profile import profile as measure
        from segbench.measure.subject import resolve
        from segbench.report.card import profile_card

        settings = Settings(device, mode, precision, batch, rounds, budget, tuple(counter or ()), not no_speed).check()
        subjects = [resolve(name, classes) for name in dict.fromkeys(names)]
        jobs = [(subject, size) for subject in subjects for size in asked or [subject.default_resolution]]
        for subject, size in jobs:
            subject.check_resolution(size)
    records: list[Record] = []
    try:
        for subject, size in jobs:
            label = f"{subject.spec} at {resolution.show(size)}"
            with screen.status(label) as status:

                def say(stage: str, status: Status = status, label: str = label) -> None:
                    status.update(f"{label}: {stage}")

                record = measure(subject, size, settings, say)
            records.append(record)
            if json_path != "-":
                out.print(profile_card(record, counter or ()))
    finally:
        if records:
            write_json(json_path, records)
    if any(record.failure for record in records):
        raise typer.Exit(1)
