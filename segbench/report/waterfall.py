"""A Record's waterfall for the terminal: FPS as each switch is applied."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from segbench.record import Record
from segbench.units import DASH, significant


def waterfall_table(record: Record) -> Table:
    """One row for each switch: FPS, the factor of the step, FPS over that of the first row, and what it changed."""
    title = "waterfall: one switch after another, from SwiftNet's Figure 5; random weights"
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False
    )
    table.add_column("switch", no_wrap=True)
    for heading in ("FPS", "factor", "total"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in record.waterfall or ():
        if row.get("fps") is None:
            table.add_row(row["switch"], DASH, DASH, DASH, f"not available: {row['unavailable']}", style="dim")
            continue
        table.add_row(
            Text(row["switch"], style="bold" if row["kept"] else ""),
            significant(row["fps"]),
            _factor(row.get("factor")),
            _factor(row.get("total")),
            _changed(row),
        )
    return table


def _factor(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}x"


def _changed(row: dict[str, Any]) -> str:
    parts = [str(row.get("meaning", ""))]
    folding = row.get("folding")
    if folding:
        parts.append(f"{folding['folded']} folded, {folding['left']} left; {deviation_text(folding)}")
    if row.get("deviation"):
        parts.append(deviation_text(row["deviation"]))
    if row.get("deviation_failure"):
        parts.append(f"deviation not measured: {row['deviation_failure']}")
    if not row["kept"]:
        parts.append("not kept: a faster precision follows or precedes")
    return "; ".join(part for part in parts if part)


def deviation_text(deviation: dict[str, Any]) -> str:
    """``logits within 0.046 std, 1.7 % of labels change``."""
    largest = deviation.get("max_over_std")
    logits = "logits not finite" if largest is None else f"logits within {largest:.2g} std"
    return f"{logits}, {deviation['labels_changed']:.2%} of labels change"
