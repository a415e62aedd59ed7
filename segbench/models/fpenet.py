"""FPENet (Liu and Yin, "Feature Pyramid Encoding Network for Real-time Semantic Segmentation", BMVC 2019).

Written from the paper (arXiv 1909.08599, table 1, figures 2 to 4) and from the reference outputs in tests/golden;
equal to the port in xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7 (``model/FPENet.py``).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import downsample
from segbench.models.base import Network, resize
from segbench.models.layers import conv_bn

# Dilation of the depth-wise convolutions of a block, one for each quarter of its channels.
DILATIONS = (1, 2, 4, 8)


class FPEBlock(nn.Module):
    """Feature pyramid encoding block (figure 3): depth-wise convolutions of growing dilation between two of 1x1.

    Each takes a quarter of the channels and the output of the one before it; the first 1x1 has the stride.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int = 1, stride: int = 1) -> None:
        super().__init__()
        inner = in_channels * expansion
        width = inner // len(DILATIONS)
        self.conv1, self.bn1 = conv_bn(in_channels, inner, 1, stride)
        self.conv2 = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width, bias=False)
            for dilation in DILATIONS
        )
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(width) for _ in DILATIONS)
        self.conv3, self.bn3 = conv_bn(inner, out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, rounded up."""
        quarters = self.relu(self.bn1(self.conv1(x))).chunk(len(DILATIONS), 1)
        levels: list[Tensor] = []
        for quarter, conv, bn in zip(quarters, self.conv2, self.bn2, strict=True):
            levels.append(self.relu(bn(conv(quarter + levels[-1] if levels else quarter))))
        y = self.bn3(self.conv3(torch.cat(levels, 1)))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class Stage(nn.Sequential):
    """Blocks in a row; the output of the first one, which changes the size, is added to that of the last one."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int) -> None:
        """Build the stage."""
        super().__init__(
            FPEBlock(in_channels, out_channels, expansion=4, stride=2),
            *(FPEBlock(out_channels, out_channels) for _ in range(blocks - 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``, rounded up."""
        first, *others = self
        y = x = first(x)
        for block in others:
            y = block(y)
        return x + y


class MEU(nn.Module):
    """Mutual embedding upsample module (figure 4): each of two maps is weighted by what the other holds.

    The fine map's mean over the channels weights the places of the coarse map; the coarse map's mean over the places
    weights the channels of the fine map.
    """

    def __init__(self, high_channels: int, low_channels: int, out_channels: int) -> None:
        """Build the module; "high" is the coarse map of high level, "low" the fine one."""
        super().__init__()
        self.conv1x1_low, self.bn_low = conv_bn(low_channels, out_channels)
        self.sa_conv = nn.Conv2d(1, 1, 1, bias=False)
        self.conv1x1_high, self.bn_high = conv_bn(high_channels, out_channels)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.ca_conv = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.sigmoid = nn.Sigmoid()

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """``(N, high_channels, h, w)`` and ``(N, low_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        low = self.bn_low(self.conv1x1_low(low))
        high = self.bn_high(self.conv1x1_high(high))
        places = self.sigmoid(self.sa_conv(low.mean(1, keepdim=True)))
        channels = self.sigmoid(self.relu(self.ca_conv(self.avg_pool(high))))
        return channels * low + places * resize(high, low.shape[-2:], align_corners=True)


class FPENet(Network):
    """FPENet: three stages of FPE blocks at strides 2, 4 and 8, and two MEU modules back to stride 2 (figure 2)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = ((r"^project_layer\.", "classifier."),)

    def __init__(self, num_classes: int = 19) -> None:
        """Build FPENet."""
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 16, 3, 2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(FPEBlock(16, 16))
        self.layer2 = Stage(16, 32, blocks=3)
        self.layer3 = Stage(32, 64, blocks=9)
        self.meu1 = MEU(64, 32, 64)
        self.meu2 = MEU(64, 16, 32)
        self.classifier = nn.Conv2d(32, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at twice the size of stride 2: the input size, rounded up to even."""
        half = self.layer1(self.relu(self.bn1(self.conv1(x))))
        quarter = self.layer2(half)
        fused = self.meu2(self.meu1(self.layer3(quarter), quarter), half)
        height, width = fused.shape[-2:]
        return resize(self.classifier(fused), (2 * height, 2 * width), align_corners=True)


def fpenet(num_classes: int = 19) -> FPENet:
    """FPENet: 115,125 parameters at 19 classes."""
    return FPENet(num_classes)
