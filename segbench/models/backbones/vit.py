"""Vision Transformer (ViT; Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021) as SETR uses it.

Source: the port of mmsegmentation 1.2.2 (``vit.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.mit import to_map, to_tokens
from segbench.models.base import resize

EPS = 1e-6
MLP_RATIO = 4


class SelfAttention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, channels: int, heads: int) -> None:
        """Build the projections."""
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``(N, L, channels)`` to tokens of the same shape."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attention = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((attention @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and a perceptron, each after a normalisation and with a shortcut."""

    def __init__(self, channels: int, heads: int) -> None:
        """Build the layer."""
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=EPS)
        self.attn = SelfAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=EPS)
        self.mlp = nn.Sequential(
            nn.Linear(channels, MLP_RATIO * channels), nn.GELU(), nn.Linear(MLP_RATIO * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``(N, L, channels)`` to tokens of the same shape."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 16x16 pixels and a class token, with learned positions, through transformer layers.

    There is no normalisation after the last layer.
    """

    patch = 16

    def __init__(self, channels: int, depth: int, heads: int, grid: Sequence[int]) -> None:
        """Build the encoder.

        Args:
            channels: width of the tokens.
            depth: number of layers.
            heads: attention heads.
            grid: rows and columns of patches for which the positions are learned.
        """
        super().__init__()
        self.grid = tuple(grid)
        self.patch_embed = nn.Conv2d(3, channels, self.patch, self.patch, bias=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], channels))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.layers = nn.Sequential(*(Layer(channels, heads) for _ in range(depth)))

    def positions(self, rows: int, columns: int) -> Tensor:
        """Positions of the class token and of a grid of patches, ``(1, 1 + rows * columns, channels)``.

        Other grids than the learned one are resized to; a grid that has merely as many patches is not, as in the port.
        """
        if rows * columns == self.grid[0] * self.grid[1]:
            return self.pos_embed
        learned = to_map(self.pos_embed[:, 1:], (self.grid[0], self.grid[1]))
        return torch.cat((self.pos_embed[:, :1], to_tokens(resize(learned, (rows, columns)))), dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Image ``(N, 3, H, W)`` to the tokens of the patches ``(N, h * w, channels)`` and ``(h, w)``.

        Sizes that 16 does not divide are padded with zeros at the bottom and at the right.
        """
        height, width = x.shape[2], x.shape[3]
        below, right = -height % self.patch, -width % self.patch
        if below or right:
            x = F.pad(x, (0, right, 0, below))
        x = self.patch_embed(x)
        rows, columns = x.shape[2], x.shape[3]
        tokens = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), to_tokens(x)), dim=1)
        tokens = self.layers(tokens + self.positions(rows, columns))
        return tokens[:, 1:], (rows, columns)
