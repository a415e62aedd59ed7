"""Place labels beside points so that no label covers a label, a marker or the edge: plain geometry, deterministic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Point = tuple[float, float]

# Beside the point before above and below it, as a reader expects.
_ANGLES = sorted((math.radians(15 * step) for step in range(24)), key=lambda angle: round(abs(math.sin(angle)), 6))
_RINGS = (1.0, 1.5, 2.0, 2.7, 3.5, 4.4, 5.5, 7.0, 8.5, 10.5, 13.0, 16.0, 19.5, 23.5, 28.0, 33.0, 40.0, 50.0, 64.0)
_LEADER_FROM = 2.4
_ROUNDS = 6
# In units of the gap: how far a label would rather move than cross these.
_CROSSED_LINE, _CROSSED_MARKER, _CROSSED_LEADER, _CROSSED_LABEL = 6.0, 30.0, 20.0, 40.0
# Nearer to another marker than this, in units of the gap, a label reads as that marker's, whatever line leads away.
_ANOTHERS = 1.2


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        return self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1

    def nearest(self, point: Point) -> Point:
        """The point of the rectangle that is closest to `point`."""
        return min(max(point[0], self.x0), self.x1), min(max(point[1], self.y0), self.y1)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a label goes, and whether it stands so far away that it needs a line to its point."""

    box: Box
    leader: bool


def place_labels(
    points: Sequence[Point],
    sizes: Sequence[Point],
    markers: Sequence[Box],
    lines: Sequence[tuple[Point, Point]],
    bounds: Box,
    gap: float,
) -> list[Placed | None]:
    """Find a place for each label: near its point, clear of everything drawn.

    Labels are placed in the order given, so the important ones come first, then each is moved again with all others in
    place. Labels never overlap each other, a marker, or `bounds`, and never stand beside another marker than their own;
    lines are avoided where that costs little. A label gets a leader where it is far from its point, or no nearer to it
    than to another marker.

    Args:
        points: what each label belongs to, in pixels.
        sizes: width and height of each label, in pixels.
        markers: what labels must not cover.
        lines: segments that labels had better not cover.
        bounds: where labels may go.
        gap: distance in pixels between a point and a label beside it.

    Returns:
        One place per label; None where there is no room for it.
    """
    blocked, drawn = _boxes(markers), _segments(lines)
    options = [_options(point, size, blocked, drawn, bounds, gap) for point, size in zip(points, sizes, strict=True)]

    def total(places: Sequence[int | None]) -> float:
        # A label without a place is worse than any cost, an important one worst.
        absent = 1e6 * sum(len(places) - index for index, place in enumerate(places) if place is None)
        return absent + sum(
            _total(index, options, places)[place] for index, place in enumerate(places) if place is not None
        )

    everyone = range(len(points))
    orders = [
        list(everyone),
        sorted(everyone, key=lambda index: points[index]),
        sorted(everyone, key=lambda index: (points[index][1], points[index][0])),
    ]
    # Which labels are in the way depends on who came first: the best of a few orders.
    best = min((_settle(order, options) for order in orders), key=total)
    return [None if place is None else _placed(options[index], place) for index, place in enumerate(best)]


@dataclass(frozen=True, slots=True)
class _Options:
    """Where a label could go: boxes as rows x0, y0, x1, y1, the line from its point to each, and what each costs."""

    boxes: Array
    leaders: Array
    needs_leader: NDArray[np.bool_]
    costs: Array


def _options(point: Point, size: Point, markers: Array, lines: Array, bounds: Box, gap: float) -> _Options:
    rings, angles = np.repeat(_RINGS, len(_ANGLES)), np.tile(_ANGLES, len(_RINGS))
    x = point[0] + np.cos(angles) * (rings * gap + size[0] / 2)
    y = point[1] + np.sin(angles) * (rings * gap + size[1] / 2)
    boxes = np.stack([x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2], axis=1)
    costs = rings**0.85 + 0.03 * np.tile(np.arange(len(_ANGLES)), len(_RINGS))
    inside = (boxes[:, :2] >= (bounds.x0, bounds.y0)).all(axis=1) & (boxes[:, 2:] <= (bounds.x1, bounds.y1)).all(axis=1)
    own = (markers[:, :2] <= point).all(axis=1) & (markers[:, 2:] >= point).all(axis=1)
    free = inside & ~_overlapping(boxes, markers).any(axis=1)
    boxes, costs = boxes[free], costs[free]
    away = np.hypot(*(np.clip(point, boxes[:, :2], boxes[:, 2:]) - point).T)
    another = _nearest(boxes, markers[~own], _LEADER_FROM * gap)
    keep = (another >= _ANOTHERS * gap) | (another >= away)
    boxes, costs, away, another = boxes[keep], costs[keep], away[keep], another[keep]
    ends = np.clip(point, boxes[:, :2], boxes[:, 2:])
    leaders = np.concatenate([np.broadcast_to(point, ends.shape), ends], axis=1)
    needs_leader = (away > _LEADER_FROM * gap) | (another <= away)
    # A leader through a foreign marker would seem to end there.
    over = needs_leader & _entering(leaders, markers[~own]).any(axis=1)
    if not over.all():
        boxes, leaders, costs, needs_leader = boxes[~over], leaders[~over], costs[~over], needs_leader[~over]
        over = over[~over]
    covered = _entering(lines, boxes).sum(axis=0)
    return _Options(boxes, leaders, needs_leader, costs + _CROSSED_LINE * covered + _CROSSED_MARKER * over)


