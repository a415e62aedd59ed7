"""Pareto plots: mIoU against measured FPS, latency, energy, parameters and MACs, for each data set and resolution."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from segbench.catalog import CATALOG
from segbench.claims import Claim, Figure
from segbench.record import Record
from segbench.report.escape import slug
from segbench.report.measured import Condition, Measured, Rows, measured
from segbench.report.pairing import Pairing, Size, claimed_cost, claimed_fps
from segbench.report.plots import Plot
from segbench.report.style import as_number
from segbench.resolution import show

# Beyond these a folder of plots helps nobody: the page has every network at every size.
_MOST_PLOTS, _MOST_TIMINGS = 60, 3


@dataclass(frozen=True, slots=True)
class Metric:
    """A horizontal axis.

    Attributes:
        key: part of a plot's name: ``fps``, ``latency``, ``energy``, ``params`` or ``macs``.
        title: in a plot's title.
        axis: title of the axis, unit included.
        more_is_better: whether the frontier runs to the right.
        unit: divides a Record's number.
        claims_label: what a hollow point is, in the legend.
        printed: the field of a claim that holds this metric; empty where papers print none.
        condition: of the timings, on an axis of timings.
    """

    key: str
    title: str
    axis: str
    more_is_better: bool
    unit: float
    claims_label: str
    printed: str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One network on one plot.

    Attributes:
        model: name of the network.
        family: decides marker and colour.
        label: the name, with what sets this point apart from others of the plot.
        solid: cost measured here, and mIoU (claimed, unless `miou_measured`); None where nothing was measured.
        hollow: cost and mIoU as papers print them.
        interval: confidence interval of a measured FPS.
        miou_measured: whether the mIoU of `solid` was measured.
        split: of the mIoU.
    """

    model: str
    family: str
    label: str
    solid: tuple[float, float] | None
    hollow: tuple[tuple[float, float], ...] = ()
    interval: tuple[float, float] | None = None
    miou_measured: bool = False
    split: str = ""


PARAMS = Metric("params", "parameters", "Parameters (M)", False, 1e6, "as the paper claims", "params_m")
MACS = Metric("macs", "MACs", "MACs (G)", False, 1e9, "as the paper claims, under its own counting rule", "gflops")


def timing_metrics(condition: Condition) -> list[Metric]:
    """The axes for timings under one condition, a CPU's labelled CPU: FPS, median latency, energy of a frame."""
    where = f"CPU ({condition.device})" if condition.kind == "cpu" else condition.device
    how = f"measured on {where}, mode {condition.mode}, {condition.precision}, batch {condition.batch}"
    claimed = "as the paper claims, on its own GPU"
    return [
        Metric("fps", "FPS", f"FPS {how}", True, 1.0, claimed, "fps", condition),
        Metric("latency", "latency", f"Median latency (ms) {how}", False, 1.0, claimed, "", condition),
        Metric("energy", "energy", f"Energy of a frame (mJ) {how}", False, 1.0, claimed, "", condition),
    ]


def pareto_front(points: Sequence[tuple[float, float]], *, more_is_better: bool) -> list[bool]:
    """Which points no other point beats: at least as good on both axes and better on one.

    Args:
        points: (x, mIoU) pairs. Points that tie on both axes are all on the front.
        more_is_better: whether a larger x is better (FPS) or worse (parameters, MACs).
    """
    sign = 1 if more_is_better else -1
    # From best to worst x, ties by mIoU: a point is beaten if an earlier one has its mIoU or more.
    order = sorted(range(len(points)), key=lambda index: (-sign * points[index][0], -points[index][1]))
    front, best, last = [False] * len(points), float("-inf"), None
    for index in order:
        if points[index][1] > best or points[index] == last:
            front[index], best, last = True, points[index][1], points[index]
    return front


