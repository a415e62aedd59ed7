"""OCNet (Yuan et al., "OCNet: Object Context for Semantic Segmentation", IJCV 2021): Base-OC and ASP-OC, ResNet-101.

Public code: openseg-group/OCNet.pytorch@679a45b8996c (``network/resnet101_base_oc.py``, ``resnet101_asp_oc.py``,
``oc_module``). Its in-place activated batch normalisation is a leaky ReLU in the head, and no activation in the trunk,
which has a ReLU of its own. The trunk has a deep stem whose pooling rounds up, and output stride 8.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import NAMED_STEM_RENAMES, Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, leaky_relu


def _conv_abn(in_channels: int, out_channels: int, kernel: int = 1, dilation: int = 1, bias: bool = False) -> ConvBN:
    return ConvBN(in_channels, out_channels, kernel, dilation=dilation, bias=bias, act=leaky_relu())


class ObjectContextPooling(nn.Module):
    """Every pixel averages all pixels by their similarity to it (section 3.2): self-attention with one head."""

    def __init__(self, channels: int, key_channels: int, value_channels: int, downsampling: int = 1) -> None:
        """Build the module.

        Args:
            channels: width of input and output.
            key_channels: width in which pixels are compared.
            value_channels: width that is averaged.
            downsampling: by which the map is max-pooled first, to save memory.
        """
        super().__init__()
        self.pool = nn.MaxPool2d(downsampling) if downsampling > 1 else None
        self.scale = key_channels**-0.5
        # Query and key are one module in the public code, which calls it twice.
        self.transform = _conv_abn(channels, key_channels, bias=True)
        self.f_value = nn.Conv2d(channels, value_channels, 1)
        self.project = nn.Conv2d(value_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to object context of the same shape."""
        size = x.shape[-2:]
        if self.pool is not None:
            x = self.pool(x)
        value = self.f_value(x).flatten(2).transpose(1, 2)
        query = self.transform(x).flatten(2).transpose(1, 2)
        key = self.transform(x).flatten(2)
        similarity = ((query @ key) * self.scale).softmax(dim=-1)
        context = (similarity @ value).transpose(1, 2).unflatten(2, x.shape[-2:]).contiguous()
        return resize(self.project(context), size, align_corners=True)


class BaseOC(nn.Module):
    """Base-OC (figure 3a): the map beside its object context, joined by a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        """Build the module; `channels` is the width of input and output."""
        super().__init__()
        self.context = ObjectContextPooling(channels, channels // 2, channels // 2)
        self.fuse = _conv_abn(2 * channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.fuse(torch.cat((self.context(x), x), dim=1))


class ASPOC(nn.Module):
    """ASP-OC (figure 3c): object context of a map pooled by 2, beside a 1x1 and three dilated 3x3 convolutions."""

    def __init__(self, channels: int, rates: tuple[int, int, int] = (12, 24, 36)) -> None:
        """Build the module; `channels` is the width of input and output, `rates` are the dilations."""
        super().__init__()
        half = channels // 2
        self.context = nn.Sequential(
            _conv_abn(channels, half, 3, bias=True),
            ObjectContextPooling(half, half // 2, half, downsampling=2),
            _conv_abn(half, half, bias=True),
        )
        self.branches = nn.ModuleList([_conv_abn(channels, half)])
        self.branches.extend(_conv_abn(channels, half, 3, dilation=rate) for rate in rates)
        self.fuse = _conv_abn(5 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.fuse(torch.cat((self.context(x), *(branch(x) for branch in self.branches)), dim=1))


class OCNet(Network):
    """Dilated ResNet-101, a 3x3 convolution, an object context module, classifier."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *NAMED_STEM_RENAMES,
        (r"^layer([1-4])\.", r"backbone.layer\1."),
        (r"^context\.0\.", "reduce.conv."),
        (r"^context\.1\.", "reduce.bn."),
        (r"^cls\.", "classifier."),
        # Base-OC.
        (r"^context\.2\.stages\.0\.", "oc.context."),
        # ASP-OC.
        (r"^context\.2\.context\.0\.", "oc.context.0.conv."),
        (r"^context\.2\.context\.1\.", "oc.context.0.bn."),
        (r"^context\.2\.context\.2\.stages\.0\.", "oc.context.1."),
        (r"^context\.2\.context\.2\.conv_bn_dropout\.0\.", "oc.context.2.conv."),
        (r"^context\.2\.context\.2\.conv_bn_dropout\.1\.", "oc.context.2.bn."),
        (r"^context\.2\.conv2\.", "oc.branches.0."),
        (r"^context\.2\.conv3\.", "oc.branches.1."),
        (r"^context\.2\.conv4\.", "oc.branches.2."),
        (r"^context\.2\.conv5\.", "oc.branches.3."),
        # Both.
        (r"^context\.2\.conv_bn_dropout\.", "oc.fuse."),
        (r"\.f_query\.", ".transform."),
        (r"^oc\.(branches\.\d|fuse|context(?:\.1)?\.transform)\.0\.", r"oc.\1.conv."),
        (r"^oc\.(branches\.\d|fuse|context(?:\.1)?\.transform)\.1\.", r"oc.\1.bn."),
        (r"^oc\.context((?:\.1)?)\.W\.", r"oc.context\1.project."),
    )
    # Keys of one tensor stand under both names; the later name is what PyTorch loads last.
    dropped: ClassVar[tuple[str, ...]] = (r"^dsn\.", r"\.f_key\.")

    def __init__(self, oc: BaseOC | ASPOC, num_classes: int = 19, channels: int = 512) -> None:
        """Build the network; `oc` is the object context module, `channels` its width."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck,
            (3, 4, 23, 3),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            deep_stem=(64, 64, 128),
            ceil_mode=True,
        )
        self.reduce = _conv_abn(self.backbone.channels[-1], channels, 3, bias=True)
        self.oc = oc
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, h, w)`` at stride 8, one row and column more than H/8 and W/8."""
        return self.classifier(self.oc(self.reduce(self.backbone(x)[-1])))


def ocnet_r101(num_classes: int = 19) -> OCNet:
    """OCNet with Base-OC and ResNet-101: 52,992,979 parameters at 19 classes."""
    return OCNet(BaseOC(512), num_classes)


def ocnet_asp_r101(num_classes: int = 19) -> OCNet:
    """OCNet with ASP-OC and ResNet-101: 57,812,307 parameters at 19 classes."""
    return OCNet(ASPOC(512), num_classes)
