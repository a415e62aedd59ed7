"""Draw claimed figures against measured ones, with the rank correlation of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segbench.claims import PAPERS
from segbench.report.labels import Box, place_labels
from segbench.report.style import GRID, INK, MUTED, Paper, fit, layout, looks, new_figure, plot_style
from segbench.units import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEWEST_FOR_CORRELATION = 4
_MOST_LABELS = 40
_NEAR = 1.05


@dataclass(frozen=True, slots=True)
class Pair:
    """One figure that a paper claims for a network, and what was measured."""

    model: str
    paper: str
    claimed: float
    measured: float


def rank_correlation(pairs: Sequence[Pair]) -> float | None:
    """Spearman's rank correlation of claimed and measured, ties by their mean rank.

    None for fewer than four pairs, or where one side does not vary.
    """
    if len(pairs) < _FEWEST_FOR_CORRELATION:
        return None
    one, other = (_ranks(np.array(side)) for side in ([p.claimed for p in pairs], [p.measured for p in pairs]))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: np.ndarray = (last - (counts - 1) / 2)[places]
    return means


def correlation_note(pairs: Sequence[Pair]) -> str:
    """The rank correlation in words."""
    value = rank_correlation(pairs)
    if value is None:
        return f"{plural(len(pairs), 'pair')}: too few, or too alike, for a rank correlation"
    return f"Spearman's rank correlation {value:.2f} over {len(pairs)} pairs"


def draw_pairs(title: str, x_axis: str, y_axis: str, pairs: Sequence[Pair], *, paper: Paper = False) -> Figure:
    """The figure: claimed across, measured up, both logarithmic, the line of equality between them.

    Args:
        title: above the axes; in a paper its caption says it.
        x_axis: title of the claimed axis.
        y_axis: title of the measured axis.
        pairs: what to draw.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
    """
    to = layout(paper)
    with plot_style(paper):
        width, height = (to.size[0], 3.2) if paper else (7.0, 6.4)
        figure = new_figure(width, height, paper)
        axes = figure.add_subplot()
        figure.subplots_adjust(
            left=(to.left + 0.12) / width,
            right=1 - (to.right + 0.1) / width,
            bottom=(to.below + 0.02) / height,
            top=1 - to.top / height,
        )
        if to.title:
            figure.text((to.left + 0.12) / width, 1 - 0.22 / height, title, size=to.title, weight="bold", va="center")
        note = correlation_note(pairs)
        if not paper:
            note += "; named where they are more than 5 % apart"
        below_title = 0.45 if to.title else 0.1
        text = figure.text(
            (to.left + 0.12) / width, 1 - below_title / height, note, size=to.note, color=MUTED, va="center"
        )
        fit(text, width - to.left - 0.17)
        values = [value for pair in pairs for value in (pair.claimed, pair.measured)]
        low, high = min(values) / 1.4, max(values) * 1.4
        _scales(axes, low, high)
        fit(axes.set_xlabel(x_axis, parse_math=False), 0.9 * width)
        fit(axes.set_ylabel(y_axis, parse_math=False), 0.9 * height)
        line, *_ = axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle=(0, (5, 3)), zorder=2)
        line.set_label("measured = claimed")
        below, above = [low / _NEAR, high / _NEAR], [low * _NEAR, high * _NEAR]
        axes.fill_between([low, high], below, above, color=GRID, zorder=1)
        look = looks([*PAPERS, *(pair.paper for pair in pairs)])
        for key in dict.fromkeys(pair.paper for pair in pairs):
            own = [pair for pair in pairs if pair.paper == key]
            xs, ys = [pair.claimed for pair in own], [pair.measured for pair in own]
            style = {"color": look[key].colour, "markeredgecolor": "white", "markeredgewidth": 0.5}
            axes.plot(xs, ys, look[key].marker, markersize=to.marker, label=f"as {key} prints it", zorder=3, **style)  # type: ignore[arg-type]
        axes.legend(loc="best", fontsize=to.legend, handletextpad=0.5)
        _name(axes, pairs, to.label[1], to.marker)
    return figure


def _scales(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.axes.set_xscale("log") if axis is axes.xaxis else axis.axes.set_yscale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 2000 * low else (1,), numticks=99))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.10g}"))
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)


def _name(axes: Axes, pairs: Sequence[Pair], size: float, marker: float) -> None:
    """Label the pairs that do not agree, the farthest apart first, where there is room."""
    from matplotlib.patheffects import withStroke

    figure = axes.figure
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixel = figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    apart = [pair for pair in pairs if not 1 / _NEAR <= pair.measured / pair.claimed <= _NEAR]
    named = sorted(apart, key=lambda pair: (-abs(float(np.log(pair.measured / pair.claimed))), pair.model))
    named = named[:_MOST_LABELS]
    ends = [tuple(map(float, axes.transData.transform((pair.claimed, pair.measured)))) for pair in pairs]
    half = (marker + 1.5) * pixel / 2
    blocked = [Box(x - half, y - half, x + half, y + half) for x, y in ends]
    legend = axes.get_legend()
    if legend is not None:
        around = legend.get_window_extent(renderer)
        blocked.append(Box(around.x0, around.y0, around.x1, around.y1))
    anchors, sizes = [], []
    for pair in named:
        x, y = axes.transData.transform((pair.claimed, pair.measured))
        anchors.append((float(x), float(y)))
        text = figure.text(0, 0, pair.model, size=size, parse_math=False)
        extent = text.get_window_extent(renderer)
        text.remove()
        sizes.append((extent.width + 2 * pixel, extent.height + pixel))
    bounds = Box(frame.x0 + 2 * pixel, frame.y0 + 2 * pixel, frame.x1, frame.y1)
    lines = [((frame.x0, frame.y0), (frame.x1, frame.y1))]
    places = place_labels(anchors, sizes, blocked, lines, bounds, gap=(marker / 2 + 2.2) * pixel)
    for pair, anchor, place in zip(named, anchors, places, strict=True):
        if place is None:
            continue
        box = place.box
        if place.leader:
            end = axes.transData.inverted().transform(box.nearest(anchor))
            ends_of_leader = zip((pair.claimed, pair.measured), end, strict=True)
            axes.plot(*ends_of_leader, color=MUTED, linewidth=0.5, alpha=0.8, zorder=2.5, scalex=False, scaley=False)
        axes.annotate(
            pair.model,
            (pair.claimed, pair.measured),
            xytext=(
                ((box.x0 + box.x1) / 2 - anchor[0]) / pixel,
                ((box.y0 + box.y1) / 2 - anchor[1]) / pixel,
            ),
            textcoords="offset points",
            ha="center",
            va="center",
            size=size,
            color=INK,
            parse_math=False,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
            zorder=5,
        )
