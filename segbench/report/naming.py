"""Name the points of a Pareto plot: which text each gets, and where it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segbench.report.labels import Box, place_labels
from segbench.report.plots import Point
from segbench.report.style import INK, MUTED, OWN, Layout
from segbench.spec import is_own

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Segment = tuple[tuple[float, float], tuple[float, float]]

REAL_TIME_FPS = 30
LONGEST_LABEL = 40


def name_points(
    axes: Axes,
    real_time: bool,
    points: Sequence[Point],
    everyone: Sequence[Point],
    best: Sequence[Point],
    lines: Sequence[Segment],
    to: Layout,
    crowded: bool,
) -> None:
    """Label points where there is room, without covering anything drawn.

    Args:
        axes: where everything else is drawn already.
        real_time: whether the axes have the real-time line, which is named first.
        points: to be labelled, the most important first.
        everyone: every point drawn.
        best: points on the frontier, which are labelled in bold, as are networks of the user's own.
        lines: what labels had better not cover, in data units.
        to: sizes.
        crowded: whether to take the smaller type.
    """
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

    markers = [around(point.solid, to.marker + 1.5) for point in everyone if point.solid]
    markers += [
        around(pair, (to.ring if point.solid else to.marker) + 1.5) for point in everyone for pair in point.hollow
    ]
    for point in everyone:
        if point.solid and point.interval:
            ends = [around((end, point.solid[1]), 4) for end in point.interval if end > 0]
            markers.append(Box(min(end.x0 for end in ends), ends[0].y0, max(end.x1 for end in ends), ends[0].y1))
    if real_time:
        markers.append(_real_time_note(axes, renderer, to))
    drawn = [*lines, *((point.solid, pair) for point in everyone if point.solid for pair in point.hollow)]
    usual = usual_split(everyone)
    named = [
        Label(
            label_of(point, usual),
            point.solid or point.hollow[0],
            to.label[1] if crowded else to.label[0],
            OWN.colour if is_own(point.model) else INK if point in best else MUTED,
            bold=point in best or is_own(point.model),
        )
        for point in points
    ]
    missing = write_labels(axes, named, markers, drawn, bounds, gap=(to.marker / 2 + 2.2) * pixel)
    if missing:
        note_missing(axes, missing, to)


@dataclass(frozen=True)
class Label:
    """A text beside a point, in data units.

    Attributes:
        text: what it says.
        point: what it names.
        size: of the type, in points.
        colour: of the letters.
        bold: whether it stands out.
    """

    text: str
    point: tuple[float, float]
    size: float
    colour: str
    bold: bool = False


def write_labels(
    axes: Axes, labels: Sequence[Label], markers: Sequence[Box], lines: Sequence[Segment], bounds: Box, gap: float
) -> int:
    """Write labels where there is room, each joined to its point by a line where it had to move; how many found none.

    Args:
        axes: drawn already.
        labels: the most important first.
        markers: what is not to be covered, in pixels.
        lines: what had better not be covered, in data units.
        bounds: where labels may stand, in pixels.
        gap: pixels between a label and its point.
    """
    figure = axes.figure
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    pixel = figure.dpi / 72

    def at(pair: tuple[float, float]) -> tuple[float, float]:
        x, y = axes.transData.transform(pair)
        return float(x), float(y)

    styles: list[dict[str, Any]] = [
        {
            "size": label.size,
            "color": label.colour,
            "weight": "bold" if label.bold else "normal",
            "parse_math": False,
        }
        for label in labels
    ]
    sizes = []
    for label, style in zip(labels, styles, strict=True):
        text = figure.text(0, 0, label.text, **style)
        extent = text.get_window_extent(renderer)
        text.remove()
        # A space beside each label: neighbours would read as one name.
        sizes.append((extent.width + 0.6 * extent.height, extent.height + 1 * pixel))
    anchors = [at(label.point) for label in labels]
    places = place_labels(anchors, sizes, markers, [(at(start), at(end)) for start, end in lines], bounds, gap=gap)
    for label, style, anchor, place in zip(labels, styles, anchors, places, strict=True):
        if place is None:
            continue
        box = place.box
        centre = ((box.x0 + box.x1) / 2 - anchor[0], (box.y0 + box.y1) / 2 - anchor[1])
        axes.annotate(
            label.text,
            label.point,
            xytext=(centre[0] / pixel, centre[1] / pixel),
            textcoords="offset points",
            ha="center",
            va="center",
            zorder=6,
            gid="label",
            # A stroke around the letters would turn text into outlines.
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            **style,
        )
        if place.leader:
            end = axes.transData.inverted().transform(box.nearest(anchor))
            xs, ys = zip(label.point, end, strict=True)
            axes.plot(xs, ys, color=MUTED, linewidth=0.5, alpha=0.8, zorder=2.5, scalex=False, scaley=False)
    return sum(place is None for place in places)


def note_missing(axes: Axes, missing: int, to: Layout) -> None:
    """Say above the axes how many networks have no label."""
    note = f"labels left out for want of room: {missing}; the table has every network"
    if not to.title:
        note = f"without a label for want of room: {missing}"
    size = to.legend - 0.5
    axes.text(1, 1.01 if to.title else 0.99, note, size=size, color=MUTED, ha="right", transform=axes.transAxes)


def _real_time_note(axes: Axes, renderer: Any, to: Layout) -> Box:
    """Name the real-time line at the foot of the axes, on the side that has room."""
    near_right = axes.transAxes.inverted().transform(axes.transData.transform((REAL_TIME_FPS, 0)))[0] > 0.85
    text = axes.annotate(
        f"real time: {REAL_TIME_FPS} FPS",
        (REAL_TIME_FPS, 0),
        xycoords=("data", "axes fraction"),
        # In a column the foot is narrow, and a claim's line may run just above it.
        xytext=(-4 if near_right else 4, 5 if to.title else 1.5),
        textcoords="offset points",
        ha="right" if near_right else "left",
        size=to.legend - 0.5,
        color=MUTED,
        zorder=2,
    )
    extent = text.get_window_extent(renderer)
    return Box(extent.x0, extent.y0, extent.x1, extent.y1)


def label_of(point: Point, usual_split: str) -> str:
    """The label as drawn: shortened in the middle if very long, with the split unless it is the plot's usual one."""
    name = point.label
    if len(name) > LONGEST_LABEL:
        half = LONGEST_LABEL // 2
        name = f"{name[:half]}...{name[-half + 3 :]}"
    return name if point.split == usual_split or point.miou_measured else f"{name} ({point.split or 'split?'})"


def usual_split(points: Sequence[Point]) -> str:
    """The split that most of a plot's claims are on; test where two are as common."""
    counts = Counter(point.split for point in points if not point.miou_measured)
    return max(("test", "val", "trainval", "train", ""), key=lambda split: counts[split])
