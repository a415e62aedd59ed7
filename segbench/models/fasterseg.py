"""FasterSeg (Chen et al., "Searching for Faster Real-time Semantic Segmentation", ICLR 2020).

Two branches of searched cells start at stride 8 and end at strides 32 and 16; their first cells are shared (figure 1).
A cell is one of the operators of section 3.1: one or two 3x3 convolutions, plain or zoomed. The decoder brings both
branches back to stride 8 and joins them (figure 6).

Public code: VITA-Group/FasterSeg@478b0265 (``model_seg.py``, ``operations.py``), with the architectures that its search
found: ``arch_1`` is the published network, ``arch_0`` the teacher from which it was distilled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from segbench.models.base import Network, StateDict, resize
from segbench.models.layers import ConvBNReLU, conv_bn

# Width of a map at stride s is s times this, times the width factor that the search chose.
FILTERS = 12


def filters(stride: int, width: float) -> int:
    """Channels of a map at `stride` under the width factor `width`."""
    return round(stride * FILTERS * width)


class Convs(nn.Module):
    """One or two 3x3 convolutions, each with batch normalisation and ReLU, without a shortcut."""

    def __init__(self, in_channels: int, channels: int, convs: int, stride: int = 1) -> None:
        """Build `convs` convolutions (1 or 2); the first has the stride."""
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 3, stride)
        self.twice = convs == 2
        if self.twice:
            self.conv2, self.bn2 = conv_bn(channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``, sizes rounded up."""
        x = self.bn1(self.conv1(x))
        if self.twice:
            x = self.bn2(self.conv2(self.relu(x)))
        return self.relu(x)


class ZoomedConvs(Convs):
    """The convolutions of `Convs` at half the size: bilinear down-sampling before, at stride 1 up-sampling after."""

    def __init__(self, in_channels: int, channels: int, convs: int, stride: int = 1) -> None:
        """Build `convs` convolutions (1 or 2); at stride 2 the map stays at half the size."""
        super().__init__(in_channels, channels, convs)
        self.zooms_back = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``, sizes rounded down."""
        size = x.shape[-2:]
        x = self.bn1(self.conv1(resize(x, (size[0] // 2, size[1] // 2), align_corners=True)))
        if self.twice:
            x = self.bn2(self.conv2(self.relu(x)))
        if self.zooms_back:
            x = resize(x, size, align_corners=True)
        return self.relu(x)


class Cell(NamedTuple):
    """One searched cell: its operator, stride and output width.

    The operator is named by its convolutions: ``"conv"``, ``"conv2"``, ``"zoom"`` or ``"zoom2"``.
    """

    operator: str
    channels: int
    stride: int = 1

    def build(self, in_channels: int) -> Convs:
        """The module, fed with `in_channels`."""
        convs = 2 if self.operator.endswith("2") else 1
        kind = ZoomedConvs if self.operator.startswith("zoom") else Convs
        return kind(in_channels, self.channels, convs, self.stride)


def cell_widths(in_channels: int, cells: Sequence[Cell]) -> list[int]:
    """What each cell is fed with, when the first one is fed with `in_channels`."""
    return [in_channels, *(cell.channels for cell in cells[:-1])]


def build_cells(in_channels: int, cells: Sequence[Cell]) -> list[Convs]:
    """The modules of cells in turn."""
    return [cell.build(width) for cell, width in zip(cells, cell_widths(in_channels, cells), strict=True)]


class Branch(nn.Module):
    """Cells in turn; the map before each cell of stride 2 is kept for the decoder.

    Attributes:
        kept: widths of the maps that are kept, finest first.
    """

    def __init__(self, in_channels: int, cells: Sequence[Cell]) -> None:
        """Build the cells."""
        super().__init__()
        self.cells = nn.ModuleList(build_cells(in_channels, cells))
        self.strided = tuple(cell.stride == 2 for cell in cells)
        self.kept = tuple(
            width for width, strided in zip(cell_widths(in_channels, cells), self.strided, strict=True) if strided
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, in_channels, H, W)`` to the last map of each scale, finest first."""
        maps = []
        for cell, strided in zip(self.cells, self.strided, strict=True):
            if strided:
                maps.append(x)
            x = cell(x)
        return [*maps, x]


class Architecture(NamedTuple):
    """What the search found: widths of the stem and of the decoder, and the cells.

    Attributes:
        width: width factor of the stem and of the last cells of both branches.
        shared: cells at stride 8 that both branches begin with.
        branch32: cells of the branch that ends at stride 32.
        branch16: cells of the branch that ends at stride 16.
    """

    width: float
    shared: tuple[Cell, ...]
    branch32: tuple[Cell, ...]
    branch16: tuple[Cell, ...]


STUDENT = Architecture(
    width=2 / 3,
    shared=(Cell("conv2", 32), Cell("conv2", 32), Cell("zoom2", 32)),
    branch32=(
        Cell("zoom", 128, stride=2),
        *(Cell("zoom2", 64), Cell("zoom2", 64), Cell("zoom2", 64)),
        Cell("zoom2", 128, stride=2),
        *(Cell("zoom2", 128), Cell("zoom2", 256)),
    ),
    branch16=(
        *(Cell("zoom2", 32), Cell("conv2", 32)),
        Cell("conv2", 64, stride=2),
        *(Cell("zoom2", 64), Cell("zoom2", 192), Cell("zoom2", 128)),
    ),
)

