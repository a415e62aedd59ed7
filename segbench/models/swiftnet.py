"""SwiftNet with ResNet-18 on one scale (Orsic et al., CVPR 2019).

Paper: "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation of Road-driving Images".
The authors' code, orsic/swiftnet@2b88990e1ab6, is under the GPL: nothing here is taken from it, only facts that were
observed by running it. It normalises the image inside the network; here that is the catalog's preprocessing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize


class BNReLUConv(nn.Module):
    """Batch normalisation, ReLU and convolution, in this order."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        return self.conv(self.relu(self.norm(x)))


class SpatialPyramidPooling(nn.Module):
    """Spatial pyramid pooling (SPP): averages over grids whose cells are about square, beside the input itself."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        grids: tuple[int, ...] = (8, 4, 2),
        unit: Callable[[int, int], nn.Module] = BNReLUConv,
    ) -> None:
        """Build the module.

        Args:
            in_channels: width of the input.
            channels: width to which the input is cut before pooling, and of the output.
            grids: rows of each grid; the columns follow from the shape of the map.
            unit: 1x1 convolution from one width to another, with normalisation and activation.
        """
        super().__init__()
        self.grids = grids
        level_channels = channels // len(grids)
        self.bottleneck = unit(in_channels, channels)
        self.levels = nn.ModuleList(unit(channels, level_channels) for _ in grids)
        self.fuse = unit(channels + len(grids) * level_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        height, width = x.shape[-2:]
        x = self.bottleneck(x)
        pyramid = [x]
        for rows, level in zip(self.grids, self.levels, strict=True):
            columns = max(1, round(rows * float(width) / float(height)))
            pooled = F.adaptive_avg_pool2d(x, (rows, columns))
            pyramid.append(resize(level(pooled), (height, width)))
        return self.fuse(torch.cat(pyramid, dim=1))


class Upsample(nn.Module):
    """Ladder-style up-sampling: a lateral 1x1 convolution on the skip connection, addition, 3x3 convolution."""

    def __init__(self, skip_channels: int, channels: int) -> None:
        super().__init__()
        self.bottleneck = BNReLUConv(skip_channels, channels)
        self.blend_conv = BNReLUConv(channels, channels, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(N, channels, h, w)`` and ``(N, skip_channels, H, W)`` to ``(N, channels, H, W)``."""
        skip = self.bottleneck(skip)
        return self.blend_conv(resize(x, skip.shape[-2:]) + skip)


class SwiftNet(Network):
    """ResNet-18, spatial pyramid pooling, and three ladder-style up-samplings (CVPR 2019, figure 3).

    The paper takes the skip connections before the last ReLU of a stage. The authors' code rectifies them, too, and
    is followed: with maps that are not rectified its outputs are not met.
    """

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.spp\.spp\.spp_bn\.", "spp.bottleneck."),
        (r"^backbone\.spp\.spp\.spp(\d)\.", r"spp.levels.\1."),
        (r"^backbone\.spp\.spp\.spp_fuse\.", "spp.fuse."),
        (r"^backbone\.upsample\.", "upsample."),
        (r"^logits\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^backbone\.img_(?:mean|std|scale)$",)

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of the decoder."""
        super().__init__()
        self.backbone = ResNet(BasicBlock, (2, 2, 2, 2))
        *skips, coarsest = self.backbone.channels
        self.spp = SpatialPyramidPooling(coarsest, channels)
        self.upsample = nn.ModuleList(Upsample(width, channels) for width in reversed(skips))
        self.classifier = BNReLUConv(channels, num_classes, bias=True)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        *skips, coarsest = self.backbone(x)
        y = self.spp(coarsest)
        for upsample, skip in zip(self.upsample, reversed(skips), strict=True):
            y = upsample(y, skip)
        return resize(self.classifier(y), x.shape[-2:])


def swiftnet_r18(num_classes: int = 19) -> SwiftNet:
    """SwiftNetRN-18 on one scale: 11,797,071 parameters at 19 classes."""
    return SwiftNet(num_classes)
