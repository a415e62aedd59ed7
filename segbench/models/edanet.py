"""EDANet (Lo et al., "Efficient Dense Modules of Asymmetric Convolution", arXiv 1809.06323, ACM MM Asia 2019).

Written from the paper (table 1, figures 2 and 3) and from the reference outputs in tests/golden; equal to the port in
xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7 (``model/EDANet.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize

GROWTH = 40


class DownsamplingBlock(nn.Module):
    """A 3x3 convolution at stride 2, beside a 2x2 max pooling where the block widens; batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block; where it widens, the convolution supplies the channels that pooling does not."""
        super().__init__()
        widens = in_channels < out_channels
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels if widens else out_channels, 3, 2, 1)
        self.pool = nn.MaxPool2d(2, 2) if widens else None
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``; with the pooling, H and W are even."""
        y = self.conv(x)
        return F.relu(self.bn(y if self.pool is None else torch.cat((y, self.pool(x)), 1)), inplace=True)


class EDAModule(nn.Module):
    """1x1, then two 3x3 convolutions factorised into 3x1 and 1x3, the second dilated; concatenated to the input."""

    def __init__(self, in_channels: int, dilation: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(in_channels, GROWTH, 1)
        self.bn0 = nn.BatchNorm2d(GROWTH)
        self.conv3x1_1 = nn.Conv2d(GROWTH, GROWTH, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(GROWTH, GROWTH, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(GROWTH)
        self.conv3x1_2 = nn.Conv2d(GROWTH, GROWTH, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.conv1x3_2 = nn.Conv2d(GROWTH, GROWTH, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.bn2 = nn.BatchNorm2d(GROWTH)
        self.dropout = nn.Dropout2d(0.02)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, GROWTH + in_channels, H, W)``."""
        y = F.relu(self.bn0(self.conv1x1(x)), inplace=True)
        y = F.relu(self.bn1(self.conv1x3_1(self.conv3x1_1(y))), inplace=True)
        y = F.relu(self.bn2(self.conv1x3_2(self.conv3x1_2(y))), inplace=True)
        return torch.cat((self.dropout(y), x), 1)


def block(in_channels: int, dilations: Sequence[int]) -> nn.Sequential:
    """A dense block: each module adds `GROWTH` channels to what enters it."""
    return nn.Sequential(
        *(EDAModule(in_channels + index * GROWTH, dilation) for index, dilation in enumerate(dilations))
    )


class EDANet(Network):
    """EDANet: two dense blocks and a classifier at stride 8.

    The first two down-samplings pool beside the convolution, and pooling rounds odd sizes down where the convolution
    rounds up: sizes are multiples of 4.
    """

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^layers\.0\.", "downsample1."),
        (r"^layers\.1\.", "downsample2."),
        (r"^layers\.2\.residual_dense_layers\.", "block1."),
        (r"^layers\.3\.", "downsample3."),
        (r"^layers\.4\.residual_dense_layers\.", "block2."),
        (r"^project_layer\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build EDANet."""
        super().__init__()
        self.downsample1 = DownsamplingBlock(3, 15)
        self.downsample2 = DownsamplingBlock(15, 60)
        self.block1 = block(60, (1, 1, 1, 2, 2))
        self.downsample3 = DownsamplingBlock(260, 130)
        self.block2 = block(130, (2, 2, 4, 4, 8, 8, 16, 16))
        self.classifier = nn.Conv2d(450, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at 8 times the size of the coarsest map, which the reference rounds up."""
        x = self.block1(self.downsample2(self.downsample1(x)))
        x = self.classifier(self.block2(self.downsample3(x)))
        height, width = x.shape[-2:]
        return resize(x, (8 * height, 8 * width), align_corners=True)


def edanet(num_classes: int = 19) -> EDANet:
    """EDANet: 689,485 parameters at 19 classes."""
    return EDANet(num_classes)
