"""FCN-8s (Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015) on VGG-16.

The widely used port wkentaro/pytorch-fcn@4b988509bfd1 (``torchfcn/models/fcn8s.py``) of the authors' Caffe network
``voc-fcn8s``: the image is padded by 100 pixels, and crops with fixed offsets undo it.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from segbench.models.backbones.vgg import VGG16
from segbench.models.base import Network


def crop(x: Tensor, offset: int, like: Tensor) -> Tensor:
    """The part of `x` of the height and width of `like` that begins `offset` rows and columns inside."""
    height, width = like.shape[-2:]
    return x[:, :, offset : offset + height, offset : offset + width]


class FCN8s(Network):
    """VGG-16 with convolutions for its fully connected layers; scores of three strides are added (figure 3)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = ((r"^conv(\d)_", r"backbone.stage\1.conv\1_"),)

    def __init__(self, num_classes: int = 21, width: int = 4096) -> None:
        """Build the network; `width` is that of the two convolutions that were fully connected."""
        super().__init__()
        self.backbone = VGG16(first_padding=100, ceil_mode=True)
        *_, pool3, pool4, pool5 = self.backbone.channels
        self.fc6 = nn.Conv2d(pool5, width, 7)
        self.fc7 = nn.Conv2d(width, width, 1)
        self.relu = nn.ReLU(inplace=True)
        self.score_fr = nn.Conv2d(width, num_classes, 1)
        self.score_pool3 = nn.Conv2d(pool3, num_classes, 1)
        self.score_pool4 = nn.Conv2d(pool4, num_classes, 1)
        self.upscore2 = nn.ConvTranspose2d(num_classes, num_classes, 4, 2, bias=False)
        self.upscore_pool4 = nn.ConvTranspose2d(num_classes, num_classes, 4, 2, bias=False)
        self.upscore8 = nn.ConvTranspose2d(num_classes, num_classes, 16, 8, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``."""
        *_, pool3, pool4, pool5 = self.backbone(x)
        y = self.relu(self.fc7(self.relu(self.fc6(pool5))))
        y = self.upscore2(self.score_fr(y))
        y = self.upscore_pool4(y + crop(self.score_pool4(pool4), 5, y))
        y = self.upscore8(y + crop(self.score_pool3(pool3), 9, y))
        return crop(y, 31, x).contiguous()


def fcn8s(num_classes: int = 21) -> FCN8s:
    """FCN-8s: 134,489,759 parameters at 21 classes."""
    return FCN8s(num_classes)
