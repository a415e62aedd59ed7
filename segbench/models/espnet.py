"""ESPNet (Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions", ECCV 2018).

Written from the paper (section 3, figures 1 and 4) and from the reference outputs in tests/golden. Equal to the
authors' code in sacmehta/ESPNet@afe71c38, of which there are two: ``test/Model.py``, whose decoder joins the first
convolution's 16 channels, and ``train/Model.py``, which joins 19, these and the image. The released Cityscapes weights
are of the former, the CamVid weights of the latter. The port in xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7
(``model/ESPNet.py``) joins 19, and its third level has 3 ESP modules where the paper's has 8.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segbench.errors import BadOption
from segbench.models.base import Network, StateDict
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


class ESPNetC(Network):
    """ESPNet-C, the encoder: ESP modules at strides 4 and 8, the image injected at each level (figure 4)."""

    # PyTorch 0.3, with which the authors tested their upsampling, knew no other way.
    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^(encoder\.)?classifier\.conv\.", "project3."),
        (r"^(encoder\.)?b(\d)\.", r"norm\2."),
        (r"^(encoder\.)?level(\d)_0\.(bn|act)\.", r"down\2.norm.\3."),
        (r"^(encoder\.)?level(\d)_0\.", r"down\2."),
        (r"^encoder\.level(\d)\.", r"level\1."),
        (r"\.c1\.conv\.", ".reduce."),
        (r"\.d(\d+)\.conv\.", r".d\1."),
        (r"\.bn\.(bn|act)\.", r".norm.\1."),
    )

    def __init__(self, num_classes: int = 20, alpha2: int = 2, alpha3: int = 8) -> None:
        """Build the encoder and its classifier.

        Args:
            num_classes: output channels.
            alpha2: ESP modules at stride 4, the paper's alpha 2; ``p`` in the authors' code.
            alpha3: ESP modules at stride 8, the paper's alpha 3; ``q`` in the authors' code.
        """
        super().__init__()
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

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The first convolution's map and that with the image, both at stride 2, and the maps of strides 4 and 8."""
        level1 = self.level1(x)
        half = self.norm1(torch.cat((level1, self.injection1(x)), 1))
        down2 = self.down2(half)
        quarter = self.norm2(torch.cat((self.level2(down2), down2, self.injection2(x)), 1))
        down3 = self.down3(quarter)
        return level1, half, quarter, self.norm3(torch.cat((down3, self.level3(down3)), 1))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H / 8, W / 8)``."""
        return self.project3(self.features(x)[-1])


class ESPNet(ESPNetC):
    """ESPNet: ESPNet-C and a light decoder (figure 4).

    The decoder doubles the map of stride 8 and concatenates it to the maps of strides 4 and 2: sizes are multiples
    of 8.
    """

    align_corners: ClassVar[bool] = False
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *ESPNetC.renames,
        (r"^level3_C\.conv\.", "project2."),
        (r"^br\.", "up3.0."),
        (r"^up_l3\.0\.", "up3.1."),
        (r"^combine_l2_l3\.", "up2."),
        (r"^up_l2\.0\.", "up2.2."),
        (r"^up_l2\.1\.", "up2.3."),
        (r"^conv\.", "level1_fusion."),
    )

    def __init__(self, num_classes: int = 20, alpha2: int = 2, alpha3: int = 8, joined: int = LEVEL1) -> None:
        """Build ESPNet.

        Args:
            num_classes: output channels, 5 or more: the decoder's ESP module divides them among its dilations.
            alpha2: see `ESPNetC`.
            alpha3: see `ESPNetC`.
            joined: channels of stride 2 that the decoder joins: 16 of the first convolution, or 19 with the image.

        Raises:
            BadOption: fewer than 5 classes, or other channels to join.
        """
        if num_classes < len(DILATIONS):
            raise BadOption(f"ESPNet takes {len(DILATIONS)} classes or more: {num_classes} given")
        if joined not in (LEVEL1, LEVEL1 + IMAGE):
            raise BadOption(f"ESPNet joins {LEVEL1} or {LEVEL1 + IMAGE} channels of stride 2: {joined} given")
        super().__init__(num_classes, alpha2, alpha3)
        self.joined = joined
        self.up3 = nn.Sequential(nn.BatchNorm2d(num_classes, eps=1e-3), double(num_classes))
        self.project2 = nn.Conv2d(2 * LEVEL2 + IMAGE, num_classes, 1, bias=False)
        self.up2 = nn.Sequential(
            BNPReLU(2 * num_classes), ESP(2 * num_classes, num_classes), double(num_classes), BNPReLU(num_classes)
        )
        self.level1_fusion = ConvBNPReLU(joined + num_classes, num_classes, 3)
        self.classifier = double(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        level1, half, quarter, eighth = self.features(x)
        coarse = self.up3(self.project3(eighth))
        middle = self.up2(torch.cat((self.project2(quarter), coarse), 1))
        joined = level1 if self.joined == LEVEL1 else half
        return self.classifier(self.level1_fusion(torch.cat((middle, joined), 1)))

    def adapt(self, state: StateDict) -> dict[str, Any]:
        """Join as many channels of stride 2 as the weights do."""
        fusion, classifier = state.get("level1_fusion.conv.weight"), state.get("classifier.weight")
        if fusion is None or classifier is None or fusion.dim() != 4 or classifier.dim() != 4:
            return {}
        joined = fusion.shape[1] - classifier.shape[1]
        if joined == self.joined or joined not in (LEVEL1, LEVEL1 + IMAGE):
            return {}
        classes = self.project3.out_channels
        with self.project3.weight.device:
            fused = ConvBNPReLU(joined + classes, classes, 3)
        self.joined, self.level1_fusion = joined, fused.to(self.project3.weight.dtype).train(self.training)
        return {"joined": joined}


def espnet(num_classes: int = 20, alpha2: int = 2, alpha3: int = 8, joined: int = LEVEL1) -> ESPNet:
    """ESPNet of the paper: 364,569 parameters at 20 outputs; options as `ESPNet`."""
    return ESPNet(num_classes, alpha2, alpha3, joined)


def espnet_q5(num_classes: int = 20, joined: int = LEVEL1) -> ESPNet:
    """ESPNet with 5 ESP modules at stride 8: 267,417 parameters at 20 outputs."""
    return ESPNet(num_classes, 2, 5, joined)


def espnet_q3(num_classes: int = 20, joined: int = LEVEL1) -> ESPNet:
    """ESPNet with 3 ESP modules at stride 8: 202,649 parameters at 20 outputs."""
    return ESPNet(num_classes, 2, 3, joined)


def espnet_c_q8(num_classes: int = 20) -> ESPNetC:
    """ESPNet-C of the paper: 349,449 parameters at 20 outputs."""
    return ESPNetC(num_classes, 2, 8)


def espnet_c_q5(num_classes: int = 20) -> ESPNetC:
    """ESPNet-C with 5 ESP modules at stride 8: 252,297 parameters at 20 outputs."""
    return ESPNetC(num_classes, 2, 5)


def espnet_c_q3(num_classes: int = 20) -> ESPNetC:
    """ESPNet-C with 3 ESP modules at stride 8: 187,529 parameters at 20 outputs."""
    return ESPNetC(num_classes, 2, 3)


def espnet_port(num_classes: int = 19, alpha2: int = 2, alpha3: int = 3) -> ESPNet:
    """ESPNet as the port builds it: 201,542 parameters at 19 classes."""
    return ESPNet(num_classes, alpha2, alpha3, LEVEL1 + IMAGE)
