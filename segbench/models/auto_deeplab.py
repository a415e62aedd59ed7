"""Auto-DeepLab (Liu et al., "Auto-DeepLab: Hierarchical Neural Architecture Search for Semantic Image Segmentation").

CVPR 2019: the searched trunk, and DeepLabV3+'s context module and decoder. Filter multipliers of 20, 32 and 48 give
Auto-DeepLab-S, -M and -L.

Source: tensorflow/models@fb7472a4a9e6 (``research/deeplab/model.py``, ``core/nas_network.py``), the authors' TensorFlow
code. With ordinary convolutions in the context module and the decoder, which its flags offer beside separable ones, all
three printed parameter counts are met. The dilations of the context module are DeepLab's at output stride 8: another
flag, which changes neither parameters nor operations.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.hnasnet import HNASNet
from segbench.models.base import Network, resize
from segbench.models.deeplabv3plus import ASPP
from segbench.models.layers import ConvBNReLU

ATROUS_RATES = (12, 24, 36)
DECODER_CHANNELS = 256
LOW_LEVEL_CHANNELS = 48


class Decoder(nn.Module):
    """Context joined with the low-level map at stride 4 and refined."""

    def __init__(self, low_level: int) -> None:
        """Build the decoder for a low-level map of that width."""
        super().__init__()
        self.project = ConvBNReLU(low_level, LOW_LEVEL_CHANNELS)
        self.refine = nn.Sequential(
            ConvBNReLU(DECODER_CHANNELS + LOW_LEVEL_CHANNELS, DECODER_CHANNELS, 3),
            ConvBNReLU(DECODER_CHANNELS, DECODER_CHANNELS, 3),
        )

    def forward(self, context: Tensor, low_level: Tensor) -> Tensor:
        """``(N, 256, h, w)`` and the low-level map to ``(N, 256, H/4, W/4)``."""
        context = resize(context, low_level.shape[-2:], align_corners=True)
        return self.refine(torch.cat((context, self.project(low_level)), dim=1))


class AutoDeepLab(Network):
    """The searched trunk, atrous spatial pyramid pooling at stride 8, and a decoder at stride 4."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^hnasnet\.cell_", "backbone.cells."),
        (r"^hnasnet\.(conv\d)\.", r"backbone.\1.conv."),
        (r"^hnasnet\.(conv\d)_bn\.", r"backbone.\1.bn."),
        (r"\.1x1\.", ".current.conv."),
        (r"\.beginning_bn\.", ".current.bn."),
        (r"\.prev_1x1\.", ".previous.conv."),
        (r"\.prev_bn\.", ".previous.bn."),
        (r"\.comb_iter_", ".blocks."),
        (r"\.atrous_\dx\d\.", ".conv."),
        (r"\.bn_atr_\dx\d\.", ".bn."),
        (r"\.separable_\dx\d_1\.", ".first."),
        (r"\.separable_\dx\d_2\.", ".second."),
        (r"\.bn_sep_\dx\d_1\.", ".first.bn."),
        (r"\.bn_sep_\dx\d_2\.", ".second.bn."),
        (r"^image_pooling\.", "aspp.image_pooling."),
        (r"^aspp(\d)\.", r"aspp.branches.\1."),
        (r"^concat_projection\.", "aspp.project."),
        (r"^decoder\.feature_projection0\.", "decoder.project."),
        (r"^decoder\.decoder_conv0\.decoder_conv0_1\.", "decoder.refine.0."),
        (r"^decoder\.decoder_conv0\.decoder_conv0_2\.", "decoder.refine.1."),
        (r"\.BatchNorm\.", ".bn."),
        (r"^((?:aspp|decoder)\..+)(?<!\.bn)\.weight$", r"\1.conv.weight"),
        (r"^logits\.semantic\.", "classifier."),
    )

    def __init__(self, filters: int, num_classes: int = 19) -> None:
        """Build the network with a filter multiplier."""
        super().__init__()
        self.backbone = HNASNet(filters)
        low_level, deepest = self.backbone.channels
        self.aspp = ASPP(deepest, ATROUS_RATES, pooling_first=True)
        self.decoder = Decoder(low_level)
        self.classifier = nn.Conv2d(DECODER_CHANNELS, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, h, w)`` at stride 4, corners included."""
        low_level, deepest = self.backbone(x)
        return self.classifier(self.decoder(self.aspp(deepest), low_level))


def auto_deeplab_s(num_classes: int = 19) -> AutoDeepLab:
    """Auto-DeepLab-S: 10,147,427 parameters at 19 classes."""
    return AutoDeepLab(20, num_classes)


def auto_deeplab_m(num_classes: int = 19) -> AutoDeepLab:
    """Auto-DeepLab-M: 21,622,451 parameters at 19 classes."""
    return AutoDeepLab(32, num_classes)


def auto_deeplab_l(num_classes: int = 19) -> AutoDeepLab:
    """Auto-DeepLab-L: 44,424,691 parameters at 19 classes."""
    return AutoDeepLab(48, num_classes)
