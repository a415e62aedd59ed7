"""Layers that Winograd's minimal filtering computes with fewer multiplications than a direct convolution.

A dense convolution with stride 1, dilated or not: 3x3 needs 9 multiplications an output directly, 16 / 4 by F(2x2, 3x3)
and 36 / 16 by F(4x4, 3x3), that is 2.25 and 4 times fewer; 3x1 and 1x3 need 3, 4 / 2 by F(2, 3) and 6 / 4 by F(4, 3),
1.5 and 2 times fewer. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section
4.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports torch, and the audit of printed speeds does not
    from segbench.counting.trace import Operation

FEWER: Mapping[str, tuple[float, float]] = MappingProxyType({"3x3": (2.25, 4.0), "3x1": (1.5, 2.0)})
"""How many times fewer multiplications F(2) and F(4) need, by kernel; 1x3 is 3x1."""

_KERNELS: Mapping[tuple[int, ...], str] = {(3, 3): "3x3", (3, 1): "3x1", (1, 3): "3x1"}


def kernel(operation: Operation) -> str | None:
    """The key of `FEWER` of a layer that Winograd's algorithm takes; None for any other operation."""
    dense = operation.kind == "conv2d" and operation.groups == 1 and set(operation.stride) == {1}
    return _KERNELS.get(operation.kernel) if dense else None


def multiplications(macs: int, of_3x3: int, of_3x1: int, tile: int) -> float:
    """Multiplications of a network whose layers take the fastest of direct and Winograd.

    Args:
        macs: multiply-accumulates of all layers.
        of_3x3: of them, those in layers of the kernel 3x3.
        of_3x1: of them, those in layers of the kernels 3x1 and 1x3.
        tile: outputs along a side of a tile: 2 or 4; 1 for direct convolution.
    """
    if tile == 1:
        return macs
    fewer = {key: factors[(2, 4).index(tile)] for key, factors in FEWER.items()}
    return macs - of_3x3 - of_3x1 + of_3x3 / fewer["3x3"] + of_3x1 / fewer["3x1"]
