"""How figures and numbers look: units, colours that colour-blind readers tell apart, reproducible plot files."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from segbench.units import DASH, significant

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from matplotlib.text import Text

# Okabe and Ito's palette without black and yellow, which vanish against text and paper; ordered so that neighbours
# differ in lightness too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "h", "<", ">")
INK, MUTED, DOMINATED, GRID = "#1F1F1F", "#666666", "#B3B3B3", "#E6E6E6"

DPI = 200
PAPER_DPI = 300
SMALLEST = 4.0
_STYLE: Mapping[str, object] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",  # comes with matplotlib, so the same on every machine
        "font.size": 9.0,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.color": INK,
        "legend.frameon": False,
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "svg.fonttype": "none",  # text stays text, which can be searched and edited
        "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
        "svg.hashsalt": "segbench",  # element ids are random without it
        "path.simplify": False,
    }
)
_PAPER_STYLE: Mapping[str, object] = MappingProxyType(
    {
        "font.family": ["STIXGeneral", "DejaVu Sans"],  # a Times, as papers are set in; comes with matplotlib
        "font.size": 7.5,
        "axes.linewidth": 0.6,
        "grid.linewidth": 0.4,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "figure.dpi": PAPER_DPI,
        "savefig.dpi": PAPER_DPI,
    }
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of a plot of networks: lengths in inches, everything else in points.

    Attributes:
        size: width and height of the figure.
        crowded: the same for many networks.
        left: from the figure's edge to the axes.
        right: likewise.
        top: likewise; the title stands there.
        below: from the axes to the legend.
        marker: diameter of a measured point.
        ring: diameter of a claimed one.
        title: type size; 0 where the caption of a paper holds the title.
        note: type size of the line under the title.
        legend: type size.
        label: type size of the labels, and of those of many networks.
        most_labels: beyond so many networks the frontier alone is labelled.
    """

    size: tuple[float, float]
    crowded: tuple[float, float]
    left: float
    right: float
    top: float
    below: float
    marker: float
    ring: float
    title: float
    note: float
    legend: float
    label: tuple[float, float]
    most_labels: int


SCREEN = Layout((8.0, 5.2), (11.0, 9.0), 0.62, 0.2, 0.66, 0.52, 6.0, 9.0, 11.5, 8.0, 7.5, (7.5, 6.6), 60)
COLUMN = Layout((3.4, 2.7), (3.4, 3.1), 0.44, 0.08, 0.2, 0.38, 3.6, 5.4, 0.0, 6.0, 6.0, (6.0, 5.5), 24)
PAGE = Layout((7.0, 3.0), (7.0, 3.6), 0.44, 0.08, 0.2, 0.38, 4.2, 6.2, 0.0, 6.5, 6.5, (6.5, 6.0), 60)

Paper = bool | Literal["wide"]
"""Whether to draw for a paper: True for the width of one column, ``"wide"`` for that of both."""


def layout(paper: Paper) -> Layout:
    """The sizes for a screen or a paper."""
    return PAGE if paper == "wide" else COLUMN if paper else SCREEN


@dataclass(frozen=True, slots=True)
class Look:
    """Marker and colour of a family of networks."""

    marker: str
    colour: str


OWN = Look("*", "#C00000")
"""Of a user's own network, which stands out wherever it is."""


def looks(families: Iterable[str]) -> dict[str, Look]:
    """A look for each family, by its place in the order given; no two alike among the first 66."""
    return {
        name: Look(MARKERS[place % len(MARKERS)], PALETTE[place % len(PALETTE)])
        for place, name in enumerate(dict.fromkeys(families))
    }


@contextlib.contextmanager
def plot_style(paper: Paper = False) -> Iterator[None]:
    """Draw and save with segbench's settings alone, whatever the user's matplotlibrc says; restored afterwards."""
    import matplotlib.style

    with (
        matplotlib.style.context(["default", {**_STYLE, **(_PAPER_STYLE if paper else {})}]),
        warnings.catch_warnings(),
    ):
        # A name in a script that the font lacks is drawn as boxes, which is better than no plot.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        yield


def new_figure(width: float, height: float, paper: Paper = False) -> Figure:
    """A figure of its own, in inches, drawn with Agg: no window, no pyplot, nothing global to close."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    figure = MatplotlibFigure(figsize=(width, height), dpi=PAPER_DPI if paper else DPI)
    FigureCanvasAgg(figure)
    return figure


def fit(text: Text, room: float) -> None:
    """Make the type of a text smaller until it takes no more than `room` inches; very long names stay readable."""
    figure = text.figure
    assert figure is not None
    extent = text.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    taken = max(extent.width, extent.height) / figure.dpi
    if taken > room:
        text.set_fontsize(max(float(text.get_fontsize()) * room / taken, SMALLEST))


def save(figure: Figure, path: Path, *, paper: Paper = False) -> None:
    """Write a PNG, SVG or PDF whose bytes depend on the figure alone: no date, no version; a PDF has TrueType fonts.

    Args:
        figure: what to write.
        path: its ending is the format.
        paper: in the style of a paper.

    Raises:
        OSError: the file cannot be written.
    """
    metadata: Mapping[str, dict[str, str | None]] = {
        ".svg": {"Date": None, "Creator": "segbench"},
        ".pdf": {"CreationDate": None, "Producer": None, "Creator": "segbench"},
        ".png": {"Software": None},
    }
    with plot_style(paper), _quiet_fonts():
        figure.savefig(path, metadata=metadata[path.suffix.lower()])


@contextlib.contextmanager
def _quiet_fonts() -> Iterator[None]:
    """The font subsetter logs every table that it drops."""
    logger = logging.getLogger("fontTools.subset")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def millions(count: float | None) -> str:
    """``1.00`` for 1,001,696, for columns and axes that state the unit."""
    return _in_units(count, 1e6)


def billions(count: float | None) -> str:
    """``18.31`` for 18,310,205,312, for columns and axes that state the unit."""
    return _in_units(count, 1e9)


def per_second(rate: float | None) -> str:
    """Three significant digits, never in exponent notation: ``106``, ``5.80``, ``1230``."""
    # Rounding first: 999.6 is 1000, not 1000.0.
    return DASH if rate is None else significant(float(f"{rate:.3g}"), 3)


def _in_units(count: float | None, unit: float) -> str:
    if count is None:
        return DASH
    return f"{count / unit:.2f}" if count >= 0.1 * unit else significant(count / unit, 2)
