"""MobileNetV2 (Sandler et al., CVPR 2018) as DeepLabV3+ ports use it: the map at stride 4, and the last one.

Follows VainF/DeepLabV3Plus-Pytorch@4e1087de98bc (``network/backbone/mobilenetv2.py``), which differs from torchvision
at the border: no convolution pads; instead a block pads its own input, so the padding passes through the expansion and
is no longer zero where the depthwise convolution meets it; the stem pads nowhere. The 1x1 convolution to 1280 channels
is left out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn


class Row(NamedTuple):
    """A row of the paper's table 2: expansion, output channels, repeats, stride of the first block."""

    expansion: int
    channels: int
    repeats: int
    stride: int


TABLE = (
    Row(1, 16, 1, 1),
    Row(6, 24, 2, 2),
    Row(6, 32, 3, 2),
    Row(6, 64, 4, 2),
    Row(6, 96, 3, 1),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1),
)
LOW_LEVEL_BLOCKS = 3  # the blocks up to stride 4

REFERENCE_RENAMES = (
    (r"^backbone\.low_level_features\.0\.", "backbone.stem."),
    (r"^backbone\.(low|high)_level_features\.(\d+)\.conv\.", r"backbone.\1_level.block\2."),
    # The first block does not expand, so its layers count from the depthwise convolution.
    (r"\.block1\.2\.", ".block1.project.1."),
    (r"\.block1\.1\.", ".block1.project.0."),
    (r"\.block1\.0\.", ".block1.depthwise."),
    (r"\.(block\d+)\.0\.", r".\1.expand."),
    (r"\.(block\d+)\.1\.", r".\1.depthwise."),
    (r"\.(block\d+)\.2\.", r".\1.project.0."),
    (r"\.(block\d+)\.3\.", r".\1.project.1."),
)
"""From the port's keys to ours, for a network whose attribute is named ``backbone``."""


def _conv_bn_relu6(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3, linear 1x1 projection, with a shortcut where shapes agree; pads its own input."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, dilation: int, expansion: int) -> None:
        """Map `in_channels` to `out_channels` at `stride`; `dilation` acts on the depthwise convolution."""
        super().__init__()
        hidden = expansion * in_channels
        self.padding = (dilation,) * 4
        self.shortcut = stride == 1 and in_channels == out_channels
        self.expand = _conv_bn_relu6(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _conv_bn_relu6(hidden, hidden, 3, stride, dilation, hidden)
        self.project = nn.Sequential(nn.Conv2d(hidden, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, sizes rounded up."""
        y = self.project(self.depthwise(self.expand(F.pad(x, self.padding))))
        if self.shortcut:
            y += x
        return y


class MobileNetV2(nn.Module):
    """MobileNetV2 trunk.

    Attributes:
        channels: widths of the two maps returned.
    """

    def __init__(self, output_stride: int = 32) -> None:
        """Build the trunk; beyond `output_stride` strides become dilations of the blocks that follow."""
        super().__init__()
        width = 32
        self.stem = _conv_bn_relu6(3, width, 3, 2)
        blocks: list[InvertedResidual] = []
        reached, dilation = 2, 1
        for row in TABLE:
            # The block that loses its stride keeps the dilation before it.
            stride, first_dilation = row.stride, dilation
            if reached == output_stride:
                stride, dilation = 1, dilation * row.stride
            reached *= stride
            for position in range(row.repeats):
                is_first = position == 0
                blocks.append(
                    InvertedResidual(
                        width,
                        row.channels,
                        stride if is_first else 1,
                        first_dilation if is_first else dilation,
                        row.expansion,
                    )
                )
                width = row.channels
        named = [(f"block{number}", block) for number, block in enumerate(blocks, start=1)]
        self.low_level = nn.Sequential(OrderedDict(named[:LOW_LEVEL_BLOCKS]))
        self.high_level = nn.Sequential(OrderedDict(named[LOW_LEVEL_BLOCKS:]))
        self.channels = (TABLE[1].channels, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the map at stride 4 and the last one, at the output stride."""
        low_level = self.low_level(self.stem(x))
        return low_level, self.high_level(low_level)
