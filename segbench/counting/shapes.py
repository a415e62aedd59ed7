"""Outputs on meta that follow from the arguments alone, where torch's own meta kernel takes milliseconds.

Those kernels are Python decompositions into dozens of element-by-element operations. A test holds the shapes here
against theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]


def batch_norm(arguments: Arguments) -> Tensor | None:
    """The shape of the input, in eval mode."""
    image: Tensor = arguments["input"]
    given = [arguments.get(name) for name in ("weight", "bias", "running_mean", "running_var")]
    if arguments["training"] or any(t is not None and t.shape != image.shape[1:2] for t in given):
        return None
    return torch.empty_like(image)


def prelu(arguments: Arguments) -> Tensor | None:
    """The shape of the input."""
    image: Tensor = arguments["self"]
    weight: Tensor = arguments["weight"]
    return torch.empty_like(image) if weight.numel() == 1 or weight.shape == image.shape[1:2] else None


def upsample(arguments: Arguments) -> Tensor | None:
    """Batch and channels of the input; height and width as given, or scaled and rounded down."""
    image: Tensor = arguments["input"]
    size, scales = arguments.get("output_size"), arguments.get("scale_factors")
    if image.dim() != 4 or (size is None) == (scales is None):
        return None
    if scales is not None:
        size = [math.floor(length * scale) for length, scale in zip(image.shape[2:], scales, strict=True)]
    assert size is not None
    return image.new_empty((*image.shape[:2], *size)) if all(length > 0 for length in size) else None


KNOWN: Mapping[tuple[str, str], Callable[[Arguments], Tensor | None]] = {
    ("batch_norm", "default"): batch_norm,
    ("prelu", "default"): prelu,
    ("upsample_bilinear2d", "vec"): upsample,
    ("upsample_nearest2d", "vec"): upsample,
}
