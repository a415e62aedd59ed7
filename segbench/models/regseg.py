"""RegSeg (Gao, "Rethink Dilated Convolution for Real-time Semantic Segmentation", arXiv 2111.09957).

Public code: RolandGao/RegSeg@0f61c66dd9fa1bbf751a44732d9b333fdb1945b4 (``model.py``, ``blocks.py``), where the paper's
network is called ``exp48_decoder26``. Keys are its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU, conv_bn

GROUP_WIDTH = 16
# Dilations of the blocks at stride 16 behind the strided one (table 1).
DILATIONS = ((1,), (1, 2), *((1, 4),) * 4, *((1, 14),) * 7)


class SqueezeExcitation(nn.Module):
    """Channel attention by two pointwise convolutions on the global average."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv2d(channels, hidden, 1)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(hidden, channels, 1)
        self.act2 = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x * self.act2(self.conv2(self.act1(self.conv1(self.avg_pool(x)))))


class DilatedConv(nn.Module):
    """Grouped 3x3 convolutions of several dilations, each on its share of the channels (figure 3)."""

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        width = channels // len(dilations)
        groups = width // GROUP_WIDTH
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, 1, dilation, dilation, groups, bias=False) for dilation in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        shares = x.chunk(len(self.convs), dim=1)
        return torch.cat([conv(share) for conv, share in zip(self.convs, shares, strict=True)], dim=1)


class Shortcut(nn.Module):
    """Pointwise convolution and BN, behind a 2x2 average where the block is strided."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        # The block's convolution rounds odd sizes up, and so must the average.
        self.avg = nn.AvgPool2d(2, 2, ceil_mode=True) if stride == 2 else None
        self.conv, self.bn = conv_bn(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        return self.bn(self.conv(x if self.avg is None else self.avg(x)))


class DBlock(nn.Module):
    """RegNet's Y block whose 3x3 convolution has several dilations (figure 3)."""

    def __init__(self, in_channels: int, out_channels: int, dilations: Sequence[int] = (1,), stride: int = 1) -> None:
        """Map `in_channels` to `out_channels` at `stride`; only a single dilation of 1 may be strided."""
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, out_channels)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2: nn.Module = (
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, groups=out_channels // GROUP_WIDTH, bias=False)
            if len(dilations) == 1
            else DilatedConv(out_channels, dilations)
        )
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.act2 = nn.ReLU(inplace=True)
        self.se = SqueezeExcitation(out_channels, in_channels // 4)
        self.conv3, self.bn3 = conv_bn(out_channels, out_channels)
        self.act3 = nn.ReLU(inplace=True)
        unchanged = stride == 1 and in_channels == out_channels
        self.shortcut = None if unchanged else Shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        out = self.act1(self.bn1(self.conv1(x)))
        out = self.se(self.act2(self.bn2(self.conv2(out))))
        out = self.bn3(self.conv3(out))
        out += shortcut
        return self.act3(out)


class Body(nn.Module):
    """Stages at strides 4, 8 and 16 (table 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.stage4 = DBlock(32, 48, stride=2)
        self.stage8 = nn.Sequential(DBlock(48, 128, stride=2), DBlock(128, 128), DBlock(128, 128))
        *inner, last = DILATIONS
        self.stage16 = nn.Sequential(
            DBlock(128, 256, stride=2),
            *(DBlock(256, 256, dilations) for dilations in inner),
            DBlock(256, 320, last),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(N, 32, H/2, W/2)`` to the maps of the three stages."""
        x4 = self.stage4(x)
        x8 = self.stage8(x4)
        return x4, x8, self.stage16(x8)


class Decoder(nn.Module):
    """Sum at stride 8, concatenation at stride 4 (figure 4)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head16 = ConvBNReLU(320, 128, 1)
        self.head8 = ConvBNReLU(128, 128, 1)
        self.head4 = ConvBNReLU(48, 8, 1)
        self.conv8 = ConvBNReLU(128, 64, 3)
        self.conv4 = ConvBNReLU(64 + 8, 64, 3)
        self.classifier = nn.Conv2d(64, num_classes, 1)

    def forward(self, x4: Tensor, x8: Tensor, x16: Tensor) -> Tensor:
        """Maps at strides 4, 8 and 16 to class scores at stride 4."""
        x8 = self.head8(x8) + resize(self.head16(x16), x8.shape[-2:])
        x8 = resize(self.conv8(x8), x4.shape[-2:])
        return self.classifier(self.conv4(torch.cat((x8, self.head4(x4)), dim=1)))


class RegSeg(Network):
    """Stem, body of dilated blocks at stride 16, light decoder."""

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.stem = ConvBNReLU(3, 32, 3, stride=2)
        self.body = Body()
        self.decoder = Decoder(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        return resize(self.decoder(*self.body(self.stem(x))), x.shape[-2:])


def regseg(num_classes: int = 19) -> RegSeg:
    """RegSeg: 3,334,951 parameters at 19 classes."""
    return RegSeg(num_classes)