def _settle(order: Sequence[int], options: Sequence[_Options]) -> list[int | None]:
    """Place the labels one after another, then each again with the others in place, until none moves."""
    places: list[int | None] = [None] * len(options)
    for _ in range(_ROUNDS):
        before = list(places)
        for index in order:
            total = _total(index, options, places)
            place = int(np.argmin(total)) if len(total) else 0
            places[index] = place if len(total) and np.isfinite(total[place]) else None
        if places == before:
            break
    return places


def _total(index: int, options: Sequence[_Options], places: Sequence[int | None]) -> Array:
    """What each place of a label costs with the other labels where they are."""
    own = options[index]
    others = [(options[other], place) for other, place in enumerate(places) if place is not None and other != index]
    if not others:
        return own.costs
    labels = np.array([other.boxes[place] for other, place in others])
    leaders = np.array([other.leaders[place] for other, place in others if other.needs_leader[place]]).reshape(-1, 4)
    covered = _entering(leaders, own.boxes).sum(axis=0)
    crossing = _entering(own.leaders, labels).sum(axis=1) * _CROSSED_LABEL
    crossing = crossing + _crossing(own.leaders, leaders).sum(axis=1) * _CROSSED_LEADER
    total = own.costs + _CROSSED_LABEL * covered + np.where(own.needs_leader, crossing, 0.0)
    return np.where(_overlapping(own.boxes, labels).any(axis=1), np.inf, total)


def _nearest(boxes: Array, others: Array, reach: float) -> Array:
    """How far each of `boxes` is from the nearest of `others`; infinite where that is farther than `reach`."""
    wider = boxes + np.array([-reach, -reach, reach, reach])
    # Pairs alone: a plot may hold ten thousand markers.
    row, column = np.nonzero(_overlapping(wider, others))
    a, b = boxes[row], others[column]
    gaps = np.maximum(np.maximum(b[:, :2] - a[:, 2:], a[:, :2] - b[:, 2:]), 0)
    found = np.full(len(boxes), np.inf)
    np.minimum.at(found, row, np.hypot(gaps[:, 0], gaps[:, 1]))
    return found


def _placed(options: _Options, place: int) -> Placed:
    return Placed(Box(*(float(side) for side in options.boxes[place])), bool(options.needs_leader[place]))


def _boxes(boxes: Sequence[Box]) -> Array:
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], dtype=float).reshape(-1, 4)


def _segments(lines: Sequence[tuple[Point, Point]]) -> Array:
    return np.array([(*start, *end) for start, end in lines], dtype=float).reshape(-1, 4)


def _overlapping(boxes: Array, others: Array) -> NDArray[np.bool_]:
    """Which of `boxes` (rows) share area with which of `others` (columns)."""
    a, b = boxes[:, None, :], others[None, :, :]
    return (a[..., 0] < b[..., 2]) & (b[..., 0] < a[..., 2]) & (a[..., 1] < b[..., 3]) & (b[..., 1] < a[..., 3])


def _entering(segments: Array, boxes: Array) -> NDArray[np.bool_]:
    """Which of the segments (rows) enter which of the boxes (columns), by clipping against the sides."""
    low, high = np.zeros((len(segments), len(boxes))), np.ones((len(segments), len(boxes)))
    for axis in (0, 1):
        start, step = segments[:, axis, None], (segments[:, axis + 2] - segments[:, axis])[:, None]
        # A segment along the side never meets it: inside throughout, or outside throughout.
        along = np.abs(step) < 1e-9
        inside = (boxes[None, :, axis] < start) & (start < boxes[None, :, axis + 2])
        slope = np.where(along, 1.0, step)
        enter, leave = (boxes[None, :, axis] - start) / slope, (boxes[None, :, axis + 2] - start) / slope
        low = np.maximum(low, np.where(along, 0.0, np.minimum(enter, leave)))
        high = np.minimum(high, np.where(along, np.where(inside, 1.0, -1.0), np.maximum(enter, leave)))
    return low < high


def _crossing(segments: Array, others: Array) -> NDArray[np.bool_]:
    """Which of the segments (rows) cross which of the others (columns)."""
    return _apart(segments[:, None, :], others[None, :, :]) & _apart(others[None, :, :], segments[:, None, :])


def _apart(line: Array, segment: Array) -> NDArray[np.bool_]:
    """Whether a segment's ends lie on different sides of a line."""
    ax, ay, bx, by = (line[..., column] for column in range(4))
    sides = [(bx - ax) * (segment[..., end + 1] - ay) - (by - ay) * (segment[..., end] - ax) for end in (0, 2)]
    return sides[0] * sides[1] < 0
