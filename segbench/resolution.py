"""Resolutions as users write them: always height x width, as in ``512x1024``. Imports no torch."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from segbench import limits
from segbench.errors import BadResolution, BadType

SMALLEST_SIDE, LARGEST_SIDE = 64, 65_535
NEAR = 0.1
"""Share of a side by which the nearest accepted size may differ from it to stand in its place."""


def parse(text: str) -> tuple[int, int]:
    """Height and width of ``"512x1024"``.

    Raises:
        BadResolution: not HxW, or a side below 64 pixels.

    Example:
        >>> parse("512x1024")
        (512, 1024)
    """
    found = re.fullmatch(r"\s*(\d{1,20})\s*[xX\u00d7]\s*(\d{1,20})\s*", text)
    if found is None:
        raise BadResolution(f"resolution {text!r} is not HEIGHTxWIDTH in pixels, as in 512x1024")
    height, width = int(found[1]), int(found[2])
    check(height, width)
    return height, width


def pair(given: object) -> tuple[int, int]:
    """Height and width that an argument gives.

    Raises:
        BadType: not two whole numbers.
    """
    sides = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    if len(sides) != 2:
        raise BadType(f"a resolution is two whole numbers, (height, width): {given!r:.80} given")
    for side in sides:
        limits.check_integer("height and width", side)
    return operator.index(sides[0]), operator.index(sides[1])


@dataclass(frozen=True)
class SizeRule:
    """Heights and widths that a network's reference code takes.

    Attributes:
        multiple: both are multiples of it, plus `offset`.
        offset: 1 where the reference takes sizes such as 8k + 1.

    Example:
        >>> rule = SizeRule(multiple=8, offset=1)
        >>> print(rule)
        multiples of 8 plus 1
        >>> rule.accepts(713, 713), rule.nearest((512, 1024))
        (True, (513, 1025))
    """

    multiple: int = 1
    offset: int = 0

    def __str__(self) -> str:
        """In words: ``multiples of 8 plus 1``."""
        if self.multiple == 1:
            return "all heights and widths"
        return f"multiples of {self.multiple}" + (f" plus {self.offset}" if self.offset else "")

    def accepts(self, height: int, width: int) -> bool:
        """Whether the network takes this size."""
        return (height - self.offset) % self.multiple == 0 and (width - self.offset) % self.multiple == 0

    def nearest(self, resolution: tuple[int, int]) -> tuple[int, int]:
        """The accepted size (height, width) closest to `resolution`."""
        height, width = (
            max(round((side - self.offset) / self.multiple), 1) * self.multiple + self.offset for side in resolution
        )
        return height, width

    def near(self, resolution: tuple[int, int]) -> tuple[int, int] | None:
        """The accepted size closest to `resolution`, if no side of it differs by more than 10 %.

        Example:
            >>> SizeRule(multiple=32).near((360, 480)), SizeRule(multiple=64).near((96, 96))
            ((352, 480), None)
        """
        found = self.nearest(resolution)
        far = any(abs(side - wanted) > NEAR * wanted for side, wanted in zip(found, resolution, strict=True))
        return None if far or min(found) < SMALLEST_SIDE else found

    def check(self, height: int, width: int, model: str) -> None:
        """Refuse a size that the network does not take.

        Raises:
            BadResolution: says what was given, what is accepted, and the nearest of it.
        """
        if not self.accepts(height, width):
            raise BadResolution(
                f"{model} takes heights and widths that are {self}, as its reference code does: "
                f"{show((height, width))} given, {show(self.nearest((height, width)))} is the nearest"
            )


ANY_SIZE = SizeRule()
"""The rule of a network that takes every height and width."""


def check(height: int, width: int, rule: SizeRule = ANY_SIZE, model: str = "") -> None:
    """Refuse a size that is too small or too large for any network, or that `model` with its size rule does not take.

    Raises:
        BadResolution: says what was given and what is accepted.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise BadResolution(f"resolution {show((height, width))} is too small: at least 64x64 is accepted")
    if max(height, width) > LARGEST_SIDE:
        raise BadResolution(
            f"resolution {show((height, width))} is too large: at most {show((LARGEST_SIDE, LARGEST_SIDE))} is accepted"
        )
    rule.check(height, width, model)


def show(resolution: tuple[int, int]) -> str:
    """``"512x1024"`` for (512, 1024)."""
    return f"{resolution[0]}x{resolution[1]}"
