"""The columns of the page's table, and the costs that the page opens on: what is claimed, measured, their ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

# Options of JavaScript's Intl.NumberFormat. Whichever of the two roundings keeps more digits holds: 0.012, 0.36, 18.31.
HUNDREDTHS = {
    **{"minimumFractionDigits": 2, "maximumFractionDigits": 2},
    **{"minimumSignificantDigits": 2, "maximumSignificantDigits": 2},
    "roundingPriority": "morePrecision",
}
THREE_DIGITS = {"minimumSignificantDigits": 3, "maximumSignificantDigits": 3}
TENTHS = {"minimumFractionDigits": 1, "maximumFractionDigits": 1}
PERCENT = {"style": "percent"}
AS_PRINTED = {"maximumFractionDigits": 6}
RATIO = {"minimumFractionDigits": 3, "maximumFractionDigits": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        key: field of a row.
        label: heading, with the unit.
        format: how a number is written; None for text.
        on: whether the table shows it at first.
        more: whether a higher number is the better one.
        axis: title of the plot's axis that it can be; empty where it can be none.
        timed: whether it is of one timing.
        ranged: whether rows can be chosen by its least and greatest.
    """

    key: str
    label: str
    format: Mapping[str, Any] | None = None
    on: bool = False
    more: bool = False
    axis: str = ""
    timed: bool = False
    ranged: bool = False


def _claimed(key: str, label: str, what: str) -> tuple[Column, ...]:
    return (
        Column(key=f"{key}Claimed", label=f"Claimed {label}", format=AS_PRINTED),
        Column(key=f"{key}Ratio", label=f"Measured / claimed {what}", format=RATIO, ranged=True),
        Column(key=f"{key}Verdict", label=f"Verdict on {what}"),
    )


COLUMNS = (
    Column(key="network", label="Network", on=True),
    Column(key="size", label="Size (HxW)", on=True),
    Column(key="classes", label="Classes", format={}, on=True),
    Column(key="batch", label="Batch", format={}, on=True),
    Column(key="params", label="Params (M)", format=HUNDREDTHS, on=True, axis="Parameters (M)", ranged=True),
    Column(key="macs", label="MACs (G)", format=HUNDREDTHS, on=True, axis="MACs (G)", ranged=True),
    Column(key="fps", label="FPS", format=THREE_DIGITS, on=True, more=True, axis="FPS", timed=True, ranged=True),
    Column(
        key="latency", label="Latency (ms)", format=THREE_DIGITS, axis="Median latency (ms)", timed=True, ranged=True
    ),
    Column(key="energy", label="Energy (mJ)", format=THREE_DIGITS, axis="Energy of a frame (mJ)", timed=True),
    Column(key="memory", label="Memory (MiB)", format=THREE_DIGITS, axis="Peak memory (MiB)", timed=True, ranged=True),
    Column(key="graph", label="FPS as a CUDA graph", format=THREE_DIGITS, more=True),
    Column(key="busyMs", label="GPU busy (ms)", format=THREE_DIGITS),
    Column(key="enqueue", label="Enqueue (ms)", format=THREE_DIGITS),
    Column(key="launches", label="Kernels", format=THREE_DIGITS),
    Column(key="busy", label="GPU busy", format=PERCENT, more=True, axis="Share of time with the GPU busy", timed=True),
    Column(key="bound", label="Bound by"),
    Column(key="miou", label="Measured mIoU (%)", format=TENTHS, on=True, more=True, ranged=True),
    Column(key="miouClaimed", label="Claimed mIoU (%)", format=AS_PRINTED, on=True, more=True, ranged=True),
    Column(key="miouElsewhere", label="Claimed mIoU, size not printed (%)", format=AS_PRINTED, more=True),
    *_claimed("params", "params (M)", "params"),
    *_claimed("macs", "FLOPs (G)", "MACs"),
    *_claimed("fps", "FPS", "FPS"),
    Column(key="fidelity", label="Fidelity", on=True),
    Column(key="family", label="Family"),
    Column(key="paper", label="Paper"),
    Column(key="conditions", label="Timed under"),
    Column(key="uncounted", label="Not counted", on=True),
    Column(key="date", label="Date"),
    Column(key="failure", label="Failure", on=True),
)

COSTS: Mapping[str, str] = MappingProxyType(
    {
        **{"macs": "MACs", "fps": "FPS", "params": "Parameters", "latency": "Latency", "energy": "Energy of a frame"},
        **{"memory": "Peak memory", "busy": "GPU busy"},
    }
)
"""Keys of the costs that the page can be asked about, in this order; the first that was measured is shown at first."""

PRINTED = ("macs", "fps", "params")
"""Those of them that papers print."""

_ONLY_IF_VARIED = {"classes", "batch"}


def present(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns in which some row has something; those that tell rows apart are shown only where they do."""
    found = []
    for column in COLUMNS:
        values = {row[column.key] for row in rows}
        if values - {None, ""} or column.key == "network":
            told = column.key not in _ONLY_IF_VARIED or len(values - {""}) > 1
            found.append(column if told else replace(column, on=False))
    return found


def headline(cost: str) -> list[str]:
    """The columns that answer what a cost is claimed to be, what it is, and how the two agree."""
    return [f"{cost}Claimed", cost, f"{cost}Ratio", f"{cost}Verdict"] if cost in PRINTED else [cost]
