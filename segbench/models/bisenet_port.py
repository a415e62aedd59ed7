"""BiSeNet with ResNet-18 as the widely used port has it, CoinCheung/BiSeNet@6b4b67a8e3eb (``lib/models/bisenetv1.py``).

Unlike the authors' code (``bisenet.py``) the context path doubles its maps without interpolation, the attention of the
feature fusion is one 1x1 convolution with normalisation, and the head has 256 channels. Auxiliary heads are not built.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network
from segbench.models.bisenet import AttentionRefinement, SpatialPath
from segbench.models.layers import ConvBNReLU


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


class BiSeNetPort(Network):
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


def bisenet_r18_port(num_classes: int = 19) -> BiSeNetPort:
    """The port's BiSeNet with ResNet-18: 13,275,539 parameters at 19 classes."""
    return BiSeNetPort(num_classes)
