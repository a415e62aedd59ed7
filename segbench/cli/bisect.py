"""``segbench bisect``: which commit changed a network, or slowed it down."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench import resolution, stopping
from segbench.cli import options
from segbench.cli.long_run import say
from segbench.cli.output import console, progress

Quantity = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Look for this one, as `history report` names it; by default for what differs, timings last.",
        show_default=False,
    ),
]


def bisect(
    good: Annotated[str, typer.Argument(metavar="GOOD", help="A revision before the change.", show_default=False)],
    bad: Annotated[str, typer.Argument(metavar="BAD", help="A revision that has it.", show_default=False)],
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="package.module:factory or ./file.py:factory.", show_default=False),
    ],
    res: Annotated[
        str | None,
        typer.Option("--res", metavar="HxW", help="Input height x width.", show_default=False),
    ] = None,
    classes: options.Classes = None,
    quantity: Quantity = None,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Only what is deterministic; needs no device.")] = False,
    min_effect: Annotated[str, typer.Option(metavar="SHARE", help="Smallest change of a timing that matters.")] = "3%",
    processes: Annotated[int, typer.Option(metavar="N", help="Fresh processes a side for each commit.")] = 10,
    device: options.DeviceOption = "auto",
    mode: options.Mode = None,
    precision: options.Precision = "fp32",
    budget: options.Budget = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Name the first commit after GOOD at which a network differs, or is slower; an interrupted search goes on.

    Each commit is checked out in a worktree, and the network is imported from there. What is deterministic is found by
    counting alone; a timing with the statistics of `segbench check --against`. A commit that does not build is skipped.

    Example: segbench bisect v1.0 HEAD mypackage.networks:build --res 512x1024
    """
    size = [resolution.parse(res)] if res else []
    with progress("importing torch") as step:
        from segbench.history.bisection import bisect as search
        from segbench.history.bisection import only_one, suspects_in_words, title
        from segbench.job import Settings
        from segbench.measure.record import check_settings
        from segbench.regress.options import Options, parse_effect

        budgets = options.budgets(budget, on_cpu=10.0)
        how = Options(parse_effect(min_effect), processes, timeout_s=timeout, **budgets).check()
        settings = Settings(device=device, mode=mode, precision=precision, speed=not no_speed, **budgets)
        job = only_one(model, size, classes, check_settings(settings))
        stopping.keeps("the verdicts on commits are kept; the same command goes on from there")
        found = search((good, bad), job, how, quantity, step, say)
    out = console()
    for commit, why in found.skipped.items():
        out.print(f"skipped: {title(commit)}: {why}", markup=False, soft_wrap=True)
    if found.commit is None:
        for line in suspects_in_words(found):
            out.print(line, markup=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(found.target.words, markup=False, soft_wrap=True)
    out.print(f"first bad commit: {title(found.commit)}", markup=False, soft_wrap=True)
