"""PIDNet (Xu et al., "PIDNet: A Real-time Semantic Segmentation Network Inspired by PID Controllers", CVPR 2023).

Public code: XuJiacong/PIDNet@4c158cf24ce4 (``models/pidnet.py``, ``models/model_utils.py``). Its two extra heads
(``seghead_p``, ``seghead_d``) serve training only and are not built.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.context import DAPPM
from segbench.models.ddrnet import BasicBlock, Bottleneck, SegmentationHead, basic_layer, stem
from segbench.models.layers import conv_bn, norm_relu_conv


class PAPPM(nn.Module):
    """Parallel aggregation pyramid pooling module (section 3.2): DAPPM whose scales do not wait for each other."""

    def __init__(self, in_channels: int, branch_channels: int, out_channels: int) -> None:
        super().__init__()
        self.scale0 = nn.Sequential(*norm_relu_conv(in_channels, branch_channels))
        self.scale1 = nn.Sequential(nn.AvgPool2d(5, 2, 2), *norm_relu_conv(in_channels, branch_channels))
        self.scale2 = nn.Sequential(nn.AvgPool2d(9, 4, 4), *norm_relu_conv(in_channels, branch_channels))
        self.scale3 = nn.Sequential(nn.AvgPool2d(17, 8, 8), *norm_relu_conv(in_channels, branch_channels))
        self.scale4 = nn.Sequential(nn.AdaptiveAvgPool2d(1), *norm_relu_conv(in_channels, branch_channels))
        self.scale_process = nn.Sequential(*norm_relu_conv(4 * branch_channels, 4 * branch_channels, 3, groups=4))
        self.compression = nn.Sequential(*norm_relu_conv(5 * branch_channels, out_channels))
        self.shortcut = nn.Sequential(*norm_relu_conv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        size = x.shape[-2:]
        finest = self.scale0(x)
        scales = [resize(scale(x), size) + finest for scale in (self.scale1, self.scale2, self.scale3, self.scale4)]
        processed = self.scale_process(torch.cat(scales, dim=1))
        return self.compression(torch.cat((finest, processed), dim=1)) + self.shortcut(x)


class Pag(nn.Module):
    """Pixel-attention-guided fusion (section 3.1): the context enters P where the two agree on the object."""

    def __init__(self, channels: int, embedding_channels: int) -> None:
        super().__init__()
        self.f_x = nn.Sequential(*conv_bn(channels, embedding_channels, 1))
        self.f_y = nn.Sequential(*conv_bn(channels, embedding_channels, 1))

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, channels, h, w)`` to ``(N, channels, H, W)``."""
        size = fine.shape[-2:]
        query = resize(self.f_y(coarse), size)
        similarity = torch.sigmoid((self.f_x(fine) * query).sum(dim=1, keepdim=True))
        return (1 - similarity) * fine + similarity * resize(coarse, size)


class Bag(nn.Module):
    """Boundary-attention-guided fusion (section 3.3): detail at boundaries, context elsewhere; PIDNet-L."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        )

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """The maps of P, I and D, each ``(N, channels, H, W)``, to one of the same shape."""
        edge = torch.sigmoid(d)
        return self.conv(edge * p + (1 - edge) * i)


class LightBag(nn.Module):
    """Bag with two 1x1 convolutions instead of a 3x3 one; PIDNet-S and -M."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_p = nn.Sequential(*conv_bn(channels, channels, 1))
        self.conv_i = nn.Sequential(*conv_bn(channels, channels, 1))

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> Tensor:
        """The maps of P, I and D, each ``(N, channels, H, W)``, to one of the same shape."""
        edge = torch.sigmoid(d)
        return self.conv_p((1 - edge) * i + p) + self.conv_i(i + edge * p)


