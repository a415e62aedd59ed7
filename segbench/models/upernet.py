"""UPerNet on Swin Transformer.

Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018; Liu et al., "Swin Transformer:
Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, section 4.3.

Pyramid pooling on the deepest map, a feature pyramid from there to stride 4, and all its maps joined.

Public code: the port of mmsegmentation 1.2.2 (``swin-small-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.swin import SwinTransformer
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU

CHANNELS = 512


class PyramidPooling(nn.Module):
    """Averages over grids of 1, 2, 3 and 6 cells per side, beside the input itself, and a 3x3 convolution."""

    def __init__(self, in_channels: int) -> None:
        """Build the module."""
        super().__init__()
        bins = (1, 2, 3, 6)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), ConvBNReLU(in_channels, CHANNELS)) for size in bins
        )
        self.bottleneck = ConvBNReLU(in_channels + len(bins) * CHANNELS, CHANNELS, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 512, H, W)``."""
        pooled = [resize(branch(x), x.shape[-2:]) for branch in self.branches]
        return self.bottleneck(torch.cat((x, *pooled), dim=1))


class UPerHead(nn.Module):
    """Pyramid pooling, a top-down pyramid, and the concatenation of its maps at the finest size (figure 4)."""

    def __init__(self, in_channels: Sequence[int], num_classes: int) -> None:
        """Build the decoder; `in_channels` are the widths of the four maps, finest first."""
        super().__init__()
        self.ppm = PyramidPooling(in_channels[-1])
        self.lateral_convs = nn.ModuleList(ConvBNReLU(width, CHANNELS) for width in in_channels[:-1])
        self.fpn_convs = nn.ModuleList(ConvBNReLU(CHANNELS, CHANNELS, 3) for _ in in_channels[:-1])
        self.fpn_bottleneck = ConvBNReLU(len(in_channels) * CHANNELS, CHANNELS, 3)
        self.conv_seg = nn.Conv2d(CHANNELS, num_classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Four maps, finest first, to class scores ``(N, num_classes, H, W)`` at the size of the first."""
        *finer, deepest = maps
        x = self.ppm(deepest)
        pyramid = [x]
        for lateral, skip in zip(reversed(self.lateral_convs), reversed(finer), strict=True):
            x = lateral(skip) + resize(x, skip.shape[-2:])
            pyramid.insert(0, x)
        size = maps[0].shape[-2:]
        smoothed = [conv(level) for conv, level in zip(self.fpn_convs, pyramid[:-1], strict=True)]
        joined = torch.cat([resize(level, size) for level in (*smoothed, pyramid[-1])], dim=1)
        return self.conv_seg(self.fpn_bottleneck(joined))


class UPerNetSwin(Network):
    """Swin Transformer encoder and UPerNet's decoder."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.patch_embed\.projection\.", "backbone.patch_embed."),
        (r"^backbone\.patch_embed\.norm\.", "backbone.patch_norm."),
        (r"^backbone\.stages\.(\d)\.blocks\.", r"backbone.stages.\1."),
        (r"^backbone\.stages\.(\d)\.downsample\.", r"backbone.merges.\1."),
        (r"^backbone\.norm(\d)\.", r"backbone.norms.\1."),
        (r"\.attn\.w_msa\.", ".attn."),
        (r"\.ffn\.layers\.0\.0\.", ".mlp.0."),
        (r"\.ffn\.layers\.1\.", ".mlp.2."),
        (r"^decode_head\.psp_modules\.", "decode_head.ppm.branches."),
        (r"^decode_head\.bottleneck\.", "decode_head.ppm.bottleneck."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxiliary_head\.", r"\.relative_position_index$")

    def __init__(self, channels: int, depths: Sequence[int], heads: Sequence[int], num_classes: int = 150) -> None:
        """Build the network; the encoder's arguments are those of `SwinTransformer`."""
        super().__init__()
        self.backbone = SwinTransformer(channels, depths, heads)
        self.decode_head = UPerHead(self.backbone.channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        return self.decode_head(self.backbone(x))


def upernet_swin_s(num_classes: int = 150) -> UPerNetSwin:
    """UPerNet with Swin-S: 80,335,968 parameters at 150 classes."""
    return UPerNetSwin(96, (2, 2, 18, 2), (3, 6, 12, 24), num_classes)
