"""OCR (Yuan et al., "Object-Contextual Representations for Semantic Segmentation", ECCV 2020), HRNetV2-W48, ResNet-101.

Public code: HRNet/HRNet-Semantic-Segmentation@0bbb2880446d, branch HRNet-OCR (``lib/models/seg_hrnet_ocr.py``), and
openseg-group/openseg.pytorch@aefc7551 (``lib/models/nets/ocrnet.py``, SpatialOCRNet) for ResNet-101. The head that the
paper trains with an auxiliary loss is part of the inference: its scores are the soft object regions.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.hrnet import HRNet
from segbench.models.backbones.resnet import NAMED_STEM_RENAMES, Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.hrnet import TRUNK_RENAMES, pixel_classifier
from segbench.models.layers import ConvBNReLU


def object_regions(x: Tensor, scores: Tensor) -> Tensor:
    """Object region representations: pixels averaged with their normalised membership of each region (equation 8).

    Args:
        x: pixel representations ``(N, C, H, W)``.
        scores: ``(N, K, H, W)``, one map per region, not yet normalised.

    Returns:
        ``(N, C, K, 1)``.
    """
    membership = scores.flatten(2).softmax(2)
    return (membership @ x.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)


class ObjectAttention(nn.Module):
    """Every pixel attends to the object regions (equations 3 and 4)."""

    def __init__(self, channels: int, key_channels: int, bias: bool = False) -> None:
        """Build the module.

        Args:
            channels: width of pixels, regions and output.
            key_channels: width in which pixels and regions are compared.
            bias: whether the convolutions before the normalisations have one.
        """
        super().__init__()
        self.scale = key_channels**-0.5

        def transform() -> nn.Sequential:
            return nn.Sequential(
                ConvBNReLU(channels, key_channels, bias=bias), ConvBNReLU(key_channels, key_channels, bias=bias)
            )

        self.f_pixel = transform()
        self.f_object = transform()
        self.f_down = ConvBNReLU(channels, key_channels, bias=bias)
        self.f_up = ConvBNReLU(key_channels, channels, bias=bias)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        """Pixels ``(N, channels, H, W)`` and regions ``(N, channels, K, 1)`` to context ``(N, channels, H, W)``."""
        query = self.f_pixel(x).flatten(2).transpose(1, 2)
        key = self.f_object(regions).flatten(2)
        value = self.f_down(regions).flatten(2).transpose(1, 2)
        relation = ((query @ key) * self.scale).softmax(2)
        context = (relation @ value).transpose(1, 2).unflatten(2, x.shape[-2:]).contiguous()
        return self.f_up(context)


# The attention's transforms, as numbered sequences of a convolution and a normalisation with activation.
_ATTENTION_RENAMES = (
    (r"^attention\.(f_pixel|f_object)\.0\.", r"attention.\1.0.conv."),
    (r"^attention\.(f_pixel|f_object)\.1\.0\.", r"attention.\1.0.bn."),
    (r"^attention\.(f_pixel|f_object)\.2\.", r"attention.\1.1.conv."),
    (r"^attention\.(f_pixel|f_object)\.3\.0\.", r"attention.\1.1.bn."),
    (r"^attention\.(f_down|f_up)\.0\.", r"attention.\1.conv."),
    (r"^attention\.(f_down|f_up)\.1\.0\.", r"attention.\1.bn."),
)


class OCR(Network):
    """HRNetV2 trunk, soft object regions, and pixels augmented with the context of their objects (figure 3)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *TRUNK_RENAMES,
        (r"^aux_head\.0\.", "soft_regions.conv."),
        (r"^aux_head\.1\.", "soft_regions.bn."),
        (r"^aux_head\.3\.", "soft_regions.classifier."),
        (r"^conv3x3_ocr\.0\.", "pixels.conv."),
        (r"^conv3x3_ocr\.1\.", "pixels.bn."),
        (r"^ocr_distri_head\.object_context_block\.", "attention."),
        *_ATTENTION_RENAMES,
        (r"^ocr_distri_head\.conv_bn_dropout\.0\.", "augment.conv."),
        (r"^ocr_distri_head\.conv_bn_dropout\.1\.0\.", "augment.bn."),
        (r"^cls_head\.", "classifier."),
    )

    def __init__(self, width: int, num_classes: int = 19, channels: int = 512, key_channels: int = 256) -> None:
        """Build the network.

        Args:
            width: as in `HRNet`.
            num_classes: output channels, and number of object regions.
            channels: width of the pixel representations.
            key_channels: as in `ObjectAttention`.
        """
        super().__init__()
        self.backbone = HRNet(width, align_corners=self.align_corners)
        self.soft_regions = pixel_classifier(self.backbone.channels, num_classes)
        self.pixels = ConvBNReLU(self.backbone.channels, channels, 3, bias=True)
        self.attention = ObjectAttention(channels, key_channels)
        self.augment = ConvBNReLU(2 * channels, channels)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        features = self.backbone(x)
        scores = self.soft_regions(features)
        pixels = self.pixels(features)
        context = self.attention(pixels, object_regions(pixels, scores))
        return self.classifier(self.augment(torch.cat((context, pixels), dim=1)))


