"""Plots beside the Pareto ones: claimed against measured, counting rules, waterfalls, launch-bound networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from segbench.claims import Claim
from segbench.record import Record
from segbench.report.bars import draw_bars, draw_rules, draw_waterfall
from segbench.report.escape import slug
from segbench.report.measured import Condition, Measured, Rows, measured
from segbench.report.pairing import belongs
from segbench.report.plots import Plot
from segbench.report.scatter import Pair, correlation_note, draw_pairs
from segbench.report.style import as_number
from segbench.resolution import show

RULES = ("conv-macs", "fvcore", "thop", "ptflops-0.6.3", "ptflops-0.6.9")
"""The rules whose spread is drawn; ``2xmacs`` is left out because it is twice ``macs`` by definition."""

_PRINTED = {
    "fps": ("FPS", "FPS that the paper prints, on its own GPU"),
    "params": ("parameters", "Parameters that the paper prints (M)"),
    "macs": ("FLOPs", "FLOPs that the paper prints (G), under its own counting rule"),
}
_MOST_ROWS, _MOST_WATERFALLS = 70, 12


class Step(NamedTuple):
    """One step of a waterfall.

    Attributes:
        name: the switch.
        fps: with it.
        factor: over the FPS that it starts from; None for the first step.
        kept: whether later steps start from it.
    """

    name: str
    fps: float
    factor: float | None
    kept: bool


def other_plots(records: Iterable[Record] | Rows, claims: Iterable[Claim]) -> list[Plot]:
    """Every chart that the Records have the figures for.

    Args:
        records: in any order; of several measurements of the same thing the latest counts.
        claims: as from `segbench.claims.load_claims`.
    """
    rows = measured(records)
    return [
        *_claimed_against_measured(rows, list(claims)),
        *_rule_spread(rows),
        *_launch_bound(rows),
        *_waterfalls(rows),
    ]


def waterfall_of(record: Record) -> list[Step]:
    """The steps of a Record's waterfall that have a figure; empty where there is no waterfall."""
    steps: list[Step] = []
    for item in record.waterfall if isinstance(record.waterfall, (list, tuple)) else ():
        fps = as_number(item.get("fps")) if isinstance(item, dict) else None
        if fps:
            factor = as_number(item.get("factor"))
            if factor is None and steps:
                factor = fps / steps[-1].fps
            steps.append(Step(str(item.get("switch", "?")), fps, factor or None, bool(item.get("kept", True))))
    return steps


def busy_share(row: Measured, condition: Condition) -> float | None:
    """The share of a frame's time during which the GPU was busy, 0 to 1 (timing noise can put it a little above)."""
    busy, fps = row.number(condition, "gpu_busy_ms"), row.number(condition, "fps")
    return None if busy is None or not fps else busy * fps / (1000.0 * condition.batch)


def rank_correlation_of(rows: Sequence[Measured], claims: Sequence[Claim]) -> str:
    """How well claimed FPS order the networks as measured FPS do, in words; empty where no pair has both."""
    for timing in _gpu_timings(rows):
        pairs = list(_pairs(rows, claims, "fps", functools.partial(_fps, timing), sized=True))
        if pairs:
            return f"Claimed against measured FPS ({timing.describe(software=False)}): {correlation_note(pairs)}."
    return ""


def _gpu_timings(rows: Sequence[Measured]) -> list[Condition]:
    """The first condition with batch 1 on a GPU: printed FPS are a GPU's."""
    timings = sorted({item for row in rows for item in row.speeds if item.batch == 1}, key=Condition.order)
    return [timing for timing in timings if timing.kind != "cpu"][:1]


def _claimed_against_measured(rows: Sequence[Measured], claims: Sequence[Claim]) -> Iterator[Plot]:
    kinds: list[tuple[str, str, str, Callable[[Measured], float | None]]] = []
    for timing in _gpu_timings(rows):
        axis = f"FPS measured on {timing.device}, mode {timing.mode}, {timing.precision}"
        kinds.append(("fps", axis, "fps", functools.partial(_fps, timing)))
    kinds.append(("params", "Parameters counted (M)", "params_m", lambda row: _divided(row.params, 1e6)))
    kinds.append(("macs", "MACs counted (G)", "gflops", lambda row: _divided(row.macs, 1e9)))
    for key, axis, attribute, quantity in kinds:
        pairs = tuple(_pairs(rows, claims, attribute, quantity, sized=key != "params"))
        if pairs:
            what, printed = _PRINTED[key]
            title = f"Claimed against measured {what}"
            painter = functools.partial(draw_pairs, title, printed, axis, pairs)
            yield Plot(f"claimed-against-measured-{key}", title, painter)


