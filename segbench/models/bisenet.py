"""BiSeNet (Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018).

The ResNet-18 variant of the port CoinCheung/BiSeNet@6b4b67a8e3eb (``lib/models/bisenetv1.py``); the authors' own code
is not public. The port differs from the paper: the spatial path ends in a fourth, 1x1 convolution, and the attention of
the feature fusion module is one 1x1 convolution with normalisation. Auxiliary heads are not built.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network
from segbench.models.layers import ConvBNReLU


class AttentionRefinement(nn.Module):
    """Attention refinement module (ARM, figure 2b), after a 3x3 convolution that sets the width."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(in_channels, channels, 3)
        self.conv_atten = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        feat = self.conv(x)
        atten = feat.mean(dim=(2, 3), keepdim=True)
        return feat * self.bn_atten(self.conv_atten(atten)).sigmoid()


class ContextPath(nn.Module):
    """ResNet-18, a global average on top of it, and attention on its last two stages (figure 2a)."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet(BasicBlock, (2, 2, 2, 2))
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvBNReLU(128, 128, 3)
        self.conv_head16 = ConvBNReLU(128, 128, 3)
        self.conv_avg = ConvBNReLU(512, 128, 1)
        self.up32 = nn.Upsample(scale_factor=2)
        self.up16 = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to the context ``(N, 128, H/8, W/8)``."""
        feat16, feat32 = self.resnet(x)[2:]
        average = self.conv_avg(feat32.mean(dim=(2, 3), keepdim=True))
        context32 = self.conv_head32(self.up32(self.arm32(feat32) + average))
        return self.conv_head16(self.up16(self.arm16(feat16) + context32))


class SpatialPath(nn.Module):
    """Three convolutions with stride 2 that keep the detail, and a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(3, 64, 7, stride=2)
        self.conv2 = ConvBNReLU(64, 64, 3, stride=2)
        self.conv3 = ConvBNReLU(64, 64, 3, stride=2)
        self.conv_out = ConvBNReLU(64, 128, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, 128, H/8, W/8)``."""
        return self.conv_out(self.conv3(self.conv2(self.conv1(x))))


class FeatureFusion(nn.Module):
    """Feature fusion module (FFM, figure 2c): both paths, weighted per channel, with a shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(in_channels, channels, 1)
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of one size, `in_channels` together, to ``(N, channels, H, W)``."""
        feat = self.convblk(torch.cat((spatial, context), dim=1))
        atten = feat.mean(dim=(2, 3), keepdim=True)
        return feat * self.bn(self.conv(atten)).sigmoid() + feat


class BiSeNet(Network):
    """A spatial and a context path, fused at stride 8 (figure 2a)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^conv_out\.conv\.", "head.0."),
        (r"^conv_out\.conv_out\.", "head.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^conv_out(16|32)\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network for `num_classes`."""
        super().__init__()
        self.cp = ContextPath()
        self.sp = SpatialPath()
        self.ffm = FeatureFusion(256, 256)
        self.head = nn.Sequential(
            ConvBNReLU(256, 256, 3),
            nn.Conv2d(256, num_classes, 1),
            nn.Upsample(scale_factor=8, mode="bilinear", align_corners=False),
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference upsamples them itself."""
        return self.head(self.ffm(self.sp(x), self.cp(x)))


def bisenet_r18(num_classes: int = 19) -> BiSeNet:
    """BiSeNet with ResNet-18: 13,275,539 parameters at 19 classes."""
    return BiSeNet(num_classes)
