"""HRNetV2 (Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2021).

Public code: HRNet/HRNet-Semantic-Segmentation@0bbb2880446d, branch HRNet-OCR (``lib/models/seg_hrnet.py``), with the
Cityscapes configuration of W48; W40 is the same with a base width of 40.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from segbench.models.backbones.hrnet import HRNet
from segbench.models.base import Network

TRUNK_RENAMES = ((r"^(conv[12]|bn[12]|layer1|transition[123]|stage[234])\.", r"backbone.\1."),)
"""The reference's trunk has no module of its own: its keys stand at the top."""


def pixel_classifier(channels: int, num_classes: int) -> nn.Sequential:
    """1x1 convolution, batch normalisation, ReLU and the 1x1 classifier on the joined branches."""
    children: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(channels, channels, 1),
        bn=nn.BatchNorm2d(channels),
        act=nn.ReLU(inplace=True),
        classifier=nn.Conv2d(channels, num_classes, 1),
    )
    return nn.Sequential(children)


class HRNetV2(Network):
    """HRNetV2 trunk and a classifier on its joined branches."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *TRUNK_RENAMES,
        (r"^last_layer\.0\.", "last_layer.conv."),
        (r"^last_layer\.1\.", "last_layer.bn."),
        (r"^last_layer\.3\.", "last_layer.classifier."),
    )

    def __init__(self, width: int, num_classes: int = 19) -> None:
        """Build the network; `width` as in `HRNet`."""
        super().__init__()
        self.backbone = HRNet(width, align_corners=self.align_corners)
        self.last_layer = pixel_classifier(self.backbone.channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        return self.last_layer(self.backbone(x))


def hrnetv2_w48(num_classes: int = 19) -> HRNetV2:
    """HRNetV2-W48: 65,859,379 parameters at 19 classes."""
    return HRNetV2(48, num_classes)


def hrnetv2_w40(num_classes: int = 19) -> HRNetV2:
    """HRNetV2-W40: 45,894,435 parameters at 19 classes."""
    return HRNetV2(40, num_classes)
