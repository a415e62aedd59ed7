"""Wide-ResNet-41, the trunk of Naive-Student (Chen et al., ECCV 2020), at output stride 16.

Wide-ResNet-38 (Wu et al., Pattern Recognition 2019) without its last residual block, the one before it repeated twice.

Source: google-research/deeplab2@64bc1c1a6505 (``model/encoder/axial_resnet.py``), the authors' TensorFlow code, which
strides in the first block of a stage and in the stem's convolution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.layers import ConvBN, ConvBNReLU

BN_EPS = 1e-3


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and a shortcut that is a 1x1 convolution in the first block of a stage."""

    def __init__(self, in_channels: int, channels: int, stride: int, first: bool) -> None:
        """Map `in_channels` to `channels`; the first convolution has the stride."""
        super().__init__()
        self.conv1 = ConvBNReLU(in_channels, channels, 3, stride, eps=BN_EPS)
        self.conv2 = ConvBN(channels, channels, 3, eps=BN_EPS)
        self.shortcut = ConvBN(in_channels, channels, stride=stride, eps=BN_EPS) if first else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``, sizes rounded up."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu(self.conv2(self.conv1(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, dilated 3x3 and 1x1 convolution, each twice as wide as the one before, and the same shortcut."""

    def __init__(self, in_channels: int, channels: int, dilation: int, first: bool) -> None:
        """Map `in_channels` to `channels`."""
        super().__init__()
        self.conv1 = ConvBNReLU(in_channels, channels // 4, eps=BN_EPS)
        self.conv2 = ConvBNReLU(channels // 4, channels // 2, 3, dilation=dilation, eps=BN_EPS)
        self.conv3 = ConvBN(channels // 2, channels, eps=BN_EPS)
        self.shortcut = ConvBN(in_channels, channels, eps=BN_EPS) if first else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu(self.conv3(self.conv2(self.conv1(x))) + shortcut)


def _stage(depth: int, block: Callable[[int], nn.Module]) -> nn.Sequential:
    # Blocks are numbered from 1, as in the reference's keys.
    return nn.Sequential(OrderedDict((f"block{number}", block(number)) for number in range(1, depth + 1)))


def _basic_stage(depth: int, in_channels: int, channels: int, stride: int) -> nn.Sequential:
    def block(number: int) -> nn.Module:
        first = number == 1
        return BasicBlock(in_channels if first else channels, channels, stride if first else 1, first)

    return _stage(depth, block)


class WideResNet41(nn.Module):
    """A stem and four stages of basic blocks, one of bottlenecks.

    Attributes:
        channels: widths of the three maps that it returns.
    """

    channels = (256, 512, 2048)

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.stem = ConvBNReLU(3, 64, 3, 2, eps=BN_EPS)
        self.stage1 = _basic_stage(3, 64, 128, stride=1)
        self.stage2 = _basic_stage(3, 128, 256, stride=2)
        self.stage3 = _basic_stage(6, 256, 512, stride=2)
        self.stage4 = _basic_stage(3, 512, 1024, stride=2)
        self.stage5 = _stage(
            3, lambda number: Bottleneck(1024 if number == 1 else 2048, 2048, 1 if number == 1 else 2, number == 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps of 256, 512 and 2048 channels at strides 4, 8 and 16."""
        c2 = self.stage2(self.stage1(self.stem(x)))
        c3 = self.stage3(c2)
        return c2, c3, self.stage5(self.stage4(c3))
