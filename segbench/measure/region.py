"""The part of a protocol's timed region that is arithmetic, as a callable or as a network of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn


def region(net: nn.Module, mode: str) -> Callable[[Tensor], Tensor]:
    """Image to logits: at the network's own stride in mode ``logits`` where it has one, at the input size otherwise."""
    if mode == "logits" and has_own_stride(net):
        return cast(Callable[[Tensor], Tensor], net.logits)
    return net


def has_own_stride(net: nn.Module) -> bool:
    """Whether a network gives its logits before they are resized."""
    return callable(getattr(net, "logits", None))


class Region(nn.Module):
    """A network followed by what a mode does to its logits: argmax, and a cast to uint8."""

    def __init__(self, net: nn.Module, mode: str) -> None:
        """Wrap a network; `mode` is a key of `segbench.protocol.MODES`."""
        super().__init__()
        self.net = net
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to logits (N, classes, h, w), or to labels (N, H, W)."""
        y = region(self.net, self.mode)(x)
        if self.mode == "predict":
            return y.argmax(1)
        return y.argmax(1).to(torch.uint8) if self.mode == "swiftnet" else y
