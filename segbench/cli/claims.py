"""``segbench claims``: what the papers print, as they print it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from segbench.claims import Claim, load_claims, select
from segbench.claims.provenance import Provenance, load_provenance
from segbench.cli.options import PaperOrModel
from segbench.cli.terminal import terminal
from segbench.errors import BadOption
from segbench.report.listing import Listing
from segbench.resolution import show
from segbench.units import plural

_HEADINGS = (
    *("network", "paper", "table", "data set", "size"),
    *("params\n(M)", "FLOPs\n(G)", "FPS", "mIoU\n(%)", "GPU"),
)
_NUMBERS = frozenset(_HEADINGS[5:9])


def claims(
    target: PaperOrModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
    network: Annotated[
        bool, typer.Option("--network", help="Take the name for a network's where a paper has the same one.")
    ] = False,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Show where figures come from, and whether they agree with the source.")
    ] = False,
) -> None:
    """Show the figures that the papers print, digit by digit, with the doubts about them.

    With --provenance: the source of each figure that was looked up.

    Example: segbench claims efrnet
    """
    if network and target is None:
        raise BadOption("--network takes the name before or after it for a network's: give one, such as mfpnet")
    rows = load_claims(model=target) if network else select(target)
    if provenance:
        _show_provenance(load_provenance(rows), as_json)
        return
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")
        return
    out = terminal()
    out.print(Listing(_HEADINGS, [_cells(row) for row in rows], _NUMBERS, [row.note for row in rows], keys=2))
    out.print(
        f"{plural(len(rows), 'row')}; claimed figures as printed, a dash where the paper prints none.", style="dim"
    )


def _show_provenance(rows: Sequence[Provenance], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([row.to_json() for row in rows], indent=1, ensure_ascii=False) + "\n")
        return
    out = terminal()
    headings = ("network", "paper", "table", "quantity", "printed", "source prints", "agrees", "verdict")
    cells, sources = [], []
    for row in rows:
        there = ", ".join(filter(None, (row.value, show(row.size) if row.size else "", row.gpu))) or "-"
        agrees = ("value", row.agrees_in_value), ("size", row.agrees_in_size), ("GPU", row.agrees_in_gpu)
        words = "; ".join(f"{name}: {answer}" for name, answer in agrees if answer != "n/a")
        cells.append((row.model, row.paper, row.table, row.quantity, str(row.printed), there, words, row.verdict))
        sources.append(f"{row.source or 'not found'} {row.where}".strip())
    out.print(Listing(headings, cells, frozenset({"printed"}), sources, noted="source", keys=2))
    out.print(f"{len(rows)} figures whose source was looked up; most were read at second hand (--json).", style="dim")


def _cells(row: Claim) -> tuple[str, ...]:
    size = show(row.size) if row.size else "-"
    figures = tuple(str(figure) if figure else "-" for figure in (row.params_m, row.gflops, row.fps, row.miou_percent))
    where = f"{row.dataset} {row.split}".strip()
    return (row.model or row.printed_name, row.paper, row.table, where, size, *figures, row.gpu or "-")
