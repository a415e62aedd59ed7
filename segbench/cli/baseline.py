"""``segbench baseline``: Records to hold later runs against, kept in the repository and reviewed like code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from segbench import resolution
from segbench.cli import options
from segbench.cli.check import OptionalModels, Processes, Timeout
from segbench.cli.networks import check_sources
from segbench.cli.output import console, progress
from segbench.errors import BadOption
from segbench.units import scaled, significant

app = typer.Typer(help="Keep Records to hold later runs against: save, update, show.", no_args_is_help=True)

BaselinePath = Annotated[Path, typer.Option("--baseline", "-b", metavar="PATH", help="The baseline's file.")]
DEFAULT = Path("results/baseline.json")


@app.command()
def save(
    model: options.Models,
    baseline: BaselinePath = DEFAULT,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    device: options.DeviceOption = "auto",
    mode: options.Mode = None,
    precision: options.Precision = "fp32",
    batch: options.Batch = 1,
    rounds: options.Rounds = None,
    budget: options.Budget = None,
    no_speed: options.NoSpeed = False,
    processes: Processes = 10,
    timeout: Timeout = 600.0,
) -> None:
    """Measure networks and write a new baseline, with modules, signature and the samples of every process.

    Example: segbench baseline save mypackage.networks:build --res 512x1024 --no-speed
    """
    check_sources(model)
    sizes = [resolution.parse(text) for text in res or []]
    with progress("importing torch") as step:
        from segbench.job import Settings
        from segbench.measure.record import check_settings
        from segbench.regress import baseline as keeping
        from segbench.regress.looks import Options

        keeping.require_new(baseline)
        how = Options(processes=processes, speed=not no_speed, timeout_s=timeout).check()
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
        jobs = keeping.jobs_for(model, sizes, classes, settings)
        records = list(keeping.measure(jobs, how, step).values())
        keeping.write(baseline, records)
    console().print(
        f"{len(records)} {'network' if len(records) == 1 else 'networks'} saved in {baseline}: commit it", markup=False
    )


@app.command()
def update(
    model: OptionalModels = None,
    baseline: BaselinePath = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    budget: options.Budget = None,
    processes: Processes = 10,
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
        from segbench.regress.looks import Options
        from segbench.regress.run import read_baseline

        old = read_baseline(baseline)
        how = Options(processes=processes, timeout_s=timeout, **options.budgets(budget, on_cpu=10.0)).check()
        change = keeping.prepare_update(
            old,
            model or [],
            (sizes, classes),
            how,
            step,
        )
    if not change.lines:
        screen.print("nothing changes but times within their noise")
    for line in change.lines:
        screen.print(line, markup=False)
    if not yes:
        if not sys.stdin.isatty():
            raise BadOption(f"{baseline} is left as it was: there is nobody to ask; --yes writes without asking")
        if not typer.confirm(f"write {baseline}?"):
            screen.print(f"{baseline} is left as it was", markup=False)
            return
    keeping.write(baseline, change.records)
    screen.print(f"{len(change.records)} networks in {baseline}: commit it", markup=False)


@app.command()
def show(baseline: BaselinePath = DEFAULT) -> None:
    """Show what a baseline holds, and how small a difference its timings can tell."""
    from segbench.regress.baseline import rows
    from segbench.regress.run import read_baseline
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
