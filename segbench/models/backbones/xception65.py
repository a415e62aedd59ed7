"""Aligned Xception-65 as DeepLab modified it, at output stride 32.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018, section 3.2
and figure 4: every pooling is a strided separable convolution.

Source: bowenc0221/panoptic-deeplab@cf8e20bbbf1c (``xception.py``). Unlike the Xception-71 of ``xception.py``, its
shortcuts take the map before the ReLU, and every pointwise convolution has its own normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from segbench.models.layers import ConvBN, ConvBNReLU

Shortcut = Literal["conv", "identity", "none"]


class SeparableConv(nn.Module):
    """Depthwise 3x3 and pointwise convolution, each with batch normalisation; ReLU before both or after each."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        dilation: int = 1,
        relu_first: bool = True,
        inplace: bool = True,
    ) -> None:
        """Build the pair.

        Args:
            in_channels: width of the input.
            out_channels: width of the output.
            stride: of the depthwise convolution.
            dilation: of the depthwise convolution.
            relu_first: one ReLU on the input instead of one after each normalisation.
            inplace: whether that ReLU may overwrite the input.
        """
        super().__init__()
        self.relu = nn.ReLU(inplace) if relu_first else None
        layer = ConvBN if relu_first else ConvBNReLU
        self.depthwise = layer(in_channels, in_channels, 3, stride, dilation, in_channels)
        self.pointwise = layer(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/stride, W/stride)``, sizes rounded up."""
        if self.relu is not None:
            x = self.relu(x)
        return self.pointwise(self.depthwise(x))


class XceptionBlock(nn.Module):
    """Three separable convolutions, the last one strided, and a shortcut."""

    def __init__(
        self,
        channels: Sequence[int],
        stride: int = 1,
        shortcut: Shortcut = "conv",
        relu_first: bool = True,
        dilation: int = 1,
    ) -> None:
        """Build the block.

        Args:
            channels: widths of the input and of the three convolutions.
            stride: of the last convolution and of the shortcut's.
            shortcut: a strided 1x1 convolution, the input itself, or none.
            relu_first: as in `SeparableConv`.
            dilation: of the three convolutions.
        """
        super().__init__()
        c0, c1, c2, c3 = channels
        # The shortcut still needs the input, and a decoder the map before the stride.
        self.sep_conv1 = SeparableConv(c0, c1, dilation=dilation, relu_first=relu_first, inplace=False)
        self.sep_conv2 = SeparableConv(c1, c2, dilation=dilation, relu_first=relu_first)
        self.sep_conv3 = SeparableConv(c2, c3, stride, dilation, relu_first, inplace=stride == 1)
        self.adds_input = shortcut == "identity"
        self.shortcut = ConvBN(c0, c3, stride=stride) if shortcut == "conv" else None

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, C0, H, W)`` to the block's output and, where the block has a stride, the map before it."""
        fine = self.sep_conv2(self.sep_conv1(x))
        out = self.sep_conv3(fine)
        if self.shortcut is not None:
            out += self.shortcut(x)
        elif self.adds_input:
            out += x
        return out, fine

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C0, H, W)`` to ``(N, C3, H/stride, W/stride)``, sizes rounded up."""
        return self.both(x)[0]


class Xception65(nn.Module):
    """Entry flow, sixteen units of middle flow, exit flow.

    Attributes:
        channels: widths of the four maps that it returns.
    """

    channels = (256, 728, 728, 2048)

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.stem = nn.Sequential(ConvBNReLU(3, 32, 3, 2), ConvBNReLU(32, 64, 3))
        self.block1 = XceptionBlock((64, 128, 128, 128), stride=2)
        self.block2 = XceptionBlock((128, 256, 256, 256), stride=2)
        self.block3 = XceptionBlock((256, 728, 728, 728), stride=2)
        self.middle = nn.Sequential(*(XceptionBlock((728,) * 4, shortcut="identity") for _ in range(16)))
        self.block20 = XceptionBlock((728, 728, 1024, 1024), stride=2)
        self.block21 = XceptionBlock((1024, 1536, 1536, 2048), shortcut="none", relu_first=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps at strides 4, 8, 16 and 32.

        The first two are the maps within blocks 2 and 3, before their strides.
        """
        x, c2 = self.block2.both(self.block1(self.stem(x)))
        x, c3 = self.block3.both(x)
        c4 = self.middle(x)
        return c2, c3, c4, self.block21(self.block20(c4))
