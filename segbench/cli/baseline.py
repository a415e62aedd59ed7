"""``segbench baseline``: Records to compare later runs with, kept in the repository and reviewed like code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from segbench import resolution
from segbench.cli import options
from segbench.cli.check import DEFAULT, BaselinePath, Find, Miou, OptionalModels, Processes, Timeout, judging
from segbench.cli.networks import check_sources
from segbench.cli.output import console, progress
from segbench.errors import BadOption
from segbench.files import require_writable_file
from segbench.units import plural, scaled, significant

app = typer.Typer(help="Keep Records to compare later runs with: save, update, show.", no_args_is_help=True)


@app.command()
def save(
    model: OptionalModels = None,
    baseline: BaselinePath = DEFAULT,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take these Records; nothing is measured.", show_default=False),
    ] = None,
    miou: Miou = None,
    add: Annotated[
        bool, typer.Option("--add", help="Keep the rows that the file has, as of other machines, and add to them.")
    ] = False,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    device: options.DeviceOption = "auto",
    mode: options.Mode = None,
    precision: options.Precision = "fp32",
    batch: options.Batch = 1,
    rounds: options.Rounds = None,
    budget: options.Budget = None,
    no_speed: options.NoSpeed = False,
    find: Find = None,
    processes: Processes = None,
    timeout: Timeout = 600.0,
) -> None:
    """Measure networks and write a new baseline, with modules, signature and the samples of every process.

    Example: segbench baseline save mypackage.networks:build --res 512x1024 --no-speed
    """
    if bool(model) == (source is not None):
        raise BadOption("baseline save takes MODEL... to measure, or --from PATH with Records")
    if miou is not None and source is not None:
        raise BadOption("--miou goes with networks that are measured: --from has mIoUs of its own")
    check_sources(model)
    sizes = [resolution.parse(text) for text in res or []]
    with progress("importing torch") as step:
        from segbench.job import Settings
        from segbench.measure.record import check_settings
        from segbench.regress import baseline as keeping

        if not (add and baseline.is_file()):
            keeping.require_new(baseline)
        failed: list[str] = []
        if source is not None:
            records = keeping.from_records(source)
        else:
            how = replace(judging(None, None, find, processes), speed=not no_speed, timeout_s=timeout).check()
            settings = check_settings(
                Settings(
                    device=device,
                    mode=mode,
                    precision=precision,
                    batch=batch,
                    rounds=rounds,
                    **options.budgets(budget, on_cpu=10.0),
                    speed=not no_speed,
                )
            )
            jobs = keeping.jobs_for(model or [], sizes, classes, settings)
            if add and baseline.is_file():
                keeping.require_absent(baseline, jobs)
            measured = keeping.measure(jobs, how, step).values()
            failed = keeping.failures(measured)
            records = [record for record in measured if not record.failure]
            if miou is not None and records:
                records = keeping.with_scores(records, miou)
        if records:
            keeping.write(baseline, keeping.added_to(baseline, records) if add and baseline.is_file() else records)
    screen = console()
    _print_failed(screen, failed)
    for line in keeping.unsigned_in(records):
        screen.print(line, markup=False)
    if not records:
        screen.print("no baseline is written", markup=False)
    else:
        then = "`segbench baseline update MODEL` adds what failed" if failed else "commit it"
        screen.print(f"{plural(len(records), 'network')} saved in {baseline}: {then}", markup=False)
    if failed:
        raise typer.Exit(1)


@app.command()
def update(
    model: OptionalModels = None,
    baseline: BaselinePath = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    budget: options.Budget = None,
    find: Find = None,
    processes: Processes = None,
    timeout: Timeout = 600.0,
) -> None:
    """Measure a baseline's networks again, show what changes, and ask before writing.

    A MODEL that the baseline does not have is added under the conditions of its first row.

    Example: segbench baseline update 'mypackage*'
    """
    sizes = [resolution.parse(text) for text in res or []]
    screen = console()
    with progress("importing torch") as step:
        from segbench.regress import baseline as keeping
        from segbench.regress.stored import read_baseline

        old = read_baseline(baseline)
        if not baseline.is_dir():
            require_writable_file(baseline)
        how = judging(None, None, find, processes)
        how = replace(how, timeout_s=timeout, **options.budgets(budget, on_cpu=10.0)).check()
        change = keeping.prepare_update(
            old,
            model or [],
            (sizes, classes),
            how,
            step,
        )
    _print_failed(screen, change.failed)
    if not change.lines:
        screen.print("nothing changes but times within their noise")
    for line in change.lines:
        screen.print(line, markup=False)
    if yes or _agreed(baseline):
        keeping.write(baseline, change.records)
        screen.print(f"{len(change.records)} networks in {baseline}: commit it", markup=False)
    else:
        screen.print(f"{baseline} is left as it was", markup=False)
    if change.failed:
        raise typer.Exit(1)


def _agreed(baseline: Path) -> bool:
    """Ask whether to write."""
    if not sys.stdin.isatty():
        raise BadOption(f"{baseline} is left as it was: there is nobody to ask; --yes writes without asking")
    return typer.confirm(f"write {baseline}?")


def _print_failed(screen: Console, failed: Sequence[str]) -> None:
    for line in failed:
        screen.print(line, style="red", markup=False)


@app.command()
def show(baseline: BaselinePath = DEFAULT) -> None:
    """Show what a baseline holds, and how small a difference its timings can tell."""
    from segbench.regress.baseline import rows
    from segbench.regress.stored import read_baseline
    from segbench.report.listing import Listing

    numbers = ("params", "MACs", "FPS", "noise floor")
    listing = Listing(
        ("network", "size", *numbers, "measured on", "signature", "created"),
        [
            (
                row.model,
                row.size,
                "-" if row.params is None else f"{row.params:,}",
                "-" if row.macs is None else scaled(row.macs),
                "-" if row.fps is None else f"{significant(row.fps)} (n={row.processes})",
                "-" if row.noise_floor is None else f"{row.noise_floor:.1%}",
                row.where,
                "yes" if row.signature else "no",
                row.created,
            )
            for row in rows(read_baseline(baseline))
        ],
        frozenset(numbers),
        keys=2,
    )
    console().print(listing)
