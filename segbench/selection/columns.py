"""The columns of `segbench table`, `find` and `plot`: what each is called, what it means, and its value.

Imports no torch and no pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from segbench.catalog import CATALOG
from segbench.counting.meanings import MEANINGS, identifier
from segbench.errors import UnknownName
from segbench.records.conditions import show_value
from segbench.report.pairing import SELF_REPORTED
from segbench.resolution import show
from segbench.selection.rows import Row

Kind = Literal["text", "whole", "number"]
Value = str | int | float | None


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: an identifier, as expressions take it.
        kind: a text, a whole number, or a number.
        meaning: with the unit.
        value: of a row.
        axis: what divides the number on an axis of a plot, and the letter of the unit.
    """

    name: str
    kind: Kind
    meaning: str
    value: Callable[[Row], Value]
    axis: tuple[float, str] = (1.0, "")

    @property
    def heading(self) -> str:
        """What stands over it in a paper and along an axis, with the unit."""
        if self.name in _HEADINGS:
            return _HEADINGS[self.name]
        letter = self.axis[1]
        return f"{self.name.replace('_', ' ')} ({letter})" if letter else self.name.replace("_", " ")

    def scaled(self, value: float) -> float:
        """A number in the unit of the heading."""
        return value / self.axis[0]


def _entry(field: str) -> Callable[[Row], Value]:
    return lambda row: getattr(CATALOG.get(row.row.model), field, None)


def _speed(field: str) -> Callable[[Row], Value]:
    def value(row: Row) -> Value:
        timed = row.row.timings.get(row.timing) if row.timing else None
        found: Value = getattr(timed.speed, field, None) if timed and timed.speed else None
        return found

    return value


def _timed_under(row: Row) -> Value:
    return row.context.timed_under[row.timing] if row.timing else None


def _told(field: str) -> Callable[[Row], Value]:
    def value(row: Row) -> Value:
        found = getattr(row.timing, field) if row.timing else None
        return None if found is None else show_value(found)

    return value


def _miou_under(row: Row) -> Value:
    return row.scored.describe() if row.scored else None


def _rule(rule: str) -> Callable[[Row], Value]:
    return lambda row: row.row.operations.get(rule)


def _miou_is(row: Row) -> Value:
    if row.score() is not None:
        return "measured"
    claim = row.printed_miou()
    return None if claim is None else SELF_REPORTED if claim.paper == SELF_REPORTED else "claimed"


def _miou_on(row: Row) -> Value:
    claim = row.printed_miou()
    if row.scored is not None:
        return row.context.scored_on[id(row.row), row.scored]
    return f"{claim.dataset} {claim.split or 'split not printed'}" if claim else None


def _miou(row: Row) -> Value:
    score, claim = row.score(), row.printed_miou()
    return float(claim.miou_percent.value) if score is None and claim and claim.miou_percent else score


def _unsized_miou(row: Row) -> Value:
    found = [item.figure for item in row.context.pairing.miou(row.record) if not item.claim.size]
    return float(found[0].value) if found and row.record.batch == 1 else None


def _peak(row: Row) -> Value:
    timed = row.row.timings.get(row.timing) if row.timing else None
    return timed.memory.peak_mib if timed and timed.memory else None


def _verdict(row: Row) -> Value:
    claim = row.claim("gflops")
    return row.context.verdicts.get(claim) if claim else None


def _in(row: Row) -> Value:
    found = [item.claim for item in row.context.pairing.miou(row.record) if item.claim.size]
    papers = [claim for claim in found if claim.paper != SELF_REPORTED]
    claim = papers[0] if papers else row.claim("gflops") or row.claim("fps") or row.claim("params_m")
    return f"{claim.paper} {claim.where}" if claim else None


_HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "network": "Network",
        "resolution": "Input",
        "classes": "Classes",
        "params": "Params (M)",
        "live_params": "Live params (M)",
        "macs": "MACs (G)",
        "conv_macs": "Conv MACs (G)",
        "_2xmacs": "FLOPs (G)",
        "live_macs": "Live MACs (G)",
        "fps": "FPS",
        "graph_fps": "FPS as a CUDA graph",
        "latency": "Latency (ms)",
        "busy_ms": "GPU busy (ms)",
        "enqueue_ms": "Enqueued in (ms)",
        "energy_mj": "Energy (mJ)",
        "peak_mib": "Memory (MiB)",
        "device_name": "Device",
        "miou": "mIoU (%)",
        "measured_miou": "Measured mIoU (%)",
        "claimed_miou": "Claimed mIoU (%)",
        "claimed_params": "Claimed params (M)",
        "claimed_flops": "Claimed FLOPs (G)",
        "claimed_fps": "Claimed FPS",
        "claimed_gpu": "GPU",
        "ratio_params": "Params ratio",
        "ratio_macs": "MACs ratio",
        "ratio_fps": "FPS ratio",
    }
)
"""Headings of columns in a paper, and names of axes."""
_M, _G = (1e6, "M"), (1e9, "G")
_TOLD = (
    ("synchronised", "synchronise", "every round, or every frame"),
    ("autograd", "grad", "inference, no_grad or enabled"),
    ("cudnn_benchmark", "cudnn_benchmark", "on or off"),
    ("channels_last", "channels_last", "on or off"),
    ("bn_folding", "bn_folding", "on or off"),
    ("pinned", "pinned", "page-locked memory for copies, on or off"),
    ("runtime", "runtime", "what ran the network"),
    ("fast_mode", "optimized", "on or off"),
    ("threads", "threads", "of torch, on a CPU"),
    ("cores", "cores", "that the process was kept to; 0 where it was free to move"),
)
"""Further conditions of a timing: the name of the column, the field of `TimingConditions`, and what it says."""
_ALL = (
    Column("source", "text", "published with segbench, or measured: from the files given", lambda row: row.source),
    Column("network", "text", "catalog name, or source:name of one of your own", lambda row: row.row.model),
    Column("variant", "text", "its inputs, output and options, if unusual", lambda row: row.row.variant or None),
    Column("family", "text", "networks of one paper", _entry("family")),
    Column("paper", "text", "where the network comes from", _entry("paper")),
    Column("fidelity", "text", "how far it is known to be the authors'", lambda row: row.record.fidelity),
    Column("resolution", "text", "height x width of the input, such as 512x1024", lambda row: show(row.row.resolution)),
    Column("height", "whole", "of the input, pixels", lambda row: row.row.resolution[0]),
    Column("width", "whole", "of the input, pixels", lambda row: row.row.resolution[1]),
    Column("classes", "whole", "of the output", lambda row: row.record.classes),
    Column("batch", "whole", "images per forward", lambda row: row.record.batch),
    Column("params", "whole", "parameters", lambda row: row.row.params, _M),
    Column("live_params", "whole", "parameters that reach the output", lambda row: row.record.live_params, _M),
    *(Column(identifier(rule), "whole", f"operations: {text}", _rule(rule), _G) for rule, text in MEANINGS.items()),
    Column("live_macs", "whole", "MACs that reach the output", _rule("live-macs"), _G),
    Column("fps", "number", "measured, images/s", lambda row: row.timed("fps")),
    Column("graph_fps", "number", "measured as a CUDA graph, images/s", lambda row: row.timed("graph_fps")),
    Column("latency", "number", "measured, median, ms", lambda row: row.timed("latency")),
    Column("busy_ms", "number", "of a frame in which the GPU was busy, ms", lambda row: row.timed("gpu_busy_ms")),
    Column("enqueue_ms", "number", "that the host takes to launch a frame, ms", lambda row: row.timed("enqueue_ms")),
    Column("energy_mj", "number", "of an image, mJ", lambda row: row.timed("energy")),
    Column("peak_mib", "number", "peak memory, MiB", _peak),
    Column("bound_by", "text", "launch-bound, compute-bound or memory-bound", _speed("verdict")),
    Column("device", "text", "that was timed: cuda or cpu", _told("device")),
    Column("device_name", "text", "name of the chip", _told("device_name")),
    Column("mode", "text", "timed region", _speed("mode")),
    Column("precision", "text", "fp32, tf32, fp16 or bf16", _speed("precision")),
    Column("timed_under", "text", "device, mode, precision, and what else tells the row's timing apart", _timed_under),
    *(Column(name, "text", f"condition of the timing: {text}", _told(field)) for name, field, text in _TOLD),
    Column(
        "miou",
        "number",
        "percent: measured, or else self-reported or claimed at this size; miou_is says which",
        _miou,
        (1.0, "%"),
    ),
    Column("miou_is", "text", "measured, claimed or self-reported", _miou_is),
    Column("miou_on", "text", "data set and split of miou, and what tells a measured one apart", _miou_on),
    Column("miou_split", "text", "split of a measured mIoU", lambda row: row.scored.split if row.scored else None),
    Column("miou_rule", "text", "scoring rule of a measured mIoU", lambda row: row.scored.rule if row.scored else None),
    Column("miou_images", "whole", "of a measured mIoU", lambda row: row.scored.images if row.scored else None),
    Column("miou_under", "text", "every condition of a measured mIoU", _miou_under),
    Column("unsized_miou", "number", "as printed without a size, percent", _unsized_miou, (1.0, "%")),
    Column("measured_miou", "number", "measured, percent", lambda row: row.score(), (1.0, "%")),
    Column("claimed_miou", "number", "as printed for this size, percent", lambda row: row.claimed("miou_percent")),
    Column("claimed_params", "whole", "as printed", lambda row: _whole(row.claimed("params_m", 10**6)), _M),
    Column("claimed_flops", "whole", "as printed for this size", lambda row: _whole(row.claimed("gflops", 10**9)), _G),
    Column("claimed_fps", "number", "as printed for this size, on the paper's own GPU", lambda row: row.claimed("fps")),
    Column("claimed_gpu", "text", "of claimed_fps", lambda row: getattr(row.claim("fps"), "gpu", None) or None),
    Column("claimed_in", "text", "the paper, and where in it, of the claimed figures; of several the first", _in),
    Column(
        "ratio_params",
        "number",
        "params over claimed_params",
        lambda row: row.ratio(row.row.params, row.claimed("params_m", 10**6)),
    ),
    Column(
        "ratio_macs",
        "number",
        "macs over claimed_flops, whatever its counting rule",
        lambda row: row.ratio(row.row.macs, row.claimed("gflops", 10**9)),
    ),
    Column(
        "ratio_fps",
        "number",
        "fps over claimed_fps, whatever the GPUs",
        lambda row: row.ratio(row.timed("fps"), row.claimed("fps")),
    ),
    Column(
        "verdict",
        "text",
        "of the audit, on claimed_flops under the counting rule that explains them best",
        _verdict,
    ),
    Column("failure", "text", "why it could not be measured", lambda row: row.row.failure or None),
    Column("created", "text", "when it was measured, UTC", lambda row: row.record.created or None),
)
COLUMNS: Mapping[str, Column] = MappingProxyType({column.name: column for column in _ALL})
"""Every column by its name, in the order in which they are listed."""
PRINTED = frozenset(name for name in COLUMNS if name.startswith("claimed_")) | {"unsized_miou"}
"""Columns of what papers print."""
_RULES = {rule: identifier(rule) for rule in (*MEANINGS, "live-macs")}


def find_column(name: str) -> Column:
    """A column by its name; a counting rule also as Records spell it, such as ``conv-macs``.

    Raises:
        UnknownName: no such column; offers the nearest.
    """
    known = COLUMNS.get(_RULES.get(name, name))
    if known is None:
        raise UnknownName("column", name, COLUMNS, "see `segbench table --columns list`")
    return known


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
