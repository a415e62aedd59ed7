"""PSPNet (Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017) with ResNet-50 and ResNet-101.

Public code: hszhao/semseg@4f274c3f2767 (``model/pspnet.py``, ``model/resnet.py``). Its ResNet has three 3x3
convolutions for a stem and output stride 8; stages 3 and 4 are dilated by 2 and 4, their first blocks included. It
asserts heights and widths of 8k + 1, at which the maps of all strides have aligned corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU


class PyramidPooling(nn.Module):
    """Pyramid pooling module (section 3.2): averages over four grids, concatenated behind the input itself."""

    def __init__(self, in_channels: int, bins: Sequence[int] = (1, 2, 3, 6)) -> None:
        """Build the module; each of the `bins` (cells per side) contributes ``in_channels // len(bins)`` channels."""
        super().__init__()
        self.features = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), ConvBNReLU(in_channels, in_channels // len(bins)))
            for size in bins
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 2 * in_channels, H, W)``."""
        priors = [resize(feature(x), x.shape[-2:], align_corners=True) for feature in self.features]
        return torch.cat((x, *priors), dim=1)


class PSPNet(Network):
    """Dilated ResNet with a deep stem, pyramid pooling, classifier."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^layer0\.7\.", "backbone.bn1."),
        (r"^layer0\.", "backbone.conv1."),
        (r"^layer([1-4])\.", r"backbone.layer\1."),
        (r"^ppm\.features\.(\d)\.1\.", r"ppm.features.\1.1.conv."),
        (r"^ppm\.features\.(\d)\.2\.", r"ppm.features.\1.1.bn."),
        (r"^cls\.0\.", "bottleneck.conv."),
        (r"^cls\.1\.", "bottleneck.bn."),
        (r"^cls\.4\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^aux\.",)

    def __init__(self, depths: Sequence[int], num_classes: int = 19) -> None:
        """Build the network; `depths` are the blocks per stage of the ResNet."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck, depths, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), deep_stem=(64, 64, 128)
        )
        width = self.backbone.channels[-1]
        self.ppm = PyramidPooling(width)
        self.bottleneck = ConvBNReLU(2 * width, 512, 3)
        self.classifier = nn.Conv2d(512, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        context = self.ppm(self.backbone(x)[-1])
        return resize(self.classifier(self.bottleneck(context)), x.shape[-2:], align_corners=True)


def pspnet_r50(num_classes: int = 19) -> PSPNet:
    """PSPNet with ResNet-50: 46,715,347 parameters at 19 classes."""
    return PSPNet((3, 4, 6, 3), num_classes)


def pspnet_r101(num_classes: int = 19) -> PSPNet:
    """PSPNet with ResNet-101: 65,707,475 parameters at 19 classes."""
    return PSPNet((3, 4, 23, 3), num_classes)
