"""BiSeNet (Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018).

Source: ycszen/TorchSeg@62eeb159aee7 (``model/bisenet/cityscapes.bisenet.X39`` and ``.R18``), by the paper's first
author. Unlike in the paper's figure 2 the spatial path ends in a fourth, 1x1 convolution, and a 3x3 convolution comes
before each attention refinement. Auxiliary heads are not built, nor the log-softmax that the code ends in.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.backbones.xception39 import Xception39
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU

CONTEXT_CHANNELS = 128
FUSED_CHANNELS = 256


class AttentionRefinement(nn.Module):
    """Attention refinement module (ARM, figure 2b), after a 3x3 convolution that sets the width."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Map `in_channels` to `channels`."""
        super().__init__()
        self.conv = ConvBNReLU(in_channels, channels, 3)
        self.conv_atten = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        feat = self.conv(x)
        atten = feat.mean(dim=(2, 3), keepdim=True)
        return feat * self.bn_atten(self.conv_atten(atten)).sigmoid()


class SpatialPath(nn.Module):
    """Three convolutions with stride 2 that keep the detail, and a 1x1 convolution."""

    def __init__(self) -> None:
        """Build the path."""
        super().__init__()
        self.conv1 = ConvBNReLU(3, 64, 7, stride=2)
        self.conv2 = ConvBNReLU(64, 64, 3, stride=2)
        self.conv3 = ConvBNReLU(64, 64, 3, stride=2)
        self.conv_out = ConvBNReLU(64, 128, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, 128, H/8, W/8)``."""
        return self.conv_out(self.conv3(self.conv2(self.conv1(x))))


class ContextPath(nn.Module):
    """A trunk, a global average on top of it, and attention on its last two stages (figure 2a)."""

    def __init__(self, trunk: ResNet | Xception39) -> None:
        """Build the path on `trunk`, whose last three maps are at strides 8, 16 and 32."""
        super().__init__()
        _, middle, deepest = trunk.channels[-3:]
        self.trunk = trunk
        self.average = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBNReLU(deepest, CONTEXT_CHANNELS))
        self.arms = nn.ModuleList(AttentionRefinement(width, CONTEXT_CHANNELS) for width in (deepest, middle))
        self.refines = nn.ModuleList(ConvBNReLU(CONTEXT_CHANNELS, CONTEXT_CHANNELS, 3) for _ in self.arms)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to the context ``(N, 128, H/8, W/8)``."""
        c3, c4, c5 = self.trunk(x)[-3:]
        context = resize(self.average(c5), c5.shape[-2:], align_corners=True)
        for arm, refine, feat, finer in zip(self.arms, self.refines, (c5, c4), (c4, c3), strict=True):
            context = refine(resize(arm(feat) + context, finer.shape[-2:], align_corners=True))
        return context


class FeatureFusion(nn.Module):
    """Feature fusion module (FFM, figure 2c): both paths, weighted per channel, with a shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        """Map `in_channels`, of both paths together, to `channels`."""
        super().__init__()
        self.conv = ConvBNReLU(in_channels, channels, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of one size, `in_channels` together, to ``(N, channels, H, W)``."""
        feat = self.conv(torch.cat((spatial, context), dim=1))
        return feat + feat * self.attention(feat.mean(dim=(2, 3), keepdim=True))


class BiSeNet(Network):
    """A spatial and a context path, fused at stride 8 (figure 2a)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^context_path\.", "context.trunk."),
        (r"\.residual_branch\.", ".residual."),
        (r"\.proj\.", ".shortcut."),
        (r"(\.residual\.\d|\.shortcut)\.conv1\.", r"\1.depthwise."),
        (r"\.point_wise_cbr\.", ".pointwise."),
        (r"^global_context\.", "context.average."),
        (r"^(arms|refines)\.", r"context.\1."),
        (r"^(context\.arms\.\d)\.conv_3x3\.", r"\1.conv."),
        (r"^(context\.arms\.\d)\.channel_attention\.1\.(conv|bn)\.", r"\1.\2_atten."),
        (r"^spatial_path\.conv_7x7\.", "spatial.conv1."),
        (r"^spatial_path\.conv_3x3_1\.", "spatial.conv2."),
        (r"^spatial_path\.conv_3x3_2\.", "spatial.conv3."),
        (r"^spatial_path\.conv_1x1\.", "spatial.conv_out."),
        (r"^ffm\.conv_1x1\.", "ffm.conv."),
        (r"^ffm\.channel_attention\.1\.conv\.", "ffm.attention.0."),
        (r"^ffm\.channel_attention\.2\.conv\.", "ffm.attention.2."),
        (r"^heads\.2\.conv_3x3\.", "head.0."),
        (r"^heads\.2\.conv_1x1\.", "head.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^heads\.[01]\.",)

    def __init__(self, trunk: ResNet | Xception39, num_classes: int = 19) -> None:
        """Build the network on the context path's `trunk`."""
        super().__init__()
        self.spatial = SpatialPath()
        self.context = ContextPath(trunk)
        self.ffm = FeatureFusion(128 + CONTEXT_CHANNELS, FUSED_CHANNELS)
        self.head = nn.Sequential(
            ConvBNReLU(FUSED_CHANNELS, 64, 3),
            nn.Conv2d(64, num_classes, 1),
            nn.Upsample(scale_factor=8, mode="bilinear", align_corners=True),
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at 8 times the size of the fused map: the input size, rounded up to a multiple of 8."""
        return self.head(self.ffm(self.spatial(x), self.context(x)))


def bisenet_r18(num_classes: int = 19) -> BiSeNet:
    """BiSeNet with ResNet-18: 12,894,163 parameters at 19 classes."""
    return BiSeNet(ResNet(BasicBlock, (2, 2, 2, 2)), num_classes)


def bisenet_xception39(num_classes: int = 19) -> BiSeNet:
    """BiSeNet with Xception-39: 1,541,963 parameters at 19 classes."""
    return BiSeNet(Xception39(), num_classes)
