"""DFANet A (Li et al., "DFANet: Deep Feature Aggregation for Real-Time Semantic Segmentation", CVPR 2019).

The authors published no code. This is the port huaifeng1993/DFANet@3444e2f80712d5ebecc96a82789591aab90fa1b0
(``model/dfanet.py``), which departs from the paper: every block has a projected shortcut, convolutions have biases, the
attention has a hidden layer, and the attention outputs of the second and the third branch share one convolution of the
decoder (the one meant for the second is constructed there, never used, and not built here).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU, SqueezeExcitation


def separable_conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Depth-wise 3x3 and pointwise convolution with nothing between them, BN, ReLU."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels),
            pointwise=nn.Conv2d(in_channels, out_channels, 1),
            bn=nn.BatchNorm2d(out_channels),
            relu=nn.ReLU(inplace=True),
        )
    )


class Block(nn.Module):
    """Xception block: three separable convolutions and a projected shortcut, without activation after the sum."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        hidden = out_channels // 4
        self.conv1 = separable_conv(in_channels, hidden, stride)
        self.conv2 = separable_conv(hidden, hidden)
        self.conv3 = separable_conv(hidden, out_channels)
        self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        return self.conv3(self.conv2(self.conv1(x))) + self.projection(x)


def encoder_stage(in_channels: int, out_channels: int, blocks: int) -> nn.Sequential:
    """A strided block and ``blocks - 1`` others."""
    return nn.Sequential(
        Block(in_channels, out_channels, 2), *(Block(out_channels, out_channels) for _ in range(blocks - 1))
    )


class SubBranch(nn.Module):
    """One pass of the backbone: stages enc2 to enc4 and the attention (figure 3)."""

    def __init__(self, enc2: int, enc3: int, enc4: int) -> None:
        """Build the branch; arguments are the input widths of its stages."""
        super().__init__()
        self.enc2 = encoder_stage(enc2, 48, 3)
        self.enc3 = encoder_stage(enc3, 96, 6)
        self.enc4 = encoder_stage(enc4, 192, 3)
        self.atten = SqueezeExcitation(192, 1000, bias=False)

    def forward(self, x: Tensor, *previous: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Outputs of enc2, enc3, enc4 and of the attention, each stage at half the size of the one before.

        Args:
            x: ``(N, enc2, H, W)``.
            previous: outputs of enc3 and enc4 of the branch before, which join the inputs of these stages here.
        """
        out2 = self.enc2(x)
        out3 = self.enc3(torch.cat((out2, previous[0]), dim=1) if previous else out2)
        out4 = self.enc4(torch.cat((out3, previous[1]), dim=1) if previous else out3)
        return out2, out3, out4, self.atten(out4)


class Encoder(nn.Module):
    """Three branches; each starts from the attention output of the one before, enlarged (sub-network aggregation)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(3, 8, 3, stride=2)
        self.branch0 = SubBranch(8, 48, 96)
        self.branch1 = SubBranch(192 + 48, 96 + 48, 192 + 96)
        self.branch2 = SubBranch(192 + 48, 96 + 48, 192 + 96)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Image to the enc2 outputs of the branches (strides 4, 8, 16) and to their attention outputs."""
        out2, out3, out4, attended = self.branch0(self.conv1(x))
        shallow, deep = [out2], [attended]
        for branch in (self.branch1, self.branch2):
            enlarged = resize(attended, out2.shape[-2:], align_corners=True)
            out2, out3, out4, attended = branch(torch.cat((out2, enlarged), dim=1), out3, out4)
            shallow.append(out2)
            deep.append(attended)
        return shallow, deep


class Decoder(nn.Module):
    """Sum of the shallow maps, refined, plus the sum of the deep ones, at the size of the first (figure 3)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv0, self.conv1, self.conv2 = (ConvBNReLU(48, channels, 1) for _ in range(3))
        self.conv3, self.conv5 = (ConvBNReLU(192, channels, 1) for _ in range(2))
        self.conv_add1 = ConvBNReLU(channels, channels, 3, bias=True)
        self.conv_cls = nn.Conv2d(channels, num_classes, 3, padding=1, bias=False)

    def forward(self, shallow: list[Tensor], deep: list[Tensor]) -> Tensor:
        """Three shallow and three deep maps to class scores at stride 4."""
        x = self.conv0(shallow[0])
        size = x.shape[-2:]
        for reduce, level in zip((self.conv1, self.conv2), shallow[1:], strict=True):
            x = x + resize(reduce(level), size, align_corners=True)
        x = self.conv_add1(x)
        for reduce, level in zip((self.conv3, self.conv5, self.conv5), deep, strict=True):
            x = x + resize(reduce(level), size, align_corners=True)
        return self.conv_cls(x)


class DFANet(Network):
    """Three aggregated passes of XceptionA and a light decoder."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\.build\.", "."),
        (r"\.(conv[123])\.0\.conv1\.", r".\1.depthwise."),
        (r"\.(conv[123])\.0\.pointwise\.", r".\1.pointwise."),
        (r"^(encoder\.branch.*\.conv[123])\.1\.", r"\1.bn."),
        (r"\.(conv\d|conv_add1)\.0\.", r".\1.conv."),
        (r"\.(conv\d|conv_add1)\.1\.", r".\1.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^decoder\.conv4\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder(64, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at four times the size of stride 4, which is the input size where that is a multiple of 4."""
        scores = self.decoder(*self.encoder(x))
        return F.interpolate(scores, scale_factor=4, mode="bilinear", align_corners=True)


def dfanet_a(num_classes: int = 19) -> DFANet:
    """DFANet A: 2,174,800 parameters at 19 classes."""
    return DFANet(num_classes)
