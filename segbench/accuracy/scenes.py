"""Procedural street scenes: what is where, in Cityscapes' ids with instance numbers, and what it looks like.

Seen along a road to a vanishing point: sky, houses, trees, walls and fences, pavements, vehicles, people, poles with
lights and signs. Colour and texture depend on the class, vary between things of one class, and carry noise, so that a
network has something to learn and something to generalise over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

UNLABELED, EGO, OUT_OF_ROI, STATIC, DYNAMIC, GROUND = 0, 1, 3, 4, 5, 6
ROAD, SIDEWALK, PARKING, BUILDING, WALL, FENCE, POLE, POLEGROUP = 7, 8, 9, 11, 12, 13, 17, 18
LIGHT, SIGN, VEGETATION, TERRAIN, SKY = 19, 20, 21, 22, 23
PERSON, RIDER, CAR, TRUCK, BUS, TRAILER, MOTORCYCLE, BICYCLE = 24, 25, 26, 27, 28, 30, 32, 33
LANE_MARKING = 40
"""Not an id of Cityscapes, where it is road; CamVid's originals have a colour for it."""

_WITH_INSTANCES = frozenset((PERSON, RIDER, CAR, TRUCK, BUS, TRAILER, MOTORCYCLE, BICYCLE))
_PER_CLASS = 1000

# id: colour, variation between things, fine grain, coarse pattern
_LOOKS: dict[int, tuple[tuple[int, int, int], float, float, float]] = {
    UNLABELED: ((95, 85, 75), 90, 25, 20),
    EGO: ((38, 40, 44), 0, 4, 10),
    OUT_OF_ROI: ((0, 0, 0), 0, 0, 0),
    STATIC: ((125, 115, 95), 80, 20, 15),
    DYNAMIC: ((140, 95, 120), 80, 20, 10),
    GROUND: ((120, 105, 90), 20, 15, 15),
    ROAD: ((92, 90, 94), 4, 7, 8),
    SIDEWALK: ((158, 144, 136), 10, 9, 8),
    PARKING: ((118, 106, 112), 8, 8, 8),
    BUILDING: ((148, 108, 84), 60, 8, 10),
    WALL: ((186, 176, 158), 14, 10, 16),
    FENCE: ((112, 76, 46), 14, 26, 6),
    POLE: ((58, 62, 66), 12, 6, 4),
    POLEGROUP: ((58, 62, 66), 12, 6, 4),
    LIGHT: ((214, 124, 24), 24, 12, 4),
    SIGN: ((232, 214, 60), 34, 8, 4),
    VEGETATION: ((52, 96, 40), 24, 30, 22),
    TERRAIN: ((122, 150, 74), 18, 18, 14),
    SKY: ((168, 198, 226), 6, 2, 14),
    PERSON: ((206, 92, 110), 44, 12, 6),
    RIDER: ((184, 40, 64), 34, 12, 6),
    CAR: ((54, 66, 150), 66, 7, 8),
    TRUCK: ((116, 140, 172), 24, 7, 10),
    BUS: ((222, 176, 24), 20, 7, 6),
    TRAILER: ((150, 150, 170), 30, 7, 10),
    MOTORCYCLE: ((24, 30, 78), 16, 18, 6),
    BICYCLE: ((92, 26, 32), 14, 24, 6),
    LANE_MARKING: ((226, 226, 220), 4, 6, 4),
}


