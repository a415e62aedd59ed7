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


def check(height: int, width: int, multiple: int = 1, model: str = "") -> None:
    """Refuse a size that is too small, or not a multiple that the network's reference code needs.

    Raises:
        BadResolution: says what was given and what is accepted.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise BadResolution(f"resolution {show((height, width))} is too small: at least 64x64 is accepted")
    if height % multiple or width % multiple:
        nearest = [max(round(side / multiple), 1) * multiple for side in (height, width)]
        raise BadResolution(
            f"{model} takes heights and widths that are multiples of {multiple}, as its reference code does: "
            f"{show((height, width))} given, {nearest[0]}x{nearest[1]} is the nearest"
        )


def show(resolution: tuple[int, int]) -> str:
    """``"512x1024"`` for (512, 1024)."""
    return f"{resolution[0]}x{resolution[1]}"
