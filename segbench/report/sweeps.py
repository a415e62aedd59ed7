"""Plots of a sweep: how FPS, or the MACs of what was not timed, go with the batch or with the size of the input."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.report.plots import Plot
from segbench.report.style import Paper, fit, layout, looks, new_figure, plot_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Line = tuple[str, tuple[tuple[float, float], ...]]


def sweep_plots(records: Iterable[Record]) -> Iterator[Plot]:
    """A plot against the batch where networks were measured at several, and one against the size likewise.

    Args:
        records: one for each network, size and batch, as `segbench.records.processes.combine` gives them.
    """
    whole = [record for record in records if record.failure is None]
    for name, axis, value, other in (
        ("batch", "batch (images per forward)", _batch, _size),
        ("size", "input (megapixels)", _size, _batch),
    ):
        for quantity, title, number in (
            ("fps", f"FPS (images/s) {_conditions(whole)}".strip(), _fps),
            ("macs", "MACs of a forward (G)", _macs),
        ):
            lines = list(_lines(whole, value, number, other))
            if lines:
                text = f"{quantity.upper() if quantity == 'fps' else 'MACs'} over the {name}"
                yield Plot(f"sweep-{name}-{quantity}", text, functools.partial(_draw, axis, title, lines))
                # What was timed is not plotted by its counts as well.
                break


def _batch(record: Record) -> float:
    return float(record.batch)


def _size(record: Record) -> float:
    return record.resolution[0] * record.resolution[1] / 1e6


def _fps(record: Record) -> float | None:
    return record.speed.fps if record.speed else None


def _macs(record: Record) -> float | None:
    macs = record.operations.get("macs")
    return None if macs is None else macs / 1e9


def _conditions(records: Sequence[Record]) -> str:
    """Device, mode and precision where all timings share them."""
    found = {
        f"on {'CPU' if item.on_cpu else item.device_name}, {record.speed.mode}, {record.speed.precision}"
        for record in records
        if record.speed and (item := TimingConditions.of(record))
    }
    return found.pop() if len(found) == 1 else ""


def _lines(
    records: Sequence[Record],
    value: Callable[[Record], float],
    number: Callable[[Record], float | None],
    other: Callable[[Record], float],
) -> Iterator[Line]:
    """A line for each network that has at least two values, everything else alike."""
    others = {other(record) for record in records}
    groups: dict[tuple[str, float], dict[float, float]] = {}
    for record in records:
        found = number(record)
        if found is not None:
            groups.setdefault((record.model, other(record)), {})[value(record)] = found
    for (model, at), points in groups.items():
        if len(points) > 1:
            yield (model if len(others) == 1 else f"{model}, {at:g}"), tuple(sorted(points.items()))


def _draw(x_axis: str, y_axis: str, lines: Sequence[Line], *, paper: Paper = False) -> Figure:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    with plot_style(paper):
        width, height = layout(paper).size
        figure = new_figure(width, height, paper)
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.14 if paper else 0.09, right=0.76, bottom=0.16 if paper else 0.12, top=0.95)
        look = looks(name for name, _ in lines)
        for name, points in lines:
            axes.plot(
                *zip(*points, strict=True), marker=look[name].marker, color=look[name].colour, label=name, linewidth=1.2
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted({x for _, points in lines for x, _ in points})))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x_axis)
        fit(axes.set_ylabel(y_axis, parse_math=False), 0.9 * height)
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure
