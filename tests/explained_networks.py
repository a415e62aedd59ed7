"""The variants that explanations of the audit count: networks as a paper or its code had them, not in the catalog."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.backbones.xception import Xception71
from segbench.models.base import Network, resize
from segbench.models.deeplabv3 import RATES
from segbench.models.deeplabv3plus import ASPP, MMSegDeepLabV3Plus
from segbench.models.dilation8 import Dilation8
from segbench.models.hanet import hanet_r101
from segbench.models.ifa import IFA
from segbench.models.layers import ConvBNReLU, separable_conv

CLASSES = 19


def resnet101(deep_stem: tuple[int, int, int] | None = None) -> ResNet:
    """ResNet-101 at output stride 8."""
    dilations = (1, 1, (1, *(2,) * 22), (2, 4, 4))
    return ResNet(Bottleneck, (3, 4, 23, 3), strides=(1, 2, 1, 1), dilations=dilations, deep_stem=deep_stem)


def auxiliary_head(in_channels: int = 1024, channels: int = 256, bias: bool = False) -> nn.Sequential:
    """The fully convolutional head that is trained on the third stage."""
    return nn.Sequential(ConvBNReLU(in_channels, channels, 3, bias=bias), nn.Conv2d(channels, CLASSES, 1))


class Trained(nn.Module):
    """A network beside its auxiliary head of training, for its parameters."""

    def __init__(self, network: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head = head


def mmseg_deeplabv3plus() -> MMSegDeepLabV3Plus:
    """mmsegmentation's DeepLabV3+ with ResNet-101."""
    return MMSegDeepLabV3Plus(resnet101((32, 32, 64)))


def trained_mmseg_deeplabv3plus() -> Trained:
    """mmsegmentation's DeepLabV3+ with ResNet-101 and its auxiliary head."""
    return Trained(mmseg_deeplabv3plus(), auxiliary_head())


def trained_hanet() -> Trained:
    """HANet beside its auxiliary head."""
    return Trained(hanet_r101(), auxiliary_head(1024, 512, bias=True))


class IFAWithAuxiliaryHead(IFA):
    """IFA as it is trained: the auxiliary head runs on the third stage, at stride 16."""

    def __init__(self) -> None:
        super().__init__(CLASSES)
        self.auxiliary = auxiliary_head(bias=True)

    def logits(self, x: Tensor) -> Tensor:
        levels = self.backbone(x)
        maps = [project(level) for project, level in zip(self.project, levels, strict=True)]
        scores = resize(self.ifa(maps), x.shape[-2:], align_corners=True)
        return scores + self.auxiliary(levels[2]).mean()


class PaperDeepLabV3(Network):
    """DeepLabV3 as its paper has it: a plain stem, an ASPP of 256 channels joined by a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = resnet101()
        self.aspp = ASPP(self.backbone.channels[-1], RATES)
        self.classifier = nn.Conv2d(256, CLASSES, 1)

    def logits(self, x: Tensor) -> Tensor:
        return self.classifier(self.aspp(self.backbone(x)[-1]))


class PaperXception(Network):
    """DeepLabV3+ as its paper has it, on the Xception-71 here: separable ASPP, separable decoder at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Xception71()
        self.aspp = ASPP(self.backbone.channels[-1], RATES, separable=True)
        self.project = ConvBNReLU(256, 48)
        self.refine = nn.Sequential(separable_conv(256 + 48, 256), separable_conv(256, 256))
        self.classifier = nn.Conv2d(256, CLASSES, 1)

    def logits(self, x: Tensor) -> Tensor:
        trunk = self.backbone
        x = trunk.relu(trunk.bn2(trunk.conv2(trunk.relu(trunk.bn1(trunk.conv1(x))))))
        x = trunk.block2(trunk.relu(trunk.block1(x)))
        low_level = self.project(x)
        for number in range(3, 21):
            x = trunk.get_submodule(f"block{number}")(x)
        x = trunk.bn4(trunk.conv4(trunk.bn3(trunk.conv3(x))))
        context = resize(self.aspp(trunk.bn5(trunk.conv5(x))), low_level.shape[-2:])
        return self.classifier(self.refine(torch.cat((context, low_level), 1)))


class VOCDilation8(Dilation8):
    """Dilation8 with 21 classes and the larger context module (table 1 of its paper, large)."""

    def __init__(self) -> None:
        super().__init__(21)
        widths = [21 * factor for factor in (1, 2, 2, 4, 8, 16, 32, 32)]
        convs = [nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)]
        self.context = nn.Sequential(*convs, nn.Conv2d(widths[-1], 21, 1))
