"""The tensors that a network takes, as users write them: ``1x3xHxW`` or ``1x1xHxW:uint8``. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from segbench.errors import BadOption, BadType

DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "complex64",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
)


@dataclass(frozen=True)
class Input:
    """One input tensor.

    Attributes:
        sizes: of the dimensions; the letters H and W stand for the resolution. The first is multiplied by the batch.
        dtype: a name of `DTYPES`; None for that of the network's weights.
    """

    sizes: tuple[int | str, ...]
    dtype: str | None = None

    def __str__(self) -> str:
        """As users write it."""
        return "x".join(map(str, self.sizes)) + (f":{self.dtype}" if self.dtype else "")

    def shape(self, resolution: tuple[int, int], batch: int = 1) -> tuple[int, ...]:
        """Its sizes at a resolution (height, width)."""
        sides = {"H": resolution[0], "W": resolution[1]}
        first, *others = (sides[size] if isinstance(size, str) else size for size in self.sizes)
        return (first * batch, *others)


IMAGE = Input((1, 3, "H", "W"))
"""What a network takes where nothing else is said: one RGB image."""


def parse(text: str) -> Input:
    """An input of ``1x3xHxW`` or ``1x3x512x1024:uint8``.

    Raises:
        BadOption: not sizes joined by x, or a dtype that segbench does not know.
    """
    sizes, _, dtype = text.strip().partition(":")
    parts = re.split("[x\u00d7]", sizes)
    if not all(re.fullmatch(r"[1-9]\d{0,6}|[HW]", part) for part in parts) or parts[0] in ("H", "W"):
        raise BadOption(
            f"input {text!r} is not a shape: sizes joined by x are accepted, the images first, with H and W for the "
            "resolution, as in 1x3xHxW or 1x1xHxW:uint8"
        )
    if ":" in text and dtype not in DTYPES:
        raise BadOption(f"input {text!r} has an unknown dtype: accepted: {', '.join(DTYPES)}")
    return Input(tuple(part if part in ("H", "W") else int(part) for part in parts), dtype or None)


def parse_all(texts: Sequence[str]) -> tuple[Input, ...]:
    """The inputs of a network in order; one image where none are given.

    Raises:
        BadType: no texts, or one alone where a list of them belongs.
        BadOption: as `parse`.
    """
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise BadType(f'inputs are a list of texts, as in ["1x3xHxW", "1x1xHxW"]: {texts!r:.80} given')
    return tuple(map(parse, texts)) or (IMAGE,)