TEACHER = Architecture(
    width=1.0,
    shared=(Cell("zoom", 96), *[Cell("zoom2", 96)] * 3),
    branch32=(
        Cell("zoom2", 96),
        Cell("zoom2", 192, stride=2),
        *(Cell("zoom2", 192), Cell("zoom", 192), *[Cell("zoom2", 192)] * 5),
        Cell("zoom2", 384, stride=2),
        *[Cell("conv2", 384)] * 2,
    ),
    branch16=(
        Cell("zoom2", 192, stride=2),
        *(Cell("conv2", 192), Cell("zoom2", 192), Cell("zoom", 192), *[Cell("zoom2", 192)] * 8),
    ),
)


class Merge(nn.Module):
    """One step of the decoder: a 1x1 convolution, up-sampling, and a 3x3 convolution with the finer map beside it."""

    def __init__(self, in_channels: int, finer_channels: int, channels: int) -> None:
        """Build the two convolutions, both of width `channels`."""
        super().__init__()
        self.arm = ConvBNReLU(in_channels, channels)
        self.refine = ConvBNReLU(channels + finer_channels, channels, 3)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        """``(N, in_channels, h, w)`` and ``(N, finer_channels, H, W)`` to ``(N, channels, H, W)``."""
        return self.refine(torch.cat((resize(self.arm(x), finer.shape[-2:], align_corners=True), finer), dim=1))


class FasterSeg(Network):
    """Stem, shared cells, two branches and a decoder at stride 8."""

    align_corners: ClassVar[bool] = True
    # The reference tells a map's stride from the quotient of heights, which must come out as 8, 16 and 32.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^(arms|refines)32\.0\.", r"merge32.\1."),
        (r"^(arms|refines)32\.1\.", r"merge32to8.\1."),
        (r"^(arms|refines)16\.", r"merge16.\1."),
        (r"^(merge\w+)\.arms\.", r"\1.arm."),
        (r"^(merge\w+)\.refines\.", r"\1.refine."),
        (r"^(stem\.0|merge\w+\.\w+)\.conv\.0\.", r"\1.conv."),
        (r"^(stem\.0|merge\w+\.\w+)\.conv\.1\.", r"\1.bn."),
        (r"^ffm\.conv_1x1\.", "ffm."),
        (r"^heads8\.conv_3x3\.", "head.0."),
        (r"^heads8\.conv_1x1\.", "head.1."),
    )
    # The reference returns from its feature fusion before the attention.
    dropped: ClassVar[tuple[str, ...]] = (r"^heads(16|32)\.", r"^ffm\.channel_attention\.")

    def __init__(self, architecture: Architecture, num_classes: int = 19) -> None:
        """Build the network that the search found."""
        super().__init__()
        width = architecture.width
        w8, w16, w32 = (filters(stride, width) for stride in (8, 16, 32))
        half, quarter = 2 * filters(2, width), 2 * filters(4, width)
        self.stem = nn.Sequential(ConvBNReLU(3, half, 3, 2), Convs(half, quarter, 2, 2), Convs(quarter, w8, 2, 2))
        self.shared = nn.Sequential(*build_cells(w8, architecture.shared))
        self.branch32 = Branch(architecture.shared[-1].channels, architecture.branch32)
        self.branch16 = Branch(architecture.shared[-1].channels, architecture.branch16)

        self.merge32 = Merge(w32, self.branch32.kept[1], w16)
        self.merge32to8 = Merge(w16, self.branch32.kept[0], w8)
        self.merge16 = Merge(w16, self.branch16.kept[0], w8)
        self.ffm = ConvBNReLU(2 * w8, 2 * w8)
        self.head = nn.Sequential(ConvBNReLU(2 * w8, 2 * w8, 3), nn.Conv2d(2 * w8, num_classes, 1))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``, up-sampled from stride 8 as the reference does."""
        x = self.shared(self.stem(x))
        fine32, c4, c5 = self.branch32(x)
        deep = self.merge32to8(self.merge32(c5, c4), fine32)
        fine16, c4 = self.branch16(x)
        scores = self.head(self.ffm(torch.cat((deep, self.merge16(c4, fine16)), dim=1)))
        return resize(scores, (8 * scores.shape[2], 8 * scores.shape[3]), align_corners=True)

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The reference's state dict under our keys; it stores the cells that branches share once for each branch."""
        shared = len(self.shared)
        renamed: dict[str, Tensor] = {}
        for key, value in state.items():
            found = re.match(r"cells\.(\d+)-([01])\._op\._op\.(.+)$", key)
            if found is None:
                renamed[key] = value
                continue
            layer, branch, rest = int(found[1]), found[2], found[3]
            if layer >= shared:
                renamed[f"branch{'16' if branch == '1' else '32'}.cells.{layer - shared}.{rest}"] = value
            elif branch == "1":
                renamed[f"shared.{layer}.{rest}"] = value
        return super().from_reference(renamed)


def fasterseg(num_classes: int = 19) -> FasterSeg:
    """FasterSeg, the distilled student: 3,421,875 parameters at 19 classes."""
    return FasterSeg(STUDENT, num_classes)


def fasterseg_teacher(num_classes: int = 19) -> FasterSeg:
    """The teacher, found by the same search without a limit on latency: 22,115,203 parameters at 19 classes."""
    return FasterSeg(TEACHER, num_classes)
