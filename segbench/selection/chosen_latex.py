"""Chosen rows and columns as a table to paste into a paper, the best of like rows marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from segbench.counting.meanings import MEANINGS, identifier
from segbench.report.latex_table import BEST, SECOND, Figure, Heading, Row, floats
from segbench.selection.columns import PRINTED, Column
from segbench.units import DASH, significant

if TYPE_CHECKING:
    import pandas as pd

_COUNTED = ("resolution", "classes", "batch")
_TIMED = (*_COUNTED, "timed_under")
# What two figures of a column must share to be ranked, and whether more is better.
_RANKED: dict[str, tuple[tuple[str, ...], bool]] = {
    "params": (_COUNTED, False),
    "live_params": (_COUNTED, False),
    **{identifier(rule): (_COUNTED, False) for rule in (*MEANINGS, "live-macs")},
    **dict.fromkeys(("fps", "graph_fps"), (_TIMED, True)),
    **dict.fromkeys(("latency", "busy_ms", "enqueue_ms", "energy_mj", "peak_mib"), (_TIMED, False)),
    "miou": (("resolution", "miou_is", "miou_on"), True),
    "measured_miou": (("resolution", "miou_is", "miou_on"), True),
    "claimed_params": (("classes",), False),
    "claimed_flops": (("resolution", "classes"), False),
    "claimed_fps": (("resolution", "classes", "claimed_gpu"), True),
}
NEEDED = ("network", "fidelity", "miou_is", "miou_on", "claimed_gpu", *_TIMED)
"""Columns that the table takes beside those that it shows."""
_LEAST = 3


def chosen_latex(frame: pd.DataFrame, columns: Sequence[Column]) -> str:
    """A float of booktabs with the chosen columns, as `segbench.report.latex_table` makes it.

    Figures are ranked with those of the same size, classes, device and protocol, data set and split alone, where at
    least three rows are alike.
    """
    rows = frame.to_dict("records")
    ranks = {column.name: _ranks(rows, column.name) for column in columns}
    shown: list[Row] = [
        [[_figure(row, column, ranks[column.name].get(place, 0))] for column in columns]
        for place, row in enumerate(rows)
    ]
    headings = [Heading(column.heading, column.kind != "text") for column in columns]
    return floats("Networks compared by segbench", "tab:segbench", headings, shown, _notes(columns), set())


def _known(value: Any) -> Any:
    import pandas as pd

    return None if value is pd.NA else value


def _figure(row: dict[Any, Any], column: Column, rank: int) -> Figure:
    value = _known(row[column.name])
    if value is None:
        return Figure(DASH)
    if column.name == "network":
        rebuilt = {"reconstruction": "reconstructed from its paper", "exact": "rebuilt from its paper"}
        return Figure(value, rebuilt.get(_known(row["fidelity"]) or "", ""), network=value)
    if isinstance(value, str):
        return Figure(value)
    number = column.scaled(value)
    unit = column.axis[0] > 1
    text = f"{number:.2f}" if unit and number >= 0.1 else f"{value:,}" if isinstance(value, int) and not unit else ""
    return Figure(text or significant(number, 2 if unit else 3), _stands_for(row, column), rank)


def _stands_for(row: dict[Any, Any], column: Column) -> str:
    """What a figure's column does not say of it: on what it was scored or timed."""
    if column.name in ("miou", "measured_miou"):
        how = _known(row["miou_is"])
        return f"{how} on {_known(row['miou_on'])}" if how else ""
    if _RANKED.get(column.name, ((), False))[0] == _TIMED:
        return str(_known(row["timed_under"]) or "")
    if column.name == "unsized_miou":
        return "input size not printed"
    if column.name == "claimed_fps":
        return str(_known(row["claimed_gpu"]) or "GPU not printed")
    return ""


def _ranks(rows: Sequence[dict[Any, Any]], name: str) -> dict[int, int]:
    """`BEST` or `SECOND` by the place of a row, among those that are alike."""
    alike, more = _RANKED.get(name, ((), False))
    groups: dict[tuple[Any, ...], list[tuple[float, int]]] = {}
    for place, row in enumerate(rows) if alike else ():
        key = tuple(_known(row[condition]) for condition in alike)
        value = _known(row[name])
        # What is not known is not alike: a GPU that a paper does not print.
        if value is not None and not (None in key and "batch" not in alike):
            groups.setdefault(key, []).append((value, place))
    found: dict[int, int] = {}
    for group in groups.values():
        best = sorted({value for value, _ in group}, reverse=more)[:2]
        if len(group) >= _LEAST:
            found |= {place: BEST if value == best[0] else SECOND for value, place in group if value in best}
    return found


def _notes(columns: Sequence[Column]) -> Iterator[str]:
    names = {column.name for column in columns}
    if names & {"macs", "params"}:
        yield "Parameters and MACs counted by segbench (one multiply-accumulate is one MAC)."
    if names & PRINTED:
        yield "Claimed: as papers print it, on their own GPUs."
