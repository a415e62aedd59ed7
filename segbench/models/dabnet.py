"""DABNet (Li et al., "DABNet: Depth-wise Asymmetric Bottleneck for Real-time Semantic Segmentation", BMVC 2019).

Written from the paper (table 1, figures 2 and 3) and from the reference outputs in tests/golden; equal to
Reagan1311/DABNet@b8d62fe7 (``model/DABNet.py``), whose released weights load.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import BNPReLU, ConvBNPReLU, InputInjection


def depthwise(channels: int, kernel: tuple[int, int], dilation: int = 1) -> ConvBNPReLU:
    """A depth-wise convolution with batch normalisation and PReLU."""
    return ConvBNPReLU(channels, channels, kernel, dilation=dilation, groups=channels)


class DABModule(nn.Module):
    """Depth-wise asymmetric bottleneck (figure 2c): 3x3 to half the width, two depth-wise branches, 1x1 back.

    Both branches factorise a 3x3 convolution into 3x1 and 1x3; the second one is dilated.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        inner = channels // 2
        self.norm1 = BNPReLU(channels)
        self.conv3x3 = ConvBNPReLU(channels, inner, 3)
        self.local = nn.Sequential(depthwise(inner, (3, 1)), depthwise(inner, (1, 3)))
        self.context = nn.Sequential(depthwise(inner, (3, 1), dilation), depthwise(inner, (1, 3), dilation))
        self.norm2 = BNPReLU(inner)
        self.conv1x1 = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input itself is added."""
        inner = self.conv3x3(self.norm1(x))
        return self.conv1x1(self.norm2(self.local(inner) + self.context(inner))) + x


class DownsamplingBlock(nn.Module):
    """A 3x3 convolution at stride 2, beside a 2x2 max pooling where the block widens; batch normalisation, PReLU."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^downsample_(\d)\.conv3x3\.conv\.", r"downsample\1.conv."),
        (r"^downsample_(\d)\.bn_prelu\.", r"downsample\1.norm."),
    )

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block; where it widens, the convolution supplies the channels that pooling does not."""
        super().__init__()
        widens = in_channels < out_channels
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels if widens else out_channels, 3, 2, 1, bias=False)
        self.pool = nn.MaxPool2d(2, 2) if widens else None
        self.norm = BNPReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``; with the pooling, H and W are even."""
        y = self.conv(x)
        return self.norm(y if self.pool is None else torch.cat((y, self.pool(x)), 1))


class DABNet(Network):
    """DABNet: three convolutions, two blocks of DAB modules, and a classifier at stride 8 (figure 3).

    The first down-sampling pools the map of stride 2 and rounds down where the convolution beside it rounds up, so
    that the reference rejects sizes that are no multiples of 4.
    """

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *DownsamplingBlock.renames,
        (r"^init_conv\.", "stem."),
        (r"^bn_prelu_(\d)\.", r"norm\1."),
        (r"^DAB_Block_(\d)\.DAB_Module_\d_(\d+)\.", r"block\1.\2."),
        (r"\.bn_relu_(\d)\.", r".norm\1."),
        (r"\.dconv3x1\.", ".local.0."),
        (r"\.dconv1x3\.", ".local.1."),
        (r"\.ddconv3x1\.", ".context.0."),
        (r"\.ddconv1x3\.", ".context.1."),
        (r"\.conv1x1\.conv\.", ".conv1x1."),
        (r"\.bn_prelu\.", "."),
        (r"\.acti\.", ".act."),
        (r"^classifier\.0\.conv\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build DABNet."""
        super().__init__()
        self.stem = nn.Sequential(ConvBNPReLU(3, 32, 3, stride=2), ConvBNPReLU(32, 32, 3), ConvBNPReLU(32, 32, 3))
        self.injection1 = InputInjection(1)
        self.injection2 = InputInjection(2)
        self.injection3 = InputInjection(3)
        self.norm1 = BNPReLU(32 + 3)
        self.downsample1 = DownsamplingBlock(32 + 3, 64)
        self.block1 = nn.Sequential(*(DABModule(64, dilation) for dilation in (2, 2, 2)))
        self.norm2 = BNPReLU(64 + 64 + 3)
        self.downsample2 = DownsamplingBlock(64 + 64 + 3, 128)
        self.block2 = nn.Sequential(*(DABModule(128, dilation) for dilation in (4, 4, 8, 8, 16, 16)))
        self.norm3 = BNPReLU(128 + 128 + 3)
        self.classifier = nn.Conv2d(128 + 128 + 3, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1: the reference resizes them itself."""
        half = self.norm1(torch.cat((self.stem(x), self.injection1(x)), 1))
        down1 = self.downsample1(half)
        quarter = self.norm2(torch.cat((self.block1(down1), down1, self.injection2(x)), 1))
        down2 = self.downsample2(quarter)
        eighth = self.norm3(torch.cat((self.block2(down2), down2, self.injection3(x)), 1))
        return resize(self.classifier(eighth), x.shape[-2:])


def dabnet(num_classes: int = 19) -> DABNet:
    """DABNet: 756,643 parameters at 19 classes."""
    return DABNet(num_classes)
