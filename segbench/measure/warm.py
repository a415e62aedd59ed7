"""Imported by the fork server of `segbench.places.isolate`: a tiny network is counted, so that no process starts cold.

The first count in a process makes torch load its meta kernels, dispatch tables and decompositions, which takes longer
than counting most networks. Nothing here asks for CUDA: a context does not survive a fork.
"""

from __future__ import annotations

import torch
from torch import nn

import segbench.measure.record
from segbench.counting.count import count

__all__ = ["segbench"]


def _tiny() -> nn.Module:
    """A network with the commonest operations of the catalog."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(8),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Sigmoid(),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        nn.ConvTranspose2d(4, 4, 2, 2),
    )


with torch.device("meta"):
    count(_tiny(), (64, 64))