@dataclass(frozen=True)
class Scene:
    """One image with its ground truth.

    Attributes:
        image: RGB, uint8 ``(H, W, 3)``.
        instances: ``(H, W)``: id times 1000 plus a number for an instance, the bare id for everything else.
    """

    image: NDArray[np.uint8]
    instances: Ids

    @property
    def ids(self) -> Ids:
        """Class ids ``(H, W)``, with `LANE_MARKING`."""
        return np.where(self.instances >= _PER_CLASS, self.instances // _PER_CLASS, self.instances)


def make_scene(rng: np.random.Generator, height: int, width: int) -> Scene:
    """A scene that the generator's state decides."""
    canvas = _Canvas(rng, height, width)
    _background(canvas)
    _things(canvas)
    _borders(canvas)
    return Scene(_colour(rng, canvas), np.asarray(canvas.values).astype(np.int32))


class _Canvas:
    """Draws a shape twice: what it is, and a random tint, equal within a thing."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.values = Image.new("I", (width, height), SKY)
        self.tints = Image.new("L", (width, height), 0)
        self._draw = ImageDraw.Draw(self.values), ImageDraw.Draw(self.tints)
        self._numbers = dict.fromkeys(_WITH_INSTANCES, 0)
        self.horizon = height * self.between(0.36, 0.48)
        self.centre = width * self.between(0.4, 0.6)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def thing(self, kind: int, group: bool = False) -> tuple[int, int]:
        """A new thing's value and tint."""
        tint = int(self.rng.integers(256))
        if kind not in _WITH_INSTANCES or group:
            return kind, tint
        number = self._numbers[kind]
        self._numbers[kind] = number + 1
        return kind * _PER_CLASS + number, tint

    def polygon(self, thing: tuple[int, int], *points: tuple[float, float]) -> None:
        for draw, fill in zip(self._draw, thing, strict=True):
            draw.polygon(list(points), fill=fill)

    def box(self, thing: tuple[int, int], x: float, y: float, right: float, bottom: float) -> None:
        for draw, fill in zip(self._draw, thing, strict=True):
            draw.rectangle((x, y, max(right, x), max(bottom, y)), fill=fill)

    def ellipse(self, thing: tuple[int, int], x: float, y: float, right: float, bottom: float) -> None:
        for draw, fill in zip(self._draw, thing, strict=True):
            draw.ellipse((x, y, max(right, x), max(bottom, y)), fill=fill)

    def ring(self, thing: tuple[int, int], x: float, y: float, radius: float) -> None:
        line = max(1, round(radius * 0.35))
        for draw, fill in zip(self._draw, thing, strict=True):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=fill, width=line)

    def nearness(self, y: float) -> float:
        """0 at the horizon, 1 at the lower edge."""
        return (y - self.horizon) / (self.height - self.horizon)


def _background(canvas: _Canvas) -> None:
    height, width, horizon, centre = canvas.height, canvas.width, canvas.horizon, canvas.centre
    x = -canvas.between(0, 0.05) * width
    while x < width:
        step = width * canvas.between(0.06, 0.17)
        near = abs(x + step / 2 - centre) / width
        if canvas.chance(0.8):
            top = horizon - height * canvas.between(0.08, 0.2) * (0.5 + 2.2 * near)
            canvas.box(canvas.thing(BUILDING), x, top, x + step, horizon + height * 0.04)
        x += step
    for kind, share in ((WALL, 0.5), (FENCE, 0.6), (FENCE, 0.3)):
        if canvas.chance(share):
            left, length = canvas.between(0, 0.8) * width, canvas.between(0.15, 0.4) * width
            top = horizon - height * canvas.between(0.03, 0.07)
            canvas.box(canvas.thing(kind), left, top, left + length, horizon + height * 0.05)
    for _ in range(canvas.rng.integers(2, 6)):
        _tree(canvas, canvas.between(0, 1) * width)

    canvas.box(canvas.thing(TERRAIN), 0, horizon, width, height)
    tip, low, wide = 0.015 * width, height * 1.02, width * canvas.between(0.36, 0.5)
    outer = wide + width * canvas.between(0.14, 0.3)
    for kind, reach, start in ((SIDEWALK, outer, 3 * tip), (ROAD, wide, tip)):
        canvas.polygon(
            canvas.thing(kind),
            (centre - start, horizon),
            (centre + start, horizon),
            (centre + reach, low),
            (centre - reach, low),
        )
    if canvas.chance(0.3):
        side = outer * canvas.between(0.75, 0.9) * (1 if canvas.chance(0.5) else -1)
        y = horizon + (height - horizon) * 0.55
        canvas.polygon(
            canvas.thing(PARKING),
            (centre + side * 0.5, y),
            (centre + side * 0.62, y),
            (centre + side, height),
            (centre + side * 0.8, height),
        )
    marking = canvas.thing(LANE_MARKING)
    for start in (0.12, 0.3, 0.55, 0.85):
        y, below = (horizon + (height - horizon) * part for part in (start, start * 1.25))
        half = [max(0.5, 0.012 * width * canvas.nearness(place)) for place in (y, below)]
        canvas.polygon(
            marking, (centre - half[0], y), (centre + half[0], y), (centre + half[1], below), (centre - half[1], below)
        )