def ocr_hrnetv2_w48(num_classes: int = 19) -> OCR:
    """OCR on HRNetV2-W48: 70,372,678 parameters at 19 classes."""
    return OCR(48, num_classes)


class OCRResNet(Network):
    """Dilated ResNet-101; the soft object regions come from its third stage, the pixels from its fourth.

    The trunk's pooling rounds up, so that the map at stride 8 has a row and a column more than H/8 and W/8.
    """

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *NAMED_STEM_RENAMES,
        (r"^dsn_head\.0\.", "soft_regions.0.conv."),
        (r"^dsn_head\.1\.0\.", "soft_regions.0.bn."),
        (r"^dsn_head\.3\.", "soft_regions.1."),
        (r"^conv_3x3\.0\.", "pixels.conv."),
        (r"^conv_3x3\.1\.0\.", "pixels.bn."),
        (r"^spatial_ocr_head\.object_context_block\.", "attention."),
        *_ATTENTION_RENAMES,
        (r"^spatial_ocr_head\.conv_bn_dropout\.0\.", "augment.conv."),
        (r"^spatial_ocr_head\.conv_bn_dropout\.1\.0\.", "augment.bn."),
        (r"^head\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19, channels: int = 512, key_channels: int = 256) -> None:
        """Build the network; widths as in `OCR`."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck,
            (3, 4, 23, 3),
            strides=(1, 2, 1, 1),
            # The block whose stride is removed has half the dilation of the others.
            dilations=(1, 1, (1, *(2,) * 22), (2, 4, 4)),
            deep_stem=(64, 64, 128),
            ceil_mode=True,
        )
        *_, c4, c5 = self.backbone.channels
        self.soft_regions = nn.Sequential(ConvBNReLU(c4, channels, 3, bias=True), nn.Conv2d(channels, num_classes, 1))
        self.pixels = ConvBNReLU(c5, channels, 3, bias=True)
        self.attention = ObjectAttention(channels, key_channels, bias=True)
        self.augment = ConvBNReLU(2 * channels, channels, bias=True)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes those of stride 8 itself, with aligned corners."""
        *_, c4, c5 = self.backbone(x)
        scores = self.soft_regions(c4)
        pixels = self.pixels(c5)
        context = self.attention(pixels, object_regions(pixels, scores))
        y = self.classifier(self.augment(torch.cat((context, pixels), dim=1)))
        return resize(y, x.shape[-2:], align_corners=True)


def ocr_r101(num_classes: int = 19) -> OCRResNet:
    """OCR on ResNet-101 at output stride 8: 57,988,838 parameters at 19 classes."""
    return OCRResNet(num_classes)
