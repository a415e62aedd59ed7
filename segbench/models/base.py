"""What every segbench network has in common: logits at its own stride, and a forward at the input size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.catalog import CATALOG
from segbench.resolution import ANY_SIZE, SizeRule

StateDict = Mapping[str, Tensor]


def resize(x: Tensor, size: tuple[int, int] | torch.Size, align_corners: bool = False) -> Tensor:
    """Bilinear resize of ``(N, C, h, w)`` to ``(N, C, *size)``; the input itself where it has that size already."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


def tracing() -> bool:
    """Whether a jit trace is being recorded, as fvcore does: sizes are tensors then and not to be compared."""
    return torch.jit.is_tracing()  # type: ignore[attr-defined]


class Network(nn.Module):
    """A segmentation network: ``(N, 3, H, W)`` in, logits ``(N, num_classes, H, W)`` out.

    A subclass defines `logits`, the tensor that the reference code returns in eval mode, at its own stride.

    Class attributes:
        align_corners: how the reference resizes its logits to the input size.
        size_rule: heights and widths that the reference takes, from the catalog file beside the subclass's own file.
        renames: (regular expression, replacement) pairs that turn a reference key into ours. For each key every
            pair is applied in turn, so later pairs see the result of earlier ones.
        dropped: regular expressions of reference keys without a counterpart: auxiliary heads, dead layers.
    """

    align_corners: ClassVar[bool] = False
    size_rule: ClassVar[SizeRule] = ANY_SIZE
    renames: ClassVar[tuple[tuple[str, str], ...]] = ()
    dropped: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take the size rule that the catalog states for the networks of the subclass's file."""
        super().__init_subclass__(**kwargs)
        rule = CATALOG.size_rule(cls.__module__)
        if rule is not None:
            cls.size_rule = rule

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, h, w)`` at the stride of the reference code."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at the input size.

        Raises:
            BadResolution: a size that `size_rule` does not accept.
        """
        if self.size_rule.multiple > 1 and not tracing():
            height, width = x.shape[-2:]
            self.size_rule.check(int(height), int(width), type(self).__name__)
        return resize(self.logits(x), x.shape[-2:], self.align_corners)

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The reference's state dict under our keys, by key and not by order; keys of `dropped` are left out."""
        unwanted = [re.compile(pattern) for pattern in self.dropped]
        kept = {key: value for key, value in state.items() if not any(pattern.search(key) for pattern in unwanted)}
        return {self._rename(key): value for key, value in kept.items()}

    def adapt(self, state: StateDict) -> dict[str, Any]:
        """Take on the form that weights have, where their authors' code has several under one name.

        Args:
            state: weights under our key names.

        Returns:
            The constructor options that give this form; empty where the network has it already.
        """
        return {}

    def _rename(self, key: str) -> str:
        for pattern, replacement in self.renames:
            key = re.sub(pattern, replacement, key)
        return key
