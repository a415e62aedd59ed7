"""Visual Attention Network (Guo et al., "Visual Attention Network", CVMJ 2023): four feature maps, no classifier.

Public code: Visual-Attention-Network/VAN-Classification@e19779b53a1b (``models/van.py``). Stochastic depth and dropout
act in training only and are not built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class LKA(nn.Module):
    """Large kernel attention (section 3.2): a 5x5 and a dilated 7x7 convolution, as a gate on the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv_spatial = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.conv1 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x * self.conv1(self.conv_spatial(self.conv0(x)))


class Attention(nn.Module):
    """LKA between two 1x1 projections, with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(channels, channels, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = LKA(channels)
        self.proj_2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x)))) + x


class FFN(nn.Module):
    """Convolutional feed-forward network: 1x1 expansion, 3x3 depth-wise, GELU, 1x1 reduction."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.activation = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.fc2(self.activation(self.dwconv(self.fc1(x))))


class Block(nn.Module):
    """Attention, then feed-forward network: each normalised before, scaled per channel after, added to its input."""

    def __init__(self, channels: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attn = Attention(channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = FFN(channels, channels * mlp_ratio)
        self.layer_scale_1 = nn.Parameter(torch.full((channels,), 0.01))
        self.layer_scale_2 = nn.Parameter(torch.full((channels,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        # addcmul is `x + scale * branch` in one pass over the map.
        x = torch.addcmul(x, self.layer_scale_1[:, None, None], self.attn(self.norm1(x)))
        return torch.addcmul(x, self.layer_scale_2[:, None, None], self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Overlapping patches: a strided convolution and batch normalisation."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``."""
        return self.norm(self.proj(x))


class Stage(nn.Module):
    """Patch embedding, blocks, and a LayerNorm over the channels."""

    def __init__(self, in_channels: int, channels: int, depth: int, mlp_ratio: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(in_channels, channels, kernel, stride)
        self.blocks = nn.Sequential(*(Block(channels, mlp_ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``."""
        x = self.blocks(self.patch_embed(x))
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()


# Reference keys number the stages from 1 and keep their parts side by side.
_RENAMES = (
    (r"^(patch_embed|block|norm)([1-4])\.", lambda match: f"stages.{int(match[2]) - 1}.{match[1]}."),
    (r"^(stages\.\d)\.block\.", r"\1.blocks."),
    (r"\.mlp\.dwconv\.dwconv\.", ".mlp.dwconv."),
)


class VAN(nn.Module):
    """VAN trunk that returns the maps of its four stages, each after its LayerNorm.

    Attributes:
        channels: output widths of the four stages.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int], mlp_ratios: Sequence[int]) -> None:
        """Build the trunk from the width, the number of blocks and the feed-forward expansion of each stage."""
        super().__init__()
        self.channels = tuple(channels)
        self.stages = nn.ModuleList(
            Stage(before, width, depth, ratio, kernel=7 if index == 0 else 3, stride=4 if index == 0 else 2)
            for index, (before, width, depth, ratio) in enumerate(
                zip((3, *self.channels), self.channels, depths, mlp_ratios, strict=False)
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages, at strides 4, 8, 16, 32."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

    @staticmethod
    def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dict of the public VAN code under our keys, by key; the ImageNet classifier is left out."""
        renamed: dict[str, Tensor] = {}
        for key, value in state.items():
            if key.startswith("head."):
                continue
            own = key
            for pattern, replacement in _RENAMES:
                own = re.sub(pattern, replacement, own)
            renamed[own] = value
        return renamed


def van_b1() -> VAN:
    """VAN-B1, "VAN-Small" in the first version of the paper (table 2): 13,348,800 parameters without classifier."""
    return VAN(channels=(64, 128, 320, 512), depths=(2, 2, 4, 2), mlp_ratios=(8, 8, 4, 4))
