"""Procedural street scenes: what is where, in Cityscapes' ids with instance numbers, and what it looks like.

Seen along a road to a vanishing point: sky, houses, trees, walls and fences, pavements, vehicles, people, poles with
lights and signs, each put together from boxes and ellipses. Colour and texture depend on the class, vary between things
of one class, and carry noise, so that a network has something to learn and something to generalise over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Part = tuple[str, float, float, float, float]
"""``box`` or ``ellipse``; left, top, right and bottom in heights of the thing, from its foot."""

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


_FIGURE: tuple[Part, ...] = (
    *(("box", -0.14, 0.82, 0.14, 0.4), ("box", -0.14, 0.42, -0.02, 0), ("box", 0.02, 0.42, 0.14, 0)),
    ("ellipse", -0.1, 1, 0.1, 0.8),
)
_CROWD = tuple(
    (shape, x + step, y, right + step, low) for step in (0, 0.25, 0.5) for shape, x, y, right, low in _FIGURE
)
_CAR: tuple[Part, ...] = (
    *(("box", -1.3, 0.6, 1.3, 0.08), ("box", -0.8, 1, 0.7, 0.5)),
    *(("ellipse", -1, 0.3, -0.7, 0), ("ellipse", 0.7, 0.3, 1, 0)),
)
_LORRY: tuple[Part, ...] = (("box", -0.9, 1, 0.9, 0.1), ("ellipse", -0.7, 0.2, -0.5, 0), ("ellipse", 0.5, 0.2, 0.7, 0))
_TWO_WHEELS: tuple[Part, ...] = (
    *(("ellipse", -0.5, 0.44, -0.1, 0), ("ellipse", 0.1, 0.44, 0.5, 0)),
    ("box", -0.3, 0.34, 0.3, 0.2),
)
_TREE: tuple[Part, ...] = (
    *(("box", -0.05, 0.6, 0.05, 0), ("ellipse", -0.3, 1, 0.25, 0.5)),
    *(("ellipse", -0.35, 0.8, 0, 0.4), ("ellipse", 0, 0.85, 0.4, 0.35)),
)


class _Kind(NamedTuple):
    """How many of a kind there are, how far beside the road's middle, how tall, and what each is made of."""

    number: tuple[int, int]
    beside: tuple[float, float]
    tall: tuple[float, float]
    classes: tuple[int, ...]
    parts: tuple[tuple[Part, ...], ...]


_KINDS = (
    _Kind((2, 6), (0.02, 0.45), (0.16, 0.22), (CAR,), (_CAR,)),
    _Kind((1, 3), (0.05, 0.45), (0.35, 0.5), (TRUCK, BUS, TRAILER), (_LORRY,)),
    _Kind((2, 6), (0.3, 0.75), (0.4, 0.5), (PERSON,), (_FIGURE,)),
    _Kind((0, 2), (0.4, 0.75), (0.38, 0.44), (-PERSON,), (_CROWD,)),
    _Kind((0, 2), (0.1, 0.55), (0.4, 0.5), (BICYCLE, MOTORCYCLE), (_TWO_WHEELS,)),
    _Kind((0, 2), (0.1, 0.55), (0.4, 0.5), (RIDER, BICYCLE), (_FIGURE, _TWO_WHEELS)),
    _Kind((1, 4), (0.42, 0.9), (0.8, 1.1), (POLE,), ((("box", -0.02, 1, 0.02, 0),),)),
    _Kind((0, 2), (0.42, 0.9), (0.8, 1.1), (POLEGROUP,), ((("box", -0.02, 1, 0.02, 0),),)),
    _Kind(
        (1, 3), (0.42, 0.9), (0.8, 1.1), (POLE, LIGHT), ((("box", -0.02, 1, 0.02, 0),), (("box", -0.05, 1, 0.05, 0.8),))
    ),
    _Kind(
        (1, 3),
        (0.42, 0.9),
        (0.8, 1.1),
        (POLE, SIGN),
        ((("box", -0.02, 1, 0.02, 0),), (("ellipse", -0.07, 1, 0.07, 0.86),)),
    ),
    _Kind(
        (1, 4), (0.1, 0.9), (0.15, 0.3), (UNLABELED, STATIC, DYNAMIC, GROUND), ((("ellipse", -0.7, 0.7, 0.7, -0.3),),)
    ),
)
"""A class below 0 has no instance number: people who were not told apart. With as many classes as parts each part is of
its own class; else one of the classes is drawn."""


def make_scene(rng: np.random.Generator, height: int, width: int) -> Scene:
    """A scene that the generator's state decides."""
    canvas = _Canvas(rng, height, width)
    _background(canvas)
    _things(canvas)
    if rng.random() < 0.8:
        rise = height * rng.uniform(0.03, 0.08)
        canvas.draw(EGO, "ellipse", width * 0.12, height - rise, width * 0.88, height + 3 * rise)
    if rng.random() < 0.5:
        edge = max(0, round(height * 0.008) - 1)
        for box in ((0, 0, width, edge), (0, 0, edge, height), (width - 1 - edge, 0, width, height)):
            canvas.draw(OUT_OF_ROI, "box", *box)
    return Scene(_colour(rng, canvas), np.asarray(canvas.values).astype(np.int32))


