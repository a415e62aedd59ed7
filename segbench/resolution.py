"""Resolutions as users write them: always height x width, as in ``512x1024``. Imports no torch."""

from __future__ import annotations

import re

from segbench.errors import BadResolution

SMALLEST_SIDE = 64


def parse(text: str) -> tuple[int, int]:
    """Height and width of ``"512x1024"``.

    Raises:
        BadResolution: not HxW, or a side below 64 pixels.
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX\u00d7]\s*(\d{1,6})\s*", text)
    if found is None:
        raise BadResolution(f"resolution {text!r} is not HEIGHTxWIDTH in pixels, as in 512x1024")
    height, width = int(found[1]), int(found[2])
    check(height, width)
    return height, width


def accepted_sides(multiple: int, offset: int = 0) -> str:
    """In words, which heights and widths a reference code takes: multiples, or multiples plus an offset."""
    return f"multiples of {multiple}" + (f" plus {offset}" if offset else "")


def check(height: int, width: int, multiple: int = 1, model: str = "", offset: int = 0) -> None:
    """Refuse a size that is too small, or not a multiple (plus `offset`) that the network's reference code needs.

    Raises:
        BadResolution: says what was given and what is accepted.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise BadResolution(f"resolution {show((height, width))} is too small: at least 64x64 is accepted")
    if (height - offset) % multiple or (width - offset) % multiple:
        closest = show(nearest((height, width), multiple, offset))
        raise BadResolution(
            f"{model} takes heights and widths that are {accepted_sides(multiple, offset)}, "
            f"as its reference code does: {show((height, width))} given, {closest} is the nearest"
        )


def nearest(resolution: tuple[int, int], multiple: int = 1, offset: int = 0) -> tuple[int, int]:
    """The size closest to `resolution` whose sides are multiples plus `offset`."""
    height, width = (max(round((side - offset) / multiple), 1) * multiple + offset for side in resolution)
    return height, width


def show(resolution: tuple[int, int]) -> str:
    """``"512x1024"`` for (512, 1024)."""
    return f"{resolution[0]}x{resolution[1]}"
