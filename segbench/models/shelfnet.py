"""ShelfNet (Zhuang et al., "ShelfNet for Fast Semantic Segmentation", ICCV Workshops 2019), the real-time variant.

Public code: juntang-zhuang/ShelfNet@39fbcb2fe7ec (``ShelfNet18_realtime``). What it names ConvBNReLU activates with a
leaky ReLU of slope 0.01, the default of in-place activated batch normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, leaky_relu


class SBlock(nn.Module):
    """Shared-weights block (S-Block, figure 3): a residual block that applies one convolution twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = leaky_relu()
        self.drop = nn.Dropout2d(0.1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        out = self.drop(self.act(self.bn1(self.conv1(x))))
        out = self.bn2(self.conv1(out))
        out += x
        return F.relu(out, inplace=True)


class AttentionRefinement(nn.Module):
    """3x3 convolution whose channels are weighted by their averages."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvBN(in_channels, out_channels, 3, act=leaky_relu())
        self.conv_atten = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        feature = self.conv(x)
        pooled = F.avg_pool2d(feature, feature.shape[-2:])
        return feature * torch.sigmoid(self.bn_atten(self.conv_atten(pooled)))


class UpBranch(nn.Module):
    """Top-down column: doubles the map, adds the column before it, and smooths, until the finest map is reached."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Build the column; `widths` are those of its maps, finest first."""
        super().__init__()
        coarse_to_fine = tuple(reversed(widths))
        self.bottom = SBlock(coarse_to_fine[0])
        self.up_conv = nn.ModuleList(AttentionRefinement(coarse, fine) for coarse, fine in pairwise(coarse_to_fine))
        self.up_dense = nn.ModuleList(ConvBN(fine, fine, 3, act=leaky_relu()) for fine in coarse_to_fine[1:])

    def forward(self, coarsest: Tensor, finer: Sequence[Tensor]) -> list[Tensor]:
        """The coarsest map and the finer ones, coarse first, to the finer ones refined, finest first."""
        x = self.bottom(coarsest)
        refined: list[Tensor] = []
        for up_conv, up_dense, lateral in zip(self.up_conv, self.up_dense, finer, strict=True):
            x = up_dense(F.interpolate(up_conv(x), scale_factor=2.0, mode="nearest") + lateral)
            refined.insert(0, x)
        return refined


class DownBranch(nn.Module):
    """Bottom-up column: adds the column before it, refines, and halves the map by a strided convolution."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Build the column; `widths` are those of its maps, finest first."""
        super().__init__()
        self.inconv = SBlock(widths[0])
        self.down_module = nn.ModuleList(SBlock(width) for width in widths[:-1])
        self.down_conv = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairwise(widths)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Maps, finest first, to the same refined, and one more at half the size of the last."""
        x = self.inconv(maps[0])
        refined: list[Tensor] = []
        for down_module, down_conv, lateral in zip(self.down_module, self.down_conv, maps, strict=True):
            refined.append(down_module(x + lateral))
            x = F.relu(down_conv(refined[-1]), inplace=True)
        return refined, x


class ShelfNet(Network):
    """ResNet-18 and three columns behind it: up, down and up again (figure 1)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^ladder\.(inconv|down_module|down_conv)", r"down.\1"),
        (r"\b(up_conv|up_dense|down_module|down_conv)_list\.", r"\1."),
        (r"^conv_out\.conv\.", "fuse."),
        (r"^conv_out\.conv_out\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^conv_out(?:16|32)\.", r"^decoder\.inconv\.")

    def __init__(self, num_classes: int = 19, channels: int = 64) -> None:
        """Build the network; `channels` is the width of the columns at stride 8, doubled at each coarser stride."""
        super().__init__()
        self.backbone = ResNet(BasicBlock, (2, 2, 2, 2), act=leaky_relu)
        widths = (channels, 2 * channels, 4 * channels)
        c3, c4, c5 = self.backbone.channels[1:]
        self.trans1 = ConvBN(c3, widths[0], 1, act=leaky_relu())
        self.trans2 = ConvBN(c4, widths[1], 1, act=leaky_relu())
        self.trans3 = ConvBN(c5, widths[2], 1, act=leaky_relu())
        self.decoder = UpBranch(widths)
        self.down = DownBranch(widths)
        self.ladder = UpBranch(widths)
        self.fuse = ConvBN(widths[0], channels, 3, act=leaky_relu())
        self.classifier = nn.Conv2d(channels, num_classes, 3, padding=1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        _, c3, c4, c5 = self.backbone(x)
        shelf = self.decoder(self.trans3(c5), (self.trans2(c4), self.trans1(c3)))
        refined, coarsest = self.down(shelf)
        finest = self.ladder(coarsest, refined[::-1])[0]
        return resize(self.classifier(self.fuse(finest)), x.shape[-2:], align_corners=True)


def shelfnet18(num_classes: int = 19) -> ShelfNet:
    """ShelfNet with ResNet-18: 14,320,256 parameters at 19 classes."""
    return ShelfNet(num_classes)
