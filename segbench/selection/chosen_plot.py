"""Draw two chosen columns against each other: filled where all is measured, hollow where a paper's figure is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segbench.errors import BadOption, OutputError, UnknownName
from segbench.report.labels import Box, place_labels
from segbench.report.plots import SUFFIXES
from segbench.report.style import DOMINATED, INK, MUTED, SCREEN, looks, new_figure, plot_style, save
from segbench.selection.columns import COLUMNS, Column, find_column
from segbench.units import significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUETYPE = 42
_LOG_FROM = 8
_MOST_LABELS = 80
# Beyond so many points those that are highlighted are labelled alone.
_ALL_LABELLED = 25
_MOST_IN_LEGEND = 24


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
    frame: pd.DataFrame, x: Column, y: Column, label: Column, highlight: Sequence[str], path: Path
) -> tuple[int, int]:
    """Draw a row a point and write the file; PDFs have TrueType fonts, as publishers ask.

    Args:
        frame: the rows, with ``network``, ``resolution`` and ``miou_is`` beside the columns drawn.
        x: across.
        y: upwards.
        label: beside each point; with the size, where several sizes are drawn.
        highlight: networks in colour, all others grey; every network in colour where there is none.
        path: ends in pdf, svg or png.

    Returns:
        How many points are drawn, and how many rows lack a figure.

    Raises:
        BadOption: no row has both figures.
        OutputError: the file cannot be written.
    """
    whole = frame[frame[x.name].notna() & frame[y.name].notna()].drop_duplicates()
    if whole.empty:
        raise BadOption(f"none of {len(frame)} rows has both {x.name} and {y.name}: nothing to plot")
    with plot_style():
        figure = _figure(whole, x, y, label, highlight)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path, fonts=TRUETYPE)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    return len(whole), len(frame) - int((frame[x.name].notna() & frame[y.name].notna()).sum())


def _figure(frame: pd.DataFrame, x: Column, y: Column, label: Column, highlight: Sequence[str]) -> Figure:
    width, height = SCREEN.size
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.09, right=0.8, bottom=0.12, top=0.96)
    names = frame["network"].tolist()
    look = looks(names)
    claimed = [
        column.name.startswith("claimed_") or (column.name == "miou" and how == "claimed")
        for how in frame["miou_is"].tolist()
        for column in (x, y)
    ]
    hollow = [claimed[2 * place] or claimed[2 * place + 1] for place in range(len(frame))]
    points = [
        (float(across) / x.axis[0], float(up) / y.axis[0])
        for across, up in zip(frame[x.name].tolist(), frame[y.name].tolist(), strict=True)
    ]
    for (across, up), name, ring in zip(points, names, hollow, strict=True):
        colour = look[name].colour if not highlight or name in highlight else DOMINATED
        face = "none" if ring else colour
        axes.plot(across, up, look[name].marker, markersize=SCREEN.marker, color=face, markeredgecolor=colour, zorder=3)
    _axis(axes, "x", x, [across for across, _ in points])
    _axis(axes, "y", y, [up for _, up in points])
    _legend(axes, names, highlight, hollow)
    several = frame["resolution"].nunique() > 1 and label.name == "network"
    texts = [
        f"{text} {size}" if several else _plain(text)
        for text, size in zip(frame[label.name].tolist(), frame["resolution"].tolist(), strict=True)
    ]
    _labels(axes, points, texts, names, highlight)
    return figure


def _plain(value: object) -> str:
    return significant(value) if isinstance(value, float) else str(value)


def _axis(axes: Axes, which: str, column: Column, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    letter = column.axis[1]
    axis = axes.xaxis if which == "x" else axes.yaxis
    name = f"{column.name} ({letter})" if letter else column.name
    words = "" if letter else f": {column.meaning}"
    axis.set_label_text(f"{name}{words}", parse_math=False)
    if column.name != "miou" and min(values) > 0 and max(values) >= _LOG_FROM * min(values):
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))


def _legend(axes: Axes, names: Sequence[str], highlight: Sequence[str], hollow: Sequence[bool]) -> None:
    from matplotlib.lines import Line2D

    def key(text: str, marker: str, colour: str, face: str) -> Line2D:
        return Line2D([], [], linestyle="none", marker=marker, color=face, markeredgecolor=colour, label=text)

    look = looks(names)
    shown = [name for name in dict.fromkeys(names) if not highlight or name in highlight][:_MOST_IN_LEGEND]
    keys = [key(name, look[name].marker, look[name].colour, look[name].colour) for name in shown]
    keys += [key("with a claimed figure", "o", INK, "none")] if any(hollow) else []
    keys += [key("measured", "o", INK, INK)] if not all(hollow) else []
    legend = axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=SCREEN.legend)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    names: Sequence[str],
    highlight: Sequence[str],
) -> None:
    """Label the points, the highlighted ones first, where there is room."""
    figure = axes.figure
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixel = figure.dpi / 72
    axes.margins(0.12)
    figure.canvas.draw()
    frame = axes.get_window_extent(renderer)
    order = sorted(range(len(points)), key=lambda place: (names[place] not in highlight, place))[:_MOST_LABELS]
    if highlight and len(points) > _ALL_LABELLED:
        order = [place for place in order if names[place] in highlight]
    anchors = [tuple(map(float, axes.transData.transform(points[place]))) for place in order]
    half = (SCREEN.marker + 1.5) * pixel / 2
    blocked = [
        Box(left - half, low - half, left + half, low + half)
        for left, low in (tuple(map(float, axes.transData.transform(point))) for point in points)
    ]
    sizes = []
    for place in order:
        text = figure.text(0, 0, texts[place], size=SCREEN.label[0], parse_math=False)
        extent = text.get_window_extent(renderer)
        text.remove()
        sizes.append((extent.width + 2 * pixel, extent.height + pixel))
    places = place_labels(
        [(left, low) for left, low in anchors], sizes, blocked, [], Box(frame.x0, frame.y0, frame.x1, frame.y1),
        gap=(SCREEN.marker / 2 + 2.2) * pixel,
    )  # fmt: skip
    for index, anchor, placed in zip(order, anchors, places, strict=True):
        if placed is None:
            continue
        box = placed.box
        offset = ((box.x0 + box.x1) / 2 - anchor[0]) / pixel, ((box.y0 + box.y1) / 2 - anchor[1]) / pixel
        axes.annotate(
            texts[index], points[index], xytext=offset, textcoords="offset points", ha="center", va="center",
            size=SCREEN.label[0], color=MUTED if highlight and names[index] not in highlight else INK, parse_math=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.5} if placed.leader else None,
        )  # fmt: skip