def _pairs(
    rows: Sequence[Measured],
    claims: Sequence[Claim],
    attribute: str,
    quantity: Callable[[Measured], float | None],
    *,
    sized: bool,
) -> Iterator[Pair]:
    by_model: dict[str, list[Claim]] = {}
    for claim in claims:
        if getattr(claim, attribute) and claim.table.isdigit():
            by_model.setdefault(claim.model, []).append(claim)
    seen = set()
    for row in rows:
        number = quantity(row) if row.record.batch == 1 else None
        for claim in by_model.get(row.model, ()) if number else ():
            if not belongs(claim, row.record) or (sized and claim.size is None):
                continue
            figure = getattr(claim, attribute)
            key = (row.model, row.resolution if sized else None, claim.paper, claim.gpu if sized else "", figure)
            if key not in seen:
                seen.add(key)
                assert number is not None
                yield Pair(row.model, claim.paper, float(figure.value), number)


def _fps(condition: Condition, row: Measured) -> float | None:
    return row.number(condition, "fps")


def _divided(count: float | None, unit: float) -> float | None:
    return None if count is None else count / unit


def _rule_spread(rows: Sequence[Measured]) -> Iterator[Plot]:
    """For each network, at its first measured size, each rule's count over ``macs``."""
    shown: dict[str, tuple[str, dict[str, float]]] = {}
    for row in rows:
        if row.macs and row.model not in shown:
            counts = {rule: row.operations[rule] / row.macs for rule in RULES if rule in row.operations}
            if counts:
                shown[row.model] = (f"{row.model} {show(row.resolution)}", counts)
    widest = sorted(shown, key=lambda model: (-_spread(shown[model][1]), model))[:_MOST_ROWS]
    if widest:
        title = "The same network under each counting rule"
        left_out = len(shown) - len(widest)
        ratios = [shown[model] for model in widest]
        yield Plot("counting-rules", title, functools.partial(draw_rules, title, ratios, RULES, left_out))


def _spread(ratios: Mapping[str, float]) -> float:
    values = [1.0, *ratios.values()]
    return max(values) / max(min(values), 1e-9)


def _launch_bound(rows: Sequence[Measured]) -> Iterator[Plot]:
    timings = sorted({item for row in rows for item in row.speeds}, key=Condition.order)
    for place, condition in enumerate(timings):
        bars = []
        for row in rows:
            share = busy_share(row, condition)
            if share is not None:
                verdict = (row.speeds[condition].speed or {}).get("verdict") or "no verdict"
                bars.append((f"{row.model} {show(row.resolution)}", share, str(verdict)))
        if bars:
            bars.sort(key=lambda bar: (bar[1], bar[0]))
            title = "Is the GPU kept busy?"
            axis = f"share of a frame's time with the GPU busy; {condition.describe(software=False)}"
            left_out = max(len(bars) - _MOST_ROWS, 0)
            painter = functools.partial(draw_bars, title, axis, tuple(bars[:_MOST_ROWS]), left_out)
            yield Plot("launch-bound" + (f"-{place}" if place else ""), title, painter)


def _waterfalls(rows: Sequence[Measured]) -> Iterator[Plot]:
    drawn = 0
    for row in rows:
        for condition, record in sorted(row.speeds.items(), key=lambda item: item[0].order()):
            steps = waterfall_of(record)
            if len(steps) > 1 and drawn < _MOST_WATERFALLS:
                drawn += 1
                title = f"{row.model} at {show(row.resolution)}: FPS as each switch is applied"
                name = slug("waterfall", row.model, show(row.resolution), str(drawn))
                painter = functools.partial(draw_waterfall, title, condition.describe(), tuple(steps))
                yield Plot(name, title, painter)
