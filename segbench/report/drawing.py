"""Draw one Pareto plot: axes, frontier, points, legend; the labels are `segbench.report.naming`'s."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segbench.catalog import CATALOG
from segbench.catalog.references import title as title_of
from segbench.report.naming import LONGEST_LABEL, REAL_TIME_FPS, Segment, name_points, note_missing, usual_split
from segbench.report.plots import Metric, Point
from segbench.report.style import (
    DOMINATED,
    INK,
    MUTED,
    OWN,
    Layout,
    Look,
    Paper,
    fit,
    layout,
    looks,
    new_figure,
    plot_style,
)
from segbench.spec import is_own

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_LOG_FROM = 4.0
_LEAST_MIOU_SPAN = 3.0
_MOST_FAMILIES = 12


def draw(
    title: str,
    metric: Metric,
    points: Sequence[Point],
    front: Sequence[bool],
    scored: str = "",
    *,
    paper: Paper = False,
) -> Figure:
    """The figure of one plot.

    Args:
        title: above the axes; in a paper its caption says it.
        metric: the horizontal axis.
        points: what `segbench.report.pareto.pareto_plots` says they mean.
        front: for each point, whether it is on the frontier.
        scored: what measured mIoUs were scored on and how.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
    """
    to = layout(paper)
    if paper:
        points = [replace(point, label=point.label.replace(point.model, title_of(point.model), 1)) for point in points]
    with plot_style(paper):
        crowded = len(points) > 24
        figure = new_figure(*(to.crowded if crowded else to.size), paper=paper)
        axes = figure.add_subplot()
        best = [point for point, is_best in zip(points, front, strict=True) if is_best]
        look = looks([entry.family for entry in CATALOG.values()] + [point.family for point in points])
        look |= {point.family: OWN for point in points if is_own(point.model)}
        told = _told(points, best, look)
        # A shape that the legend does not explain would only look as if it said something.
        look = {family: one if family in told else replace(one, marker="o") for family, one in look.items()}
        _titles(figure, axes, title, metric, points, scored, to)
        _scales(axes, metric, points, to)
        _legend(figure, metric, points, best, {family: look[family] for family in told}, to)
        lines = _frontier(axes, metric, best)
        _draw_points(axes, points, best, look, to)
        # An own network and the frontier are labelled first, unmeasured networks last: they take what room is left.
        ranked = {*best, *(point for point in points if is_own(point.model))}
        ordered = sorted(points, key=lambda point: (point not in ranked, point.solid is None))
        named = ordered if len(points) <= to.most_labels else [point for point in ordered if point in ranked]
        named = named[: to.most_labels]
        left_out = len(points) - len(named)
        name_points(axes, metric.key == "fps", named, points, best, lines, to, crowded)
        if left_out:
            note_missing(axes, left_out, to)
    return figure


def _titles(
    figure: Figure, axes: Axes, title: str, metric: Metric, points: Sequence[Point], scored: str, to: Layout
) -> None:
    left, height = to.left / figure.get_figwidth(), figure.get_figheight()
    if to.title:
        above = figure.text(left, 1 - 0.22 / height, title, size=to.title, weight="bold", va="center", parse_math=False)
        fit(above, (1 - left) * figure.get_figwidth() - 0.05)
    usual, splits = usual_split(points), {point.split for point in points if not point.miou_measured}
    notes = [f"mIoU measured: {scored}"] if scored and any(point.miou_measured for point in points) else []
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
    below_title = 0.45 if to.title else 0.1
    # A column has no room to indent it.
    across, text = (left if to.title else 0.05 / figure.get_figwidth()), "; ".join(notes)
    note = figure.text(across, 1 - below_title / height, text, size=to.note, color=MUTED, va="center", parse_math=False)
    fit(note, (1 - across) * figure.get_figwidth() - 0.12)
    _name_axis(axes, metric, to)
    kinds = {point.miou_measured for point in points if point.solid}
    axes.set_ylabel(
        f"{'Claimed or measured' if len(kinds) == 2 else 'Measured' if True in kinds else 'Claimed'} mIoU (%)"
    )


def _name_axis(axes: Axes, metric: Metric, to: Layout) -> None:
    """The horizontal axis's title, which stands below the middle of the axes: the conditions in a line of their own."""
    width = axes.figure.get_figwidth()  # type: ignore[union-attr]
    middle = (to.left + width - to.right) / 2
    label = axes.set_xlabel(metric.axis if to.title else metric.axis.replace(" measured on", "\nmeasured on"))
    label.set_parse_math(False)
    label.set_linespacing(1.1)
    fit(label, 2 * min(middle, width - middle) - 0.05)