class _Canvas:
    """Draws a shape twice: what it is, and a random tint, equal within a thing."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.values = Image.new("I", (width, height), SKY)
        self.tints = Image.new("L", (width, height), 0)
        self._draw = ImageDraw.Draw(self.values), ImageDraw.Draw(self.tints)
        self._numbers = dict.fromkeys(_WITH_INSTANCES, 0)
        self.horizon, self.centre = height * rng.uniform(0.36, 0.48), width * rng.uniform(0.4, 0.6)

    def thing(self, kind: int) -> int:
        """The value of a new thing: its class, with a number where the class has instances."""
        if kind not in _WITH_INSTANCES:
            return abs(kind)
        self._numbers[kind] += 1
        return kind * _PER_CLASS + self._numbers[kind] - 1

    def draw(self, value: int, shape: str, *where: float, tint: int | None = None) -> None:
        """A ``box`` or ``ellipse`` from left, top, right and bottom, or a ``polygon`` from x, y, x, y ..."""
        fills = value, int(self.rng.integers(256)) if tint is None else tint
        for draw, fill in zip(self._draw, fills, strict=True):
            if shape == "polygon":
                draw.polygon(where, fill=fill)
            else:
                x, y, right, bottom = where
                outline = draw.rectangle if shape == "box" else draw.ellipse
                outline((x, y, max(right, x), max(bottom, y)), fill=fill)

    def put(self, value: int, parts: Iterable[Part], x: float, foot: float, tall: float) -> None:
        """A thing from its parts."""
        tint = int(self.rng.integers(256))
        for shape, left, top, right, bottom in parts:
            self.draw(
                value, shape, x + left * tall, foot - top * tall, x + right * tall, foot - bottom * tall, tint=tint
            )


def _background(canvas: _Canvas) -> None:
    rng, height, width, horizon, centre = canvas.rng, canvas.height, canvas.width, canvas.horizon, canvas.centre
    x = -rng.uniform(0, 0.05) * width
    while x < width:
        step = width * rng.uniform(0.06, 0.17)
        if rng.random() < 0.8:
            top = horizon - height * rng.uniform(0.08, 0.2) * (0.5 + 2.2 * abs(x + step / 2 - centre) / width)
            canvas.draw(BUILDING, "box", x, top, x + step, horizon + height * 0.04)
        x += step
    for kind, share in ((WALL, 0.5), (FENCE, 0.6), (FENCE, 0.3)):
        if rng.random() < share:
            left, top = rng.uniform(0, 0.8) * width, horizon - height * rng.uniform(0.03, 0.07)
            canvas.draw(kind, "box", left, top, left + rng.uniform(0.15, 0.4) * width, horizon + height * 0.05)
    for _ in range(rng.integers(2, 6)):
        canvas.put(VEGETATION, _TREE, rng.uniform(0, width), horizon + height * 0.02, height * rng.uniform(0.15, 0.35))
    canvas.draw(TERRAIN, "box", 0, horizon, width, height)
    wide = width * rng.uniform(0.36, 0.5)
    outer, tip, low = wide + width * rng.uniform(0.14, 0.3), 0.015 * width, height * 1.02
    for kind, reach, start in ((SIDEWALK, outer, 3 * tip), (ROAD, wide, tip)):
        ends = centre - start, horizon, centre + start, horizon, centre + reach, low, centre - reach, low
        canvas.draw(kind, "polygon", *ends)
    if rng.random() < 0.3:
        side, y = outer * rng.uniform(0.75, 0.9) * rng.choice((-1, 1)), horizon + (height - horizon) * 0.55
        far, near = (centre + side * 0.5, centre + side * 0.62), (centre + side, centre + side * 0.8)
        canvas.draw(PARKING, "polygon", far[0], y, far[1], y, near[0], height, near[1], height)
    for start in (0.12, 0.3, 0.55, 0.85):
        y, below = (horizon + (height - horizon) * part for part in (start, start * 1.25))
        one, other = (max(0.5, 0.012 * width * part) for part in (start, start * 1.25))
        corners = centre - one, y, centre + one, y, centre + other, below, centre - other, below
        canvas.draw(LANE_MARKING, "polygon", *corners, tint=128)


def _things(canvas: _Canvas) -> None:
    """Far things first, so that near ones hide them."""
    rng = canvas.rng
    drawn = [
        (rng.uniform(0.03, 0.75) ** 1.2, place)
        for place, kind in enumerate(_KINDS)
        for _ in range(rng.integers(*kind.number))
    ]
    for near, place in sorted(drawn):
        kind, scale = _KINDS[place], 0.12 + 0.88 * near
        x = canvas.centre + rng.choice((-1, 1)) * scale * canvas.width * rng.uniform(*kind.beside)
        foot = canvas.horizon + near * (canvas.height - canvas.horizon)
        tall = max(canvas.height * scale * rng.uniform(*kind.tall), 2.0)
        classes = kind.classes if len(kind.classes) == len(kind.parts) else (int(rng.choice(kind.classes)),)
        for label, parts in zip(classes, kind.parts, strict=True):
            canvas.put(canvas.thing(label), parts, x, foot, tall)


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