class ThreeBranchStage(nn.Module):
    """One layer of the three branches: I goes on, P takes from it by Pag, D takes its differences (figure 4)."""

    def __init__(
        self, p: nn.Module, i: nn.Module, d: nn.Module, p_channels: int, i_channels: int, d_channels: int
    ) -> None:
        """Join the layers of the three branches; the widths are those of their outputs."""
        super().__init__()
        self.p, self.i, self.d = p, i, d
        self.compression = nn.Sequential(*conv_bn(i_channels, p_channels, 1))
        self.pag = Pag(p_channels, p_channels // 2)
        self.diff = nn.Sequential(*conv_bn(i_channels, d_channels, 3))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, p: Tensor, i: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rectified maps of the three branches to the same, I at half the height and width."""
        i = self.relu(self.i(i))
        p = self.pag(self.p(p), self.compression(i))
        d = self.d(d)
        d = d + resize(self.diff(i), d.shape[-2:])
        return self.relu(p), i, self.relu(d)


class PIDNet(Network):
    """Branches for detail (P), context (I) and boundaries (D), joined by Pag and Bag (figure 4)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^conv1\.", "stem."),
        (r"^layer([34])\.", r"stage\1.i."),
        (r"^layer([34])_\.", r"stage\1.p."),
        (r"^layer4_d\.0\.", "stage4.d."),
        (r"^layer([34])_d\.", r"stage\1.d."),
        (r"^(compression|pag|diff)([34])\.", r"stage\2.\1."),
        (r"^layer5\.", "i5."),
        (r"^layer5_\.0\.", "p5."),
        (r"^layer5_d\.0\.", "d5."),
        (r"^dfm\.", "bag."),
        (r"^final_layer\.", "head."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^seghead_[pd]\.",)

    def __init__(
        self, num_classes: int, planes: int, m: int, n: int, ppm_channels: int, head_channels: int, large: bool
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            planes: width of the stem.
            m: blocks of the layers at stride 4 and 8.
            n: blocks of the layers of the I branch at stride 16 and 32.
            ppm_channels: width of each scale of the pyramid pooling.
            head_channels: width of the segmentation head.
            large: DAPPM, Bag and a wide D branch (PIDNet-L) instead of PAPPM, LightBag and a narrow one.
        """
        super().__init__()
        p, out = 2 * planes, 4 * planes
        self.stem = stem(planes)
        self.layer1 = basic_layer(planes, planes, m)
        self.layer2 = basic_layer(planes, p, m, stride=2)

        d3 = p if large else planes
        layer4_d = BasicBlock(p, p) if large else Bottleneck(planes, planes)
        self.stage3 = ThreeBranchStage(
            basic_layer(p, p, m), basic_layer(p, 4 * planes, n, stride=2), BasicBlock(p, d3), p, 4 * planes, d3
        )
        self.stage4 = ThreeBranchStage(
            basic_layer(p, p, m), basic_layer(4 * planes, 8 * planes, n, stride=2), layer4_d, p, 8 * planes, p
        )
        self.p5 = Bottleneck(p, p)
        self.i5 = nn.Sequential(Bottleneck(8 * planes, 8 * planes, stride=2), Bottleneck(16 * planes, 8 * planes))
        self.d5 = Bottleneck(p, p)
        pyramid = DAPPM if large else PAPPM
        self.spp = pyramid(16 * planes, ppm_channels, out)
        self.bag = Bag(out) if large else LightBag(out)
        self.head = SegmentationHead(out, head_channels, num_classes)
        self.relu = nn.ReLU(inplace=True)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        x = self.relu(self.layer1(self.stem(x)))
        x = self.relu(self.layer2(x))
        p, i, d = self.stage3(x, x, x)
        p, i, d = self.stage4(p, i, d)
        p, d = self.p5(p), self.d5(d)
        i = resize(self.spp(self.i5(i)), p.shape[-2:])
        return self.head(self.bag(p, i, d))


def pidnet_s(num_classes: int = 19) -> PIDNet:
    """PIDNet-S: 7,625,715 parameters at 19 classes."""
    return PIDNet(num_classes, planes=32, m=2, n=3, ppm_channels=96, head_channels=128, large=False)


def pidnet_m(num_classes: int = 19) -> PIDNet:
    """PIDNet-M: 28,538,515 parameters at 19 classes."""
    return PIDNet(num_classes, planes=64, m=2, n=3, ppm_channels=96, head_channels=128, large=False)


def pidnet_l(num_classes: int = 19) -> PIDNet:
    """PIDNet-L: 36,939,571 parameters at 19 classes."""
    return PIDNet(num_classes, planes=64, m=3, n=4, ppm_channels=112, head_channels=256, large=True)
