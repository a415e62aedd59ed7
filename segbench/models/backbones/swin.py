"""Swin Transformer (Liu et al., "Hierarchical Vision Transformer using Shifted Windows", ICCV 2021, section 3).

Source: the port of mmsegmentation 1.2.2 (``swin.py``), whose patch merging orders its channels unlike the authors'
microsoft/Swin-Transformer: by channel first, then by position.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 7
SHIFT = WINDOW // 2
MLP_RATIO = 4
# Added before the softmax where two positions of a window were no neighbours before the shift.
MASKED = -100.0


def padded(x: Tensor, multiple: int) -> Tensor:
    """``(N, H, W, C)`` with zeros at the bottom and at the right, up to multiples of `multiple`."""
    below, right = -x.shape[1] % multiple, -x.shape[2] % multiple
    return F.pad(x, (0, 0, 0, right, 0, below)) if below or right else x


def partition(x: Tensor) -> Tensor:
    """Map ``(N, H, W, C)`` to windows of 7x7 positions, ``(N * windows, 49, C)``."""
    x = x.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW))
    return x.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def reverse(windows: Tensor, height: int, width: int) -> Tensor:
    """Windows ``(N * windows, 49, C)`` to the map ``(N, height, width, C)``."""
    x = windows.unflatten(1, (WINDOW, WINDOW)).unflatten(0, (-1, height // WINDOW, width // WINDOW))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def shift_mask(x: Tensor) -> Tensor:
    """What keeps apart the positions of a shifted map ``(N, H, W, C)`` that met at its border.

    Returns:
        A summand of the attention's products, ``(windows, 49, 49)``.
    """

    def region(size: int) -> Tensor:
        position = torch.arange(size, device=x.device)
        return (position >= size - WINDOW).int() + (position >= size - SHIFT).int()

    regions = 3 * region(x.shape[1])[:, None] + region(x.shape[2])
    ids = partition(regions[None, :, :, None]).squeeze(2)
    apart = ids[:, None, :] != ids[:, :, None]
    return torch.zeros(apart.shape, dtype=x.dtype, device=x.device).masked_fill(apart, MASKED)


def relative_positions() -> Tensor:
    """For each pair of positions in a window, the row of the bias table, ``(49 * 49,)``."""
    rows = torch.arange(WINDOW).repeat_interleave(WINDOW)
    columns = torch.arange(WINDOW).repeat(WINDOW)
    down = rows[:, None] - rows + WINDOW - 1
    right = columns[:, None] - columns + WINDOW - 1
    return (down * (2 * WINDOW - 1) + right).flatten()


class WindowAttention(nn.Module):
    """Self-attention within a window, with a learned bias for each relative position (equation 4)."""

    def __init__(self, channels: int, heads: int) -> None:
        """Build the projections and the bias table."""
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_positions(), persistent=False)
        self.relative_position_index: Tensor
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Windows ``(N * windows, 49, channels)`` to the same shape; `mask` is ``(windows, 49, 49)``."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        products = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index].unflatten(0, (WINDOW**2, -1))
        products = products + bias.permute(2, 0, 1)
        if mask is not None:
            products = (products.unflatten(0, (-1, mask.shape[0])) + mask[:, None]).flatten(0, 1)
        return self.proj((products.softmax(-1) @ v).transpose(1, 2).flatten(2))


class SwinBlock(nn.Module):
    """Window attention and a perceptron, each after a normalisation and with a shortcut (equation 3)."""

    def __init__(self, channels: int, heads: int, shifts: bool) -> None:
        """Build the block; `shifts` moves the windows by half their size."""
        super().__init__()
        self.shifts = shifts
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, MLP_RATIO * channels), nn.GELU(), nn.Linear(MLP_RATIO * channels, channels)
        )

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Window attention over a normalised map ``(N, H, W, channels)``; `mask` applies to shifted windows."""
        height, width = x.shape[1], x.shape[2]
        x = padded(x, WINDOW)
        size = x.shape[1], x.shape[2]
        if self.shifts:
            x = x.roll((-SHIFT, -SHIFT), (1, 2))
        x = reverse(self.attn(partition(x), mask if self.shifts else None), *size)
        if self.shifts:
            x = x.roll((SHIFT, SHIFT), (1, 2))
        return x[:, :height, :width]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``(N, H, W, channels)`` to the same shape; `mask` as in `shift_mask`."""
        x = x + self.attend(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Two by two positions joined, normalised and projected; odd sizes are padded with zeros."""

    def __init__(self, channels: int) -> None:
        """Map `channels` to twice as many."""
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, H, W, channels)`` to ``(N, H/2, W/2, 2 * channels)``, sizes rounded up."""
        x = F.pixel_unshuffle(padded(x, 2).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return self.reduction(self.norm(x))


class SwinTransformer(nn.Module):
    """Swin Transformer encoder: four stages of blocks at strides 4, 8, 16 and 32.

    Attributes:
        channels: output widths of the four stages.
    """

    patch = 4

    def __init__(self, channels: int, depths: Sequence[int], heads: Sequence[int]) -> None:
        """Build the encoder.

        Args:
            channels: width of the first stage; each further one has twice as many.
            depths: blocks per stage.
            heads: attention heads per stage.
        """
        super().__init__()
        self.channels = tuple(channels * 2**index for index in range(4))
        self.patch_embed = nn.Conv2d(3, channels, self.patch, self.patch)
        self.patch_norm = nn.LayerNorm(channels)
        self.stages = nn.ModuleList(
            nn.ModuleList(SwinBlock(width, heads[index], position % 2 == 1) for position in range(depths[index]))
            for index, width in enumerate(self.channels)
        )
        self.merges = nn.ModuleList(PatchMerging(width) for width in self.channels[:-1])
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages ``(N, C, h, w)``, sizes rounded up."""
        below, right = -x.shape[2] % self.patch, -x.shape[3] % self.patch
        if below or right:
            x = F.pad(x, (0, right, 0, below))
        x = self.patch_norm(self.patch_embed(x).permute(0, 2, 3, 1))
        maps = []
        for index, (blocks, norm) in enumerate(zip(self.stages, self.norms, strict=True)):
            if index:
                x = self.merges[index - 1](x)
            mask = shift_mask(padded(x, WINDOW))
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, mask)
            maps.append(norm(x).permute(0, 3, 1, 2))
        return maps
