"""Draw one Pareto plot: axes, frontier, points, labels without overlap, legend."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from segbench.catalog import CATALOG
from segbench.report.labels import Box, place_labels
from segbench.report.style import DOMINATED, INK, MUTED, Look, looks, new_figure, plot_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from segbench.report.pareto import Metric, Point

Segment = tuple[tuple[float, float], tuple[float, float]]

REAL_TIME_FPS = 30
_LONGEST_LABEL = 40
_LOG_FROM = 4.0
_LEAST_MIOU_SPAN = 3.0
_MOST_FAMILIES = 12
_USUAL, _CROWDED = (8.0, 5.2), (10.0, 7.4)
_LEFT, _RIGHT, _TOP, _BELOW_AXES = 0.62, 0.2, 0.66, 0.52
_SIZE, _RING = 6.0, 9.0


def draw(title: str, metric: Metric, points: Sequence[Point], front: Sequence[bool]) -> Figure:
    """The figure of one plot.

    Args:
        title: above the axes.
        metric: the horizontal axis.
        points: what `segbench.report.pareto.pareto_plots` says they mean.
        front: for each point, whether it is on the frontier.
    """
    with plot_style():
        crowded = len(points) > 24
        figure = new_figure(*(_CROWDED if crowded else _USUAL))
        axes = figure.add_subplot()
        best = [point for point, is_best in zip(points, front, strict=True) if is_best]
        look = looks([entry.family for entry in CATALOG.values()] + [point.family for point in points])
        _titles(figure, axes, title, metric, points)
        _scales(axes, metric, points)
        _legend(figure, metric, points, best, look)
        lines = _frontier(axes, metric, best)
        for point in points:
            _draw_point(axes, point, look[point.family], point in best)
        # The frontier is labelled first, unmeasured networks last: they take what room is left.
        ordered = sorted(points, key=lambda point: (point not in best, point.solid is None))
        _labels(axes, metric, ordered, best, lines, 6.6 if crowded else 7.5)
    return figure


def label_of(point: Point, usual_split: str) -> str:
    """The label as drawn: shortened in the middle if very long, with the split unless it is the plot's usual one."""
    name = point.label
    if len(name) > _LONGEST_LABEL:
        half = _LONGEST_LABEL // 2
        name = f"{name[:half]}...{name[-half + 3 :]}"
    return name if point.split == usual_split or point.miou_measured else f"{name} ({point.split or 'split?'})"


def usual_split(points: Sequence[Point]) -> str:
    """The split that most of a plot's claims are on; test where two are as common."""
    counts = Counter(point.split for point in points if not point.miou_measured)
    return max(("test", "val", "trainval", "train", ""), key=lambda split: counts[split])


def _titles(figure: Figure, axes: Axes, title: str, metric: Metric, points: Sequence[Point]) -> None:
    left, height = _LEFT / figure.get_figwidth(), figure.get_figheight()
    figure.text(left, 1 - 0.22 / height, title, size=11.5, weight="bold", va="center", parse_math=False)
    usual, splits = usual_split(points), {point.split for point in points if not point.miou_measured}
    notes = []
    if splits:
        others = [
            split or "split? (not printed)" for split in ("test", "val", "trainval", "train", "") if split in splits
        ]
        where = f"on the {usual} split" if usual else "on a split that is not printed"
        marked = [split for split in others if split != usual and (usual or split != "split? (not printed)")]
        unless = f" unless a label says {' or '.join(marked)}" if marked else ""
        notes.append(f"mIoU claimed {where}{unless}")
    if any(point.hollow for point in points):
        notes.append("frontier of measured costs only")
    figure.text(left, 1 - 0.45 / height, "; ".join(notes), size=8, color=MUTED, va="center", parse_math=False)
    axes.set_xlabel(metric.axis, parse_math=False)
    kinds = {point.miou_measured for point in points if point.solid}
    axes.set_ylabel(
        f"{'Claimed or measured' if len(kinds) == 2 else 'Measured' if True in kinds else 'Claimed'} mIoU (%)"
    )


