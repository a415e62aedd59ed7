"""``segbench merge``: the folders of several comparisons as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli import options
from segbench.cli.output import check_targets, console, progress_console, write_json
from segbench.files import alone_in, require_apart, require_writable
from segbench.records import store


def merge(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders that `segbench compare` wrote.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the Records, table and plots of all of them go.")],
    json_path: options.JsonPath = None,
) -> None:
    """Put the folders of several comparisons together, such as those of `compare --shard`.

    A Record that is in two folders is kept once; folders that disagree are refused, and nothing is written.

    Example: segbench merge part-1 part-2 part-3 --out segbench-out
    """
    check_targets(reads=folders, json=json_path)
    require_apart([("--out", out / "records.jsonl"), ("--json", json_path)])
    require_writable(out)
    screen, meter = console(json_path), progress_console()
    with meter.status("reading"):
        from segbench.compare.merging import RECORDS, merged, sizes_asked, without_superseded
        from segbench.records.processes import combine

        records = merged(folders, out)
    with meter.status("importing torch"):
        from segbench.audit.recorded import verdicts
        from segbench.compare import run as comparison
        from segbench.report.comparison import write_report
    with alone_in(out):
        store.write_text(out / RECORDS, store.lines(records))
        shown = combine(without_superseded(records))
        with meter.status("drawing"):
            table, files = write_report(shown, out, judgements=verdicts(shown, None), asked=sizes_asked(records))
    if mixed := comparison.mixed(shown):
        screen.print(f"MIXED: {'; '.join(mixed)}: these FPS do not compare", style="yellow", markup=False)
    if json_path != "-":
        screen.print(table.rich(screen.width))
        screen.print(f"{len(records)} Records in {out / RECORDS}; {len(files)} files beside it", markup=False)
    write_json(json_path, shown)
