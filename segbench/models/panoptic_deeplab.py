"""The semantic branch of Panoptic-DeepLab.

Cheng et al., "Panoptic-DeepLab: A Simple, Strong, and Fast Baseline for Bottom-Up Panoptic Segmentation", CVPR 2020,
section 3.1: of its two pairs of atrous spatial pyramid pooling and decoder, one serves semantic segmentation. The
decoder has three steps in which a map is up-sampled, joined with a finer one of the encoder and convolved.

Public code: bowenc0221/panoptic-deeplab@cf8e20bbbf1c, as released at output stride 32, where the paper has 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.backbones.xception65 import Xception65
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU, separable_conv

CHANNELS = 256
ATROUS_RATES = (3, 6, 9)
# Widths to which the encoder's maps are projected, deepest first.
PROJECTED = (128, 64, 32)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling; the pooled branch has no batch normalisation."""

    def __init__(self, in_channels: int) -> None:
        """Build the branches."""
        super().__init__()
        self.convs = nn.ModuleList(
            (
                ConvBNReLU(in_channels, CHANNELS),
                *(ConvBNReLU(in_channels, CHANNELS, 3, dilation=rate) for rate in ATROUS_RATES),
            )
        )
        self.pooling = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(in_channels, CHANNELS, 1, bias=False), nn.ReLU(inplace=True)
        )
        self.project = ConvBNReLU(5 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 256, H, W)``."""
        pooled = resize(self.pooling(x), x.shape[-2:], align_corners=True)
        return self.project(torch.cat((*(conv(x) for conv in self.convs), pooled), dim=1))


class SemanticDecoder(nn.Module):
    """ASPP, and three steps up to stride 4."""

    def __init__(self, in_channels: Sequence[int]) -> None:
        """Build the decoder; `in_channels` are the widths of the encoder's four maps, finest first."""
        super().__init__()
        *finer, deepest = in_channels
        self.aspp = ASPP(deepest)
        self.project = nn.ModuleList(
            ConvBNReLU(width, projected) for width, projected in zip(reversed(finer), PROJECTED, strict=True)
        )
        self.fuse = nn.ModuleList(separable_conv(CHANNELS + projected, CHANNELS, 5) for projected in PROJECTED)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps, finest first, to ``(N, 256, H, W)`` at the size of the first."""
        *finer, deepest = maps
        x = self.aspp(deepest)
        for project, fuse, skip in zip(self.project, self.fuse, reversed(finer), strict=True):
            x = fuse(torch.cat((resize(x, skip.shape[-2:], align_corners=True), project(skip)), dim=1))
        return x


class PanopticDeepLab(Network):
    """An encoder and the semantic branch; the instance branch is not built."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^decoder\.semantic_decoder\.", "decoder."),
        (r"^(decoder\.aspp\.)convs\.4\.aspp_pooling\.", r"\1pooling."),
        (r"^(decoder\.(?:aspp\.convs\.\d|aspp\.project|project\.\d))\.0\.", r"\1.conv."),
        (r"^(decoder\.(?:aspp\.convs\.\d|aspp\.project|project\.\d))\.1\.", r"\1.bn."),
        (r"^decoder\.semantic_head\.classifier\.semantic\.1\.", "classifier."),
        (r"^decoder\.semantic_head\.classifier\.semantic\.0\.0\.", "head."),
        (r"^(decoder\.fuse\.\d)\.0\.", r"\1."),
        (r"^(decoder\.fuse\.\d|head)\.0\.0\.", r"\1.0.conv."),
        (r"^(decoder\.fuse\.\d|head)\.0\.1\.", r"\1.0.bn."),
        (r"^(decoder\.fuse\.\d|head)\.1\.", r"\1.1.conv."),
        (r"^(decoder\.fuse\.\d|head)\.2\.", r"\1.1.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^decoder\.instance_",)

    def __init__(self, backbone: ResNet | Xception65, num_classes: int = 19) -> None:
        """Build the network on an encoder that returns four maps."""
        super().__init__()
        self.backbone = backbone
        self.decoder = SemanticDecoder(backbone.channels)
        self.head = separable_conv(CHANNELS, CHANNELS, 5)
        self.classifier = nn.Conv2d(CHANNELS, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``, up-sampled from stride 4 as the reference does."""
        scores = self.classifier(self.head(self.decoder(self.backbone(x))))
        return resize(scores, x.shape[-2:], align_corners=True)


class PanopticDeepLabXception(PanopticDeepLab):
    """The same on Xception-65, whose reference keys differ."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.conv1\.", "backbone.stem.0.conv."),
        (r"^backbone\.bn1\.", "backbone.stem.0.bn."),
        (r"^backbone\.conv2\.", "backbone.stem.1.conv."),
        (r"^backbone\.bn2\.", "backbone.stem.1.bn."),
        (r"^(backbone\.block\d+)\.(conv|bn)\.", r"\1.shortcut.\2."),
        *((rf"^backbone\.block{number}\.", f"backbone.middle.{number - 4}.") for number in range(4, 20)),
        (r"^(backbone\..+)\.block\.(depthwise|pointwise)\.", r"\1.\2.conv."),
        (r"^(backbone\..+)\.block\.bn_(depth|point)\.", r"\1.\2wise.bn."),
        *PanopticDeepLab.renames,
    )


def panoptic_deeplab_r50(num_classes: int = 19) -> PanopticDeepLab:
    """Panoptic-DeepLab's semantic branch on ResNet-50: 39,575,219 parameters at 19 classes."""
    return PanopticDeepLab(ResNet(Bottleneck, (3, 4, 6, 3)), num_classes)


def panoptic_deeplab_x65(num_classes: int = 19) -> PanopticDeepLabXception:
    """Panoptic-DeepLab's semantic branch on Xception-65: 53,910,435 parameters at 19 classes."""
    return PanopticDeepLabXception(Xception65(), num_classes)
