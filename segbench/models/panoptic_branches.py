"""Panoptic-DeepLab with both its branches, semantic and instance, at output stride 16.

Cheng et al., "Panoptic-DeepLab: A Simple, Strong, and Fast Baseline for Bottom-Up Panoptic Segmentation", CVPR 2020,
section 3.1 and figure 2: each branch has atrous spatial pyramid pooling of its own and two steps in which a map is
up-sampled, joined with a finer one of the encoder and convolved. Both branches run; the semantic one gives the logits.

Source: google-research/deeplab2@64bc1c1a6505 (``model/decoder/panoptic_deeplab.py``, ``model/decoder/aspp.py``), the
authors' TensorFlow code. Its options give 5x5 convolutions that are depthwise separable or ordinary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.wide_resnet41 import WideResNet41
from segbench.models.backbones.xception71 import Xception71
from segbench.models.base import Network, resize
from segbench.models.deeplabv3plus import ASPP
from segbench.models.layers import ConvBNReLU, separable_conv, set_norm_eps

BN_EPS = 1e-3
ASPP_CHANNELS = 256
ATROUS_RATES = (6, 12, 18)
INSTANCE_HEAD_CHANNELS = 32


def conv5x5(in_channels: int, out_channels: int, separable: bool) -> nn.Sequential:
    """5x5 convolution, batch normalisation and ReLU; separable ones have both after each of their two convolutions."""
    if separable:
        return separable_conv(in_channels, out_channels, kernel_size=5)
    return ConvBNReLU(in_channels, out_channels, 5)


class Branch(nn.Module):
    """Atrous spatial pyramid pooling, and two steps up to stride 4."""

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        projected: tuple[int, int],
        separable: bool,
        separable_aspp: bool,
    ) -> None:
        """Build the branch.

        Args:
            in_channels: widths of the encoder's three maps, finest first.
            channels: width of the output.
            projected: widths to which the two finer maps are projected, the coarser of them first.
            separable: whether the 5x5 convolutions are depthwise separable.
            separable_aspp: whether the dilated convolutions of the pooling are.
        """
        super().__init__()
        fine, middle, deepest = in_channels
        self.aspp = ASPP(deepest, ATROUS_RATES, ASPP_CHANNELS, separable=separable_aspp)
        self.project = nn.ModuleList(
            ConvBNReLU(width, narrow) for width, narrow in zip((middle, fine), projected, strict=True)
        )
        self.fuse = nn.ModuleList(
            conv5x5(width + narrow, channels, separable)
            for width, narrow in zip((ASPP_CHANNELS, channels), projected, strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Three maps, finest first, to ``(N, channels, H/4, W/4)``."""
        fine, middle, deepest = maps
        x = self.aspp(deepest)
        for project, fuse, skip in zip(self.project, self.fuse, (middle, fine), strict=True):
            x = fuse(torch.cat((resize(x, skip.shape[-2:], align_corners=True), project(skip)), dim=1))
        return x


def head(in_channels: int, channels: int, out_channels: int, separable: bool) -> nn.Sequential:
    """5x5 convolution to `channels`, 1x1 convolution with bias to `out_channels`."""
    return nn.Sequential(conv5x5(in_channels, channels, separable), nn.Conv2d(channels, out_channels, 1))


class TwoBranchPanopticDeepLab(Network):
    """An encoder, a semantic branch of 256 channels and an instance branch of 128."""

    align_corners: ClassVar[bool] = True

    def __init__(
        self,
        encoder: WideResNet41 | Xception71,
        num_classes: int = 19,
        separable: bool = True,
        separable_aspp: bool = False,
    ) -> None:
        """Build the network.

        Args:
            encoder: returns maps at strides 4, 8 and 16.
            num_classes: classes of the semantic head.
            separable: as in `Branch`, for the heads, too.
            separable_aspp: as in `Branch`.
        """
        super().__init__()
        self.encoder = encoder
        self.semantic = Branch(encoder.channels, 256, (64, 32), separable, separable_aspp)
        self.instance = Branch(encoder.channels, 128, (32, 16), separable, separable_aspp)
        self.semantic_head = head(256, 256, num_classes, separable)
        self.center_head = head(128, INSTANCE_HEAD_CHANNELS, 1, separable)
        self.offset_head = head(128, INSTANCE_HEAD_CHANNELS, 2, separable)
        set_norm_eps(self, BN_EPS)

    def panoptic(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image to class scores, centre heat map and centre offsets: ``(N, num_classes | 1 | 2, H/4, W/4)``."""
        maps = self.encoder(x)
        instance = self.instance(maps)
        return self.semantic_head(self.semantic(maps)), self.center_head(instance), self.offset_head(instance)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up; the instance branch runs beside them."""
        return self.panoptic(x)[0]