def _scales(axes: Axes, metric: Metric, points: Sequence[Point], to: Layout) -> None:
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
        subs = (1, 2, 3, 5, 7) if high < 40 * low and to.title else (1, 2, 5)
        axes.xaxis.set_major_locator(
            LogLocator(subs=[sub for sub in subs if high < 2000 * low or sub == 1], numticks=99)
        )
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.09 * (high - low) or 0.2 * high
        axes.set_xlim(max(low - margin, 0), high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(8 if to.title else 5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.10g}"))
    middle, half = (max(ys) + min(ys)) / 2, max(0.6 * (max(ys) - min(ys)), _LEAST_MIOU_SPAN / 2)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_locator(MaxNLocator(9 if to.title else 6, steps=[1, 2, 5, 10]))


def _told(points: Sequence[Point], best: Sequence[Point], look: Mapping[str, Look]) -> list[str]:
    """The families whose shape the legend explains: all, or of many those on the frontier and the user's own."""
    present = list(dict.fromkeys(point.family for point in points if point.solid))
    if len(present) <= _MOST_FAMILIES:
        return present
    ranked = {point.family for point in best}
    return [family for family in present if family in ranked or look[family] is OWN]


def _legend(
    figure: Figure,
    metric: Metric,
    points: Sequence[Point],
    best: Sequence[Point],
    look: Mapping[str, Look],
    to: Layout,
) -> None:
    """Put the legend below the axes, and the axes above whatever height it takes."""
    from matplotlib.lines import Line2D

    def key(label: str, **style: Any) -> Line2D:
        return Line2D([], [], label=label, **{"linestyle": "none", "markersize": to.marker, **style})

    solids = [point for point in points if point.solid]
    keys = [key("cost measured", marker="o", color=INK, markeredgecolor="white")]
    if len(best) < len(solids):
        keys.append(key("dominated", marker="o", color=DOMINATED, markeredgecolor="white"))
    if any(point.miou_measured for point in solids):
        keys.append(key("mIoU measured too", marker="o", color="white", markeredgecolor=INK, markeredgewidth=1.4))
    if any(point.unsized for point in points):
        keys.append(key("size of the mIoU not printed", marker="x", color=MUTED))
    if any(point.hollow and not point.unsized for point in points):
        keys.append(key(metric.claims_label, marker="o", markersize=to.marker + 1, color="none", markeredgecolor=INK))
    keys.append(key("Pareto frontier", linestyle="-", marker="", color=INK, linewidth=1.0))
    ranked, families = {point.family for point in best}, []
    for family, one in look.items():
        colour = one.colour if family in ranked or one is OWN else DOMINATED
        style = {"markersize": 1.7 * to.marker} if one is OWN else {}
        name = title_of(family) if one is OWN else family
        families.append(key(_short(name), marker=one.marker, color=colour, markeredgecolor="white", **style))
    inches = figure.get_figheight()
    bottom = 0.06 if to.title else 0.03
    widest = 8 if to.title else 4
    columns = math.ceil(len(families) / math.ceil(len(families) / widest)) if families else 0
    named = [(families, columns)] if families else []
    for handles, ncols in (*named, (keys, len(keys) if to.title else 2)):
        extent = None
        # As many columns as there is room for.
        for fewer in range(ncols, 0, -1):
            legend = figure.legend(
                handles=handles,
                loc="lower left",
                bbox_to_anchor=(to.left / figure.get_figwidth(), bottom / inches),
                ncols=fewer,
                fontsize=to.legend,
                handletextpad=0.4,
                columnspacing=1.6 if to.title else 0.9,
                borderaxespad=0.0,
                borderpad=0.0,
            )
            for text in legend.get_texts():
                text.set_parse_math(False)
            extent = legend.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
            if extent.x1 <= figure.bbox.x1 or fewer == 1:
                break
            legend.remove()
        assert extent is not None
        bottom += extent.height / figure.dpi + 0.06
    if not to.title and metric.conditions is not None:
        bottom += 0.13  # for the conditions, which stand in a line of their own
    figure.subplots_adjust(
        left=to.left / figure.get_figwidth(),
        right=1 - to.right / figure.get_figwidth(),
        top=1 - to.top / inches,
        bottom=(to.below + bottom) / inches,
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


def _draw_points(axes: Axes, points: Sequence[Point], best: Sequence[Point], look: dict[str, Look], to: Layout) -> None:
    """Draw all points, those of one look at once: a plot may hold thousands."""
    from matplotlib.collections import LineCollection

    solid: dict[tuple[str, str, bool, float], list[tuple[float, float]]] = {}
    hollow: dict[tuple[str, str, float, float], list[tuple[float, float]]] = {}
    links: dict[tuple[str, float], list[Segment]] = {}
    bars: dict[tuple[str, float], list[tuple[tuple[float, float], tuple[float, float]]]] = {}
    ranked = set(best)
    for point in points:
        order = 4.0 if point in ranked else 3.0
        marker = look[point.family].marker
        own = look[point.family] is OWN
        colour = look[point.family].colour if point in ranked or own else DOMINATED
        for pair in point.hollow:
            unmeasured = ("x" if point.unsized else "o", MUTED, to.marker, order)
            key = (marker, colour, to.ring, order) if point.solid else unmeasured
            hollow.setdefault(key, []).append(pair)
            if point.solid:
                links.setdefault((colour, order), []).append((point.solid, pair))
        if point.solid:
            solid.setdefault((marker, colour, point.miou_measured, order), []).append(point.solid)
            if point.interval:
                bars.setdefault((colour, order), []).append((point.solid, point.interval))
    for (colour, order), segments in links.items():
        lines = LineCollection(segments, colors=colour, linewidths=0.8, alpha=0.8, zorder=order - 0.5)
        axes.add_collection(lines, autolim=False)
    for (marker, colour, size, order), pairs in hollow.items():
        style: dict[str, Any] = {"markersize": size, "color": "none", "markeredgecolor": colour, "markeredgewidth": 0.9}
        axes.plot(*zip(*pairs, strict=True), linestyle="none", marker=marker, zorder=order - 0.2, **style)
    for (colour, order), intervals in bars.items():
        xs, ys = zip(*(place for place, _ in intervals), strict=True)
        ends = [
            [max(x - low, 0) for (x, _), (low, _) in intervals],
            [max(high - x, 0) for (x, _), (_, high) in intervals],
        ]
        axes.errorbar(xs, ys, xerr=ends, ecolor=colour, elinewidth=0.9, capsize=1.5, fmt="none", zorder=order)
    for (marker, colour, scored, order), pairs in solid.items():
        axes.plot(
            *zip(*pairs, strict=True),
            linestyle="none",
            marker=marker,
            markersize=to.marker * (1.7 if colour == OWN.colour else 1.0),
            color=colour,
            markeredgecolor=INK if scored else "white",
            markeredgewidth=1.2 if scored else 0.5,
            zorder=order,
        )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."