def pareto_plots(records: Iterable[Record] | Rows, claims: Iterable[Claim]) -> list[Plot]:
    """Plots of mIoU against FPS, latency and energy (for each device, mode and precision), parameters and MACs.

    A network stands on the plot of a data set and resolution when it was measured at that resolution and a paper claims
    an mIoU for it there, or when its mIoU was measured there (`segbench.report.pairing` has the rules). Claims without
    a printed size have plots of their own, against parameters only. Filled points have a measured cost, and only they
    form the frontier; hollow points are a paper's own figures, joined to the measured point of the same network.
    A network that segbench does not build stands hollow on the plots of the papers that claim figures for it.
    Claimed FPS come from other GPUs and are left out of plots of CPU timings, as are networks that were not timed.

    Args:
        records: in any order; of several measurements of the same thing the latest counts, failures are left out.
        claims: as from `segbench.claims.load_claims`.

    Returns:
        Plots with at least one measured point, sorted by data set, resolution and metric; of very many data sets and
        resolutions those with most networks.
    """
    from segbench.report.drawing import draw

    rows, pairing = measured(records), Pairing(claims)
    conditions = sorted({condition for row in rows for condition in row.speeds}, key=Condition.order)
    timings = [condition for condition in conditions if condition.batch == 1][:_MOST_TIMINGS]
    plots = []
    timed = [metric for condition in timings for metric in timing_metrics(condition)]
    for (dataset, size), own in _groups(rows, pairing, _MOST_PLOTS // (len(timed) + 2)).items():
        for metric in [PARAMS] if size is None else [*timed, PARAMS, MACS]:
            points = tuple(_distinct(_points(own, pairing, dataset, size, metric)))
            if any(point.solid for point in points):
                name = _name(dataset, size, metric, timings)
                title = f"{dataset}, {show(size) if size else 'input size not printed'}: mIoU against {metric.title}"
                painter = functools.partial(draw, title, metric, points, tuple(_front(points, metric)))
                plots.append(Plot(name, title, painter, points))
    return plots


def _groups(rows: Sequence[Measured], pairing: Pairing, most: int) -> dict[tuple[str, Size], list[Measured]]:
    """Data set and size of the plots with their rows, those with most networks; unprinted sizes last."""
    found: dict[tuple[str, Size], dict[int, Measured]] = {}
    for place, row in enumerate(rows):
        if row.accuracy:
            found.setdefault((row.accuracy.dataset, row.resolution), {})[place] = row
        for claimed in pairing.miou(row.record):
            found.setdefault((claimed.claim.dataset, claimed.claim.size), {})[place] = row

    def order(group: tuple[str, Size]) -> tuple[object, ...]:
        return group[0], group[1] is None, group[1] or ()

    fullest = sorted(found, key=lambda group: (-len(found[group]), order(group)))[:most]
    return {group: list(found[group].values()) for group in sorted(fullest, key=order)}


def _points(rows: Sequence[Measured], pairing: Pairing, dataset: str, size: Size, metric: Metric) -> Iterator[Point]:
    claims = [claim for claim in pairing.claims if claim.dataset == dataset]
    papers: set[str] = set()
    drawn: set[tuple[str, str]] = set()
    for row in rows:
        cost, interval = _cost(row, metric)
        if cost is None or (size is not None and row.resolution != size):
            continue
        own = [
            claimed
            for claimed in pairing.miou(row.record)
            if (claimed.claim.dataset, claimed.claim.size) == (dataset, size)
        ]
        hollow = {
            claimed.claim.paper: tuple(
                (x, float(claimed.figure.value)) for x in _claimed_costs(claims, claimed.claim, metric)
            )
            for claimed in own
        }
        entry = CATALOG.get(row.model)
        family = entry.family if entry else row.model
        if row.accuracy and row.accuracy.dataset == dataset and row.resolution == size:
            # Without a printed cost the claimed mIoU stands at the measured one.
            printed = [(cost, float(claimed.figure.value)) for claimed in own if not hollow[claimed.claim.paper]]
            solid, all_hollow = (
                (cost, 100 * row.accuracy.miou),
                [*printed, *(xy for some in hollow.values() for xy in some)],
            )
            yield Point(row.model, family, row.model, solid, tuple(all_hollow), interval, True, row.accuracy.split)
        else:
            for claimed in own:
                if (row.model, claimed.claim.paper) in drawn:
                    continue
                drawn.add((row.model, claimed.claim.paper))
                label = row.model if len(own) == 1 else f"{row.model} [{claimed.claim.paper}]"
                solid = (cost, float(claimed.figure.value))
                pairs = hollow[claimed.claim.paper]
                yield Point(row.model, family, label, solid, pairs, interval, split=claimed.claim.split)
        papers.update(claimed.claim.paper for claimed in own)
    if metric.condition is None:
        measured_here = {model for model, _ in drawn}
        peers = [
            claimed.claim
            for claimed in pairing.preferred
            if claimed.claim.paper in papers and (claimed.claim.dataset, claimed.claim.size) == (dataset, size)
        ]
        yield from _peers([peer for peer in peers if peer.model not in measured_here], claims, metric)


def _peers(preferred: Sequence[Claim], claims: Sequence[Claim], metric: Metric) -> Iterator[Point]:
    """Networks that segbench does not build, as the plotted papers print them."""
    for claim in preferred:
        if claim.model in CATALOG:
            continue
        costs = _claimed_costs(claims, claim, metric)
        if costs and claim.miou_percent is not None:
            several = sum(other.model == claim.model for other in preferred) > 1
            label = f"{claim.model} [{claim.paper}]" if several else claim.model
            pairs = tuple((x, float(claim.miou_percent.value)) for x in costs)
            yield Point(claim.model, claim.model, label, None, pairs, split=claim.split)


def _distinct(points: Iterable[Point]) -> Iterator[Point]:
    """Each point once: several Records of one network at sizes that a plot does not tell apart are one point."""
    yield from dict.fromkeys(points)


def _cost(row: Measured, metric: Metric) -> tuple[float | None, tuple[float, float] | None]:
    if metric.condition is not None:
        number = row.number(metric.condition, metric.key)
        timed = row.speeds.get(metric.condition)
        ends = (timed.speed or {}).get("fps_ci95") if timed is not None and metric.key == "fps" else None
        interval = [as_number(end) for end in ends] if isinstance(ends, (list, tuple)) and len(ends) == 2 else []
        low, high = interval if interval else (None, None)
        return number or None, None if low is None or high is None else (low, high)
    number = row.params if metric.key == "params" else row.macs if row.record.batch == 1 else None
    # Zero has no place on a logarithmic axis; a network without parameters is not ranked.
    return (number / metric.unit if number else None), None


def _claimed_costs(claims: Sequence[Claim], claim: Claim, metric: Metric) -> list[float]:
    """What the paper of a claim prints for the same network: FPS on every GPU, or one cost at the same size."""
    if not metric.printed or (metric.condition is not None and metric.condition.kind == "cpu"):
        return []
    same = [
        other
        for other in claims
        if (other.paper, other.model, other.dataset) == (claim.paper, claim.model, claim.dataset)
        and (metric.key == "params" or (other.size == claim.size and claim.size is not None))
    ]
    if metric.key == "fps":
        return sorted({float(claimed.figure.value) for claimed in claimed_fps(same)})
    figure = claimed_cost(same, lambda other: _printed(other, metric))
    return [] if figure is None else [float(figure.value)]


def _printed(claim: Claim, metric: Metric) -> Figure | None:
    figure = getattr(claim, metric.printed)
    assert figure is None or isinstance(figure, Figure)
    return figure


def _front(points: Sequence[Point], metric: Metric) -> list[bool]:
    """For each point whether it is on the frontier, which unmeasured points never are."""
    places = [place for place, point in enumerate(points) if point.solid]
    solids = [point.solid for point in points if point.solid]
    best = pareto_front(solids, more_is_better=metric.more_is_better)
    found = {place for place, is_best in zip(places, best, strict=True) if is_best}
    return [place in found for place in range(len(points))]


def _name(dataset: str, size: Size, metric: Metric, timings: Sequence[Condition]) -> str:
    parts = [dataset, show(size) if size else "size-not-printed", metric.key]
    if metric.condition is not None:
        # The shortest heading that tells the timings apart, as in tables.
        details = (detail for detail in range(5) if len({timing.heading(detail) for timing in timings}) == len(timings))
        parts.append(metric.condition.heading(next(details, 4)).partition("(")[2])
    return slug(*parts)