def _scales(axes: Axes, metric: Metric, points: Sequence[Point]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    drawn = [pair for point in points for pair in (*([point.solid] if point.solid else []), *point.hollow)]
    xs, ys = [x for x, _ in drawn if x > 0], [y for _, y in drawn]
    xs += [end for point in points for end in point.interval or () if end > 0]
    if metric.key == "fps":
        xs.append(REAL_TIME_FPS)
    low, high = min(xs), max(xs)
    if high >= _LOG_FROM * low:
        axes.set_xscale("log")
        margin = (high / low) ** 0.07
        axes.set_xlim(low / margin, high * margin)
        decades = 1.6 if high < 40 * low else 3.2
        subs = (1, 2, 3, 5, 7) if decades == 1.6 else (1, 2, 5)
        axes.xaxis.set_major_locator(
            LogLocator(subs=[sub for sub in subs if high < 2000 * low or sub == 1], numticks=99)
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.09 * (high - low) or 0.2 * high
        axes.set_xlim(max(low - margin, 0), high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.10g}"))
    middle, half = (max(ys) + min(ys)) / 2, max(0.6 * (max(ys) - min(ys)), _LEAST_MIOU_SPAN / 2)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))


def _legend(
    figure: Figure, metric: Metric, points: Sequence[Point], best: Sequence[Point], look: dict[str, Look]
) -> None:
    """Put the legend below the axes, and the axes above whatever height it takes."""
    from matplotlib.lines import Line2D

    def key(label: str, **style: Any) -> Line2D:
        return Line2D([], [], label=label, **{"linestyle": "none", "markersize": _SIZE, **style})

    solids = [point for point in points if point.solid]
    keys = [key("cost measured", marker="o", color=INK, markeredgecolor="white")]
    if len(best) < len(solids):
        keys.append(key("dominated", marker="o", color=DOMINATED, markeredgecolor="white"))
    if any(point.miou_measured for point in solids):
        keys.append(key("mIoU measured too", marker="o", color="white", markeredgecolor=INK, markeredgewidth=1.4))
    if any(point.hollow for point in points):
        keys.append(key(metric.claims_label, marker="o", markersize=7, color="none", markeredgecolor=INK))
    keys.append(key("Pareto frontier", linestyle="-", marker="", color=INK, linewidth=1.0))
    ranked, families = {point.family for point in best}, []
    for family in dict.fromkeys(point.family for point in solids):
        colour = look[family].colour if family in ranked else DOMINATED
        families.append(key(_short(family), marker=look[family].marker, color=colour, markeredgecolor="white"))
    inches = figure.get_figheight()
    bottom = 0.06
    columns = math.ceil(len(families) / math.ceil(len(families) / 8))
    named = [(families, columns)] if len(families) <= _MOST_FAMILIES else []
    for handles, ncols in (*named, (keys, len(keys))):
        legend = figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(_LEFT / figure.get_figwidth(), bottom / inches),
            ncols=ncols,
            fontsize=7.5,
            handletextpad=0.4,
            columnspacing=1.6,
            borderaxespad=0.0,
            borderpad=0.0,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
        renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        bottom += legend.get_window_extent(renderer).height / figure.dpi + 0.06
    figure.subplots_adjust(
        left=_LEFT / figure.get_figwidth(),
        right=1 - _RIGHT / figure.get_figwidth(),
        top=1 - _TOP / inches,
        bottom=(_BELOW_AXES + bottom) / inches,
    )


def _frontier(axes: Axes, metric: Metric, best: Sequence[Point]) -> list[Segment]:
    """Draw the frontier as steps to the edges of the axes; its segments, and the real-time line's, in data units."""
    corners = sorted({point.solid for point in best if point.solid})
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    if metric.more_is_better:
        path = [(left, corners[0][1])]
        for (x, y), following in zip(corners, [*corners[1:], None], strict=True):
            path += [(x, y), (x, following[1] if following else bottom)]
    else:
        path = [(corners[0][0], bottom)]
        for (x, y), following in zip(corners, [*corners[1:], None], strict=True):
            path += [(x, y), (following[0] if following else right, y)]
    axes.plot(*zip(*path, strict=True), color=INK, linewidth=1.0, alpha=0.75, zorder=2, scalex=False, scaley=False)
    lines = list(itertools.pairwise(path))
    if metric.key == "fps":
        axes.axvline(REAL_TIME_FPS, color=MUTED, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1.5)
        lines.append(((REAL_TIME_FPS, bottom), (REAL_TIME_FPS, axes.get_ylim()[1])))
    return lines


