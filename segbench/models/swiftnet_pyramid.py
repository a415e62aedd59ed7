"""SwiftNet with ResNet-18 on an image pyramid (Orsic and Segvic, Pattern Recognition 2021).

Paper: "Efficient Semantic Segmentation with Pyramidal Fusion". The authors' code, orsic/swiftnet@2b88990e1ab6, is under
the GPL: nothing here is taken from it, only facts that were observed by running it. It normalises the image inside the
network; here that is the catalog's preprocessing.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import downsample
from segbench.models.base import Network, resize
from segbench.models.swiftnet import BNReLUConv


class PyramidBasicBlock(nn.Module):
    """Residual block whose convolutions are shared by the levels of the pyramid; normalisations are each level's own.

    The normalisation of the shortcut is shared, too.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, levels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels))
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample(in_channels, channels, stride)

    def forward(self, x: Tensor, level: int) -> Tensor:
        """``(N, in_channels, H, W)`` to the residual sum ``(N, channels, H/stride, W/stride)``, not rectified."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1[level](self.conv1(x)))
        out = self.bn2[level](self.conv2(out))
        out += shortcut
        return out


class PyramidResNet(nn.Module):
    """ResNet-18 that is applied to every level of an image pyramid; returns the residual sums that end its stages."""

    channels: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.ModuleList(nn.BatchNorm2d(64) for _ in range(levels))
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)

        def stage(in_channels: int, channels: int, stride: int) -> nn.ModuleList:
            first = PyramidBasicBlock(in_channels, channels, stride, levels)
            return nn.ModuleList((first, PyramidBasicBlock(channels, channels, 1, levels)))

        self.layer1 = stage(64, 64, 1)
        self.layer2 = stage(64, 128, 2)
        self.layer3 = stage(128, 256, 2)
        self.layer4 = stage(256, 512, 2)

    def forward(self, x: Tensor, level: int) -> list[Tensor]:
        """Image ``(N, 3, H, W)`` of one level to maps at strides 4, 8, 16 and 32 of it, not rectified."""
        x = self.maxpool(self.relu(self.bn1[level](self.conv1(x))))
        sums: list[Tensor] = []
        for first, second in (self.layer1, self.layer2, self.layer3, self.layer4):
            if sums:
                x = F.relu(sums[-1])
            sums.append(second(self.relu(first(x, level)), level))
        return sums


class PyramidUpsample(nn.Module):
    """Up-sampling of the pyramid's decoder: addition and 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blend_conv = BNReLUConv(channels, channels, 3)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(N, channels, h, w)`` and ``(N, channels, H, W)`` to ``(N, channels, H, W)``."""
        return self.blend_conv(resize(x, skip.shape[-2:]) + skip)


class PyramidSwiftNet(Network):
    """One ResNet-18 on the image at 1, 1/2 and 1/4 of its size; maps of equal stride are added (PR 2021, figure 3)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.upsample_bottlenecks\.", "bottlenecks."),
        (r"^backbone\.upsample_blends\.", "upsample."),
        (r"^logits\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^backbone\.img_(?:mean|std|scale)$",)
    levels: ClassVar[int] = 3

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of the decoder."""
        super().__init__()
        self.backbone = PyramidResNet(self.levels)
        self.bottlenecks = nn.ModuleList(
            nn.Conv2d(width, channels, 1, bias=False) for width in reversed(self.backbone.channels)
        )
        strides = len(self.backbone.channels) + self.levels - 1
        self.upsample = nn.ModuleList(PyramidUpsample(channels) for _ in range(strides - 1))
        self.classifier = BNReLUConv(channels, num_classes, bias=True)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        pyramid: list[Tensor | None] = [None] * (len(self.upsample) + 1)
        for level in range(self.levels):
            image = x if level == 0 else F.interpolate(x, scale_factor=0.5**level, mode="bicubic", align_corners=False)
            for stage, skip in enumerate(self.backbone(image, level)):
                lateral = self.bottlenecks[-1 - stage](skip)
                there = pyramid[level + stage]
                pyramid[level + stage] = lateral if there is None else there + lateral
        coarsest, *finer = [stride for stride in reversed(pyramid) if stride is not None]
        y = coarsest
        for upsample, skip in zip(self.upsample, finer, strict=True):
            y = upsample(y, skip)
        return resize(self.classifier(y), x.shape[-2:])


def swiftnet_r18_pyramid(num_classes: int = 19) -> PyramidSwiftNet:
    """SwiftNetRN-18 with pyramidal fusion: 12,056,275 parameters at 19 classes."""
    return PyramidSwiftNet(num_classes)
