"""ESeg: an EfficientNet encoder, eight pyramid levels and a BiFPN decoder, without atrous convolution.

Meng et al., "Revisiting Multi-Scale Feature Fusion for Semantic Segmentation", arXiv 2203.12683 (Figure 3, Table 3,
Table 8). No code is public: what the paper leaves open was decided by its printed costs. The decoder after BiFPN
(Tan et al., "EfficientDet", CVPR 2020, Section 3.3). `bifpn_resnet50` is the ResNet-50 row of Table 8.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.errors import BadOption
from segbench.models.backbones.efficientnet import BN_EPS, EfficientNet, activation
from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN

Fusion = Literal["fast", "softmax", "sum"]

LEVELS = 8  # P2 to P9


def separable_conv(in_channels: int, out_channels: int, bias: bool = False) -> OrderedDict[str, nn.Module]:
    """A depthwise 3x3 and a pointwise 1x1 convolution."""
    return OrderedDict(
        depthwise=nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        pointwise=nn.Conv2d(in_channels, out_channels, 1, bias=bias),
    )


class SeparableConvBN(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, BN and activation, at constant width: the operation of every BiFPN node."""

    def __init__(self, channels: int, act: nn.Module) -> None:
        """Keep `channels`."""
        super().__init__(
            OrderedDict(separable_conv(channels, channels), bn=nn.BatchNorm2d(channels, eps=BN_EPS), act=act)
        )


class Pyramid(nn.Module):
    """P6 to P9 by repeated average pooling of the raw P5, then one lateral 1x1 convolution per level."""

    def __init__(self, in_channels: tuple[int, ...], channels: int) -> None:
        """Bring the four encoder maps of widths `in_channels` and the four pooled ones to `channels`."""
        super().__init__()
        widths = in_channels + (in_channels[-1],) * (LEVELS - len(in_channels))
        # Padded cells stay out of the mean, so that the border of a coarse map is not darkened.
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.laterals = nn.ModuleList(ConvBN(width, channels, bias=True, eps=BN_EPS) for width in widths)

    def forward(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        """Encoder maps P2 to P5, finest first, to the levels P2 to P9, ``(N, channels, H/2^i, W/2^i)`` each."""
        levels = list(maps)
        while len(levels) < LEVELS:
            levels.append(self.pool(levels[-1]))
        return [lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)]


