"""Xception-71 (Chollet, CVPR 2017; aligned for segmentation by Chen et al., ECCV 2018) at output stride 8.

Public code: NVIDIA/semantic-segmentation@7726b144c2cc (``network/xception.py``), whose key names are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn


class SeparableConv(nn.Sequential):
    """Depthwise 3x3 convolution, batch normalisation, pointwise convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        """Map `in_channels` to `out_channels`; stride and dilation are the depthwise convolution's."""
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(
                    in_channels, in_channels, 3, stride, dilation, dilation, groups=in_channels, bias=False
                ),
                bn=nn.BatchNorm2d(in_channels),
                pointwise=nn.Conv2d(in_channels, out_channels, 1, bias=False),
            )
        )


class Block(nn.Module):
    """Separable convolutions, each normalised, with ReLUs between them and a shortcut.

    Where the block begins with a ReLU the shortcut takes the rectified map, too: the public code rectifies in place.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        stride: int = 1,
        dilations: Sequence[int] = (1, 1, 1),
        start_with_relu: bool = True,
    ) -> None:
        """Build the block.

        Args:
            in_channels: width of the input.
            widths: outputs of the convolutions in turn.
            stride: of the last convolution, and of the shortcut.
            dilations: of the convolutions in turn.
            start_with_relu: whether a ReLU comes first.
        """
        super().__init__()
        self.relu = nn.ReLU(inplace=True) if start_with_relu else None
        # Children are numbered as in the public code, where a first ReLU is number 0.
        self.rep = nn.Sequential()
        number = 1 if start_with_relu else 0
        width = in_channels
        for index, out_channels in enumerate(widths):
            last = index == len(widths) - 1
            self.rep.add_module(
                str(number), SeparableConv(width, out_channels, stride if last else 1, dilations[index])
            )
            self.rep.add_module(str(number + 1), nn.BatchNorm2d(out_channels))
            if not last:
                self.rep.add_module(str(number + 2), nn.ReLU(inplace=True))
            number += 3
            width = out_channels
        projected = stride > 1 or in_channels != width
        self.skip = nn.Conv2d(in_channels, width, 1, stride, bias=False) if projected else None
        self.skipbn = nn.BatchNorm2d(width) if projected else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, widths[-1], H/stride, W/stride)``; `x` itself is rectified."""
        if self.relu is not None:
            x = self.relu(x)
        out = self.rep(x)
        out += x if self.skip is None or self.skipbn is None else self.skipbn(self.skip(x))
        return out


class Xception71(nn.Module):
    """Entry flow to stride 8, sixteen middle blocks dilated by 2, exit flow dilated by 2 and 4.

    Attributes:
        channels: widths of the two maps returned.
    """

    channels = (64, 2048)

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(32, 64, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.block1 = Block(64, (128, 128, 128), stride=2, start_with_relu=False)
        self.block2 = Block(128, (256, 256), start_with_relu=False)
        self.block3 = Block(256, (728, 728, 728), stride=2)
        for number in range(4, 20):
            self.add_module(f"block{number}", Block(728, (728, 728, 728), dilations=(2, 2, 2)))
        self.block20 = Block(728, (728, 1024, 1024), dilations=(2, 2, 1))
        self.conv3 = SeparableConv(1024, 1536, dilation=4)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv(1536, 1536, dilation=4)
        self.bn4 = nn.BatchNorm2d(1536)
        self.conv5 = SeparableConv(1536, 2048, dilation=4)
        self.bn5 = nn.BatchNorm2d(2048)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps of 64 channels at stride 2 and 2048 channels at stride 8."""
        x = self.relu(self.bn1(self.conv1(x)))
        low_level = self.relu(self.bn2(self.conv2(x)))
        x = self.block2(self.relu(self.block1(low_level)))
        for number in range(3, 21):
            x = self.get_submodule(f"block{number}")(x)
        x = self.relu(self.bn3(self.conv3(self.relu(x))))
        x = self.relu(self.bn4(self.conv4(x)))
        return low_level, self.relu(self.bn5(self.conv5(x)))
