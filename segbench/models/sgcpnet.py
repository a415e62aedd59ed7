"""SGCPNet (Hao et al., "Real-time Semantic Segmentation via Spatial-detail Guided Context Propagation", TNNLS 2022).

Public code: zhouyuan888888/SGCPNet@ead5adf44021ce13071adb299f369d09867dc08d (``models``). Its backbone is a small
MobileNetV3 of another repository: squeeze-and-excitation follows the projection, and a block of stride 1 always has a
shortcut. The authors resize logits to the input with OpenCV's bicubic interpolation; here it is bilinear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.eseg import weighted_sum
from segbench.models.layers import ConvBN

CHANNELS = 64  # width of the context propagation
BN_EPS = 1e-3  # of the context propagation; the backbone has the usual one


class SqueezeExcitation(nn.Module):
    """Channel attention with batch normalisation after both convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = ConvBN(channels, channels // 4, 1, act=nn.ReLU(inplace=True))
        self.expand = ConvBN(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x * F.hardsigmoid(self.expand(self.reduce(self.pool(x))))


class Block(nn.Module):
    """MobileNetV3 block: expansion, depth-wise convolution, projection, squeeze-and-excitation."""

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernel_size: int = 5,
        stride: int = 1,
        attention: bool = True,
        hard_swish: bool = True,
    ) -> None:
        """Map `in_channels` to `out_channels` at `stride`; `hidden` is the width between."""
        super().__init__()
        self.stride = stride
        self.activation = F.hardswish if hard_swish else F.relu
        self.expand = ConvBN(in_channels, hidden, 1)
        self.depthwise = ConvBN(hidden, hidden, kernel_size, stride, groups=hidden)
        self.project = ConvBN(hidden, out_channels, 1)
        self.se = SqueezeExcitation(out_channels) if attention else None
        self.shortcut = ConvBN(in_channels, out_channels, 1) if stride == 1 and in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        out = self.activation(self.expand(x), inplace=True)
        out = self.activation(self.depthwise(out), inplace=True)
        out = self.project(out)
        if self.se is not None:
            out = self.se(out)
        if self.stride == 1:
            out += x if self.shortcut is None else self.shortcut(x)
        return out


class Stem(ConvBN):
    """Strided 3x3 convolution, BN and hard swish."""

    def __init__(self, out_channels: int) -> None:
        super().__init__(3, out_channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, out_channels, H/2, W/2)``."""
        return F.hardswish(super().forward(x), inplace=True)


class Node(nn.Module):
    """Weighted sum of maps, swish, depth-wise separable convolution: one node of the context propagation."""

    def __init__(self, inputs: int) -> None:
        """Join `inputs` maps."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))
        self.depthwise = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False)
        self.pointwise = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.bn = nn.BatchNorm2d(CHANNELS, eps=BN_EPS)

    def forward(self, own: Tensor, *others: Tensor) -> Tensor:
        """``(N, 64, H, W)`` and maps of any size to ``(N, 64, H, W)``; nearest neighbours resize the others."""
        weight = F.relu(self.weight)
        weight = weight / (weight.sum() + 1e-4)
        size = own.shape[-2:]
        resized = (other if other.shape[-2:] == size else F.interpolate(other, size=size) for other in others)
        fused = F.silu(weighted_sum(weight, own, *resized), inplace=True)
        return self.bn(self.pointwise(self.depthwise(fused)))


