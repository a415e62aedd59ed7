"""Plots as they are before they are drawn, what stands on them, and their files: SVG, PDF and PNG."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from segbench.errors import OutputError
from segbench.records.timing_conditions import TimingConditions
from segbench.report.style import Paper, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

SUFFIXES = ("svg", "pdf", "png")


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
        conditions: of the timings, on an axis of timings.
    """

    key: str
    title: str
    axis: str
    more_is_better: bool
    unit: float
    claims_label: str
    printed: str
    conditions: TimingConditions | None = None


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
        unsized: whether the mIoU is one whose input size is not printed; it then stands in `hollow`.
    """

    model: str
    family: str
    label: str
    solid: tuple[float, float] | None
    hollow: tuple[tuple[float, float], ...] = ()
    interval: tuple[float, float] | None = None
    miou_measured: bool = False
    split: str = ""
    unsized: bool = False


class Step(NamedTuple):
    """One step of a waterfall.

    Attributes:
        name: the switch.
        fps: with it.
        factor: over the FPS that it starts from; None for the first step.
        kept: whether later steps start from it.
    """

    name: str
    fps: float
    factor: float | None
    kept: bool


@dataclass(frozen=True)
class Plot:
    """A plot: `name` is that of its files, without the suffix.

    Attributes:
        name: of its files.
        title: what it shows.
        painter: draws it; called with ``paper=True`` or ``"wide"`` for a paper.
        points: what it shows, where it is a plot of networks.
    """

    name: str
    title: str
    painter: Callable[..., MatplotlibFigure]
    points: tuple[Point, ...] = field(default=(), repr=False)

    @functools.cached_property
    def figure(self) -> MatplotlibFigure:
        """The plot as drawn for a screen."""
        return self.painter()


def write_plots(
    plots: Iterable[Plot], folder: Path, *, paper: Paper = False, suffixes: Sequence[str] = SUFFIXES
) -> list[Path]:
    """Write each plot in every format; the same plots give the same bytes.

    Args:
        plots: what to draw.
        folder: made if it is missing.
        paper: draw for a paper, as `segbench.report.style.Paper` says.
        suffixes: the formats, of `SUFFIXES`.

    Returns:
        The files, in the order of the plots.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in plots:
            # Not `plot.figure`, which would be kept: hundreds of figures fill the memory.
            figure = plot.painter(paper=paper)
            for suffix in suffixes:
                path = folder / f"{plot.name}.{suffix}"
                save(figure, path, paper=paper)
                written.append(path)
    except OSError as error:
        raise OutputError(f"cannot write plots into {folder}: {error.strerror}") from error
    return written