class BiFPNCell(nn.Module):
    """One BiFPN repeat over P2 to P9: seven top-down nodes (t8 to t3, o2), seven bottom-up nodes (o3 to o9).

    A node is a weighted sum of its inputs and a separable convolution. Weights are one scalar per input edge.
    """

    top_down_weights: Tensor
    bottom_up_weights: Tensor
    top_weights: Tensor

    def __init__(self, channels: int, lite_ops: bool = False, fusion: Fusion = "fast") -> None:
        """Keep `channels`; `fusion` normalises the edge weights (EfficientDet, Section 3.3).

        Raises:
            BadOption: no such `fusion`.
        """
        super().__init__()
        if fusion not in get_args(Fusion):
            raise BadOption(f"fusion is one of {', '.join(get_args(Fusion))}: {fusion!r} given")
        self.fusion = fusion
        self.down = nn.MaxPool2d(3, 2, 1)
        edges = LEVELS - 1
        self.top_down = nn.ModuleList(SeparableConvBN(channels, activation(lite_ops)) for _ in range(edges))
        self.bottom_up = nn.ModuleList(SeparableConvBN(channels, activation(lite_ops)) for _ in range(edges))
        # P9 has no top-down node, so its output node joins two maps only.
        shapes = {"top_down_weights": (edges, 2), "bottom_up_weights": (edges - 1, 3), "top_weights": (2,)}
        for name, shape in shapes.items():
            if fusion == "sum":
                self.register_buffer(name, torch.ones(shape), persistent=False)
            else:
                self.register_parameter(name, nn.Parameter(torch.ones(shape)))

    def normalised(self, weights: Tensor) -> Tensor:
        """Edge weights ``(..., inputs)`` as they are applied."""
        if self.fusion == "softmax":
            return weights.softmax(-1)
        if self.fusion == "sum":
            return weights
        positive = weights.relu()
        return positive / (positive.sum(-1, keepdim=True) + 1e-4)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Eight maps ``(N, channels, h_i, w_i)``, finest first, to eight maps of the same shapes."""
        weights = self.normalised(self.top_down_weights)
        above = levels[-1]
        descending: list[Tensor] = []
        for index, node in enumerate(self.top_down):
            level = levels[-2 - index]
            # By size, not by factor: sizes are halved with ceil, so n cells may lie above 2n - 1.
            up = F.interpolate(above, size=level.shape[-2:], mode="nearest")
            above = node(weighted_sum(weights[index], level, up))
            descending.append(above)

        weights = self.normalised(self.bottom_up_weights)
        outputs = [descending.pop()]
        for index, node in enumerate(self.bottom_up):
            level, below = levels[index + 1], self.down(outputs[-1])
            if descending:
                fused = weighted_sum(weights[index], level, descending.pop(), below)
            else:
                fused = weighted_sum(self.normalised(self.top_weights), level, below)
            outputs.append(node(fused))
        return outputs


def weighted_sum(weights: Tensor, *maps: Tensor) -> Tensor:
    """Sum of `maps`, one scalar of `weights` each; in place on the first product, which nothing else holds."""
    total = maps[0] * weights[0]
    for index in range(1, len(maps)):
        total.addcmul_(maps[index], weights[index])
    return total


class OutputFusion(nn.Module):
    """All levels upsampled to P2, summed with softmax weights (the paper's equation), then a separable convolution."""

    def __init__(self, channels: int, lite_ops: bool = False) -> None:
        """Keep `channels`."""
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(LEVELS))
        self.conv = SeparableConvBN(channels, activation(lite_ops))

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Eight maps, finest first, to ``(N, channels, H/4, W/4)``."""
        weights = self.weights.softmax(0)
        size = levels[0].shape[-2:]
        # Level by level: all eight upsampled maps of ESeg-L together would take 1.2 GB at 1024x2048.
        total = levels[0] * weights[0]
        for index in range(1, LEVELS):
            total.addcmul_(resize(levels[index], size), weights[index])
        return self.conv(total)


class ESeg(Network):
    """Encoder, pyramid P2 to P9, repeated BiFPN cells, output fusion, classifier at stride 4."""

    def __init__(
        self,
        encoder: EfficientNet | ResNet,
        channels: int,
        repeats: int,
        num_classes: int = 19,
        lite_ops: bool = False,
        fusion: Fusion = "fast",
    ) -> None:
        """Build the network.

        Args:
            encoder: trunk that returns maps at strides 4, 8, 16 and 32 and names their `channels`.
            channels: width of the decoder.
            repeats: number of BiFPN cells.
            num_classes: output channels.
            lite_ops: ReLU6 for swish in the decoder.
            fusion: how the edge weights of a BiFPN node are normalised; ``"sum"`` has none.
        """
        super().__init__()
        self.encoder = encoder
        self.pyramid = Pyramid(tuple(encoder.channels), channels)
        self.bifpn = nn.Sequential(*(BiFPNCell(channels, lite_ops, fusion) for _ in range(repeats)))
        self.fusion = OutputFusion(channels, lite_ops)
        self.classifier = nn.Sequential(separable_conv(channels, num_classes, bias=True))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        levels = self.pyramid(self.encoder(x))
        return self.classifier(self.fusion(self.bifpn(levels)))


def _eseg(
    width: float,
    depth: float,
    channels: int,
    repeats: int,
    num_classes: int,
    lite_ops: bool = False,
    stem_channels: int | None = None,
    fusion: Fusion = "fast",
) -> ESeg:
    encoder = EfficientNet(width, depth, lite_ops=lite_ops, stem_channels=stem_channels)
    return ESeg(encoder, channels, repeats, num_classes, lite_ops, fusion)


def eseg_s(num_classes: int = 19, fusion: Fusion = "fast") -> ESeg:
    """ESeg-S: EfficientNet-B1, 96 channels, 4 repeats (Table 3); also the B1 + BiFPN row of Table 8."""
    return _eseg(1.0, 1.1, 96, 4, num_classes, fusion=fusion)


def eseg_m(num_classes: int = 19, fusion: Fusion = "fast") -> ESeg:
    """ESeg-M: EfficientNet-B4, 192 channels, 5 repeats (Table 3)."""
    return _eseg(1.4, 1.8, 192, 5, num_classes, fusion=fusion)


def eseg_l(num_classes: int = 19, fusion: Fusion = "fast") -> ESeg:
    """ESeg-L: EfficientNet-B7, 288 channels, 6 repeats (Table 3)."""
    return _eseg(2.0, 3.1, 288, 6, num_classes, fusion=fusion)


def eseg_lite_s(
    num_classes: int = 19, lite_ops: bool = False, stem_channels: int | None = None, fusion: Fusion = "fast"
) -> ESeg:
    """ESeg-Lite-S: width 0.4, depth 0.6, 64 channels, 1 repeat (Table 3).

    The paper does not say whether Lite drops squeeze-and-excite for ReLU6 and keeps the stem at 32, as
    EfficientNet-Lite does: `lite_ops` and ``stem_channels=32`` build that reading.
    """
    return _eseg(0.4, 0.6, 64, 1, num_classes, lite_ops, stem_channels, fusion)


def eseg_lite_m(
    num_classes: int = 19, lite_ops: bool = False, stem_channels: int | None = None, fusion: Fusion = "fast"
) -> ESeg:
    """ESeg-Lite-M: width 0.6, depth 1.0, 80 channels, 2 repeats (Table 3); options as `eseg_lite_s`."""
    return _eseg(0.6, 1.0, 80, 2, num_classes, lite_ops, stem_channels, fusion)


def eseg_lite_l(
    num_classes: int = 19, lite_ops: bool = False, stem_channels: int | None = None, fusion: Fusion = "fast"
) -> ESeg:
    """ESeg-Lite-L: EfficientNet-B0, 96 channels, 3 repeats (Table 3); options as `eseg_lite_s`."""
    return _eseg(1.0, 1.0, 96, 3, num_classes, lite_ops, stem_channels, fusion)


def bifpn_resnet50(num_classes: int = 19, fusion: Fusion = "fast") -> ESeg:
    """ResNet-50 with the decoder of ESeg-S (Table 8)."""
    return ESeg(ResNet(Bottleneck, (3, 4, 6, 3)), 96, 4, num_classes, fusion=fusion)
