"""``segbench report``: tables, plots and a page from Records, without measuring anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli import options
from segbench.cli.output import console, progress_console
from segbench.records import store


def report(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files of Records (JSON or JSONL), or folders that hold records.jsonl."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes; an older one there is replaced.")],
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Report timings of several devices together, in columns of their own.")
    ] = False,
    paper: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Show one paper's tables, such as mfpnet.", show_default=False),
    ] = None,
    style: options.Style = "screen",
    formats: options.Formats = None,
) -> None:
    """Make a report from Records: tables, Pareto plots and one page that opens without a network.

    The same Records give the same bytes.

    Examples:
      segbench report segbench-out/records.jsonl --out report
      segbench report results/ --out report --allow-mixed
      segbench report records.jsonl --out figures --style paper
    """
    meter = progress_console()
    with meter.status("reading"):
        from segbench.report.comparison import require_one_device, write_report
        from segbench.report.gather import read_all

        suffixes = options.plot_formats(style, formats)
        records = read_all(paths)
        if not allow_mixed:
            require_one_device(records)
        store.require_writable(out)
    with meter.status("importing torch"):
        from segbench.audit.recorded import verdicts

        judgements = verdicts(records, paper)
    with meter.status("drawing"):
        result, files = write_report(records, out, paper=paper, judgements=judgements, style=style, formats=suffixes)
    screen = console()
    screen.print(result.rich(screen.width))
    screen.print(f"{len(files)} files in {out}; open {out / 'index.html'}", markup=False, soft_wrap=True)
