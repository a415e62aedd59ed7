"""IFA (Hu et al., "Learning Implicit Feature Alignment Function for Semantic Segmentation", ECCV 2022) with ResNet-50.

Public code: hzhupku/IFA@70baac826983 (``pyseg/models/fpn_ifa.py``, ``ifa.py``, ``ifa_utils.py``) in the released
Cityscapes configuration: no ASPP, learnt frequencies. The trunk has a deep stem whose pooling rounds up, and the last
stage is dilated by 2, 2 and 4 although the output stride stays 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU

FREQUENCIES = 6  # of the position encoding, per direction


def pixel_centres(size: torch.Size | tuple[int, int], like: Tensor) -> Tensor:
    """Coordinates ``(h, w, 2)`` of pixel centres in an image that spans -1 to 1, vertical before horizontal."""

    def centres(count: int) -> Tensor:
        half = 1 / count
        return -1 + half + 2 * half * torch.arange(count, dtype=like.dtype, device=like.device)

    return torch.stack(torch.meshgrid(centres(size[0]), centres(size[1]), indexing="ij"), dim=-1)


class PositionEncoding(nn.Module):
    """Relative coordinates with sines and cosines of learnt multiples of them (section 3.2)."""

    def __init__(self) -> None:
        """Start from frequencies of 1 to 64, for either direction apart."""
        super().__init__()
        frequencies = 2 ** torch.linspace(0, 6, FREQUENCIES)
        nothing = torch.zeros_like(frequencies)
        vertical = torch.stack((frequencies, nothing), dim=1)
        horizontal = torch.stack((nothing, frequencies), dim=1)
        self.emb = nn.Parameter(torch.cat((vertical, horizontal)))
        self.channels = 2 + 2 * len(self.emb)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 2, P)`` to ``(N, channels, P)``."""
        angle = self.emb @ x
        return torch.cat((x, angle.sin(), angle.cos()), dim=1)


class ImplicitAlignment(nn.Module):
    """Implicit feature alignment function (figure 3): at each point, every level's nearest pixel and where it lies."""

    def __init__(self, levels: int, channels: int, num_classes: int) -> None:
        """Build the function for `levels` maps of `channels`."""
        super().__init__()
        self.pos = nn.ModuleList(PositionEncoding() for _ in range(levels))
        width = channels + 2 + 4 * FREQUENCIES
        self.imnet = nn.Sequential(
            nn.Conv1d(levels * width, 512, 1),
            nn.BatchNorm1d(512),
            nn.ReLU(inplace=True),
            nn.Conv1d(512, 256, 1),
            nn.BatchNorm1d(256),
            nn.ReLU(inplace=True),
            nn.Conv1d(256, 256, 1),
            nn.BatchNorm1d(256),
            nn.ReLU(inplace=True),
            nn.Conv1d(256, num_classes, 1),
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps ``(N, channels, h, w)``, finest first, to class scores ``(N, num_classes, H, W)`` at the finest size."""
        size = maps[0].shape[-2:]
        points = pixel_centres(size, maps[0])
        # To the unit square and back, as in the public code: the rounding decides which of two pixels is the nearest.
        points = (((points + 1) / 2) * 2 - 1).expand(maps[0].shape[0], -1, -1, -1)
        grid = points.flip(-1)
        parts: list[Tensor] = []
        for x, encode in zip(maps, self.pos, strict=True):
            centres = pixel_centres(x.shape[-2:], x).permute(2, 0, 1).expand(x.shape[0], -1, -1, -1)
            features = F.grid_sample(x, grid, mode="nearest", align_corners=False).flatten(2)
            nearest = F.grid_sample(centres, grid, mode="nearest", align_corners=False).flatten(2)
            offset = points.flatten(1, 2).transpose(1, 2) - nearest
            in_pixels = torch.stack((offset[:, 0] * x.shape[2], offset[:, 1] * x.shape[3]), dim=1)
            parts += (encode(in_pixels), features)
        return self.imnet(torch.cat(parts, dim=1)).unflatten(2, size)


class IFA(Network):
    """ResNet, 1x1 convolutions to one width, implicit feature alignment at the finest map."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^encoder\.", "backbone."),
        (r"^decoder\.enc1\.", "project.0."),
        (r"^decoder\.enc2\.", "project.1."),
        (r"^decoder\.enc3\.", "project.2."),
        (r"^decoder\.head\.", "project.3."),
        (r"^project\.(\d)\.0\.", r"project.\1.conv."),
        (r"^project\.(\d)\.1\.", r"project.\1.bn."),
        (r"^decoder\.ifa\.pos1\.", "ifa.pos.0."),
        (r"^decoder\.ifa\.pos2\.", "ifa.pos.1."),
        (r"^decoder\.ifa\.pos3\.", "ifa.pos.2."),
        (r"^decoder\.ifa\.pos4\.", "ifa.pos.3."),
        (r"^decoder\.ifa\.", "ifa."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxor\.",)

    def __init__(self, num_classes: int = 19, channels: int = 256) -> None:
        """Build the network; `channels` is the width of all four levels."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck, (3, 4, 6, 3), dilations=(1, 1, 1, (2, 2, 4)), deep_stem=(64, 64, 128), ceil_mode=True
        )
        self.project = nn.ModuleList(ConvBNReLU(width, channels, bias=True) for width in self.backbone.channels)
        self.ifa = ImplicitAlignment(len(self.project), channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the authors resize those of stride 4, with aligned corners."""
        maps = [project(level) for project, level in zip(self.project, self.backbone(x), strict=True)]
        return resize(self.ifa(maps), x.shape[-2:], align_corners=True)


def ifa_r50(num_classes: int = 19) -> IFA:
    """IFA with ResNet-50: 25,400,115 parameters at 19 classes."""
    return IFA(num_classes)
