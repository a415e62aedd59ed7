"""LEDNet (Wang et al., "LEDNet: A Lightweight Encoder-Decoder Network for Real-time Semantic Segmentation", ICIP 2019).

Written from the paper (table 1, figures 2 to 4) and from the reference outputs in tests/golden; equal to
xiaoyufenfei/LEDNet@5d900d9c (``train/lednet.py``), with two constants of that file freed: its decoder always has the
20 channels of Cityscapes with a class for ignored pixels, and always resizes to 512x1024. Its attention pyramid has a
single channel, and a ReLU stands behind every convolution of the decoder, so that no class score is negative.
``encoder.output_conv`` serves only the training of the encoder alone: it is not constructed, and dropped from
checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU

BN_EPS = 1e-3
# Dilation of the SS-nbt units of the last stage (table 1).
DILATIONS = (1, 2, 5, 9, 2, 5, 9, 17)


class DownsamplerBlock(nn.Module):
    """A 3x3 convolution beside a 2x2 max pooling, both at stride 2; odd sizes are rounded up."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block; the convolution supplies the channels that pooling does not."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, 2, 1)
        self.pool = nn.MaxPool2d(2, 2)
        self.bn = nn.BatchNorm2d(out_channels, eps=BN_EPS)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``, rounded up."""
        pooled = self.pool(x)
        height, width = x.shape[-2:]
        if height % 2 or width % 2:
            # Pooling rounds down; the reference appends a row or a column of zeros.
            pooled = F.pad(pooled, (0, width % 2, 0, height % 2))
        return self.relu(self.bn(torch.cat((self.conv(x), pooled), 1)))


class SSnbt(nn.Module):
    """Split-shuffle-non-bottleneck (figure 3d): each half of the channels has its own pair of factorised convolutions.

    The second pair of a half is dilated. The right half takes 1x3 before 3x1, the left one 3x1 before 1x3.
    """

    def __init__(self, channels: int, dilation: int = 1, drop: float = 0.0) -> None:
        """Build a unit that keeps size and channels."""
        super().__init__()
        self.left = self._half(channels // 2, dilation, drop, ("3x1", "1x3"))
        self.right = self._half(channels // 2, dilation, drop, ("1x3", "3x1"))

    @staticmethod
    def _half(
        channels: int, dilation: int, drop: float, kernels: tuple[Literal["3x1", "1x3"], Literal["3x1", "1x3"]]
    ) -> nn.Sequential:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for pair, rate in ((1, 1), (2, dilation)):
            for kernel in kernels:
                shape = (3, 1) if kernel == "3x1" else (1, 3)
                padding = (rate, 0) if kernel == "3x1" else (0, rate)
                spacing = (rate, 1) if kernel == "3x1" else (1, rate)
                layers[f"conv{kernel}_{pair}"] = nn.Conv2d(channels, channels, shape, 1, padding, spacing)
                if kernel == kernels[0]:
                    layers[f"relu{pair}"] = nn.ReLU(inplace=True)
            layers[f"bn{pair}"] = nn.BatchNorm2d(channels, eps=BN_EPS)
            if pair == 1:
                layers["relu"] = nn.ReLU(inplace=True)
        layers["dropout"] = nn.Dropout2d(drop)
        return nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the halves' channels alternate in the output."""
        left, right = x.chunk(2, 1)
        # Stacking along a new axis is the concatenation and the channel shuffle of two groups in one copy.
        shuffled = torch.stack((left + self.left(left), right + self.right(right)), 2).flatten(1, 2)
        return F.relu(shuffled, inplace=True)


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> ConvBNReLU:
    """The decoder's convolution: with bias, batch normalisation and ReLU."""
    return ConvBNReLU(in_channels, out_channels, kernel_size, stride, bias=True, eps=BN_EPS)


class APN(nn.Module):
    """Attention pyramid network (figure 4): a pyramid of one channel weights the class scores.

    A branch of pooled features is added. Every map is resized bilinearly with aligned corners.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(in_channels, num_classes))
        self.mid = conv_bn_relu(in_channels, num_classes)
        self.down1 = conv_bn_relu(in_channels, 1, 7, stride=2)
        self.down2 = conv_bn_relu(1, 1, 5, stride=2)
        self.down3 = nn.Sequential(conv_bn_relu(1, 1, 3, stride=2), conv_bn_relu(1, 1, 3))
        self.conv2 = conv_bn_relu(1, 1, 5)
        self.conv1 = conv_bn_relu(1, 1, 7)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, num_classes, H, W)``."""
        size = x.shape[-2:]
        half = self.down1(x)
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        attention = self.conv2(quarter) + resize(eighth, quarter.shape[-2:], align_corners=True)
        attention = resize(attention, half.shape[-2:], align_corners=True) + self.conv1(half)
        attention = resize(attention, size, align_corners=True)
        return attention * self.mid(x) + resize(self.pooled(x), size, align_corners=True)


class LEDNet(Network):
    """LEDNet: an encoder of SS-nbt units to stride 8, and the attention pyramid network as decoder (figure 2).

    The decoder's pyramid halves the map of stride 8 twice, and the reference adds maps whose sizes agree only where
    that map is a multiple of 4: sizes are multiples of 32.
    """

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^encoder\.initial_block\.", "encoder.0."),
        # Our encoder starts with the initial block, so that its other layers are numbered from 1.
        *((rf"^encoder\.layers\.{index}\.", f"encoder.{index + 1}.") for index in range(15)),
        (r"\.(conv3x1_\d|conv1x3_\d|bn\d)_l\.", r".left.\1."),
        (r"\.(conv3x1_\d|conv1x3_\d|bn\d)_r\.", r".right.\1."),
        (r"^decoder\.apn\.", "apn."),
        (r"^apn\.branch1\.", "apn.pooled."),
        (r"^apn\.mid\.0\.", "apn.mid."),
        (r"^(apn\..+)\.conv\.0\.", r"\1.conv."),
        (r"^(apn\..+)\.conv\.1\.", r"\1.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^encoder\.output_conv\.",)

    def __init__(self, num_classes: int = 20) -> None:
        """Build LEDNet."""
        super().__init__()
        self.encoder = nn.Sequential(
            DownsamplerBlock(3, 32),
            *(SSnbt(32, drop=0.03) for _ in range(3)),
            DownsamplerBlock(32, 64),
            *(SSnbt(64, drop=0.03) for _ in range(2)),
            DownsamplerBlock(64, 128),
            *(SSnbt(128, dilation, drop=0.3) for dilation in DILATIONS),
        )
        self.apn = APN(128, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1, none of them negative."""
        return resize(self.apn(self.encoder(x)), x.shape[-2:], align_corners=True)


def lednet(num_classes: int = 20) -> LEDNet:
    """LEDNet: 923,083 parameters at the 20 classes of the reference code."""
    return LEDNet(num_classes)
