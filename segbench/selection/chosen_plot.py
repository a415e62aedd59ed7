"""Draw two chosen columns against each other: filled where all is measured, hollow where a paper's figure is drawn."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.catalog.references import title
from segbench.errors import BadOption, OutputError, UnknownName
from segbench.report.labels import Box
from segbench.report.naming import Label, Segment, write_labels
from segbench.report.pareto import pareto_front
from segbench.report.plots import SUFFIXES
from segbench.report.style import (
    DOMINATED,
    INK,
    MUTED,
    OWN,
    Layout,
    Look,
    Paper,
    layout,
    looks,
    new_figure,
    plot_style,
    save,
)
from segbench.selection.columns import COLUMNS, PRINTED, Column, find_column
from segbench.spec import is_own
from segbench.units import significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDED = ("source", "network", "resolution", "classes", "miou_is", "miou_on", "unsized_miou", "timed_under")
"""Columns that a plot takes beside those that it draws."""
_SCORES = frozenset({"miou", "measured_miou", "claimed_miou"})
_FAST = frozenset({"fps", "graph_fps"})
_CHEAP = frozenset({"latency", "busy_ms", "enqueue_ms", "energy_mj", "peak_mib"})
UNSIZED = "claimed without a size"
_LOG_FROM = 8
_MOST_LABELS = 80
# Beyond so many points those that are highlighted are labelled alone.
_ALL_LABELLED = 25
_MOST_IN_LEGEND = 24


@dataclass(frozen=True)
class Drawn:
    """What a plot shows.

    Attributes:
        points: how many.
        left_out: rows without one of the two figures.
        frontier: why there is none; empty where there is one, or none was to be expected.
    """

    points: int
    left_out: int
    frontier: str = ""


def check_ending(path: Path) -> None:
    """Refuse a file whose ending is no format of plots.

    Raises:
        BadOption: names the formats.
    """
    if path.suffix.lower().removeprefix(".") not in SUFFIXES:
        raise BadOption(
            f"--out {path} ends in no format of plots; accepted: {', '.join(f'.{end}' for end in SUFFIXES)}"
        )


def axis_column(name: str) -> Column:
    """A column of numbers.

    Raises:
        UnknownName: no such column.
        BadOption: it holds text.
    """
    column = find_column(name)
    if column.kind == "text":
        numbers = ", ".join(found.name for found in COLUMNS.values() if found.kind != "text")
        raise BadOption(f"the column {column.name} holds text, and an axis takes numbers: {numbers}")
    return column


def check_highlight(names: Sequence[str], frame: pd.DataFrame) -> Sequence[str]:
    """The networks to highlight, which have to be among the rows.

    Raises:
        UnknownName: one is not.
    """
    known = list(dict.fromkeys(frame["network"].tolist()))
    for name in names:
        if name not in known:
            raise UnknownName("network to highlight", name, known, "it is not among the rows that are drawn")
    return names


def write_plot(
    frame: pd.DataFrame,
    x: Column,
    y: Column,
    label: Column,
    highlight: Sequence[str],
    paths: Sequence[Path],
    *,
    paper: Paper = False,
) -> Drawn:
    """Draw a row a point and write the files; PDFs have TrueType fonts, as publishers ask.

    Args:
        frame: the rows, with the columns `NEEDED` beside those drawn.
        x: across.
        y: upwards.
        label: beside each point; with the size, where several sizes are drawn.
        highlight: networks in colour, all others grey; every network in colour where there is none.
        paths: each ends in pdf, svg or png.
        paper: draw for a paper, networks named as papers print them.

    Raises:
        BadOption: no row has both figures.
        OutputError: a file cannot be written.
    """
    if y.name == "miou" and frame["resolution"].nunique() == 1:
        # At one size alone: on several, one score would stand at each of them.
        unsized = frame["miou"].isna() & frame["unsized_miou"].notna()
        frame = frame.assign(
            miou=frame["miou"].fillna(frame["unsized_miou"]), miou_is=frame["miou_is"].mask(unsized, UNSIZED)
        )
    both = frame[x.name].notna() & frame[y.name].notna()
    whole = frame[both].drop_duplicates(list(dict.fromkeys(("network", "resolution", x.name, y.name, label.name))))
    if whole.empty:
        raise BadOption(f"none of {len(frame)} rows has both {x.name} and {y.name}: nothing to plot")
    ranked = y.name in _SCORES and (
        x.name in _FAST or x.name in _CHEAP or (x.axis[0] > 1 and not x.name.startswith("claimed_"))
    )
    unlike = _unlike(whole, timed=x.name in _FAST or x.name in _CHEAP) if ranked else ""
    with plot_style(paper):
        figure = _figure(whole, x, y, label, highlight, paper, frontier=ranked and not unlike)
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save(figure, path, paper=paper)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
    return Drawn(len(whole), len(frame) - int(both.sum()), unlike)


def _unlike(frame: pd.DataFrame, *, timed: bool) -> str:
    """Why points have no frontier: what they were counted or scored on is not the same."""
    measured = frame["miou_is"].eq("measured").fillna(False)
    scored_on = [str(text).partition(",")[0] for text in frame["miou_on"].dropna().tolist()]
    datasets = {text.split(" ")[0] for text in scored_on}
    splits = {text.split(" ", 1)[-1] for text in scored_on if not text.endswith("not printed")}
    several = [
        *(["sizes"] if frame["resolution"].nunique() > 1 else []),
        *(["class counts"] if frame["classes"].nunique() > 1 else []),
        *(["data sets"] if len(datasets) > 1 else ["splits"] if len(splits) > 1 else []),
        *(["conditions"] if timed and frame["timed_under"].nunique() > 1 else []),
        *(["conditions of scoring"] if frame["miou_on"][measured].nunique() > 1 and len(datasets) == 1 else []),
    ]
    listed = " and ".join(filter(None, (", ".join(several[:-1]), *several[-1:])))
    return f"no frontier: the points are of several {listed}" if several else ""


def _figure(
    frame: pd.DataFrame,
    x: Column,
    y: Column,
    label: Column,
    highlight: Sequence[str],
    paper: Paper,
    *,
    frontier: bool,
) -> Figure:
    to = layout(paper)
    figure = new_figure(*to.size, paper)
    axes = figure.add_subplot()
    names = frame["network"].tolist()
    look = looks(names) | {name: OWN for name in names if is_own(name)}
    scored = frame["miou_is"].fillna("").tolist()
    hollow = [
        any(column.name in PRINTED or (column.name == "miou" and how != "measured") for column in (x, y))
        for how in scored
    ]
    unsized = [how == UNSIZED for how in scored]
    points = [
        (float(across) / x.axis[0], float(up) / y.axis[0])
        for across, up in zip(frame[x.name].tolist(), frame[y.name].tolist(), strict=True)
    ]
    for (across, up), name, ring, crossed in zip(points, names, hollow, unsized, strict=True):
        colour = look[name].colour if not highlight or name in highlight or is_own(name) else DOMINATED
        face = "none" if ring else colour
        size = to.marker * (1.7 if is_own(name) else 1.0)
        marker = "x" if crossed else look[name].marker
        axes.plot(across, up, marker, markersize=size, color=face, markeredgecolor=colour, zorder=3)
    _axis(axes, "x", x, [across for across, _ in points])
    _axis(axes, "y", y, [up for _, up in points])
    shown = [title(name) if paper else name for name in names]
    bottom = _below(figure, shown, names, look, highlight, hollow, unsized, to)
    figure.subplots_adjust(
        left=(to.left + 0.1) / to.size[0], right=1 - to.right / to.size[0], bottom=bottom, top=1 - 0.08 / to.size[1]
    )
    axes.margins(0.12)
    ranked = [point for point, crossed in zip(points, unsized, strict=True) if not crossed]
    lines = _frontier(axes, ranked, more_is_better=x.name in _FAST) if frontier and ranked else []
    sizes = frame["resolution"].tolist()
    several = frame["resolution"].nunique() > 1 and label.name == "network"
    given = shown if label.name == "network" else _texts(frame[label.name])
    texts = [f"{text} {size}" if several else text for text, size in zip(given, sizes, strict=True)]
    _labels(axes, points, texts, names, highlight, lines, to)
    return figure


def _texts(column: pd.Series) -> list[str]:
    """Labels; nothing where there is none."""
    missing = column.isna().tolist()
    return ["" if none else _plain(value) for value, none in zip(column.tolist(), missing, strict=True)]


def _plain(value: object) -> str:
    return significant(value) if isinstance(value, float) else str(value)


def _axis(axes: Axes, which: str, column: Column, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_label_text(column.heading, parse_math=False)
    if column.name not in _SCORES and min(values) > 0 and max(values) >= _LOG_FROM * min(values):
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def _frontier(axes: Axes, points: Sequence[tuple[float, float]], *, more_is_better: bool) -> list[Segment]:
    """Join the points that no other beats; returns the lines."""
    best = pareto_front(points, more_is_better=more_is_better)
    corners = sorted({point for point, is_best in zip(points, best, strict=True) if is_best})
    path = corners[:1]
    for before, after in itertools.pairwise(corners):
        path += [(before[0], after[1]) if more_is_better else (after[0], before[1]), after]
    axes.plot(*zip(*path, strict=True), color=INK, linewidth=0.9, alpha=0.75, zorder=2)
    return list(itertools.pairwise(path))


def _below(
    figure: Figure,
    shown: Sequence[str],
    names: Sequence[str],
    look: dict[str, Look],
    highlight: Sequence[str],
    hollow: Sequence[bool],
    unsized: Sequence[bool],
    to: Layout,
) -> float:
    """Put the legend below the axes; the height that it leaves them to begin at, of the figure's."""
    from matplotlib.lines import Line2D

    def key(text: str, marker: str, colour: str, face: str) -> Line2D:
        return Line2D([], [], linestyle="none", marker=marker, color=face, markeredgecolor=colour, label=text)

    named = dict(zip(names, shown, strict=True))
    wanted = [name for name in named if not highlight or name in highlight or is_own(name)][:_MOST_IN_LEGEND]
    keys = [key(named[name], look[name].marker, look[name].colour, look[name].colour) for name in wanted]
    rings = any(ring and not crossed for ring, crossed in zip(hollow, unsized, strict=True))
    keys += [key("claimed or self-reported mIoU or cost", "o", INK, "none")] if rings else []
    keys += [key("size of the mIoU not printed", "x", INK, "none")] if any(unsized) else []
    keys += [key("measured", "o", INK, INK)] if not all(hollow) else []
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    height = 0.0
    for columns in range(6 if to.size[0] > 4 else 4, 0, -1):
        legend = figure.legend(
            handles=keys, loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=columns, fontsize=to.legend,
            markerscale=to.marker / 6, handletextpad=0.3, columnspacing=1.0, borderaxespad=0.2,
        )  # fmt: skip
        for text in legend.get_texts():
            text.set_parse_math(False)
        extent = legend.get_window_extent(renderer)
        height = extent.height / figure.dpi
        if extent.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    return min((height + to.below + 0.04) / to.size[1], 0.6)


def _labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    names: Sequence[str],
    highlight: Sequence[str],
    lines: Sequence[Segment],
    to: Layout,
) -> None:
    """Label the points, own and highlighted ones first, where there is room."""
    figure = axes.figure
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixel = figure.dpi / 72
    figure.canvas.draw()
    frame = axes.get_window_extent(renderer)
    first = {name for name in names if is_own(name)} | set(highlight)
    order = sorted(range(len(points)), key=lambda place: (names[place] not in first, place))[:_MOST_LABELS]
    if highlight and len(points) > _ALL_LABELLED:
        order = [place for place in order if names[place] in first]
    half = (to.marker + 1.5) * pixel / 2
    blocked = [
        Box(left - half, low - half, left + half, low + half)
        for left, low in (tuple(map(float, axes.transData.transform(point))) for point in points)
    ]
    named = [
        Label(
            texts[place],
            points[place],
            to.label[0],
            OWN.colour if is_own(names[place]) else INK if not highlight or names[place] in first else MUTED,
            bold=names[place] in first,
        )
        for place in order
    ]
    bounds = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    write_labels(axes, named, blocked, lines, bounds, gap=(to.marker / 2 + 2.2) * pixel)
