"""AttaNet (Song et al., "AttaNet: Attention-Augmented Network for Fast and Accurate Scene Parsing", AAAI 2021).

Public code: songqi-github/AttaNet@7ccb67b66064 (``AttaNet.py``, ``AttaNet_light.py``, ``light.py``). Where it differs
from the paper it is followed: the strip attention is normalised over the strips, not over the positions.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU


def enlarge(x: Tensor, size: torch.Size) -> Tensor:
    """Nearest-neighbour resize of ``(N, C, h, w)`` to ``(N, C, *size)``."""
    return F.interpolate(x, size=size, mode="nearest")


class StripAttention(nn.Module):
    """Strip attention module (SAM): every position attends to the columns, each averaged over the height."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.query = ConvBNReLU(channels, key_channels, 1)
        self.key = ConvBNReLU(channels, key_channels, 1)
        self.value = ConvBNReLU(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input is added."""
        height = x.shape[-2]
        query = F.avg_pool2d(self.query(x), (height, 1)).squeeze(2)
        key = self.key(x).flatten(2)
        attention = torch.bmm(query.transpose(1, 2), key).softmax(dim=1)
        value = F.avg_pool2d(self.value(x), (height, 1)).squeeze(2)
        return x + torch.bmm(value, attention).view_as(x)


class AttentionFusion(nn.Module):
    """Attention fusion module (AFM): one weight per channel that says how much of the deeper map is taken."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int) -> None:
        """Build the module.

        Args:
            in_channels: width of the two maps together.
            channels: number of weights.
            kernel_size: of the convolution over the two maps.
        """
        super().__init__()
        self.conv = ConvBNReLU(in_channels, channels, kernel_size)
        self.conv_atten = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(channels)
        self.sigmoid_atten = nn.Sigmoid()

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """``(N, C, H, W)`` and ``(N, D, h, w)``, of `in_channels` together, to ``(N, channels, 1, 1)``."""
        feature = self.conv(torch.cat((shallow, enlarge(deep, shallow.shape[-2:])), dim=1))
        pooled = F.avg_pool2d(feature, feature.shape[-2:])
        return self.sigmoid_atten(self.bn_atten(self.conv_atten(pooled)))


class LightBackbone(nn.Module):
    """Plain stack of eight convolutions to stride 16."""

    def __init__(self) -> None:
        super().__init__()
        self.S1_1 = ConvBNReLU(3, 32, 7, stride=2)
        self.S1_2 = ConvBNReLU(32, 64, 3, stride=2)
        self.S2_1 = ConvBNReLU(64, 64, 3, stride=2)
        self.S2_2 = ConvBNReLU(64, 64, 3)
        self.S2_3 = ConvBNReLU(64, 64, 3)
        self.S3_1 = ConvBNReLU(64, 128, 3, stride=2)
        self.S3_2 = ConvBNReLU(128, 128, 3)
        self.S3_3 = ConvBNReLU(128, 128, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps of 64 channels at stride 8 and of 128 at stride 16."""
        c3 = self.S2_3(self.S2_2(self.S2_1(self.S1_2(self.S1_1(x)))))
        return c3, self.S3_3(self.S3_2(self.S3_1(c3)))


class AttaNetOutput(nn.Module):
    """3x3 convolution and 1x1 classifier without bias."""

    def __init__(self, channels: int, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.conv = ConvBNReLU(channels, channels, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_out = nn.Conv2d(channels, num_classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to ``(N, num_classes, H, W)``."""
        return self.conv_out(self.dropout(self.conv(x)))


class AttaNet(Network):
    """What the two networks share; the reference resizes the logits to the input size itself."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^head\.(?:resnet|backbone\.branch)\.", "backbone."),
        (r"^head\.", ""),
        (r"^sam\.conv1\.", "sam.query."),
        (r"^sam\.conv2\.", "sam.key."),
        (r"^sam\.conv3\.", "sam.value."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^conv_out[12]\.", r"^head\.resnet\.fc\.")

    def scores(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        raise NotImplementedError

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size."""
        return resize(self.scores(x), x.shape[-2:], align_corners=True)


class AttaNetR18(AttaNet):
    """ResNet-18; strides 16 and 32 are fused and attended to at stride 16 (figure 2)."""

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of the decoder."""
        super().__init__()
        self.backbone = ResNet(BasicBlock, (2, 2, 2, 2))
        c4, c5 = self.backbone.channels[2:]
        self.afm = AttentionFusion(channels + c5, channels, 1)
        self.conv_head32 = ConvBNReLU(c5, channels, 3)
        self.conv_head16 = ConvBNReLU(c4, channels, 3)
        self.conv_head1 = ConvBNReLU(channels, channels, 3)
        self.sam = StripAttention(channels, 64)
        self.conv_head2 = ConvBNReLU(channels, channels, 3)
        self.conv_out = AttaNetOutput(channels, num_classes, dropout=0.1)

    def scores(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        _, c3, c4, c5 = self.backbone(x)
        p4 = self.conv_head16(c4)
        attention = self.afm(p4, c5)
        p5 = self.conv_head32(c5) * attention
        fused = p4 * (1 - attention) + enlarge(p5, p4.shape[-2:])
        fused = self.sam(self.conv_head1(fused))
        return self.conv_out(self.conv_head2(enlarge(fused, c3.shape[-2:])))


class AttaNetLight(AttaNet):
    """A plain stack of convolutions; strides 8 and 16 are fused and attended to at stride 8."""

    def __init__(self, num_classes: int = 19, channels: int = 64) -> None:
        """Build the network; `channels` is the width of the decoder."""
        super().__init__()
        self.backbone = LightBackbone()
        self.afm = AttentionFusion(2 * channels, channels, 3)
        self.conv_head8 = ConvBNReLU(64, channels, 3)
        self.conv_head16 = ConvBNReLU(128, channels, 3)
        self.conv_head81 = ConvBNReLU(channels, channels, 3)
        self.conv_head161 = ConvBNReLU(channels, channels, 3)
        self.conv_head1 = ConvBNReLU(channels, channels, 3)
        self.sam = StripAttention(channels, channels)
        self.conv_head2 = ConvBNReLU(channels, channels, 3)
        self.conv_out = AttaNetOutput(channels, num_classes)

    def scores(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        c3, c4 = self.backbone(x)
        p3, p4 = self.conv_head8(c3), self.conv_head16(c4)
        attention = self.afm(p3, p4)
        deep = self.conv_head161(p4) * attention
        shallow = self.conv_head81(p3) * (1 - attention)
        fused = enlarge(deep, shallow.shape[-2:]) + shallow
        fused = self.sam(self.conv_head1(fused))
        return self.conv_out(self.conv_head2(fused))


def attanet_r18(num_classes: int = 19) -> AttaNetR18:
    """AttaNet with ResNet-18: 12,639,424 parameters at 19 classes."""
    return AttaNetR18(num_classes)


def attanet_light(num_classes: int = 19) -> AttaNetLight:
    """AttaNet with its light backbone: 891,488 parameters at 19 classes."""
    return AttaNetLight(num_classes)
