"""ESPNet (Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions", ECCV 2018).

Written from the paper (section 3, figures 1 and 4) and from the reference outputs in tests/golden; equal to the port
in xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7 (``model/ESPNet.py``), whose third level has 3 ESP modules by
default where the paper's has 8. The classifier of the encoder alone (ESPNet-C) is part of the decoder's input.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.errors import BadOption
from segbench.models.base import Network
from segbench.models.layers import BNPReLU, ConvBNPReLU, InputInjection

DILATIONS = (1, 2, 4, 8, 16)
IMAGE = 3
LEVEL1, LEVEL2, LEVEL3 = 16, 64, 128


class ESP(nn.Module):
    """Efficient spatial pyramid (figure 1): reduce, convolve at five dilations, merge by hierarchical feature fusion.

    The sums of the fusion remove the gridding artefacts of the dilated convolutions.
    """

    def __init__(self, in_channels: int, out_channels: int, downsample: bool = False, residual: bool = False) -> None:
        """Build the module.

        Args:
            in_channels: width of the input.
            out_channels: width of the output.
            downsample: reduce by a 3x3 convolution at stride 2 instead of a 1x1 convolution.
            residual: add the input to the merged pyramid.
        """
        super().__init__()
        width = out_channels // len(DILATIONS)
        # What the division leaves over goes to the convolution without dilation.
        widest = out_channels - (len(DILATIONS) - 1) * width
        self.reduce = (
            nn.Conv2d(in_channels, width, 3, 2, 1, bias=False)
            if downsample
            else nn.Conv2d(in_channels, width, 1, bias=False)
        )
        self.d1 = nn.Conv2d(width, widest, 3, padding=1, bias=False)
        self.d2 = nn.Conv2d(width, width, 3, padding=2, dilation=2, bias=False)
        self.d4 = nn.Conv2d(width, width, 3, padding=4, dilation=4, bias=False)
        self.d8 = nn.Conv2d(width, width, 3, padding=8, dilation=8, bias=False)
        self.d16 = nn.Conv2d(width, width, 3, padding=16, dilation=16, bias=False)
        self.norm = BNPReLU(out_channels)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``, or half the size, rounded up."""
        reduced = self.reduce(x)
        sum2 = self.d2(reduced)
        sum4 = sum2 + self.d4(reduced)
        sum8 = sum4 + self.d8(reduced)
        sum16 = sum8 + self.d16(reduced)
        merged = torch.cat((self.d1(reduced), sum2, sum4, sum8, sum16), 1)
        return self.norm(x + merged if self.residual else merged)


def double(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(channels, channels, 2, 2, bias=False)


class ESPNet(Network):
    """ESPNet: ESP modules at strides 4 and 8, the image injected at each level, and a light decoder (figure 4).

    The decoder doubles the map of stride 8 and concatenates it to the maps of strides 4 and 2: sizes are multiples
    of 8.
    """

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^encoder\.classifier\.conv\.", "project3."),
        (r"^encoder\.b(\d)\.", r"norm\1."),
        (r"^encoder\.level(\d)_0\.(bn|act)\.", r"down\1.norm.\2."),
        (r"^encoder\.level(\d)_0\.", r"down\1."),
        (r"^encoder\.level(\d)\.", r"level\1."),
        (r"^level3_C\.conv\.", "project2."),
        (r"^br\.", "up3.0."),
        (r"^up_l3\.0\.", "up3.1."),
        (r"^combine_l2_l3\.", "up2."),
        (r"^up_l2\.0\.", "up2.2."),
        (r"^up_l2\.1\.", "up2.3."),
        (r"^conv\.", "level1_fusion."),
        (r"\.c1\.conv\.", ".reduce."),
        (r"\.d(\d+)\.conv\.", r".d\1."),
        (r"\.bn\.(bn|act)\.", r".norm.\1."),
    )

    def __init__(self, num_classes: int = 19, alpha2: int = 2, alpha3: int = 3) -> None:
        """Build ESPNet.

        Args:
            num_classes: output channels, 5 or more: the decoder's ESP module divides them among its dilations.
            alpha2: ESP modules at stride 4, the paper's alpha 2.
            alpha3: ESP modules at stride 8, the paper's alpha 3; its ESPNet has 8.

        Raises:
            BadOption: fewer than 5 classes.
        """
        super().__init__()
        if num_classes < len(DILATIONS):
            raise BadOption(f"ESPNet takes {len(DILATIONS)} classes or more: {num_classes} given")
        self.level1 = ConvBNPReLU(3, LEVEL1, 3, stride=2)
        self.injection1 = InputInjection(1)
        self.injection2 = InputInjection(2)
        self.norm1 = BNPReLU(LEVEL1 + IMAGE)
        self.down2 = ESP(LEVEL1 + IMAGE, LEVEL2, downsample=True)
        self.level2 = nn.Sequential(*(ESP(LEVEL2, LEVEL2, residual=True) for _ in range(alpha2)))
        self.norm2 = BNPReLU(2 * LEVEL2 + IMAGE)
        self.down3 = ESP(2 * LEVEL2 + IMAGE, LEVEL3, downsample=True)
        self.level3 = nn.Sequential(*(ESP(LEVEL3, LEVEL3, residual=True) for _ in range(alpha3)))
        self.norm3 = BNPReLU(2 * LEVEL3)

        self.project3 = nn.Conv2d(2 * LEVEL3, num_classes, 1, bias=False)
        self.up3 = nn.Sequential(nn.BatchNorm2d(num_classes, eps=1e-3), double(num_classes))
        self.project2 = nn.Conv2d(2 * LEVEL2 + IMAGE, num_classes, 1, bias=False)
        self.up2 = nn.Sequential(
            BNPReLU(2 * num_classes), ESP(2 * num_classes, num_classes), double(num_classes), BNPReLU(num_classes)
        )
        self.level1_fusion = ConvBNPReLU(LEVEL1 + IMAGE + num_classes, num_classes, 3)
        self.classifier = double(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        half = self.norm1(torch.cat((self.level1(x), self.injection1(x)), 1))
        down2 = self.down2(half)
        quarter = self.norm2(torch.cat((self.level2(down2), down2, self.injection2(x)), 1))
        down3 = self.down3(quarter)
        eighth = self.norm3(torch.cat((down3, self.level3(down3)), 1))

        coarse = self.up3(self.project3(eighth))
        middle = self.up2(torch.cat((self.project2(quarter), coarse), 1))
        return self.classifier(self.level1_fusion(torch.cat((middle, half), 1)))


def espnet(num_classes: int = 19, alpha2: int = 2, alpha3: int = 3) -> ESPNet:
    """ESPNet as the port builds it: 201,542 parameters at 19 classes; options as `ESPNet`."""
    return ESPNet(num_classes, alpha2, alpha3)
