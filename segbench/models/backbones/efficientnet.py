"""EfficientNet (Tan and Le, ICML 2019) as segmentation networks use it: four feature maps, no classifier.

Structure after the paper's Table 1 and its compound scaling. `EfficientNetFeatures` is the trunk with the head
convolution and equals ``extract_features`` of lukemelas/EfficientNet-PyTorch@7e8b0d3, whose weights it loads.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.layers import ConvBN

BN_EPS = 1e-3


class Stage(NamedTuple):
    """A row of the paper's Table 1: the layout of B0, before scaling."""

    kernel_size: int
    stride: int
    expansion: int
    channels: int
    repeats: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280

# Width multiplier, depth multiplier, and the image side for which the reference fixes its padding.
VARIANTS: dict[str, tuple[float, float, int]] = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}


def scale_channels(channels: int, width: float) -> int:
    """Scaled width, rounded to a multiple of 8 and never more than 10 % below the exact product."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def scale_repeats(repeats: int, depth: float) -> int:
    """Scaled number of blocks, rounded up."""
    return math.ceil(repeats * depth)


def same_padding(size: int, kernel_size: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of `size` cells under TensorFlow's SAME rule, which favours the far side."""
    total = max((math.ceil(size / stride) - 1) * stride + dilation * (kernel_size - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    act: nn.Module | None = None,
    image_size: int | None = None,
) -> nn.Sequential:
    """Convolution and BN, padded symmetrically, or by SAME for `image_size` where that is asymmetric."""
    if image_size is not None:
        before, after = same_padding(image_size, kernel_size, stride, dilation)
        if before != after:
            children: OrderedDict[str, nn.Module] = OrderedDict(
                pad=nn.ZeroPad2d((before, after, before, after)),
                conv=nn.Conv2d(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias=False),
                bn=nn.BatchNorm2d(out_channels, eps=BN_EPS),
            )
            if act is not None:
                children["act"] = act
            return nn.Sequential(children)
    return ConvBN(in_channels, out_channels, kernel_size, stride, dilation, groups, act=act, eps=BN_EPS)


def activation(lite_ops: bool) -> nn.Module:
    """Swish, or the ReLU6 of the EfficientNet-Lite convention."""
    return nn.ReLU6(inplace=True) if lite_ops else nn.SiLU(inplace=True)


class SqueezeExcite(nn.Module):
    """Channel gate from the global mean (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        """Gate `channels` through a bottleneck of `squeezed`."""
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = activation(lite_ops=False)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        gate = self.expand(self.act(self.reduce(F.adaptive_avg_pool2d(x, 1))))
        return x * gate.sigmoid()


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expand, depthwise, squeeze-and-excite, project; shortcut where shapes agree."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        expansion: int = 6,
        lite_ops: bool = False,
        image_size: int | None = None,
    ) -> None:
        """Map `in_channels` to `out_channels` at `stride`; see `EfficientNet` for `lite_ops` and `image_size`."""
        super().__init__()
        width = in_channels * expansion
        self.expand = None if expansion == 1 else _conv_bn(in_channels, width, act=activation(lite_ops))
        self.depthwise = _conv_bn(width, width, kernel_size, stride, dilation, width, activation(lite_ops), image_size)
        # The bottleneck is a quarter of the block's input width, not of the expanded width.
        self.squeeze_excite = None if lite_ops else SqueezeExcite(width, max(1, in_channels // 4))
        self.project = _conv_bn(width, out_channels)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        out = x if self.expand is None else self.expand(x)
        out = self.depthwise(out)
        if self.squeeze_excite is not None:
            out = self.squeeze_excite(out)
        out = self.project(out)
        return out + x if self.has_shortcut else out


class EfficientNet(nn.Module):
    """EfficientNet trunk that returns the last maps at strides 4, 8, 16 and 32 (the ends of stages 2, 3, 5 and 7).

    Attributes:
        channels: widths of the four maps.
    """

    def __init__(
        self,
        width: float,
        depth: float,
        output_stride: int = 32,
        lite_ops: bool = False,
        stem_channels: int | None = None,
        image_size: int | None = None,
    ) -> None:
        """Scale B0 by `width` and `depth`.

        Args:
            width: channel multiplier.
            depth: block multiplier.
            output_stride: strides beyond it become dilations of the blocks that follow.
            lite_ops: no squeeze-and-excite, and ReLU6 for swish (EfficientNet-Lite's operators).
            stem_channels: width of the stem; 32 scaled by `width` by default.
            image_size: fix SAME padding for square images of this side, as the reference does at construction;
                symmetric padding by default.
        """
        super().__init__()
        previous = scale_channels(STEM_CHANNELS, width) if stem_channels is None else stem_channels
        self.stem = _conv_bn(3, previous, 3, 2, act=activation(lite_ops), image_size=image_size)

        reached, dilation = 2, 1
        stages: list[nn.Sequential] = []
        widths: list[int] = []
        for stage in STAGES:
            channels = scale_channels(stage.channels, width)
            blocks: list[nn.Module] = []
            for position in range(scale_repeats(stage.repeats, depth)):
                stride, rate = stage.stride if position == 0 else 1, dilation
                if reached * stride > output_stride:
                    # The block whose stride is removed still sees the old grid: dilation starts after it.
                    stride, dilation = 1, dilation * stride
                size = None if image_size is None else math.ceil(image_size / reached)
                blocks.append(
                    MBConv(previous, channels, stage.kernel_size, stride, rate, stage.expansion, lite_ops, size)
                )
                previous, reached = channels, reached * stride
            stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        self.stages = nn.ModuleList(stages)
        self.channels = (widths[1], widths[2], widths[4], widths[6])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps P2 to P5, at strides 4, 8, 16 and 32."""
        x = self.stages[0](self.stem(x))
        p2 = self.stages[1](x)
        p3 = self.stages[2](p2)
        p4 = self.stages[4](self.stages[3](p3))
        return p2, p3, p4, self.stages[6](self.stages[5](p4))


class EfficientNetFeatures(nn.Module):
    """The trunk and its 1x1 head convolution: what the classifier pools.

    Source: ``extract_features`` of lukemelas/EfficientNet-PyTorch@7e8b0d3.
    """

    def __init__(self, width: float, depth: float, image_size: int | None = None) -> None:
        """Scale B0 by `width` and `depth`; `image_size` as in `EfficientNet`."""
        super().__init__()
        self.trunk = EfficientNet(width, depth, image_size=image_size)
        self.head = _conv_bn(self.trunk.channels[-1], scale_channels(HEAD_CHANNELS, width), act=activation(False))

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to features ``(N, C, H/32, W/32)``."""
        return self.head(self.trunk(x)[-1])

    def from_reference(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The reference's state dict under our keys, by key; the ImageNet classifier is left out.

        Raises:
            KeyError: a key that the reference does not have.
        """
        # The reference numbers its blocks through all stages.
        places = dict(
            enumerate(
                f"trunk.stages.{stage}.{position}"
                for stage, blocks in enumerate(self.trunk.stages)
                for position, _ in enumerate(blocks.children())
            )
        )
        converted: dict[str, Tensor] = {}
        for key, value in state.items():
            if key.startswith("_fc."):
                continue
            block = re.match(r"_blocks\.(\d+)\.(.+)\.(\w+)$", key)
            if block is not None:
                index, layer, last = block.groups()
                converted[f"{places[int(index)]}.{_BLOCK_LAYERS[layer]}.{last}"] = value
            else:
                layer, _, last = key.rpartition(".")
                converted[f"{_OUTER_LAYERS[layer]}.{last}"] = value
        return converted


_OUTER_LAYERS = {
    "_conv_stem": "trunk.stem.conv",
    "_bn0": "trunk.stem.bn",
    "_conv_head": "head.conv",
    "_bn1": "head.bn",
}
_BLOCK_LAYERS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_se_reduce": "squeeze_excite.reduce",
    "_se_expand": "squeeze_excite.expand",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}


def efficientnet_features(variant: str, static_padding: bool = True) -> EfficientNetFeatures:
    """The features of EfficientNet-B0 to -B7.

    Args:
        variant: ``"b0"`` to ``"b7"``.
        static_padding: pad as the reference does, by SAME for the variant's training resolution at every input size.

    Raises:
        KeyError: no such variant.
    """
    width, depth, image_size = VARIANTS[variant]
    return EfficientNetFeatures(width, depth, image_size if static_padding else None)
