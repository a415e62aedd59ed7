"""``segbench claims``: what the papers print, as they print it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from segbench.claims import Claim, select
from segbench.cli.options import PaperOrModel
from segbench.resolution import show

NOTES_FROM = 140


def claims(
    target: PaperOrModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """Show the figures that the papers print, digit by digit, with the doubts about them.

    Example: segbench claims efrnet
    """
    rows = select(target)
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")
        return
    out = Console(highlight=False)
    wide = out.width >= NOTES_FROM
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("paper", "table", "network", "data set", "size"):
        table.add_column(heading, overflow="fold")
    for heading in ("params\n(M)", "FLOPs\n(G)", "FPS", "mIoU\n(%)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("GPU", overflow="fold")
    if wide:
        table.add_column("note", style="dim", ratio=1)
    for row in rows:
        table.add_row(*_cells(row)[: len(table.columns)])
    out.print(table)
    if not wide:
        out.print(f"The notes are shown from {NOTES_FROM} columns on, and with --json.", style="dim")
    out.print(f"{len(rows)} rows; claimed figures as printed, a dash where the paper prints none.", style="dim")


def _cells(row: Claim) -> tuple[str, ...]:
    size = show(row.size) if row.size else "-"
    figures = tuple(str(figure) if figure else "-" for figure in (row.params_m, row.gflops, row.fps, row.miou_percent))
    where = f"{row.dataset} {row.split}".strip()
    return (row.paper, row.table, row.model or row.printed_name, where, size, *figures, row.gpu or "-", row.note)
