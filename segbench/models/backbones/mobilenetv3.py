"""MobileNetV3 (Howard et al., "Searching for MobileNetV3", ICCV 2019) without classifier: the last map, at stride 32.

Tables 1 and 2 of the paper, in the widespread form of d-li14/mobilenetv3.pytorch (classes and keys as in
dronefreak/CABiNet@abfff8a5a0ec, ``mobilenetv3.py``): a block squeezes to a multiple of 8, and the one that does not
expand has its activation before squeeze-and-excitation, the others after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from segbench.models.backbones.efficientnet import scale_channels
from segbench.models.layers import SqueezeExcitation, conv_bn

STEM_CHANNELS = 16


class Row(NamedTuple):
    """A row of the paper's tables: kernel, width between, output width, squeeze-and-excitation, h-swish, stride."""

    kernel_size: int
    hidden: int
    channels: int
    attention: bool
    hard_swish: bool
    stride: int


LARGE = (
    Row(3, 16, 16, False, False, 1),
    Row(3, 64, 24, False, False, 2),
    Row(3, 72, 24, False, False, 1),
    Row(5, 72, 40, True, False, 2),
    Row(5, 120, 40, True, False, 1),
    Row(5, 120, 40, True, False, 1),
    Row(3, 240, 80, False, True, 2),
    Row(3, 200, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 184, 80, False, True, 1),
    Row(3, 480, 112, True, True, 1),
    Row(3, 672, 112, True, True, 1),
    Row(5, 672, 160, True, True, 2),
    Row(5, 960, 160, True, True, 1),
    Row(5, 960, 160, True, True, 1),
)
SMALL = (
    Row(3, 16, 16, True, False, 2),
    Row(3, 72, 24, False, False, 2),
    Row(3, 88, 24, False, False, 1),
    Row(5, 96, 40, True, True, 2),
    Row(5, 240, 40, True, True, 1),
    Row(5, 240, 40, True, True, 1),
    Row(5, 120, 48, True, True, 1),
    Row(5, 144, 48, True, True, 1),
    Row(5, 288, 96, True, True, 2),
    Row(5, 576, 96, True, True, 1),
    Row(5, 576, 96, True, True, 1),
)


class InvertedResidual(nn.Module):
    """Expansion, depth-wise convolution, squeeze-and-excitation, projection (figure 4)."""

    def __init__(self, in_channels: int, row: Row) -> None:
        super().__init__()
        expands = in_channels != row.hidden
        activation = nn.Hardswish(inplace=True) if row.hard_swish else nn.ReLU(inplace=True)
        attention: nn.Module = nn.Identity()
        if row.attention:
            gate = nn.Hardsigmoid(inplace=True)
            attention = SqueezeExcitation(row.hidden, scale_channels(row.hidden, 0.25), gate=gate)
        self.conv = nn.Sequential(
            *((*conv_bn(in_channels, row.hidden, 1), activation) if expands else ()),
            *conv_bn(row.hidden, row.hidden, row.kernel_size, row.stride, groups=row.hidden),
            *((attention, activation) if expands else (activation, attention)),
            *conv_bn(row.hidden, row.channels, 1),
        )
        self.has_shortcut = row.stride == 1 and in_channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, row.channels, H/stride, W/stride)``."""
        out: Tensor = self.conv(x)
        if self.has_shortcut:
            out += x
        return out


class MobileNetV3(nn.Module):
    """MobileNetV3 trunk.

    Attributes:
        channels: width of the map returned, the hidden width of the last block.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        """Build the trunk from `LARGE` or `SMALL`."""
        super().__init__()
        width = STEM_CHANNELS
        layers: list[nn.Module] = [nn.Sequential(*conv_bn(3, width, 3, 2), nn.Hardswish(inplace=True))]
        for row in rows:
            layers.append(InvertedResidual(width, row))
            width = row.channels
        self.channels = rows[-1].hidden
        self.features = nn.Sequential(*layers)
        self.conv = nn.Sequential(*conv_bn(width, self.channels, 1), nn.Hardswish(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, channels, H/32, W/32)``, sides rounded up."""
        return self.conv(self.features(x))