def _tree(canvas: _Canvas, x: float) -> None:
    tree = canvas.thing(VEGETATION)
    size = canvas.height * canvas.between(0.08, 0.2)
    base = canvas.horizon + canvas.height * 0.02
    canvas.box(tree, x - size * 0.08, base - size, x + size * 0.08, base)
    for _ in range(5):
        dx, dy = canvas.between(-0.5, 0.5) * size, canvas.between(-1.6, -0.7) * size
        radius = size * canvas.between(0.35, 0.6)
        canvas.ellipse(tree, x + dx - radius, base + dy - radius, x + dx + radius, base + dy + radius)


def _things(canvas: _Canvas) -> None:
    """Far things first, so that near ones hide them."""
    kinds = [
        *(["vehicle"] * int(canvas.rng.integers(3, 8))),
        *(["person"] * int(canvas.rng.integers(2, 6))),
        *(["pole"] * int(canvas.rng.integers(3, 7))),
        *(["cyclist"] * int(canvas.rng.integers(0, 3))),
        *(["group"] * int(canvas.rng.integers(0, 2))),
        *(["clutter"] * int(canvas.rng.integers(1, 4))),
    ]
    placed = sorted((canvas.between(0.03, 0.75) ** 1.2, kind) for kind in kinds)
    for near, kind in placed:
        y = canvas.horizon + near * (canvas.height - canvas.horizon)
        {
            "vehicle": _vehicle,
            "person": _person,
            "pole": _pole,
            "cyclist": _cyclist,
            "group": _group,
            "clutter": _clutter,
        }[kind](canvas, y, 0.12 + 0.88 * near)


def _beside(canvas: _Canvas, near: float, inner: float, outer: float) -> float:
    """An x to the left or right of the road's middle, in units of the width at the lower edge."""
    side = 1 if canvas.chance(0.5) else -1
    return canvas.centre + side * near * canvas.width * canvas.between(inner, outer)


def _vehicle(canvas: _Canvas, y: float, near: float) -> None:
    kind = int(canvas.rng.choice([CAR, TRUCK, BUS, TRAILER], p=[0.68, 0.14, 0.14, 0.04]))
    thing = canvas.thing(kind)
    x = _beside(canvas, near, 0.02, 0.45)
    length = canvas.height * near * canvas.between(0.4, 0.6) * (1.0 if kind == CAR else 1.5)
    tall = length * (0.34 if kind == CAR else 0.6)
    canvas.box(thing, x, y - tall, x + length, y - tall * 0.12)
    if kind == CAR:
        roof = y - tall * 1.75
        canvas.polygon(
            thing,
            (x + 0.12 * length, y - tall),
            (x + 0.28 * length, roof),
            (x + 0.72 * length, roof),
            (x + 0.9 * length, y - tall),
        )
    for place in (0.2, 0.8):
        radius = length * 0.09
        middle = x + place * length
        canvas.ellipse(thing, middle - radius, y - 2 * radius, middle + radius, y)


def _figure(canvas: _Canvas, thing: tuple[int, int], x: float, y: float, tall: float) -> None:
    half = tall * 0.14
    canvas.box(thing, x - half, y - tall * 0.82, x + half, y - tall * 0.4)
    canvas.box(thing, x - half, y - tall * 0.42, x - half * 0.15, y)
    canvas.box(thing, x + half * 0.15, y - tall * 0.42, x + half, y)
    canvas.ellipse(thing, x - half * 0.7, y - tall, x + half * 0.7, y - tall * 0.8)


def _person(canvas: _Canvas, y: float, near: float) -> None:
    _figure(
        canvas,
        canvas.thing(PERSON),
        _beside(canvas, near, 0.3, 0.75),
        y,
        canvas.height * near * canvas.between(0.4, 0.5),
    )


def _group(canvas: _Canvas, y: float, near: float) -> None:
    """People who were not told apart: a bare id in the instance file."""
    x, tall = _beside(canvas, near, 0.4, 0.75), canvas.height * near * 0.42
    thing = canvas.thing(PERSON, group=True)
    for place in range(3):
        _figure(canvas, thing, x + place * tall * 0.25, y, tall * canvas.between(0.9, 1.05))


def _cyclist(canvas: _Canvas, y: float, near: float) -> None:
    kind = BICYCLE if canvas.chance(0.6) else MOTORCYCLE
    machine, x = canvas.thing(kind), _beside(canvas, near, 0.1, 0.55)
    tall = canvas.height * near * canvas.between(0.4, 0.5)
    radius = tall * 0.22
    if canvas.chance(0.8):
        _figure(canvas, canvas.thing(RIDER), x, y - radius, tall * 0.9)
    for place in (-1, 1):
        canvas.ring(machine, x + place * radius * 1.3, y - radius, radius)
    half = radius * (0.25 if kind == BICYCLE else 0.6)
    canvas.box(machine, x - radius * 1.3, y - radius - half, x + radius * 1.3, y - radius + half)


