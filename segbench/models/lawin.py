"""Lawin Transformer.

Yan et al., "Lawin Transformer: Improving Semantic Segmentation Transformer with Multi-Scale Representations via Large
Window Attention", arXiv 2201.01615, 2022.

A Mix Transformer encoder and LawinASPP: windows of 8x8 positions attend to the same number of positions, pooled from
windows two, four and eight times as large around them, beside a shortcut and the pooled image.

Public code: yan-hao-tian/lawin@0fe2ffa7b418 (``lawin_head.py``; non-commercial), which is the decoder alone. It pools
each large window by itself; the pooled positions of all windows lie on one grid, so here the whole map is pooled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.mit import MMSEG_RENAMES, MixTransformer, split_attention, to_map, to_tokens
from segbench.models.base import Network, StateDict, resize
from segbench.models.layers import ConvBN, ConvBNReLU

WINDOW = 8
CHANNELS = 512
EMBED_CHANNELS = 768
LOW_LEVEL_CHANNELS = 48


def windows(x: Tensor, stride: int = WINDOW) -> Tensor:
    """Windows of 8x8 positions at `stride`: ``(N, C, H, W)`` to ``(N * windows, C, 8, 8)``, row by row."""
    cut = x.unfold(2, WINDOW, stride).unfold(3, WINDOW, stride)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def joined(x: Tensor, size: Sequence[int]) -> Tensor:
    """Adjoining windows ``(N * windows, C, 8, 8)`` as the map ``(N, C, *size)`` that they cover."""
    rows, columns = size[0] // WINDOW, size[1] // WINDOW
    return x.unflatten(0, (-1, rows, columns)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


class Context(nn.Module):
    """The surroundings of each window, `ratio` times as large, pooled to as many positions as the window has."""

    def __init__(self, ratio: int) -> None:
        """Build the pooling for `ratio` 2, 4 or 8."""
        super().__init__()
        self.ratio = ratio
        self.padding = (ratio - 1) * WINDOW // 2
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to one context ``(C, 8, 8)`` per window, ``(N * windows, C, 8, 8)``."""
        # The zeros around the map take part in both poolings, as in the reference.
        x = F.pad(x, (self.padding,) * 4)
        pooled = 0.5 * (F.max_pool2d(x, self.ratio) + F.avg_pool2d(x, self.ratio))
        pooled = self.norm(pooled.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return windows(pooled, WINDOW // self.ratio)


class LargeWindowAttention(nn.Module):
    """Attention of a window's positions to those of its context, after mixing the context's positions in each head."""

    def __init__(self, heads: int) -> None:
        """Build the attention; each head works on its share of half the channels."""
        super().__init__()
        self.heads = heads
        inner = CHANNELS // 2
        self.scale = (inner // heads) ** -0.5
        self.g = nn.Conv2d(CHANNELS, inner, 1)
        self.theta = nn.Conv2d(CHANNELS, inner, 1)
        self.phi = nn.Conv2d(CHANNELS, inner, 1)
        self.conv_out = ConvBN(inner, CHANNELS)
        self.position_mixing = nn.ModuleList(nn.Linear(WINDOW**2, WINDOW**2) for _ in range(heads))

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Windows and their contexts, both ``(N, 512, 8, 8)``, to windows of the same shape."""
        flat = context.flatten(2)
        parts = zip(self.position_mixing, flat.chunk(self.heads, dim=1), strict=True)
        context = (flat + torch.cat([mix(part) for mix, part in parts], dim=1)).unflatten(2, (WINDOW, WINDOW))

        def split(x: Tensor) -> Tensor:
            return x.flatten(2).unflatten(1, (self.heads, -1))

        theta, phi, g = split(self.theta(query) * self.scale), split(self.phi(context)), split(self.g(context))
        attention = (theta.transpose(2, 3) @ phi).softmax(-1)
        attended = (g @ attention.transpose(2, 3)).flatten(1, 2).unflatten(2, (WINDOW, WINDOW))
        return query + self.conv_out(attended)


class LawinASPP(nn.Module):
    """Shortcut, pooled image, and large window attention at ratios 8, 4 and 2, joined."""

    def __init__(self) -> None:
        """Build the pyramid; a head per squared ratio, so that mixing sees as many positions as the window has."""
        super().__init__()
        self.short_path = ConvBNReLU(CHANNELS, CHANNELS)
        self.image_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBNReLU(CHANNELS, CHANNELS))
        ratios = (8, 4, 2)
        self.contexts = nn.ModuleList(Context(ratio) for ratio in ratios)
        self.attentions = nn.ModuleList(LargeWindowAttention(ratio**2) for ratio in ratios)
        self.cat = ConvBNReLU(5 * CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 512, H, W)`` to the same shape; H and W are multiples of 8."""
        size = x.shape[-2:]
        query = windows(x)
        maps = [self.short_path(x), resize(self.image_pool(x), size)]
        for context, attention in zip(self.contexts, self.attentions, strict=True):
            maps.append(joined(attention(query, context(x)), size))
        return self.cat(torch.cat(maps, dim=1))


class LawinDecoder(nn.Module):
    """The three deeper maps fused at stride 8, LawinASPP, and the finest map added before the classifier."""

    def __init__(self, in_channels: Sequence[int], num_classes: int) -> None:
        """Build the decoder; `in_channels` are the widths of the four maps, finest first."""
        super().__init__()
        c1, c2, c3, c4 = in_channels
        self.linear_c4 = nn.Linear(c4, EMBED_CHANNELS)
        self.linear_c3 = nn.Linear(c3, EMBED_CHANNELS)
        self.linear_c2 = nn.Linear(c2, EMBED_CHANNELS)
        self.linear_c1 = nn.Linear(c1, LOW_LEVEL_CHANNELS)
        self.linear_fuse = ConvBNReLU(3 * EMBED_CHANNELS, CHANNELS)
        self.aspp = LawinASPP()
        self.low_level_fuse = ConvBNReLU(CHANNELS + LOW_LEVEL_CHANNELS, CHANNELS)
        self.conv_seg = nn.Conv2d(CHANNELS, num_classes, 1)

    def forward(self, c1: Tensor, c2: Tensor, c3: Tensor, c4: Tensor) -> Tensor:
        """Four maps to class scores ``(N, num_classes, H, W)`` at the size of `c1`."""
        size = c2.shape[-2:]

        def project(linear: nn.Linear, x: Tensor) -> Tensor:
            return to_map(linear(to_tokens(x)), (x.shape[2], x.shape[3]))

        deep = (
            resize(project(self.linear_c4, c4), size),
            resize(project(self.linear_c3, c3), size),
            project(self.linear_c2, c2),
        )
        x = self.aspp(self.linear_fuse(torch.cat(deep, dim=1)))
        x = torch.cat((resize(x, c1.shape[-2:]), project(self.linear_c1, c1)), dim=1)
        return self.conv_seg(self.low_level_fuse(x))


class Lawin(Network):
    """Mix Transformer encoder and LawinASPP decoder."""

    # Windows of 8x8 positions must cover the map of stride 8.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMSEG_RENAMES,
        (r"^decode_head\.linear_c(\d)\.proj\.", r"decode_head.linear_c\1."),
        *(
            pair
            for index, ratio in enumerate((8, 4, 2))
            for pair in (
                (rf"^decode_head\.lawin_{ratio}\.", f"decode_head.aspp.attentions.{index}."),
                (rf"^decode_head\.ds_{ratio}\.", f"decode_head.aspp.contexts.{index}."),
            )
        ),
        (r"\.(g|theta|phi)\.conv\.", r".\1."),
        (r"^decode_head\.(short_path|image_pool|cat)\.", r"decode_head.aspp.\1."),
    )

    def __init__(self, depths: Sequence[int], num_classes: int = 19) -> None:
        """Build the network; `depths` are the blocks per stage of the encoder."""
        super().__init__()
        self.backbone = MixTransformer((64, 128, 320, 512), depths, eps=1e-6, merging_eps=1e-6)
        self.decode_head = LawinDecoder(self.backbone.channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``."""
        return self.decode_head(*self.backbone(x))

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The state dict of the authors' decoder on mmsegmentation's encoder, under our keys."""
        return super().from_reference(split_attention(state))


def lawin(num_classes: int = 19) -> Lawin:
    """Lawin with MiT-B5: 87,432,707 parameters at 19 classes."""
    return Lawin((3, 6, 40, 3), num_classes)


def lawin_mit_b2(num_classes: int = 19) -> Lawin:
    """Lawin with MiT-B2: 30,185,987 parameters at 19 classes."""
    return Lawin((3, 4, 6, 3), num_classes)
