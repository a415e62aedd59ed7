"""ContextNet (Poudel et al., "ContextNet: Exploring Context and Detail for Semantic Segmentation in Real-time", 2018).

Written from the paper (arXiv 1805.04554, tables 1 and 2, figure 1) and from the reference outputs in tests/golden;
equal to the port in xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7 (``model/ContextNet.py``). That port's
auxiliary head is off by default and is not built.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, ConvBNReLU


def stem(channels: int) -> nn.Sequential:
    """The first convolution of a branch, at stride 2 and, in the port, without padding."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, channels, 3, 2, bias=False), bn=nn.BatchNorm2d(channels), act=nn.ReLU(inplace=True)
        )
    )


def depthwise(channels: int, stride: int = 1) -> ConvBNReLU:
    """A depth-wise 3x3 convolution with batch normalisation and ReLU."""
    return ConvBNReLU(channels, channels, 3, stride, groups=channels)


class DepthwiseSeparable(nn.Sequential):
    """A depth-wise 3x3 and a 1x1 convolution, each with batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        """Build the pair; the depth-wise convolution has the stride."""
        super().__init__(
            OrderedDict(depthwise=depthwise(in_channels, stride), pointwise=ConvBNReLU(in_channels, out_channels, 1))
        )


class LinearBottleneck(nn.Module):
    """MobileNetV2's bottleneck: 1x1 expansion, depth-wise 3x3, linear 1x1; the input is added where shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = ConvBNReLU(in_channels, inner, 1)
        self.depthwise = depthwise(inner, stride)
        self.project = ConvBN(inner, out_channels, 1)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, rounded up."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def bottlenecks(in_channels: int, out_channels: int, blocks: int, expansion: int, stride: int) -> nn.Sequential:
    """Bottlenecks in a row, of which the first changes channels and size."""
    return nn.Sequential(
        LinearBottleneck(in_channels, out_channels, expansion, stride),
        *(LinearBottleneck(out_channels, out_channels, expansion) for _ in range(blocks - 1)),
    )


class FeatureFusion(nn.Module):
    """The context branch, resized and filtered depth-wise, added to the detail branch (table 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = depthwise(channels)
        self.context = ConvBN(channels, channels, 1, bias=True)
        self.detail = ConvBN(channels, channels, 1, bias=True)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, channels, h, w)`` to ``(N, channels, H, W)``."""
        context = self.depthwise(resize(context, detail.shape[-2:], align_corners=True))
        return F.relu(self.detail(detail) + self.context(context), inplace=True)


class ContextNet(Network):
    """ContextNet14: a shallow branch on the image and a deep one on a quarter of its height and width (figure 1)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^spatial_detail\.conv\.conv\.0\.", "detail.0.conv."),
        (r"^spatial_detail\.conv\.conv\.1\.", "detail.0.bn."),
        (r"^spatial_detail\.dsconv(\d)\.", r"detail.\1."),
        (r"^context_feature_extractor\.conv_\.conv\.0\.", "context.0.conv."),
        (r"^context_feature_extractor\.conv_\.conv\.1\.", "context.0.bn."),
        (r"^context_feature_extractor\.bottleneck(\d)\.", r"context.\1."),
        (r"\.block\.0\.conv\.0\.", ".expand.conv."),
        (r"\.block\.0\.conv\.1\.", ".expand.bn."),
        (r"\.block\.1\.conv\.", ".conv."),
        (r"\.block\.2\.", ".project.conv."),
        (r"\.block\.3\.", ".project.bn."),
        (r"^feature_fusion\.dwconv\.", "fusion."),
        (r"^feature_fusion\.conv_lower_res\.0\.", "fusion.context.conv."),
        (r"^feature_fusion\.conv_lower_res\.1\.", "fusion.context.bn."),
        (r"^feature_fusion\.conv_higher_res\.0\.", "fusion.detail.conv."),
        (r"^feature_fusion\.conv_higher_res\.1\.", "fusion.detail.bn."),
        (r"^classifier\.dsconv1\.", "classifier.0."),
        (r"^classifier\.dsconv2\.", "classifier.1."),
        (r"^classifier\.conv\.1\.", "classifier.3."),
        (r"\.conv\.0\.", ".depthwise.conv."),
        (r"\.conv\.1\.", ".depthwise.bn."),
        (r"\.conv\.3\.", ".pointwise.conv."),
        (r"\.conv\.4\.", ".pointwise.bn."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build ContextNet14."""
        super().__init__()
        self.detail = nn.Sequential(
            stem(32), DepthwiseSeparable(32, 64, 2), DepthwiseSeparable(64, 128, 2), DepthwiseSeparable(128, 128)
        )
        self.context = nn.Sequential(
            stem(32),
            bottlenecks(32, 32, blocks=1, expansion=1, stride=1),
            bottlenecks(32, 32, blocks=1, expansion=6, stride=1),
            bottlenecks(32, 48, blocks=3, expansion=6, stride=2),
            bottlenecks(48, 64, blocks=3, expansion=6, stride=2),
            bottlenecks(64, 96, blocks=2, expansion=6, stride=1),
            bottlenecks(96, 128, blocks=2, expansion=6, stride=1),
        )
        self.fusion = FeatureFusion(128)
        self.classifier = nn.Sequential(
            DepthwiseSeparable(128, 128), DepthwiseSeparable(128, 128), nn.Dropout(0.1), nn.Conv2d(128, num_classes, 1)
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1: the reference resizes them itself."""
        height, width = x.shape[-2:]
        quarter = resize(x, (height // 4, width // 4), align_corners=True)
        scores = self.classifier(self.fusion(self.detail(x), self.context(quarter)))
        return resize(scores, (height, width), align_corners=True)


def contextnet(num_classes: int = 19) -> ContextNet:
    """ContextNet14: 876,563 parameters at 19 classes."""
    return ContextNet(num_classes)