def _pole(canvas: _Canvas, y: float, near: float) -> None:
    x, tall = _beside(canvas, near, 0.42, 0.9), canvas.height * near * canvas.between(0.8, 1.1)
    half = max(0.5, canvas.height * near * 0.014)
    kind = POLEGROUP if canvas.chance(0.06) else POLE
    canvas.box(canvas.thing(kind), x - half, y - tall, x + half, y)
    size = canvas.height * near * 0.07
    if canvas.chance(0.45):
        canvas.box(canvas.thing(LIGHT), x - size * 0.5, y - tall, x + size * 0.5, y - tall + size * 2.2)
    elif canvas.chance(0.75):
        canvas.ellipse(canvas.thing(SIGN), x - size, y - tall, x + size, y - tall + 2 * size)


def _clutter(canvas: _Canvas, y: float, near: float) -> None:
    """Something that the annotators did not label, or that is not evaluated."""
    kind = int(canvas.rng.choice([UNLABELED, STATIC, DYNAMIC, GROUND]))
    x, size = _beside(canvas, near, 0.1, 0.9), canvas.height * near * canvas.between(0.1, 0.22)
    canvas.ellipse(canvas.thing(kind), x - size, y - size, x + size, y + size * 0.4)


def _borders(canvas: _Canvas) -> None:
    height, width = canvas.height, canvas.width
    if canvas.chance(0.8):
        rise = height * canvas.between(0.03, 0.08)
        canvas.ellipse(canvas.thing(EGO), width * 0.12, height - rise, width * 0.88, height + 3 * rise)
    if canvas.chance(0.5):
        edge = max(0, round(height * 0.008) - 1)
        thing = canvas.thing(OUT_OF_ROI)
        for box in ((0, 0, width, edge), (0, 0, edge, height), (width - 1 - edge, 0, width, height)):
            canvas.box(thing, *box)


def _colour(rng: np.random.Generator, canvas: _Canvas) -> NDArray[np.uint8]:
    """Paint by class and tint, then light, texture and sensor noise."""
    values = np.asarray(canvas.values)
    ids = np.where(values >= _PER_CLASS, values // _PER_CLASS, values)
    tints = np.asarray(canvas.tints)
    height, width = ids.shape
    base, variation, fine, coarse = _tables()
    offsets = rng.uniform(-0.5, 0.5, (256, 3)).astype(np.float32)
    grain = rng.standard_normal((height, width), dtype=np.float32)
    picture = base[ids]
    picture += variation[ids][..., None] * offsets[tints]
    picture += (fine[ids] * grain + coarse[ids] * _patches(rng, height, width))[..., None]
    picture += _pattern(ids, height, width)[..., None]
    light = rng.uniform(0.85, 1.15) * np.linspace(rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1), width)
    picture *= light.astype(np.float32)[None, :, None] * rng.uniform(0.95, 1.05, 3).astype(np.float32)
    smooth = Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(height / 512))
    noise = rng.standard_normal((height, width), dtype=np.float32)[..., None] * 4
    return (np.asarray(smooth) + noise).clip(0, 255).astype(np.uint8)


def _tables() -> tuple[Floats, Floats, Floats, Floats]:
    base = np.zeros((LANE_MARKING + 1, 3), np.float32)
    amounts = np.zeros((3, LANE_MARKING + 1), np.float32)
    for kind, (colour, *strengths) in _LOOKS.items():
        base[kind], amounts[:, kind] = colour, strengths
    return base, amounts[0], amounts[1], amounts[2]


def _patches(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Smooth noise from -1 to 1, about 16 patches high."""
    small = rng.uniform(-1, 1, (16, max(2, 16 * width // height))).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def _pattern(ids: Ids, height: int, width: int) -> Floats:
    """Windows, pickets and paving joints."""
    unit = max(2, height // 64)
    rows, columns = np.mgrid[:height, :width]
    windows = (ids == BUILDING) & (rows % (4 * unit) < 2 * unit) & (columns % (3 * unit) < unit)
    pickets = (ids == FENCE) & (columns % (2 * unit) < unit)
    joints = (ids == SIDEWALK) & ((rows % (3 * unit) == 0) | (columns % (6 * unit) == 0))
    return (-46 * windows - 30 * pickets - 22 * joints).astype(np.float32)
