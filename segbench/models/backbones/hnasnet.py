"""HNASNet, the searched trunk of Auto-DeepLab (Liu et al., CVPR 2019).

Twelve cells of one searched form (figure 3) on the searched path of resolutions (figure 1), behind a stem at stride 4.

Source: tensorflow/models@fb7472a4a9e6 (``research/deeplab/core/nas_network.py`` and ``nas_cell.py``), the authors' own.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import resize
from segbench.models.layers import ConvBN, ConvBNReLU

BN_EPS = 1e-3
# Cell n has stride 4 * 2**LEVELS[n] and the filter multiplier times 2**LEVELS[n] channels in each block.
LEVELS = (0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
LOW_LEVEL_CELL = 2

# The searched cell: both branches of each block, as (input, operation, kernel). Inputs 0 and 1 are the outputs of the
# previous cell and of the one before it, 2 to 5 the blocks in turn.
Branch = tuple[int, str, int]
BLOCKS: tuple[tuple[Branch, Branch], ...] = (
    ((1, "atrous", 5), (0, "separable", 3)),
    ((1, "separable", 3), (0, "atrous", 3)),
    ((3, "separable", 3), (1, "separable", 3)),
    ((4, "separable", 5), (2, "separable", 5)),
    ((3, "separable", 5), (5, "atrous", 5)),
)


def _halved(size: torch.Size) -> tuple[int, int]:
    """The size of every second pixel, corners included; sizes are odd."""
    return (size[-2] - 1) // 2 + 1, (size[-1] - 1) // 2 + 1


def _doubled(size: torch.Size) -> tuple[int, int]:
    """The size with a pixel between every two."""
    return 2 * (size[-2] - 1) + 1, 2 * (size[-1] - 1) + 1


class SeparableStep(nn.Module):
    """ReLU, depthwise and pointwise convolution, batch normalisation."""

    def __init__(self, channels: int, kernel_size: int, stride: int = 1) -> None:
        """Keep `channels`; the depthwise convolution has kernel and stride."""
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel_size, stride, kernel_size // 2, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, H/stride, W/stride)``, sizes rounded up."""
        return self.bn(self.pointwise(self.depthwise(F.relu(x))))


class SeparableConv(nn.Module):
    """Two separable steps, the first with the stride."""

    def __init__(self, channels: int, kernel_size: int, stride: int) -> None:
        """Keep `channels`."""
        super().__init__()
        self.first = SeparableStep(channels, kernel_size, stride)
        self.second = SeparableStep(channels, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, H/stride, W/stride)``, sizes rounded up."""
        return self.second(self.first(x))


class AtrousConv(nn.Module):
    """ReLU, convolution dilated by 2, batch normalisation; a stride is a resize instead, without dilation."""

    def __init__(self, channels: int, kernel_size: int, stride: int) -> None:
        """Keep `channels`."""
        super().__init__()
        self.halves = stride == 2
        dilation = 1 if self.halves else 2
        padding = dilation * (kernel_size // 2)
        self.conv = nn.Conv2d(channels, channels, kernel_size, padding=padding, dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C, H/stride, W/stride)``, sizes rounded up."""
        x = F.relu(x)
        if self.halves:
            x = resize(x, _halved(x.shape), align_corners=True)
        return self.bn(self.conv(x))


class Block(nn.Module):
    """The sum of two branches."""

    def __init__(self, branches: tuple[Branch, Branch], channels: int, stride: int) -> None:
        """Build the branches; one from a cell input has the cell's stride."""
        super().__init__()
        self.inputs = tuple(source for source, _, _ in branches)
        self.left, self.right = (
            (AtrousConv if operation == "atrous" else SeparableConv)(channels, kernel, stride if source < 2 else 1)
            for source, operation, kernel in branches
        )

    def forward(self, states: list[Tensor]) -> Tensor:
        """Cell inputs and earlier blocks, ``(N, C, ...)`` each, to ``(N, C, H, W)`` at the cell's size."""
        left, right = self.inputs
        return self.left(states[left]) + self.right(states[right])


class Cell(nn.Module):
    """Five blocks over the two cells before, concatenated (figure 3)."""

    def __init__(self, in_channels: int, previous_channels: int, channels: int, step: int) -> None:
        """Build the cell.

        Args:
            in_channels: width of the output of the cell before.
            previous_channels: width of the output of the cell before that.
            channels: width of each block.
            step: 1 for a level down in resolution, 0 for the same, -1 for a level up.
        """
        super().__init__()
        self.doubles = step < 0
        self.current = ConvBN(in_channels, channels, eps=BN_EPS)
        self.previous = ConvBN(previous_channels, channels, eps=BN_EPS)
        self.blocks = nn.ModuleList(Block(branches, channels, 2 if step > 0 else 1) for branches in BLOCKS)

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        """Outputs of the last two cells to ``(N, 5 * channels, H, W)``."""
        if self.doubles:
            x = resize(x, _doubled(x.shape), align_corners=True)
        previous = resize(previous, x.shape[-2:], align_corners=True)
        states = [self.current(F.relu(x)), self.previous(F.relu(previous))]
        for block in self.blocks:
            states.append(block(states))
        return torch.cat(states[2:], dim=1)


class HNASNet(nn.Module):
    """Stem and cells.

    Attributes:
        channels: widths of the two maps that it returns.
    """

    def __init__(self, filters: int) -> None:
        """Build the trunk; `filters` is the filter multiplier."""
        super().__init__()
        self.conv0 = ConvBNReLU(3, 64, 3, stride=2, eps=BN_EPS)
        self.conv1 = ConvBN(64, 64, 3, eps=BN_EPS)
        self.conv2 = ConvBN(64, 128, 3, stride=2, eps=BN_EPS)
        widths = [filters * 2**level for level in LEVELS]
        outputs = [64, 128, *(len(BLOCKS) * width for width in widths)]
        steps = [after - before for before, after in pairwise((0, *LEVELS))]
        self.cells = nn.ModuleList(
            Cell(outputs[number + 1], outputs[number], width, step)
            for number, (width, step) in enumerate(zip(widths, steps, strict=True))
        )
        self.channels = (outputs[2 + LOW_LEVEL_CELL], outputs[-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(N, 3, H, W)``, sides 32k + 1, to the maps of cell 2 and the last cell, at strides 4 and 8."""
        previous = self.conv1(self.conv0(x))
        x = self.conv2(F.relu(previous))
        low_level = x
        for number, cell in enumerate(self.cells):
            previous, x = x, cell(x, previous)
            if number == LOW_LEVEL_CELL:
                low_level = x
        return low_level, F.relu(x)
