"""DeepLabV3 (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", arXiv 2017) at stride 8.

With ResNet-101 it is that of the widely used port open-mmlab/mmsegmentation 1.2.2 (``deeplabv3_r101-d8``), whose ASPP
has 512 channels where the paper has 256. With ResNeSt it is that of ResNeSt's authors,
zhanghang1989/PyTorch-Encoding@ac748410dfc8 (``encoding/models/sseg/deeplab.py``).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from segbench.models.backbones.resnest import ResNeSt
from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.deeplabv3plus import ASPP, MMSEG_ASPP_RENAMES, MMSEG_STEM_RENAMES
from segbench.models.layers import ConvBNReLU

RATES = (12, 24, 36)  # the paper's 6, 12 and 18, doubled for stride 8


class DeepLabV3(Network):
    """Dilated ResNet-101 and an ASPP whose branches are joined by a 3x3 convolution."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMSEG_STEM_RENAMES,
        *MMSEG_ASPP_RENAMES,
        (r"^decode_head\.conv_seg\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxiliary_head\.",)

    def __init__(self, num_classes: int = 19, aspp_channels: int = 512) -> None:
        """Build the network; `aspp_channels` is the width of the ASPP's branches and of its output."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck,
            (3, 4, 23, 3),
            strides=(1, 2, 1, 1),
            # The block whose stride is removed has half the dilation of the others.
            dilations=(1, 1, (1, *(2,) * 22), (2, 4, 4)),
            deep_stem=(32, 32, 64),
        )
        self.aspp = ASPP(self.backbone.channels[-1], RATES, aspp_channels, project_kernel=3, pooling_first=True)
        self.classifier = nn.Conv2d(aspp_channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/8, W/8)``, sizes rounded up."""
        return self.classifier(self.aspp(self.backbone(x)[-1]))


class DeepLabV3ResNeSt(Network):
    """Dilated ResNeSt, ASPP, and a 3x3 convolution before the classifier."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^pretrained\.", "backbone."),
        (r"^head\.aspp\.b4\.gap\.1\.", "aspp.image_pooling.conv."),
        (r"^head\.aspp\.b4\.gap\.2\.", "aspp.image_pooling.bn."),
        (r"^head\.aspp\.b(\d)\.0\.", r"aspp.branches.\1.conv."),
        (r"^head\.aspp\.b(\d)\.1\.", r"aspp.branches.\1.bn."),
        (r"^head\.aspp\.project\.0\.", "aspp.project.conv."),
        (r"^head\.aspp\.project\.1\.", "aspp.project.bn."),
        (r"^head\.block\.0\.", "head.conv."),
        (r"^head\.block\.1\.", "head.bn."),
        (r"^head\.block\.4\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxlayer\.",)

    def __init__(self, depths: tuple[int, int, int, int], stem_width: int, num_classes: int = 19) -> None:
        """Build the network; `depths` and `stem_width` as in `ResNeSt`."""
        super().__init__()
        self.backbone = ResNeSt(depths, stem_width)
        self.aspp = ASPP(self.backbone.channels[-1], RATES)
        self.head = ConvBNReLU(256, 256, 3)
        self.classifier = nn.Conv2d(256, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes those of stride 8 itself, with aligned corners."""
        scores = self.classifier(self.head(self.aspp(self.backbone(x)[-1])))
        return resize(scores, x.shape[-2:], align_corners=True)


def deeplabv3_r101(num_classes: int = 19, aspp_channels: int = 512) -> DeepLabV3:
    """DeepLabV3 with ResNet-101: 84,740,467 parameters at 19 classes; `aspp_channels` is 256 in the paper."""
    return DeepLabV3(num_classes, aspp_channels)


def deeplabv3_resnest50(num_classes: int = 19) -> DeepLabV3ResNeSt:
    """DeepLabV3 with ResNeSt-50: 41,564,563 parameters at 19 classes."""
    return DeepLabV3ResNeSt((3, 4, 6, 3), 32, num_classes)


def deeplabv3_resnest101(num_classes: int = 19) -> DeepLabV3ResNeSt:
    """DeepLabV3 with ResNeSt-101: 62,356,339 parameters at 19 classes."""
    return DeepLabV3ResNeSt((3, 4, 23, 3), 64, num_classes)
