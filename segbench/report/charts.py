"""Plots beside the Pareto ones: claimed against measured, counting rules, waterfalls, launch-bound networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from segbench.claims import Claim
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.report.bars import draw_bars, draw_rules, draw_waterfall
from segbench.report.escape import slug
from segbench.report.measured import Measured, timings_of
from segbench.report.pairing import belongs
from segbench.report.plots import Plot, Step
from segbench.report.scatter import Pair, correlation_note, draw_pairs
from segbench.report.style import per_second
from segbench.resolution import show

RULES = ("conv-macs", "fvcore", "thop", "ptflops-0.6.3", "ptflops-0.6.9", "torchstat")
"""The rules whose spread is drawn; ``2xmacs`` is left out because it is twice ``macs`` by definition."""

_PRINTED = {
    "fps": ("FPS", "FPS that the paper prints, on its own GPU"),
    "params": ("parameters", "Parameters that the paper prints (M)"),
    "macs": ("FLOPs", "FLOPs that the paper prints (G), under its own counting rule"),
}
_MOST_ROWS, _MOST_WATERFALLS = 70, 12


def waterfall_of(record: Record) -> list[Step]:
    """The steps of a Record's waterfall that have a figure; empty where there is no waterfall."""
    steps: list[Step] = []
    for row in record.waterfall or ():
        if row.fps:
            factor = row.factor if row.factor is not None or not steps else row.fps / steps[-1].fps
            steps.append(Step(row.switch, row.fps, factor or None, row.kept))
    return steps


def busy_share(row: Measured, conditions: TimingConditions) -> float | None:
    """The share of a frame's time during which the GPU was busy, 0 to 1 (timing noise can put it a little above)."""
    busy, fps = row.number(conditions, "gpu_busy_ms"), row.number(conditions, "fps")
    return None if busy is None or not fps else busy * fps / (1000.0 * conditions.batch)


def rank_correlation_of(rows: Sequence[Measured], claims: Sequence[Claim]) -> str:
    """How well claimed FPS order the networks as measured FPS do, in words; empty where no pair has both."""
    for timing in _gpu_timings(rows):
        pairs = list(_pairs(rows, claims, "fps", functools.partial(_fps, timing), sized=True))
        if pairs:
            return f"Claimed against measured FPS ({timing.describe()}): {correlation_note(pairs)}."
    return ""


def _gpu_timings(rows: Sequence[Measured]) -> list[TimingConditions]:
    """The conditions with batch 1 on a GPU: printed FPS are a GPU's."""
    return [timing for timing in timings_of(rows) if timing.batch == 1 and not timing.on_cpu]


def claimed_against_measured(rows: Sequence[Measured], claims: Sequence[Claim]) -> Iterator[Plot]:
    """FPS, parameters and MACs as papers print them, against what was measured."""
    kinds: list[tuple[str, str, str, str, Callable[[Measured], float | None]]] = []
    for place, timing in enumerate(_gpu_timings(rows)):
        name = "fps" if place == 0 else f"fps-{place + 1}"
        kinds.append((name, "fps", f"FPS measured on {timing.describe()}", "fps", functools.partial(_fps, timing)))
    kinds.append(("params", "params", "Parameters counted (M)", "params_m", lambda row: _divided(row.params, 1e6)))
    kinds.append(("macs", "macs", "MACs counted (G)", "gflops", lambda row: _divided(row.macs, 1e9)))
    for name, key, axis, attribute, quantity in kinds:
        pairs = tuple(_pairs(rows, claims, attribute, quantity, sized=key != "params"))
        if pairs:
            what, printed = _PRINTED[key]
            title = f"Claimed against measured {what}"
            painter = functools.partial(draw_pairs, title, printed, axis, pairs)
            yield Plot(f"claimed-against-measured-{name}", title, painter)


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


def _fps(conditions: TimingConditions, row: Measured) -> float | None:
    return row.number(conditions, "fps")


def _divided(count: float | None, unit: float) -> float | None:
    return None if count is None else count / unit


def rule_spread(rows: Sequence[Measured], claims: Sequence[Claim] = ()) -> Iterator[Plot]:
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


def launch_bound(rows: Sequence[Measured], claims: Sequence[Claim] = ()) -> Iterator[Plot]:
    """How busy the GPU is under each set of timing conditions, the least busy network first."""
    for place, conditions in enumerate(timings_of(rows)):
        bars = []
        for row in rows:
            share = busy_share(row, conditions)
            if share is not None:
                speed = row.timings[conditions].speed
                figures = [row.number(conditions, "fps"), speed.graph_fps if speed else None]
                told = " / ".join(per_second(figure) for figure in figures if figure is not None)
                bars.append(
                    (f"{row.model} {show(row.resolution)}: {told}", share, (speed and speed.verdict) or "no verdict")
                )
        if bars:
            bars.sort(key=lambda bar: (bar[1], bar[0]))
            title = "Is the GPU kept busy? FPS as called / as a CUDA graph"
            axis = f"share of a frame's time with the GPU busy; {conditions.describe()}"
            left_out = max(len(bars) - _MOST_ROWS, 0)
            painter = functools.partial(draw_bars, title, axis, tuple(bars[:_MOST_ROWS]), left_out)
            yield Plot("launch-bound" + (f"-{place}" if place else ""), title, painter)


def waterfalls(rows: Sequence[Measured], claims: Sequence[Claim] = ()) -> Iterator[Plot]:
    """FPS as each switch is applied, for each network and set of timing conditions."""
    drawn = 0
    for row in rows:
        for conditions, record in sorted(row.timings.items(), key=lambda item: item[0].order()):
            steps = waterfall_of(record)
            if len(steps) > 1 and drawn < _MOST_WATERFALLS:
                drawn += 1
                title = f"{row.model} at {show(row.resolution)}: FPS as each switch is applied"
                name = slug("waterfall", row.model, show(row.resolution), str(drawn))
                painter = functools.partial(draw_waterfall, title, conditions.describe(), tuple(steps))
                yield Plot(name, title, painter)
