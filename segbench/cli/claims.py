"""``segbench claims``: what the papers print, as they print it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from segbench.claims import Claim, select
from segbench.claims.provenance import Provenance, load_provenance
from segbench.cli.options import PaperOrModel
from segbench.resolution import show

NOTES_FROM = 140


def claims(
    target: PaperOrModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Show where figures come from, and whether they agree with the source.")
    ] = False,
) -> None:
    """Show the figures that the papers print, digit by digit, with the doubts about them.

    With --provenance: the source of each figure that was looked up.

    Example: segbench claims efrnet
    """
    rows = select(target)
    if provenance:
        _show_provenance(load_provenance(rows), as_json)
        return
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


def _show_provenance(rows: Sequence[Provenance], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([row.to_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
        return
    out = Console(highlight=False)
    wide = out.width >= NOTES_FROM
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for heading in ("paper", "table", "network", "quantity", "printed", "source prints", "agrees", "verdict"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "printed" else "left")
    if wide:
        table.add_column("source", style="dim", ratio=1)
    for row in rows:
        there = ", ".join(filter(None, (row.value, show(row.size) if row.size else "", row.gpu))) or "-"
        agrees = ("value", row.agrees_in_value), ("size", row.agrees_in_size), ("GPU", row.agrees_in_gpu)
        words = "; ".join(f"{name}: {answer}" for name, answer in agrees if answer != "n/a")
        cells = (row.paper, row.table, row.model, row.quantity, str(row.printed), there, words, row.verdict)
        table.add_row(*cells, *([f"{row.source or 'not found'} {row.where}".strip()] if wide else ()))
    out.print(table)
    if not wide:
        out.print(f"The sources are shown from {NOTES_FROM} columns on, and with --json.", style="dim")
    out.print(f"{len(rows)} figures whose source was looked up; most were read at second hand (--json).", style="dim")


def _cells(row: Claim) -> tuple[str, ...]:
    size = show(row.size) if row.size else "-"
    figures = tuple(str(figure) if figure else "-" for figure in (row.params_m, row.gflops, row.fps, row.miou_percent))
    where = f"{row.dataset} {row.split}".strip()
    return (row.paper, row.table, row.model or row.printed_name, where, size, *figures, row.gpu or "-", row.note)
