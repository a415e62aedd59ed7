"""How far a faster form of a network is from the plain one: its logits and its labels on one image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from segbench.measure.device import Device


def sample_image(resolution: tuple[int, int], device: Device) -> Tensor:
    """The image (1, 3, H, W) of standard normal noise that forms of a network are compared on."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((1, 3, *resolution), generator=generator).to(device.torch_device)


def logits_of(run: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """What a network says, as a tensor of its own that no later pass overwrites."""
    with torch.inference_mode():
        return run(image).clone()


def deviation(reference: Tensor, other: Tensor) -> dict[str, Any]:
    """Compare logits (N, classes, H, W).

    Args:
        reference: of the plain network in fp32.
        other: of its faster form, in any precision.

    Returns:
        ``max_over_std``: the largest difference over the reference's standard deviation, None where a value is not
        finite; ``labels_changed``: the share of positions whose label (argmax) differs.
    """
    difference = float((other.float() - reference).abs().max().item())
    spread = float(reference.std().item())
    relative = difference / spread if spread else difference
    return {
        "max_over_std": relative if math.isfinite(relative) else None,
        "labels_changed": float((other.argmax(1) != reference.argmax(1)).float().mean().item()),
    }