class TopDown(nn.Module):
    """Context from level 7 down to level 3 (section III-B)."""

    def __init__(self) -> None:
        super().__init__()
        self.up6, self.up5, self.up4, self.up3 = (Node(2) for _ in range(4))

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Levels 3 to 7, finest first, to levels 3 to 6, which carry the context of those above."""
        p3, p4, p5, p6, p7 = levels
        t6 = self.up6(p6, p7)
        t5 = self.up5(p5, t6)
        t4 = self.up4(p4, t5)
        return self.up3(p3, t4), t4, t5, t6


class BottomUp(nn.Module):
    """Spatial detail from level 3 up to level 7 (section III-B)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.down4, self.down5, self.down6 = (Node(3) for _ in range(3))
        self.down7 = Node(2)

    def forward(self, levels: Sequence[Tensor], context: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels 4 to 7 and the top-down levels 3 to 6 to levels 3 to 7."""
        p4, p5, p6, p7 = levels
        t3, t4, t5, t6 = context
        o4 = self.down4(p4, t4, self.pool(t3))
        o5 = self.down5(p5, t5, self.pool(o4))
        o6 = self.down6(p6, t6, self.pool(o5))
        return t3, o4, o5, o6, self.down7(p7, self.pool(o6))


class ContextPropagation(nn.Module):
    """Spatial-detail guided context propagation: top-down, bottom-up, top-down (figure 2)."""

    def __init__(self, in_channels: Sequence[int]) -> None:
        """Take maps at strides 8, 16 and 32, of the widths `in_channels`."""
        super().__init__()
        c3, c4, c5 = in_channels
        self.lateral3, self.lateral4, self.lateral5, self.lateral6 = (self.reduce(c) for c in (c3, c4, c5, c5))
        # The bottom-up path reads levels 4 and 5 through convolutions of its own.
        self.lateral4_2, self.lateral5_2 = self.reduce(c4), self.reduce(c5)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.first_down = TopDown()
        self.up = BottomUp()
        self.second_down = TopDown()

    @staticmethod
    def reduce(in_channels: int) -> ConvBN:
        """A pointwise convolution to the width of the module."""
        return ConvBN(in_channels, CHANNELS, 1, bias=True, eps=BN_EPS)

    def forward(self, c3: Tensor, c4: Tensor, c5: Tensor) -> Tensor:
        """Maps at strides 8, 16 and 32 to ``(N, 64, H/8, W/8)``."""
        p6 = self.pool(self.lateral6(c5))
        p7 = self.pool(p6)
        context = self.first_down((self.lateral3(c3), self.lateral4(c4), self.lateral5(c5), p6, p7))
        levels = self.up((self.lateral4_2(c4), self.lateral5_2(c5), p6, p7), context)
        return self.second_down(levels)[0]


def _node_renames() -> list[tuple[str, str]]:
    """From per-level names (``conv6_up``, ``p6_w1``) in two modules to nodes in three."""
    bifpn = r"^sgcp\.td_bu\.unit\.0\."
    pairs: list[tuple[str, str]] = []
    for reference, own in ((bifpn, "sgcp.first_down."), (r"^sgcp\.td\.", "sgcp.second_down.")):
        pairs += [(reference + r"conv(\d)_up\.", own + r"up\1."), (reference + r"p(\d)_w1$", own + r"up\1.weight")]
    pairs += [
        (bifpn + r"conv(\d)_down\.", r"sgcp.up.down\1."),
        (bifpn + r"p(\d)_w2$", r"sgcp.up.down\1.weight"),
        (bifpn + r"p(\d)_down_channel(_2)?\.", r"sgcp.lateral\1\2."),
        (bifpn + r"p5_to_p6\.", "sgcp.lateral6."),
        (r"\.(depth|point)wise_conv\.conv\.", r".\1wise."),
        (r"\.(lateral\d(?:_2)?)\.0\.conv\.", r".\1.conv."),
        (r"\.(lateral\d(?:_2)?)\.1\.", r".\1.bn."),
    ]
    return pairs


def _block_renames() -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for index, part in enumerate(("expand", "depthwise", "project"), start=1):
        pairs += [(rf"^(l\d.*)\.{kind}{index}\.", rf"\1.{part}.{kind}.") for kind in ("conv", "bn")]
    for first, part in ((1, "reduce"), (4, "expand")):
        pairs += [(rf"\.se\.se\.{first}\.", f".se.{part}.conv."), (rf"\.se\.se\.{first + 1}\.", f".se.{part}.bn.")]
    for position, kind in enumerate(("conv", "bn")):
        pairs += [(rf"^l1\.{position}\.", f"l1.{kind}."), (rf"\.shortcut\.{position}\.", f".shortcut.{kind}.")]
    return pairs


class SGCPNet(Network):
    """A small MobileNetV3, context propagation at strides 8 to 128, classifier at stride 8."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (*_node_renames(), *_block_renames())

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.l1 = Stem(16)
        self.l2 = Block(16, 16, 16, kernel_size=3, stride=2, hard_swish=False)
        self.l3 = nn.Sequential(
            Block(16, 72, 24, kernel_size=3, stride=2, attention=False, hard_swish=False),
            Block(24, 88, 24, kernel_size=3, attention=False, hard_swish=False),
        )
        self.l4 = nn.Sequential(
            Block(24, 96, 40, stride=2),
            Block(40, 240, 40),
            Block(40, 240, 40),
            Block(40, 120, 48),
            Block(48, 144, 48),
        )
        self.l5 = nn.Sequential(Block(48, 288, 96, stride=2), Block(96, 576, 96), Block(96, 576, 96))
        self.conv3 = nn.Conv2d(24, 40, 1)
        self.conv4 = nn.Conv2d(48, 112, 1)
        self.conv5 = nn.Conv2d(96, 320, 1)
        self.sgcp = ContextPropagation((40, 112, 320))
        self.classifier = nn.Conv2d(CHANNELS, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        c3 = self.l3(self.l2(self.l1(x)))
        c4 = self.l4(c3)
        c5 = self.l5(c4)
        return self.classifier(self.sgcp(self.conv3(c3), self.conv4(c4), self.conv5(c5)))


def sgcpnet(num_classes: int = 19) -> SGCPNet:
    """SGCPNet: 607,826 parameters at 19 classes."""
    return SGCPNet(num_classes)
