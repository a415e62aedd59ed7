"""Fast-SCNN (Poudel et al., "Fast-SCNN: Fast Semantic Segmentation Network", BMVC 2019).

The authors published no code. This is the port Tramac/Fast-SCNN-pytorch@0638517d359ae1664a27dfb2cd1780a40a06c465
(``models/fast_scnn.py``), which departs from the paper: its first convolution has no padding, so that the maps are one
pixel short of half the input, and the depth-wise convolution of the fusion is not dilated (the paper's is, by 4).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, ConvBNReLU, separable_conv


class LearningToDownsample(nn.Module):
    """Three strided layers whose output both branches share (section 3.2.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.dsconv1 = separable_conv(32, 48, stride=2)
        self.dsconv2 = separable_conv(48, 64, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 64, H/8, W/8)``."""
        return self.dsconv2(self.dsconv1(self.conv(x)))


class LinearBottleneck(nn.Module):
    """Inverted residual with linear bottleneck (MobileNetV2), expansion 6 (table 2)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut = stride == 1 and in_channels == out_channels
        width = 6 * in_channels
        self.block = nn.Sequential(
            ConvBNReLU(in_channels, width, 1),
            ConvBNReLU(width, width, 3, stride, groups=width),
            ConvBN(width, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        out = self.block(x)
        if self.shortcut:
            out += x
        return out


def bottlenecks(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Three bottlenecks, the first of which is strided."""
    return nn.Sequential(
        LinearBottleneck(in_channels, out_channels, stride),
        LinearBottleneck(out_channels, out_channels, 1),
        LinearBottleneck(out_channels, out_channels, 1),
    )


class PyramidPooling(nn.Module):
    """Pyramid pooling as the port forms it: the branches have an activation and stand behind the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bins = (1, 2, 3, 6)
        self.branches = nn.ModuleList(ConvBNReLU(channels, channels // len(self.bins), 1) for _ in self.bins)
        self.out = ConvBNReLU(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        maps = [x]
        for size, branch in zip(self.bins, self.branches, strict=True):
            maps.append(resize(branch(F.adaptive_avg_pool2d(x, size)), x.shape[-2:], align_corners=True))
        return self.out(torch.cat(maps, dim=1))


class GlobalFeatureExtractor(nn.Module):
    """Nine bottlenecks and the pyramid pooling (section 3.2.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.bottleneck1 = bottlenecks(64, 64, 2)
        self.bottleneck2 = bottlenecks(64, 96, 2)
        self.bottleneck3 = bottlenecks(96, 128, 1)
        self.ppm = PyramidPooling(128)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 64, H, W)`` to ``(N, 128, H/4, W/4)``."""
        return self.ppm(self.bottleneck3(self.bottleneck2(self.bottleneck1(x))))


class FeatureFusion(nn.Module):
    """Sum of both branches at the finer one's size (section 3.2.3, table 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.dwconv = ConvBNReLU(128, 128, 3, groups=128)
        self.conv_lower_res = ConvBN(128, 128, 1, bias=True)
        self.conv_higher_res = ConvBN(64, 128, 1, bias=True)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, higher: Tensor, lower: Tensor) -> Tensor:
        """``(N, 64, 4h, 4w)`` and ``(N, 128, h, w)`` to ``(N, 128, 4h, 4w)``."""
        lower = F.interpolate(lower, scale_factor=4, mode="bilinear", align_corners=True)
        out = self.conv_lower_res(self.dwconv(lower))
        out += self.conv_higher_res(higher)
        return self.relu(out)


class FastSCNN(Network):
    """Learning to downsample, global feature extractor, feature fusion, classifier (figure 1)."""

    align_corners: ClassVar[bool] = True
    # The fusion enlarges by 4, so the map at stride 8 must be a multiple of 4.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\.conv\.conv\.", ".conv."),
        (r"\.(dsconv\d)\.conv\.0\.", r".\1.0.conv."),
        (r"\.(dsconv\d)\.conv\.1\.", r".\1.0.bn."),
        (r"\.(dsconv\d)\.conv\.3\.", r".\1.1.conv."),
        (r"\.(dsconv\d)\.conv\.4\.", r".\1.1.bn."),
        (r"\.block\.2\.", ".block.2.conv."),
        (r"\.block\.3\.", ".block.2.bn."),
        (r"\.(block\.[01]|ppm\.conv\d|ppm\.out|dwconv)\.conv\.0\.", r".\1.conv."),
        (r"\.(block\.[01]|ppm\.conv\d|ppm\.out|dwconv)\.conv\.1\.", r".\1.bn."),
        *((rf"\.ppm\.conv{index + 1}\.", f".ppm.branches.{index}.") for index in range(4)),
        (r"\.(conv_(?:low|high)er_res)\.0\.", r".\1.conv."),
        (r"\.(conv_(?:low|high)er_res)\.1\.", r".\1.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxlayer\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.learning_to_downsample = LearningToDownsample()
        self.global_feature_extractor = GlobalFeatureExtractor()
        self.feature_fusion = FeatureFusion()
        self.classifier = nn.Sequential(
            OrderedDict(
                dsconv1=separable_conv(128, 128),
                dsconv2=separable_conv(128, 128),
                conv=nn.Sequential(nn.Dropout(0.1), nn.Conv2d(128, num_classes, 1)),
            )
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        higher = self.learning_to_downsample(x)
        fused = self.feature_fusion(higher, self.global_feature_extractor(higher))
        return resize(self.classifier(fused), x.shape[-2:], align_corners=True)


def fastscnn(num_classes: int = 19) -> FastSCNN:
    """Fast-SCNN: 1,138,051 parameters at 19 classes."""
    return FastSCNN(num_classes)
