"""Xception-39, the light-weight trunk that BiSeNet brings along (Yu et al., ECCV 2018, section 4).

Source: ycszen/TorchSeg@62eeb159aee7 (``furnace/base_model/xception.py``), by the paper's first author. Its depthwise
convolutions have neither normalisation nor ReLU.
"""

from __future__ import annotations

from torch import Tensor, nn

from segbench.models.layers import ConvBN, ConvBNReLU

# Width within the blocks, and blocks, of each stage; a block puts out four times that width.
STAGES = ((16, 4), (32, 8), (64, 4))
EXPANSION = 4


class SeparableConv(nn.Module):
    """Depthwise 3x3 and pointwise convolution with one normalisation, behind both."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, relu: bool = True) -> None:
        """Map `in_channels` to `out_channels`; the depthwise convolution has the stride."""
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False)
        self.pointwise = (ConvBNReLU if relu else ConvBN)(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, sizes rounded up."""
        return self.pointwise(self.depthwise(x))


class Block(nn.Module):
    """Three separable convolutions and a shortcut, itself a separable convolution where the block has a stride."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        """Map `in_channels` to ``4 * width``."""
        super().__init__()
        self.residual = nn.Sequential(
            SeparableConv(in_channels, width, stride),
            SeparableConv(width, width),
            SeparableConv(width, EXPANSION * width, relu=False),
        )
        self.shortcut = SeparableConv(in_channels, EXPANSION * width, stride, relu=False) if stride > 1 else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 4 * width, H/stride, W/stride)``, sizes rounded up."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return self.relu(self.residual(x) + shortcut)


class Xception39(nn.Module):
    """A strided convolution, max-pooling and three stages.

    Attributes:
        channels: widths of the three maps that it returns.
    """

    channels = tuple(EXPANSION * width for width, _ in STAGES)

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.conv1 = ConvBNReLU(3, 8, 3, stride=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages: list[nn.Sequential] = []
        in_channels = 8
        for width, depth in STAGES:
            first = Block(in_channels, width, stride=2)
            in_channels = EXPANSION * width
            stages.append(nn.Sequential(first, *(Block(in_channels, width, stride=1) for _ in range(depth - 1))))
        self.layer1, self.layer2, self.layer3 = stages

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps of 64, 128 and 256 channels at strides 8, 16 and 32."""
        c3 = self.layer1(self.maxpool(self.conv1(x)))
        c4 = self.layer2(c3)
        return c3, c4, self.layer3(c4)