def _draw_point(axes: Axes, point: Point, look: Look, is_best: bool) -> None:
    colour = look.colour if is_best else DOMINATED
    order = 4.0 if is_best else 3.0
    for pair in point.hollow:
        if point.solid:
            axes.plot(*zip(point.solid, pair, strict=True), color=colour, linewidth=0.8, alpha=0.8, zorder=order - 0.5)
        axes.plot(
            *pair,
            marker=look.marker if point.solid else "o",
            markersize=_RING if point.solid else _SIZE,
            color="none",
            markeredgecolor=colour if point.solid else MUTED,
            markeredgewidth=0.9,
            zorder=order - 0.2,
        )
    if point.solid:
        if point.interval:
            x, (low, high) = point.solid[0], point.interval
            ends = [[max(x - low, 0)], [max(high - x, 0)]]
            axes.errorbar(*point.solid, xerr=ends, ecolor=colour, elinewidth=0.9, capsize=1.5, fmt="none", zorder=order)
        axes.plot(
            *point.solid,
            marker=look.marker,
            markersize=_SIZE,
            color=colour,
            markeredgecolor=INK if point.miou_measured else "white",
            markeredgewidth=1.2 if point.miou_measured else 0.5,
            zorder=order,
        )


def _labels(
    axes: Axes, metric: Metric, points: Sequence[Point], best: Sequence[Point], lines: Sequence[Segment], size: float
) -> None:
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixel = figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    bounds = Box(frame.x0 + 2 * pixel, frame.y0 + 2 * pixel, frame.x1, frame.y1)

    def at(pair: tuple[float, float]) -> tuple[float, float]:
        x, y = axes.transData.transform(pair)
        return float(x), float(y)

    def around(pair: tuple[float, float], diameter: float) -> Box:
        (x, y), half = at(pair), diameter * pixel / 2
        return Box(x - half, y - half, x + half, y + half)

    markers = [around(point.solid, _SIZE + 1.5) for point in points if point.solid]
    markers += [around(pair, (_RING if point.solid else _SIZE) + 1.5) for point in points for pair in point.hollow]
    for point in points:
        if point.solid and point.interval:
            ends = [around((end, point.solid[1]), 4) for end in point.interval if end > 0]
            markers.append(Box(min(end.x0 for end in ends), ends[0].y0, max(end.x1 for end in ends), ends[0].y1))
    if metric.key == "fps":
        markers.append(_real_time_note(axes, renderer))
    drawn = [*lines, *((point.solid, pair) for point in points if point.solid for pair in point.hollow)]
    styles: list[dict[str, Any]] = [
        {
            "size": size,
            "color": INK if point in best else MUTED,
            "weight": "bold" if point in best else "normal",
            "parse_math": False,
        }
        for point in points
    ]
    sizes, usual = [], usual_split(points)
    for point, style in zip(points, styles, strict=True):
        text = figure.text(0, 0, label_of(point, usual), **style)
        extent = text.get_window_extent(renderer)
        text.remove()
        # A hair of air around each label keeps neighbours apart on other renderers too.
        sizes.append((extent.width + 2 * pixel, extent.height + 1 * pixel))
    anchors = [at(point.solid or point.hollow[0]) for point in points]
    places = place_labels(
        anchors, sizes, markers, [(at(start), at(end)) for start, end in drawn], bounds, gap=(_SIZE / 2 + 2.2) * pixel
    )
    missing = 0
    for point, style, anchor, place in zip(points, styles, anchors, places, strict=True):
        if place is None:
            missing += 1
            continue
        box = place.box
        centre = ((box.x0 + box.x1) / 2 - anchor[0], (box.y0 + box.y1) / 2 - anchor[1])
        axes.annotate(
            label_of(point, usual),
            point.solid or point.hollow[0],
            xytext=(centre[0] / pixel, centre[1] / pixel),
            textcoords="offset points",
            ha="center",
            va="center",
            zorder=6,
            gid="label",
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
            **style,
        )
        if place.leader:
            end = axes.transData.inverted().transform(box.nearest(anchor))
            xs, ys = zip(point.solid or point.hollow[0], end, strict=True)
            axes.plot(xs, ys, color=MUTED, linewidth=0.5, alpha=0.8, zorder=2.5, scalex=False, scaley=False)
    if missing:
        note = f"labels left out for want of room: {missing}; the table has every network"
        axes.text(1, 1.01, note, size=7, color=MUTED, ha="right", transform=axes.transAxes)


def _real_time_note(axes: Axes, renderer: Any) -> Box:
    """Name the real-time line at the foot of the axes, on the side that has room."""
    near_right = axes.transAxes.inverted().transform(axes.transData.transform((REAL_TIME_FPS, 0)))[0] > 0.85
    text = axes.annotate(
        f"real time: {REAL_TIME_FPS} FPS",
        (REAL_TIME_FPS, 0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if near_right else 4, 5),
        textcoords="offset points",
        ha="right" if near_right else "left",
        size=7,
        color=MUTED,
        zorder=2,
    )
    extent = text.get_window_extent(renderer)
    return Box(extent.x0, extent.y0, extent.x1, extent.y1)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 3]}..."
