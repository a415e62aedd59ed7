"""CGNet (Wu et al., "CGNet: A Light-weight Context Guided Network for Semantic Segmentation", IEEE TIP 2021).

Written from the paper (table I, figures 2 and 3) and from the reference outputs in tests/golden; equal to
wutianyiRosun/CGNet@cfccea37 (``model/CGNet.py``), whose released weights load.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import BNPReLU, ConvBNPReLU, InputInjection, SqueezeExcitation


class GlobalContext(SqueezeExcitation):
    """The global feature extractor F_glo: weights the channels by what the whole map looks like (figure 2d)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__(channels, channels // reduction)


class JointFeature(nn.Module):
    """A local 3x3 convolution beside a dilated one for the surrounding context, both depth-wise; concatenated."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.f_loc = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.f_sur = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False)
        self.norm = BNPReLU(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to ``(N, 2 * channels, H, W)``."""
        return self.norm(torch.cat((self.f_loc(x), self.f_sur(x)), 1))


class CGBlock(nn.Module):
    """Context guided block with global residual learning: the input is added behind F_glo (figure 3b)."""

    def __init__(self, channels: int, dilation: int, reduction: int) -> None:
        super().__init__()
        self.project = ConvBNPReLU(channels, channels // 2, 1)
        self.joint = JointFeature(channels // 2, dilation)
        self.f_glo = GlobalContext(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x + self.f_glo(self.joint(self.project(x)))


class DownsamplingCGBlock(nn.Module):
    """Context guided block at stride 2, without residual; a 1x1 convolution halves the joint feature."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int, reduction: int) -> None:
        super().__init__()
        self.project = ConvBNPReLU(in_channels, out_channels, 3, stride=2)
        self.joint = JointFeature(out_channels, dilation)
        self.reduce = nn.Conv2d(2 * out_channels, out_channels, 1, bias=False)
        self.f_glo = GlobalContext(out_channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``, rounded up."""
        return self.f_glo(self.reduce(self.joint(self.project(x))))


class CGNet(Network):
    """CGNet: three convolutions, two stages of context guided blocks, and a classifier at stride 8 (figure 4)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^level1_(\d)\.", r"stage1.\1."),
        (r"^b1\.", "norm1."),
        (r"^bn_prelu_(\d)\.", r"norm\1."),
        (r"^level(\d)_0\.", r"down\1."),
        (r"^level(\d)\.", r"stage\1."),
        (r"\.conv1x1\.", ".project."),
        (r"\.F_(loc|sur)\.conv\.", r".joint.f_\1."),
        (r"\.bn_prelu\.", ".joint.norm."),
        (r"^(down\d)\.(bn|act)\.", r"\1.joint.norm.\2."),
        (r"\.reduce\.conv\.", ".reduce."),
        (r"\.F_glo\.", ".f_glo."),
        (r"^classifier\.0\.conv\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19, m: int = 3, n: int = 21) -> None:
        """Build CGNet; `m` and `n` are the blocks of stages 2 and 3, the down-sampling one included."""
        super().__init__()
        self.stage1 = nn.Sequential(ConvBNPReLU(3, 32, 3, stride=2), ConvBNPReLU(32, 32, 3), ConvBNPReLU(32, 32, 3))
        self.injection1 = InputInjection(1)
        self.injection2 = InputInjection(2)
        self.norm1 = BNPReLU(32 + 3)
        self.down2 = DownsamplingCGBlock(32 + 3, 64, dilation=2, reduction=8)
        self.stage2 = nn.Sequential(*(CGBlock(64, dilation=2, reduction=8) for _ in range(m - 1)))
        self.norm2 = BNPReLU(64 + 64 + 3)
        self.down3 = DownsamplingCGBlock(64 + 64 + 3, 128, dilation=4, reduction=16)
        self.stage3 = nn.Sequential(*(CGBlock(128, dilation=4, reduction=16) for _ in range(n - 1)))
        self.norm3 = BNPReLU(128 + 128)
        self.classifier = nn.Conv2d(128 + 128, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1: the reference resizes them itself."""
        half = self.norm1(torch.cat((self.stage1(x), self.injection1(x)), 1))
        down2 = self.down2(half)
        # The order is the reference's: first and last block change places between the stages.
        quarter = self.norm2(torch.cat((self.stage2(down2), down2, self.injection2(x)), 1))
        down3 = self.down3(quarter)
        eighth = self.norm3(torch.cat((down3, self.stage3(down3)), 1))
        return resize(self.classifier(eighth), x.shape[-2:])


def cgnet(num_classes: int = 19) -> CGNet:
    """CGNet M3N21: 496,306 parameters at 19 classes."""
    return CGNet(num_classes)
