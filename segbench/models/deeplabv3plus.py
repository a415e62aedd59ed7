"""DeepLabV3+: atrous spatial pyramid pooling and a decoder that joins low-level features.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018 (Section 3,
Figure 2). The variants here are the baselines of Table 8 of ESeg (arXiv 2203.12683), which gives no decoder detail:
the textbook decoder (low-level features to 48, two separable 3x3 convolutions of 256) is built.

The variants with MobileNetV2 and ResNet-101 are those of the widely used port VainF/DeepLabV3Plus-Pytorch@4e1087de98bc
(``network/_deeplab.py``, ``network/modeling.py``), whose decoder has one ordinary 3x3 convolution. ResNeXt-50 is the
backbone of open-mmlab/mmsegmentation 1.2.2's ``deeplabv3plus_r50-d8`` exchanged. Xception-71 is that of
NVIDIA/semantic-segmentation@7726b144c2cc (``network/deepv3.py``), whose decoder works at stride 2.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.errors import BadOption
from segbench.models.backbones import mobilenetv2
from segbench.models.backbones.efficientnet import EfficientNet
from segbench.models.backbones.mobilenetv2 import MobileNetV2
from segbench.models.backbones.resnet import Bottleneck, ResNet, ResNeXtBottleneck
from segbench.models.backbones.xception import Xception71
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU, separable_conv

WIDTH = 256  # of the ASPP branches and of the decoder

# Key names of mmsegmentation: a deep stem, and an ASPP head with plain or separable branches.
MMSEG_STEM_RENAMES = (
    (r"^backbone\.stem\.7\.", "backbone.bn1."),
    (r"^backbone\.stem\.", "backbone.conv1."),
)
MMSEG_ASPP_RENAMES = (
    (r"^decode_head\.image_pool\.1\.", "aspp.image_pooling."),
    (r"^decode_head\.aspp_modules\.", "aspp.branches."),
    (r"\.depthwise_conv\.", ".0."),
    (r"\.pointwise_conv\.", ".1."),
    (r"^decode_head\.bottleneck\.", "aspp.project."),
)
# Key names of the ASPP in NVIDIA's code base and its descendants.
NVIDIA_ASPP_RENAMES = (
    (r"^aspp\.features\.(\d)\.0\.", r"aspp.branches.\1.conv."),
    (r"^aspp\.features\.(\d)\.1\.", r"aspp.branches.\1.bn."),
    (r"^aspp\.img_conv\.0\.", "aspp.image_pooling.conv."),
    (r"^aspp\.img_conv\.1\.", "aspp.image_pooling.bn."),
)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1x1, three dilated 3x3 and image pooling, joined by a convolution."""

    def __init__(
        self,
        in_channels: int,
        rates: tuple[int, ...],
        channels: int = WIDTH,
        project_kernel: int | None = 1,
        pooling_first: bool = False,
        separable: bool = False,
    ) -> None:
        """Map `in_channels` to `channels`.

        Args:
            in_channels: width of the input.
            rates: dilations of the 3x3 branches.
            channels: width of the branches and of the output.
            project_kernel: kernel of the convolution over the concatenation; with None that is the output.
            pooling_first: whether the image pooling stands first in the concatenation, or last.
            separable: whether the 3x3 branches are depthwise separable.
        """
        super().__init__()
        self.pooling_first = pooling_first
        self.branches = nn.ModuleList([ConvBNReLU(in_channels, channels)])
        for rate in rates:
            self.branches.append(
                separable_conv(in_channels, channels, dilation=rate)
                if separable
                else ConvBNReLU(in_channels, channels, 3, dilation=rate)
            )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.image_pooling = ConvBNReLU(in_channels, channels)
        width = (len(rates) + 2) * channels
        self.project = None if project_kernel is None else ConvBNReLU(width, channels, project_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, channels, h, w)``, or to the concatenation where nothing projects it."""
        pooled = resize(self.image_pooling(self.pool(x)), x.shape[-2:])
        maps = [branch(x) for branch in self.branches]
        joined = torch.cat([pooled, *maps] if self.pooling_first else [*maps, pooled], 1)
        return joined if self.project is None else self.project(joined)


class Decoder(nn.Module):
    """Low-level features reduced by a 1x1, joined with the upsampled ASPP output, refined, classified at stride 4."""

    def __init__(self, low_level_in: int, low_level_channels: int, refine: nn.Module, num_classes: int) -> None:
        """Build the decoder.

        Args:
            low_level_in: width of the backbone's map at stride 4.
            low_level_channels: width to which it is reduced.
            refine: maps ``low_level_channels + 256`` channels to 256.
            num_classes: output channels.
        """
        super().__init__()
        self.project = ConvBNReLU(low_level_in, low_level_channels)
        self.refine = refine
        self.classifier = nn.Conv2d(WIDTH, num_classes, 1)

    def forward(self, low_level: Tensor, x: Tensor) -> Tensor:
        """``(N, low_level_in, H/4, W/4)`` and the ASPP output to logits ``(N, num_classes, H/4, W/4)``."""
        low_level = self.project(low_level)
        x = torch.cat([low_level, resize(x, low_level.shape[-2:])], 1)
        return self.classifier(self.refine(x))


class DeepLabV3Plus(Network):
    """Backbone, ASPP on its last map, decoder on its map at stride 4."""

    def __init__(
        self,
        backbone: EfficientNet | ResNet | MobileNetV2,
        rates: tuple[int, ...],
        refine: nn.Module,
        low_level_channels: int = 48,
        num_classes: int = 19,
    ) -> None:
        """Join the parts; `rates` as in `ASPP`, `refine` and `low_level_channels` as in `Decoder`."""
        super().__init__()
        low_level, *_, last = backbone.channels
        self.backbone = backbone
        self.aspp = ASPP(last, rates)
        self.decoder = Decoder(low_level, low_level_channels, refine, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        low_level, *_, last = self.backbone(x)
        return self.decoder(low_level, self.aspp(last))


class VainFDeepLabV3Plus(DeepLabV3Plus):
    """The port's form: one 3x3 convolution refines, and the logits are resized inside."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *mobilenetv2.REFERENCE_RENAMES,
        (r"^classifier\.aspp\.convs\.4\.1\.", "aspp.image_pooling.conv."),
        (r"^classifier\.aspp\.convs\.4\.2\.", "aspp.image_pooling.bn."),
        (r"^classifier\.aspp\.convs\.(\d)\.0\.", r"aspp.branches.\1.conv."),
        (r"^classifier\.aspp\.convs\.(\d)\.1\.", r"aspp.branches.\1.bn."),
        (r"^classifier\.aspp\.project\.0\.", "aspp.project.conv."),
        (r"^classifier\.aspp\.project\.1\.", "aspp.project.bn."),
        (r"^classifier\.project\.0\.", "decoder.project.conv."),
        (r"^classifier\.project\.1\.", "decoder.project.bn."),
        (r"^classifier\.classifier\.0\.", "decoder.refine.conv."),
        (r"^classifier\.classifier\.1\.", "decoder.refine.bn."),
        (r"^classifier\.classifier\.3\.", "decoder.classifier."),
    )

    def __init__(self, backbone: ResNet | MobileNetV2, output_stride: int, num_classes: int = 19) -> None:
        """Build the network; `output_stride` is the backbone's and decides the dilations of the ASPP."""
        super().__init__(backbone, _rates(output_stride), ConvBNReLU(48 + WIDTH, WIDTH, 3), 48, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``: the port resizes them itself."""
        return resize(super().logits(x), x.shape[-2:])


class MMSegDeepLabV3Plus(Network):
    """mmsegmentation's form at output stride 8: separable ASPP of 512 channels, two separable convolutions refine."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMSEG_STEM_RENAMES,
        *MMSEG_ASPP_RENAMES,
        (r"^decode_head\.c1_bottleneck\.", "project."),
        (r"^decode_head\.sep_bottleneck\.", "refine."),
        (r"^decode_head\.conv_seg\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxiliary_head\.",)

    def __init__(self, backbone: ResNet, num_classes: int = 19, channels: int = 512) -> None:
        """Build the network; `channels` is the width of ASPP and decoder."""
        super().__init__()
        low_level, *_, last = backbone.channels
        self.backbone = backbone
        self.aspp = ASPP(last, _rates(8), channels, project_kernel=3, pooling_first=True, separable=True)
        self.project = ConvBNReLU(low_level, 48)
        self.refine = nn.Sequential(separable_conv(channels + 48, channels), separable_conv(channels, channels))
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        low_level, *_, last = self.backbone(x)
        low_level = self.project(low_level)
        context = resize(self.aspp(last), low_level.shape[-2:])
        return self.classifier(self.refine(torch.cat((context, low_level), dim=1)))


class NVIDIADeepLabV3Plus(Network):
    """NVIDIA's form: projections without normalisation, two 3x3 convolutions, a classifier without bias."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *NVIDIA_ASPP_RENAMES,
        (r"^final\.0\.", "refine.0.conv."),
        (r"^final\.1\.", "refine.0.bn."),
        (r"^final\.3\.", "refine.1.conv."),
        (r"^final\.4\.", "refine.1.bn."),
        (r"^final\.6\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.backbone = Xception71()
        low_level, last = self.backbone.channels
        self.aspp = ASPP(last, _rates(8), project_kernel=None, pooling_first=True)
        self.bot_fine = nn.Conv2d(low_level, 48, 1, bias=False)
        self.bot_aspp = nn.Conv2d(5 * WIDTH, WIDTH, 1, bias=False)
        self.refine = nn.Sequential(ConvBNReLU(48 + WIDTH, WIDTH, 3), ConvBNReLU(WIDTH, WIDTH, 3))
        self.classifier = nn.Conv2d(WIDTH, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``: the authors resize those of stride 2 themselves."""
        low_level, last = self.backbone(x)
        context = resize(self.bot_aspp(self.aspp(last)), low_level.shape[-2:])
        y = self.refine(torch.cat((self.bot_fine(low_level), context), dim=1))
        return resize(self.classifier(y), x.shape[-2:])


def _rates(output_stride: int) -> tuple[int, ...]:
    # The paper's rates 6, 12, 18 at stride 16 keep their reach in the image at other strides.
    return tuple(rate * 16 // output_stride for rate in (6, 12, 18))


def _textbook(
    backbone: EfficientNet | ResNet, output_stride: int, num_classes: int, decoder_kernel: int, low_level_channels: int
) -> DeepLabV3Plus:
    if decoder_kernel % 2 == 0:
        raise BadOption(f"decoder_kernel must be odd: {decoder_kernel} given")
    refine = nn.Sequential(
        separable_conv(low_level_channels + WIDTH, WIDTH, decoder_kernel),
        separable_conv(WIDTH, WIDTH, decoder_kernel),
    )
    return DeepLabV3Plus(backbone, _rates(output_stride), refine, low_level_channels, num_classes)


def efficientnet_b1_os16(num_classes: int = 19, decoder_kernel: int = 3, low_level_channels: int = 48) -> DeepLabV3Plus:
    """EfficientNet-B1 at output stride 16 (ESeg's Table 8, w/ atrous).

    The printed costs are met more closely with ``decoder_kernel=5`` or ``low_level_channels=96``.
    """
    backbone = EfficientNet(1.0, 1.1, output_stride=16)
    return _textbook(backbone, 16, num_classes, decoder_kernel, low_level_channels)


def efficientnet_b1_os32(num_classes: int = 19, decoder_kernel: int = 3, low_level_channels: int = 48) -> DeepLabV3Plus:
    """EfficientNet-B1 at output stride 32 (ESeg's Table 8, w/o atrous); options as `efficientnet_b1_os16`."""
    return _textbook(EfficientNet(1.0, 1.1), 32, num_classes, decoder_kernel, low_level_channels)


def resnet50_os16(num_classes: int = 19, decoder_kernel: int = 3, low_level_channels: int = 48) -> DeepLabV3Plus:
    """ResNet-50 at output stride 16 (ESeg's Table 8, w/ atrous); options as `efficientnet_b1_os16`."""
    # The block whose stride is removed keeps dilation 1, as in torchvision.
    backbone = ResNet(Bottleneck, (3, 4, 6, 3), strides=(1, 2, 2, 1), dilations=(1, 1, 1, (1, 2, 2)))
    return _textbook(backbone, 16, num_classes, decoder_kernel, low_level_channels)


def resnet50_os32(num_classes: int = 19, decoder_kernel: int = 3, low_level_channels: int = 48) -> DeepLabV3Plus:
    """ResNet-50 at output stride 32 (ESeg's Table 8, w/o atrous); options as `efficientnet_b1_os16`."""
    return _textbook(ResNet(Bottleneck, (3, 4, 6, 3)), 32, num_classes, decoder_kernel, low_level_channels)


def mobilenetv2_os16(num_classes: int = 19) -> VainFDeepLabV3Plus:
    """MobileNetV2 at output stride 16 (the port): 5,225,203 parameters at 19 classes."""
    return VainFDeepLabV3Plus(MobileNetV2(16), 16, num_classes)


def mobilenetv2_os8(num_classes: int = 19) -> VainFDeepLabV3Plus:
    """MobileNetV2 at output stride 8 (the port): 5,225,203 parameters at 19 classes."""
    return VainFDeepLabV3Plus(MobileNetV2(8), 8, num_classes)


def resnet101_os16(num_classes: int = 19) -> VainFDeepLabV3Plus:
    """ResNet-101 at output stride 16 (the port): 58,753,459 parameters at 19 classes."""
    # The block whose stride is removed keeps the dilation before it, here and at output stride 8.
    backbone = ResNet(Bottleneck, (3, 4, 23, 3), strides=(1, 2, 2, 1), dilations=(1, 1, 1, (1, 2, 2)))
    return VainFDeepLabV3Plus(backbone, 16, num_classes)


def resnet101_os8(num_classes: int = 19) -> VainFDeepLabV3Plus:
    """ResNet-101 at output stride 8 (the port): 58,753,459 parameters at 19 classes."""
    backbone = ResNet(Bottleneck, (3, 4, 23, 3), strides=(1, 2, 1, 1), dilations=(1, 1, (1, *(2,) * 22), (2, 4, 4)))
    return VainFDeepLabV3Plus(backbone, 8, num_classes)


def resnext50_os8(num_classes: int = 19) -> MMSegDeepLabV3Plus:
    """ResNeXt-50 32x4d at output stride 8 (mmsegmentation): 40,677,827 parameters at 19 classes."""
    # The block whose stride is removed has half the dilation of the others.
    backbone = ResNet(
        ResNeXtBottleneck, (3, 4, 6, 3), strides=(1, 2, 1, 1), dilations=(1, 1, (1, *(2,) * 5), (2, 4, 4))
    )
    return MMSegDeepLabV3Plus(backbone, num_classes)


def xception71_os8(num_classes: int = 19) -> NVIDIADeepLabV3Plus:
    """Xception-71 at output stride 8 (NVIDIA): 54,632,240 parameters at 19 classes."""
    return NVIDIADeepLabV3Plus(num_classes)
