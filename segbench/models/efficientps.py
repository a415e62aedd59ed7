"""EfficientPS (Mohan and Valada, "EfficientPS: Efficient Panoptic Segmentation", IJCV 2021): its semantic branch.

EfficientNet-B5 without squeeze-and-excite, a two-way feature pyramid (section 3.1) and the semantic head (section 3.2):
dense prediction cells on the two coarser maps, separable convolutions on the two finer ones, and mismatch correction
between them. Every normalisation is an in-place activated one, with a leaky ReLU of slope 0.01.

Public code: DeepSceneSeg/EfficientPS@e1c92c301b8d (GPL-3.0). This file is written from the paper and from the
reference's key list and outputs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.efficientnet import (
    BN_EPS,
    HEAD_CHANNELS,
    STAGES,
    STEM_CHANNELS,
    VARIANTS,
    same_padding,
    scale_channels,
    scale_repeats,
)
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, leaky_relu

PYRAMID_CHANNELS = 256
HEAD_WIDTH = 128
# Height and width dilations of a dense prediction cell's convolutions.
DPC_RATES = ((1, 6), (1, 1), (6, 21), (18, 15), (6, 3))


def conv_abn(in_channels: int, out_channels: int, kernel_size: int = 1, groups: int = 1, eps: float = 1e-5) -> ConvBN:
    """Convolution, batch normalisation and leaky ReLU."""
    return ConvBN(in_channels, out_channels, kernel_size, groups=groups, act=leaky_relu(), eps=eps)


class SameConv2d(nn.Conv2d):
    """A strided convolution whose padding follows TensorFlow's SAME rule for the input at hand."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', H/stride, W/stride)``, sizes rounded up."""
        top, bottom = same_padding(int(x.shape[2]), self.kernel_size[0], self.stride[0])
        left, right = same_padding(int(x.shape[3]), self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(x, (left, right, top, bottom)))


def strided_abn(in_channels: int, out_channels: int, kernel_size: int, groups: int = 1) -> ConvBN:
    """Convolution of stride 2 with SAME padding, batch normalisation and leaky ReLU."""
    pair = conv_abn(in_channels, out_channels, kernel_size, groups, BN_EPS)
    pair.conv = SameConv2d(in_channels, out_channels, kernel_size, 2, groups=groups, bias=False)
    return pair


class InvertedBottleneck(nn.Module):
    """Expand, depthwise, project; a shortcut where shapes agree. Unlike MBConv, the projection is activated, too."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int) -> None:
        """Map `in_channels` to `out_channels` at `stride`."""
        super().__init__()
        width = in_channels * expansion
        self.expand = conv_abn(in_channels, width, eps=BN_EPS) if expansion > 1 else None
        self.depthwise = (
            strided_abn(width, width, kernel_size, width)
            if stride > 1
            else conv_abn(width, width, kernel_size, width, BN_EPS)
        )
        self.project = conv_abn(width, out_channels, eps=BN_EPS)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, sizes rounded up."""
        out = x if self.expand is None else self.expand(x)
        out = self.project(self.depthwise(out))
        return out + x if self.has_shortcut else out


class Backbone(nn.Module):
    """EfficientNet without squeeze-and-excite, with the convolution of its classifier head.

    Attributes:
        channels: widths of the four maps that it returns.
    """

    def __init__(self, width: float, depth: float) -> None:
        """Scale EfficientNet-B0 by `width` and `depth`."""
        super().__init__()
        previous = scale_channels(STEM_CHANNELS, width)
        self.stem = strided_abn(3, previous, 3)
        stages: list[nn.Sequential] = []
        widths: list[int] = []
        for stage in STAGES:
            channels = scale_channels(stage.channels, width)
            blocks: list[nn.Module] = []
            for position in range(scale_repeats(stage.repeats, depth)):
                stride = stage.stride if position == 0 else 1
                blocks.append(InvertedBottleneck(previous, channels, stage.kernel_size, stride, stage.expansion))
                previous = channels
            stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        self.stages = nn.ModuleList(stages)
        head = scale_channels(HEAD_CHANNELS, width)
        self.head = conv_abn(previous, head, eps=BN_EPS)
        self.channels = (widths[1], widths[2], widths[4], head)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps at strides 4, 8, 16 and 32, sizes rounded up."""
        c2 = self.stages[1](self.stages[0](self.stem(x)))
        c3 = self.stages[2](c2)
        c4 = self.stages[4](self.stages[3](c3))
        return c2, c3, c4, self.head(self.stages[6](self.stages[5](c4)))


