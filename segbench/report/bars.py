"""Draw the charts with one row or bar for each network or step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segbench.counting.meanings import MEANINGS
from segbench.report.plots import Step
from segbench.report.style import (
    INK,
    MARKERS,
    MUTED,
    PALETTE,
    Paper,
    fit,
    layout,
    new_figure,
    per_second,
    plot_style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_NAME = 46
VERDICT_COLOURS = {
    "launch-bound": PALETTE[1],
    "memory-bound": PALETTE[4],
    "compute-bound": PALETTE[0],
    "no verdict": "#9A9A9A",
}


def draw_rules(
    title: str,
    ratios: Sequence[tuple[str, Mapping[str, float]]],
    rules: Sequence[str],
    left_out: int,
    *,
    paper: Paper = False,
) -> Figure:
    """Each network's count under each rule, over ``macs``: one row a network, one marker a rule.

    Args:
        title: above the axes.
        ratios: name and ratios of each network, the widest spread first.
        rules: in the order of the legend.
        left_out: networks that are not shown.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
    """
    note = "count under the rule / count under macs, at the size shown" + _left_out(left_out)
    with plot_style(paper):
        figure, axes = _rows(title, note, [name for name, _ in ratios], paper)
        size = 3.0 if paper else 5.0
        for place, (_, values) in enumerate(ratios):
            ends = [1.0, *values.values()]
            axes.plot([min(ends), max(ends)], [place, place], color=MUTED, linewidth=0.8, alpha=0.6, zorder=2)
        for place, rule in enumerate(rules):
            points = [(values[rule], row) for row, (_, values) in enumerate(ratios) if rule in values]
            if points:
                xs, ys = zip(*points, strict=True)
                axes.plot(
                    xs,
                    ys,
                    MARKERS[place],
                    color=PALETTE[place % len(PALETTE)],
                    markersize=size,
                    markeredgecolor="white",
                    markeredgewidth=0.4,
                    label=rule if paper else _named(rule),
                    zorder=3,
                )
        axes.axvline(1.0, color=INK, linewidth=0.9, zorder=1.5)
        _legend_above(figure, axes, paper)
        axes.set_xlabel("ratio to macs")
    return figure


def _named(rule: str) -> str:
    """The rule, and what it counts where its name does not say it."""
    meaning = MEANINGS.get(rule, "as it says")
    return rule if meaning.startswith("as ") else f"{rule}: {meaning}"


def draw_bars(
    title: str, axis: str, bars: Sequence[tuple[str, float, str]], left_out: int, *, paper: Paper = False
) -> Figure:
    """The GPU-busy share of each network, coloured by what bounds it.

    Args:
        title: above the axes.
        axis: what the share is of, and under which conditions.
        bars: name, share from 0 to 1, verdict.
        left_out: networks that are not shown.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
    """
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    with plot_style(paper):
        figure, axes = _rows(title, axis + _left_out(left_out), [name for name, _, _ in bars], paper)
        colours = [VERDICT_COLOURS.get(verdict, VERDICT_COLOURS["no verdict"]) for _, _, verdict in bars]
        axes.barh(range(len(bars)), [share for _, share, _ in bars], color=colours, height=0.7, zorder=2)
        for place, (_, share, _) in enumerate(bars):
            axes.text(share, place, f" {share:.0%}", va="center", size=5.5 if paper else 7, color=INK)
        axes.axvline(1.0, color=INK, linewidth=0.9, zorder=1.5)
        axes.set_xlim(0, max(1.12, 1.12 * max(share for _, share, _ in bars)))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        present = dict.fromkeys(verdict if verdict in VERDICT_COLOURS else "no verdict" for _, _, verdict in bars)
        keys = [Patch(color=VERDICT_COLOURS[verdict], label=verdict) for verdict in present]
        _legend_above(figure, axes, paper, keys)
    return figure


def draw_waterfall(title: str, note: str, steps: Sequence[Step], *, paper: Paper = False) -> Figure:
    """FPS after each switch, and the factor that it brings; steps that were not kept are hatched.

    Args:
        title: above the axes.
        note: the conditions.
        steps: in the order in which the switches are applied.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
    """
    with plot_style(paper):
        figure, axes = _rows(title, note, [step.name for step in steps], paper, with_legend=False)
        size = 5.5 if paper else 8
        for place, step in enumerate(steps):
            before = step.fps / step.factor if step.factor else step.fps
            low, high = sorted((before, step.fps))
            colour = PALETTE[2] if step.fps >= before else PALETTE[1]
            unkept: dict[str, Any] = {} if step.kept else {"hatch": "/////", "edgecolor": "white", "linewidth": 0.0}
            axes.barh(place, low, color="#D9D9D9", height=0.62, zorder=1.8)
            axes.barh(place, high - low, left=low, color=colour, height=0.62, zorder=2, **unkept)
            text = f"  {per_second(step.fps)}" + (f"  \u00d7{step.factor:.2f}" if step.factor else "")
            text += "" if step.kept else ", not kept"
            axes.text(high, place, text, va="center", size=size, color=INK, zorder=3)
        axes.set_xlim(0, 1.3 * max(step.fps for step in steps))
        axes.set_xlabel("FPS; in green what the switch gains, in orange what it costs")
    return figure


def _left_out(count: int) -> str:
    return f"; {count} more networks are on the page" if count else ""


def _rows(
    title: str, note: str, names: Sequence[str], paper: Paper, *, with_legend: bool = True
) -> tuple[Figure, Axes]:
    """A figure as high as its rows need, the first row at the top."""
    to = layout(paper)
    type_size = 5.5 if paper else 8.0
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..." for name in names]
    width = to.size[0]
    above, below = (0.2, 0.38) if paper else (0.66, 0.55)
    above += (0.2 if paper else 0.32) if with_legend else 0.0
    height = above + below + (0.115 if paper else 0.19) * max(len(names), 3)
    figure = new_figure(width, height, paper)
    axes = figure.add_subplot()
    axes.set_yticks(range(len(names)), shown, size=type_size)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    widest = max(label.get_window_extent(renderer).width for label in axes.get_yticklabels()) / figure.dpi
    left = min(widest + (0.12 if paper else 0.3), 0.6 * width)
    figure.subplots_adjust(left=left / width, right=1 - to.right / width, bottom=below / height, top=1 - above / height)
    if to.title:
        figure.text(0.15 / width, 1 - 0.22 / height, title, size=to.title, weight="bold", va="center", parse_math=False)
    text = figure.text(
        (0.05 if paper else 0.15) / width,
        1 - (0.45 if to.title else 0.1) / height,
        note,
        size=to.note,
        color=MUTED,
        va="center",
        parse_math=False,
    )
    fit(text, width - (0.1 if paper else 0.3))
    return figure, axes


def _legend_above(figure: Figure, axes: Axes, paper: Paper, handles: Sequence[object] | None = None) -> None:
    height = figure.get_figheight()
    keys = {} if handles is None else {"handles": handles}
    figure.legend(
        loc="center left",
        bbox_to_anchor=(0.01, 1 - (0.26 if paper else 0.76) / height),
        ncols=6,
        fontsize=5.0 if paper else 8.0,
        handletextpad=0.3,
        columnspacing=0.9,
        borderaxespad=0.0,
        **keys,
    )
