"""``segbench accept``: let a finding of a check pass, with a reason that is kept in the baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from segbench.cli import options
from segbench.cli.check import DEFAULT, BaselinePath, Device, Processes, judging
from segbench.cli.output import console, progress
from segbench.errors import BadOption


def accept(
    finding: Annotated[
        str,
        typer.Argument(
            metavar="FINDING",
            help="Network, size and quantity as a check names them, 'mynets:Net 512x1024: parameters', or a pattern.",
            show_default=False,
        ),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is accepted.", show_default=False)],
    until: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day; for ever by default.", show_default=False)
    ] = None,
    baseline: BaselinePath = DEFAULT,
    current: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Records of the run that found it; measured again by default.", show_default=False
        ),
    ] = None,
    device: Device = None,
    processes: Processes = None,
    budget: options.Budget = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Accept a finding: it fails no check until it changes further, or until the day given.

    What is accepted, and why, is written into the baseline's file, to be reviewed and committed like the rest of it.

    Example: segbench accept 'mynets:Net 512x1024: parameters' --reason 'a wider head, see #41' --until 2027-01-31
    """
    if not reason.strip():
        raise BadOption("--reason says why a finding is accepted: it is empty")
    with progress("importing torch") as say:
        from segbench.regress import acceptance
        from segbench.regress.baseline import write_accepted
        from segbench.regress.run import check_now, check_records
        from segbench.regress.stored import read_baseline

        day = None if until is None else acceptance.parse_day(until)
        rows = read_baseline(baseline)
        models = acceptance.models_meant(rows.records(), finding)
        how = replace(
            judging(None, None, None, processes),
            **options.budgets(budget, on_cpu=10.0),
            timeout_s=timeout,
            device=None if device == "auto" else device,
            speed=current is not None or acceptance.is_timed(rows.records(), finding),
        ).check()
        outcome = check_now(rows, how, models, say) if current is None else check_records(rows, current, how, models)
        accepted = acceptance.accept(outcome, finding, reason.strip(), day)
        files = write_accepted(rows, accepted)
    out = console()
    for item in accepted:
        out.print(f"accepted {item.name}: {item.before} -> {item.after}", markup=False, soft_wrap=True)
    out.print(f"written to {', '.join(map(str, files))}: commit it", markup=False, soft_wrap=True)
