"""Pareto plots: mIoU against measured FPS, latency, energy, parameters and MACs, for each data set and resolution."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from segbench.catalog import CATALOG
from segbench.claims import Claim, Figure
from segbench.records.accuracy_conditions import AccuracyConditions, small_print
from segbench.records.timing_conditions import TimingConditions, headings
from segbench.report.drawing import draw
from segbench.report.escape import slug
from segbench.report.measured import Measured, panels, timings_of
from segbench.report.pairing import SELF_REPORTED, Pairing, Size, claimed_cost, claimed_fps
from segbench.report.plots import Metric, Plot, Point
from segbench.resolution import show
from segbench.units import significant

Group = tuple[str, Size, str]
Panels = Mapping[tuple[AccuracyConditions, tuple[int, int]], str]

# Beyond these a folder of plots helps nobody: the page has every network at every size.
_MOST_PLOTS, _MOST_TIMINGS = 60, 3
# Of so few networks, chosen to be seen together, each is drawn, also where its mIoU's size is not printed.
_CHOSEN = 24


PARAMS = Metric("params", "parameters", "Parameters (M)", False, 1e6, "as the paper claims", "params_m")
MACS = Metric("macs", "MACs", "MACs (G)", False, 1e9, "as the paper claims, under its own counting rule", "gflops")


def timing_metrics(conditions: TimingConditions) -> list[Metric]:
    """The axes for timings under the same conditions, a CPU's labelled CPU: FPS, median latency, energy of a frame."""
    how = f"measured on {conditions.describe()}"
    claimed = "as the paper claims, on its own GPU"
    return [
        Metric("fps", "FPS", f"FPS {how}", True, 1.0, claimed, "fps", conditions),
        Metric("latency", "latency", f"Median latency (ms) {how}", False, 1.0, claimed, "", conditions),
        Metric("energy", "energy", f"Energy of a frame (mJ) {how}", False, 1.0, claimed, "", conditions),
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


def pareto_plots(rows: Sequence[Measured], claims: Iterable[Claim]) -> list[Plot]:
    """Plots of mIoU against FPS, latency and energy (for each set of conditions), parameters and MACs.

    A network stands on the plot of a data set and resolution when it was measured at that resolution and a paper claims
    an mIoU for it there, or when its mIoU was measured there (`segbench.report.pairing` has the rules). Claims without
    a printed size have plots of their own, against parameters only. Filled points have a measured cost, and only they
    form the frontier; hollow points are a paper's own figures, joined to the measured point of the same network.
    Of a single paper's claims, the networks that segbench does not build stand hollow beside them. Of few networks
    those whose mIoU has no printed size are drawn too, marked so and off the frontier.
    Claimed FPS come from other GPUs and are left out of plots of CPU timings, as are networks that were not timed.
    Timings under unlike conditions are on plots of their own, and so are unlike measured mIoUs
    (`segbench.report.measured.panels`); claims stand beside official and complete ones only.

    Args:
        rows: as `segbench.report.measured.measured` gathers them; failures are left out.
        claims: as from `segbench.claims.load_claims`.

    Returns:
        Plots with at least one measured point, sorted by data set, resolution and metric; of very many data sets and
        resolutions those with most networks.
    """
    claims = list(claims)
    pairing, shown = Pairing(claims), panels(rows)
    with_peers = len({claim.paper for claim in claims} - {SELF_REPORTED}) == 1
    few = len({row.model for row in rows}) <= _CHOSEN
    timings = timings_drawn(rows)
    plots: dict[str, Plot] = {}
    timed = [metric for conditions in timings for metric in timing_metrics(conditions)]
    groups = _groups(rows, pairing, shown, _MOST_PLOTS // (len(timed) + 2))
    for (dataset, size, panel), own in groups.items():
        scored = _scored(own, panel, size, shown)
        for metric in [PARAMS] if size is None else [*timed, PARAMS, MACS]:
            points = tuple(_distinct(_points(own, pairing, dataset, size, panel, metric, shown, with_peers)))
            if few and size is not None and panel == dataset:
                points += tuple(_unsized(rows, pairing, dataset, size, metric, {point.model for point in points}))
            if any(point.solid for point in points):
                where = show(size) if size else "input size not printed"
                what = f"{where}: mIoU against {metric.title}"
                front = tuple(_front(points, metric))
                # On the plot itself a line under the title says on what the mIoU was measured.
                painter = functools.partial(draw, f"{dataset}, {what}", metric, points, front, scored)
                name = unlike(_name(panel, size, metric, timings), plots)
                plots[name] = Plot(name, f"{panel}, {what}", painter, points)
    return list(plots.values())


def timings_drawn(rows: Iterable[Measured]) -> list[TimingConditions]:
    """The conditions with batch 1 whose timings have plots: of very many, those of most networks."""
    counts = Counter(conditions for row in rows for conditions in row.timings if conditions.batch == 1)
    most = sorted(counts, key=lambda conditions: (-counts[conditions], conditions.order()))[:_MOST_TIMINGS]
    return sorted(most, key=TimingConditions.order)


def timings_note(rows: Sequence[Measured]) -> str:
    """Which timings have no plots; empty where all have."""
    found = [conditions for conditions in timings_of(rows) if conditions.batch == 1]
    if len(found) <= _MOST_TIMINGS:
        return ""
    return (
        f"Plots: {_MOST_TIMINGS} of {len(found)} timing conditions are drawn, those of most networks; the page has all."
    )


def unlike(name: str, taken: Container[str]) -> str:
    """A name that no other plot has, nor one that a file system takes for the same."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(found for found in names if found not in taken)


def _groups(rows: Sequence[Measured], pairing: Pairing, shown: Panels, most: int) -> dict[Group, list[Measured]]:
    """Data set, size and panel of the plots with their rows, those with most networks; unprinted sizes last."""
    found: dict[Group, dict[int, Measured]] = {}
    for place, row in enumerate(rows):
        for conditions in row.accuracies:
            panel = shown[conditions.benchmark(), row.resolution]
            found.setdefault((conditions.dataset, row.resolution, panel), {})[place] = row
        for claimed in pairing.miou(row.record):
            dataset = claimed.claim.dataset
            found.setdefault((dataset, claimed.claim.size, dataset), {})[place] = row

    def order(group: Group) -> tuple[object, ...]:
        dataset, size, panel = group
        return dataset, size is None, size or (), panel != dataset, panel

    fullest = sorted(found, key=lambda group: (-len(found[group]), order(group)))[:most]
    return {group: list(found[group].values()) for group in sorted(fullest, key=order)}


def _scored(rows: Iterable[Measured], panel: str, size: Size, shown: Panels) -> str:
    """What the measured mIoUs of a panel were scored on and how."""
    found = (
        conditions.benchmark()
        for row in rows
        for conditions in row.accuracies
        if size == row.resolution and shown[conditions.benchmark(), size] == panel
    )
    one = next(found, None)
    return small_print([one])[0] if one else ""


def _points(
    rows: Sequence[Measured],
    pairing: Pairing,
    dataset: str,
    size: Size,
    panel: str,
    metric: Metric,
    shown: Panels,
    with_peers: bool,
) -> Iterator[Point]:
    with_claims = panel == dataset
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
            if with_claims and (claimed.claim.dataset, claimed.claim.size) == (dataset, size)
        ]
        hollow = {
            claimed.claim.paper: tuple(
                (x, float(claimed.figure.value)) for x in _claimed_costs(claims, claimed.claim, metric)
            )
            for claimed in own
        }
        entry = CATALOG.get(row.model)
        family = entry.family if entry else row.model
        scores = [
            (conditions, percent)
            for conditions, percent in row.scores()
            if row.resolution == size and shown[conditions.benchmark(), size] == panel
        ]
        # Without a printed cost the claimed mIoU stands at the measured one.
        printed = [(cost, float(claimed.figure.value)) for claimed in own if not hollow[claimed.claim.paper]]
        pairs = (*printed, *(xy for some in hollow.values() for xy in some))
        texts = small_print([conditions for conditions, _ in scores])
        for (conditions, percent), text in zip(scores, texts, strict=True):
            # Scores of one network on one plot differ in its weights, or in what they were trained with.
            label = row.model if len(scores) == 1 else f"{row.model} ({text.removeprefix(f'{conditions.place}, ')})"
            yield Point(row.model, family, label, (cost, percent), pairs, interval, True, conditions.split)
        for claimed in own if not scores else ():
            if (row.model, claimed.claim.paper) in drawn:
                continue
            drawn.add((row.model, claimed.claim.paper))
            several = len(own) > 1 or claimed.claim.paper == SELF_REPORTED
            label = f"{row.model} [{claimed.claim.paper}]" if several else row.model
            solid = (cost, float(claimed.figure.value))
            yield Point(
                row.model, family, label, solid, hollow[claimed.claim.paper], interval, split=claimed.claim.split
            )
        papers.update(claimed.claim.paper for claimed in own)
    if metric.conditions is None and with_peers:
        measured_here = {model for model, _ in drawn}
        peers = [
            claimed.claim
            for claimed in pairing.preferred
            if claimed.claim.paper in papers and (claimed.claim.dataset, claimed.claim.size) == (dataset, size)
        ]
        yield from _peers([peer for peer in peers if peer.model not in measured_here], claims, metric)


def distances(plots: Iterable[Plot], model: str) -> Iterator[str]:
    """How far a network is from the frontier of each plot of costs on which it stands, in words."""
    for plot in plots:
        metric = next((metric for metric in (PARAMS, MACS) if plot.name.endswith(f"-{metric.key}")), None)
        own = [point for point in plot.points if point.model == model and point.solid]
        others = [point for point in plot.points if point.model != model and point.solid]
        if metric is None or not own or not others or own[0].solid is None:
            continue
        cost, score = own[0].solid
        as_good = [(point.solid[0], point.label) for point in others if point.solid and point.solid[1] >= score]
        unit = metric.axis.partition("(")[2].rstrip(")")
        if not as_good or min(as_good)[0] >= cost:
            yield f"{model}: on the frontier ({plot.title})"
        else:
            least, name = min(as_good)
            more = significant(cost - least)
            yield f"{model}: {more} {unit} {metric.title} more than {name}, which has its mIoU ({plot.title})"


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


def _unsized(
    rows: Sequence[Measured], pairing: Pairing, dataset: str, size: Size, metric: Metric, drawn: Container[str]
) -> Iterator[Point]:
    """Networks at this size whose mIoU on the data set is printed without a size; of several papers the first."""
    for row in rows:
        cost, _ = _cost(row, metric)
        claims = [claimed for claimed in pairing.miou(row.record) if claimed.claim.dataset == dataset]
        if row.resolution != size or cost is None or row.model in drawn or not claims or claims[0].claim.size:
            continue
        entry, pair = CATALOG.get(row.model), (cost, float(claims[0].figure.value))
        family = entry.family if entry else row.model
        yield Point(row.model, family, row.model, None, (pair,), split=claims[0].claim.split, unsized=True)


def _distinct(points: Iterable[Point]) -> Iterator[Point]:
    """Each point once: several Records of one network at sizes that a plot does not tell apart are one point."""
    yield from dict.fromkeys(points)


def _cost(row: Measured, metric: Metric) -> tuple[float | None, tuple[float, float] | None]:
    if metric.conditions is not None:
        timed = row.timings.get(metric.conditions)
        ends = timed.speed.fps_ci95 if timed and timed.speed and metric.key == "fps" else None
        return row.number(metric.conditions, metric.key) or None, ends
    number = row.params if metric.key == "params" else row.macs if row.record.batch == 1 else None
    # Zero has no place on a logarithmic axis; a network without parameters is not ranked.
    return (number / metric.unit if number else None), None


def _claimed_costs(claims: Sequence[Claim], claim: Claim, metric: Metric) -> list[float]:
    """What the paper of a claim prints for the same network: FPS on every GPU, or one cost at the same size."""
    if not metric.printed or (metric.conditions is not None and metric.conditions.on_cpu):
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


def _name(panel: str, size: Size, metric: Metric, timings: Sequence[TimingConditions]) -> str:
    parts = [panel, show(size) if size else "size-not-printed", metric.key]
    if metric.conditions is not None:
        # The shortest heading that tells the timings apart, as in tables.
        parts.append(headings(timings)[timings.index(metric.conditions)].partition("(")[2])
    return slug(*parts)