class TwoWayFPN(nn.Module):
    """Two pyramids side by side, one from coarse to fine and one from fine to coarse, added level by level."""

    def __init__(self, in_channels: Sequence[int]) -> None:
        """Build the pyramids; `in_channels` are the widths of the encoder's maps, finest first."""
        super().__init__()
        self.lateral_top = nn.ModuleList(conv_abn(width, PYRAMID_CHANNELS) for width in in_channels)
        self.lateral_bottom = nn.ModuleList(conv_abn(width, PYRAMID_CHANNELS) for width in in_channels)
        self.fpn_convs = nn.ModuleList(conv_abn(PYRAMID_CHANNELS, PYRAMID_CHANNELS, 3) for _ in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the encoder, finest first, to as many maps of 256 channels at the same sizes."""
        top = [lateral(x) for lateral, x in zip(self.lateral_top, maps, strict=True)]
        bottom = [lateral(x) for lateral, x in zip(self.lateral_bottom, maps, strict=True)]
        for fine in reversed(range(len(maps) - 1)):
            top[fine] += F.interpolate(top[fine + 1], size=top[fine].shape[-2:])
        for coarse in range(1, len(maps)):
            bottom[coarse] += F.interpolate(bottom[coarse - 1], size=bottom[coarse].shape[-2:])
        return [conv(one + other) for conv, one, other in zip(self.fpn_convs, top, bottom, strict=True)]


class SeparableConv(nn.Sequential):
    """Depthwise 3x3 and pointwise convolution, each normalised and activated."""

    def __init__(self, in_channels: int, out_channels: int, rates: tuple[int, int] = (1, 1)) -> None:
        """Build the pair; `rates` are the depthwise convolution's dilations by height and width."""
        depthwise = conv_abn(in_channels, in_channels, 3, in_channels)
        depthwise.conv = nn.Conv2d(
            in_channels, in_channels, 3, padding=rates, dilation=rates, groups=in_channels, bias=False
        )
        super().__init__(depthwise, conv_abn(in_channels, out_channels))


class DensePredictionCell(nn.Module):
    """Five separable convolutions of different dilations, the first before the others, concatenated (figure 5)."""

    def __init__(self) -> None:
        """Build the cell."""
        super().__init__()
        self.convs = nn.ModuleList(SeparableConv(PYRAMID_CHANNELS, PYRAMID_CHANNELS, rates) for rates in DPC_RATES)
        self.conv = conv_abn(len(DPC_RATES) * PYRAMID_CHANNELS, HEAD_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 256, H, W)`` to ``(N, 128, H, W)``."""
        x = self.convs[0](x)
        x1, x2, x3 = (conv(x) for conv in self.convs[1:4])
        return self.conv(torch.cat((x, x1, x2, x3, self.convs[4](x3)), dim=1))


class SemanticHead(nn.Module):
    """Each level brought to 128 channels, corrected on the way from coarse to fine, and all of them classified."""

    def __init__(self, num_classes: int) -> None:
        """Build the head."""
        super().__init__()

        def separable_pair(in_channels: int) -> nn.Sequential:
            return nn.Sequential(SeparableConv(in_channels, HEAD_WIDTH), SeparableConv(HEAD_WIDTH, HEAD_WIDTH))

        self.dpc32, self.dpc16 = DensePredictionCell(), DensePredictionCell()
        self.lsfe8, self.lsfe4 = separable_pair(PYRAMID_CHANNELS), separable_pair(PYRAMID_CHANNELS)
        self.correct16, self.correct8 = separable_pair(HEAD_WIDTH), separable_pair(HEAD_WIDTH)
        self.conv_logits = nn.Conv2d(4 * HEAD_WIDTH, num_classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16 and 32 to class scores ``(N, num_classes, 4 H, 4 W)`` of the first's size."""
        p4, p8, p16, p32 = maps

        def corrected(correction: nn.Module, x: Tensor, size: torch.Size) -> Tensor:
            x = F.interpolate(correction(x), scale_factor=2, mode="bilinear", align_corners=False)
            return resize(x, size)

        x32, x16 = self.dpc32(p32), self.dpc16(p16)
        coarse = x16 + resize(x32, p16.shape[-2:])
        x8 = self.lsfe8(p8) + corrected(self.correct16, coarse, p8.shape[-2:])
        x4 = self.lsfe4(p4) + corrected(self.correct8, x8, p4.shape[-2:])
        size = p4.shape[-2:]
        # What is classified at stride 16 is the cell's own map, without the coarser one that was added to it.
        joined = torch.cat((x4, resize(x8, size), resize(x16, size), resize(x32, size)), dim=1)
        return resize(self.conv_logits(joined), (4 * p4.shape[2], 4 * p4.shape[3]))


class EfficientPS(Network):
    """Backbone, two-way pyramid and semantic head; the instance branch is not built."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.conv_stem\.", "backbone.stem.conv."),
        (r"^backbone\.bn1\.", "backbone.stem.bn."),
        (r"^backbone\.conv_head\.", "backbone.head.conv."),
        (r"^backbone\.bn2\.", "backbone.head.bn."),
        (r"^backbone\.blocks\.", "backbone.stages."),
        # The first stage has nothing to expand, and its layers count from the depthwise one.
        (r"^(backbone\.stages\.0\.\d)\.conv_dw\.", r"\1.depthwise.conv."),
        (r"^(backbone\.stages\.0\.\d)\.bn1\.", r"\1.depthwise.bn."),
        (r"^(backbone\.stages\.0\.\d)\.conv_pw\.", r"\1.project.conv."),
        (r"^(backbone\.stages\.0\.\d)\.bn2\.", r"\1.project.bn."),
        (r"^(backbone\.stages\.\d\.\d)\.conv_pw\.", r"\1.expand.conv."),
        (r"^(backbone\.stages\.\d\.\d)\.bn1\.", r"\1.expand.bn."),
        (r"^(backbone\.stages\.\d\.\d)\.conv_dw\.", r"\1.depthwise.conv."),
        (r"^(backbone\.stages\.\d\.\d)\.bn2\.", r"\1.depthwise.bn."),
        (r"^(backbone\.stages\.\d\.\d)\.conv_pwl\.", r"\1.project.conv."),
        (r"^(backbone\.stages\.\d\.\d)\.bn3\.", r"\1.project.bn."),
        (r"^neck\.lateral_convs_top\.", "neck.lateral_top."),
        # The reference lists the laterals of this way from the coarsest map to the finest.
        *((rf"^neck\.lateral_convs_bottom\.{index}\.", f"neck.lateral_bottom.{3 - index}.") for index in range(4)),
        (r"^semantic_head\.lateral_convs_ss\.0\.", "semantic_head.dpc32."),
        (r"^semantic_head\.lateral_convs_ss\.1\.", "semantic_head.dpc16."),
        (r"^semantic_head\.lateral_convs_ls\.0\.convs\.", "semantic_head.lsfe8."),
        (r"^semantic_head\.lateral_convs_ls\.1\.convs\.", "semantic_head.lsfe4."),
        (r"^semantic_head\.aligning_convs\.0\.convs\.", "semantic_head.correct16."),
        (r"^semantic_head\.aligning_convs\.1\.convs\.", "semantic_head.correct8."),
        (r"^(semantic_head\..+)\.depthwise_conv\.", r"\1.0."),
        (r"^(semantic_head\..+)\.pointwise_conv\.", r"\1.1."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network on EfficientNet-B5."""
        super().__init__()
        width, depth, _ = VARIANTS["b5"]
        self.backbone = Backbone(width, depth)
        self.neck = TwoWayFPN(self.backbone.channels)
        self.semantic_head = SemanticHead(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``, sizes rounded up to multiples of 4."""
        return self.semantic_head(self.neck(self.backbone(x)))


def efficientps(num_classes: int = 19) -> EfficientPS:
    """EfficientPS's semantic branch on EfficientNet-B5: 27,912,835 parameters at 19 classes."""
    return EfficientPS(num_classes)
