"""ESPNetv2 (Mehta et al., "ESPNetv2: A Light-weight, Power Efficient, and General Purpose CNN", CVPR 2019).

Public code: sacmehta/ESPNetv2@b78e323039908f31347d8ca17f49d5502ef1a594 (``segmentation/cnn``). Its released networks
have 20 classes. The activation that its strided EESP units hold and never call is not built here, and the image
pyramid behind the shortcuts to the input, which it computes anew at each level, is computed once; both leave the
output as it is, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import BNPReLU, ConvBN, ConvBNPReLU

BRANCHES = 4
EPS = 1e-5


def double(x: Tensor) -> Tensor:
    """Twice the size of ``(N, C, H, W)``, bilinear with aligned corners."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def halve(x: Tensor) -> Tensor:
    """Half the size of ``(N, C, H, W)``, rounded up: 3x3 averages that count the zeros of the padding."""
    return F.avg_pool2d(x, kernel_size=3, stride=2, padding=1)


class EESP(nn.Module):
    """Extremely efficient spatial pyramid of depth-wise dilated convolutions (section 3.2, figure 1c).

    At stride 2 it is the branch of a `DownSampler` and ends before the residual and the activation.
    """

    def __init__(
        self, in_channels: int, out_channels: int, dilations: Sequence[int] = (1, 2, 3, 4), stride: int = 1
    ) -> None:
        """Map `in_channels` to `out_channels` at `stride`, one branch for each of `dilations`."""
        super().__init__()
        width = out_channels // BRANCHES
        self.residual = stride == 1 and in_channels == out_channels
        self.proj_1x1 = ConvBNPReLU(in_channels, width, 1, groups=BRANCHES, eps=EPS)
        self.spp_dw = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, dilation, dilation, groups=width, bias=False) for dilation in dilations
        )
        self.br_after_cat = BNPReLU(out_channels, EPS)
        self.conv_1x1_exp = ConvBN(out_channels, out_channels, 1, groups=BRANCHES)
        self.module_act = nn.PReLU(out_channels) if stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        reduced = self.proj_1x1(x)
        fused: list[Tensor] = []
        for branch in self.spp_dw:
            out = branch(reduced)
            # Hierarchical feature fusion: each branch carries those of smaller dilation, against gridding.
            if fused:
                out += fused[-1]
            fused.append(out)
        out = self.conv_1x1_exp(self.br_after_cat(torch.cat(fused, dim=1)))
        if self.residual:
            out += x
        return out if self.module_act is None else self.module_act(out)


class DownSampler(nn.Module):
    """Strided EESP beside an average pool, with a shortcut from the input image (section 3.3, figure 2)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.avg = nn.AvgPool2d(3, 2, 1)
        self.eesp = EESP(in_channels, out_channels - in_channels, stride=2)
        self.inp_reinf = nn.Sequential(ConvBNPReLU(3, 3, 3, eps=EPS), ConvBN(3, out_channels, 1))
        self.act = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` and the image at half that size to ``(N, out_channels, H/2, W/2)``."""
        out = torch.cat((self.avg(x), self.eesp(x)), dim=1)
        out += self.inp_reinf(image)
        return self.act(out)


class Encoder(nn.Module):
    """Levels 1 to 4 of the classification network (table 1), strides 2 to 16."""

    def __init__(self, channels: Sequence[int]) -> None:
        """Build the levels, of the widths `channels`."""
        super().__init__()
        c1, c2, c3, c4 = channels
        self.level1 = ConvBNPReLU(3, c1, 3, stride=2, eps=EPS)
        self.level2_0 = DownSampler(c1, c2)
        self.level3_0 = DownSampler(c2, c3)
        self.level3 = nn.Sequential(*(EESP(c3, c3) for _ in range(3)))
        self.level4_0 = DownSampler(c3, c4)
        self.level4 = nn.Sequential(*(EESP(c4, c4, (1, 1, 2, 3)) for _ in range(7)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four levels."""
        image4 = halve(halve(x))
        image8 = halve(image4)
        l1 = self.level1(x)
        l2 = self.level2_0(l1, image4)
        l3 = self.level3(self.level3_0(l2, image8))
        return l1, l2, l3, self.level4(self.level4_0(l3, halve(image8)))


class PSPModule(nn.Module):
    """Pyramid pooling of the segmentation network: repeated halving, a depth-wise convolution on each scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in range(BRANCHES)
        )
        self.project = ConvBNPReLU((BRANCHES + 1) * channels, channels, 1, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        size = x.shape[-2:]
        scales = [x]
        for stage in self.stages:
            x = halve(x)
            scales.append(resize(stage(x), size, align_corners=True))
        return self.project(torch.cat(scales, dim=1))


class ESPNetv2(Network):
    """The encoder and a decoder that doubles four times, merging a level of the encoder at each."""

    align_corners: ClassVar[bool] = True
    # Doubling restores the sizes of the encoder's levels only where halving never rounds.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^net\.", "encoder."),
        (r"\.(spp_dw|stages)\.(\d)\.conv\.", r".\1.\2."),
        (r"^proj_L4_C\.", "proj_l4."),
        (r"^pspMod\.", "psp."),
        (r"^project_l([13])\.1\.conv\.", r"project_l\1.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^net\.level\d_0\.eesp\.module_act\.",)

    def __init__(self, scale: float, num_classes: int = 20) -> None:
        """Build the network; `scale` multiplies the widths of the encoder."""
        super().__init__()
        base = math.ceil(int(32 * scale) / BRANCHES) * BRANCHES
        c1, c2, c3, c4 = channels = (min(base, 32), 2 * base, 4 * base, 8 * base)
        dropout = 0.1 if scale <= 0.5 else 0.2
        self.encoder = Encoder(channels)
        self.proj_l4 = ConvBNPReLU(c4, c3, 1, eps=EPS)
        self.psp = nn.Sequential(EESP(2 * c3, c3, (1, 1, 2, 3)), PSPModule(c3))
        self.project_l3 = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(c3, num_classes, 1, bias=False))
        self.act_l3 = BNPReLU(num_classes, EPS)
        self.project_l2 = ConvBNPReLU(c2 + num_classes, num_classes, 1, eps=EPS)
        self.project_l1 = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(c1 + num_classes, num_classes, 1, bias=False))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference doubles them itself."""
        l1, l2, l3, l4 = self.encoder(x)
        merged = self.psp(torch.cat((l3, double(self.proj_l4(l4))), dim=1))
        scores = double(self.act_l3(self.project_l3(merged)))
        scores = double(self.project_l2(torch.cat((l2, scores), dim=1)))
        return double(self.project_l1(torch.cat((l1, scores), dim=1)))


def espnetv2_0_5(num_classes: int = 20) -> ESPNetv2:
    """Widths times 0.5: 99,306 parameters at 20 classes."""
    return ESPNetv2(0.5, num_classes)


def espnetv2_1_0(num_classes: int = 20) -> ESPNetv2:
    """Widths times 1: 340,558 parameters at 20 classes."""
    return ESPNetv2(1.0, num_classes)


def espnetv2_1_5(num_classes: int = 20) -> ESPNetv2:
    """Widths times 1.5, the first level's kept at 32: 724,814 parameters at 20 classes."""
    return ESPNetv2(1.5, num_classes)


def espnetv2_2_0(num_classes: int = 20) -> ESPNetv2:
    """Widths times 2, the first level's kept at 32: 1,252,558 parameters at 20 classes."""
    return ESPNetv2(2.0, num_classes)
