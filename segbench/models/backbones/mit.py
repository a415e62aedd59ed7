"""Mix Transformer (MiT), the encoder of SegFormer (Xie et al., NeurIPS 2021, section 3.1; variants in table 6).

Public code: NVlabs/SegFormer@65fa8cfa9b52 (``mix_transformer.py``), and the port of mmsegmentation 1.2.2 (``mit.py``),
on which the public code of Lawin and DDPS stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

Size = tuple[int, int]

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
MLP_RATIO = 4


def to_tokens(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(N, H * W, C)``."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, size: Size) -> Tensor:
    """``(N, H * W, C)`` to ``(N, C, H, W)``."""
    return tokens.transpose(1, 2).unflatten(2, size)


class OverlapPatchEmbed(nn.Module):
    """Overlapped patch merging: a strided convolution whose patches overlap, and a normalisation."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, stride: int, eps: float = 1e-5) -> None:
        """Map `in_channels` to `channels` at `stride`; `eps` of the normalisation."""
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, kernel_size, stride, kernel_size // 2)
        self.norm = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor) -> tuple[Tensor, Size]:
        """``(N, in_channels, H, W)`` to tokens ``(N, h * w, channels)`` and ``(h, w)``, sizes rounded up."""
        x = self.proj(x)
        return self.norm(to_tokens(x)), (x.shape[2], x.shape[3])


class EfficientSelfAttention(nn.Module):
    """Self-attention whose keys and values come from a map reduced by a strided convolution (equation 2)."""

    def __init__(self, channels: int, heads: int, reduction: int, eps: float = 1e-5) -> None:
        """Build the module; `reduction` is the stride of the reducing convolution, 1 for none; `eps` of its norm."""
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        self.reduces = reduction > 1
        if self.reduces:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Tokens ``(N, H * W, channels)`` of a map of `size` ``(H, W)`` to tokens of the same shape."""
        q = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        reduced = self.norm(to_tokens(self.sr(to_map(x, size)))) if self.reduces else x
        k, v = self.kv(reduced).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        # Scaling the queries instead of the products, as the references do, touches far fewer elements.
        attention = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((attention @ v).transpose(1, 2).flatten(2))


class MixFFN(nn.Module):
    """Feed-forward network with a depthwise 3x3 convolution that stands in for positions (equation 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = MLP_RATIO * channels
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Tokens ``(N, H * W, channels)`` of a map of `size` ``(H, W)`` to tokens of the same shape."""
        x = to_tokens(self.dwconv(to_map(self.fc1(x), size)))
        return self.fc2(self.act(x))


class Block(nn.Module):
    """Attention and Mix-FFN, each after a normalisation and with a shortcut."""

    def __init__(self, channels: int, heads: int, reduction: int, eps: float, reduction_eps: float = 1e-5) -> None:
        """Build the block; `eps` of both normalisations, otherwise as `EfficientSelfAttention`."""
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=eps)
        self.attn = EfficientSelfAttention(channels, heads, reduction, reduction_eps)
        self.norm2 = nn.LayerNorm(channels, eps=eps)
        self.mlp = MixFFN(channels)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Tokens ``(N, H * W, channels)`` of a map of `size` ``(H, W)`` to tokens of the same shape."""
        x = x + self.attn(self.norm1(x), size)
        return x + self.mlp(self.norm2(x), size)


class Stage(nn.Module):
    """Overlapped patch merging, blocks and a normalisation."""

    def __init__(self, patch_embed: OverlapPatchEmbed, blocks: Sequence[Block], norm: nn.LayerNorm) -> None:
        """Join the parts."""
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, h, w)`` at the stride of the patch merging."""
        x, size = self.patch_embed(x)
        for block in self.blocks:
            x = block(x, size)
        return to_map(self.norm(x), size)


class MixTransformer(nn.Module):
    """Mix Transformer encoder (MiT): four stages, at strides 4, 8, 16 and 32.

    Attributes:
        channels: output widths of the four stages.
    """

    def __init__(self, channels: Sequence[int], depths: Sequence[int], eps: float, merging_eps: float = 1e-5) -> None:
        """Build the encoder.

        Args:
            channels: widths of the four stages.
            depths: blocks per stage.
            eps: epsilon of the normalisations in blocks and after stages.
            merging_eps: epsilon of those of patch merging and key reduction; 1e-6 in mmsegmentation's port.
        """
        super().__init__()
        self.channels = tuple(channels)

        def stage(index: int, in_channels: int) -> Stage:
            kernel_size, stride = (7, 4) if index == 0 else (3, 2)
            width = channels[index]
            return Stage(
                OverlapPatchEmbed(in_channels, width, kernel_size, stride, merging_eps),
                [Block(width, HEADS[index], REDUCTIONS[index], eps, merging_eps) for _ in range(depths[index])],
                nn.LayerNorm(width, eps=eps),
            )

        self.stage1 = stage(0, 3)
        self.stage2 = stage(1, channels[0])
        self.stage3 = stage(2, channels[1])
        self.stage4 = stage(3, channels[2])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages."""
        c1 = self.stage1(x)
        c2 = self.stage2(c1)
        c3 = self.stage3(c2)
        return c1, c2, c3, self.stage4(c3)


# mmsegmentation's keys, whose stages count from 0, as ours; after `split_attention`.
MMSEG_RENAMES: tuple[tuple[str, str], ...] = (
    *((rf"^backbone\.layers\.{index}\.", f"backbone.stage{index + 1}.") for index in range(4)),
    (r"^(backbone\.stage\d)\.0\.projection\.", r"\1.patch_embed.proj."),
    (r"^(backbone\.stage\d)\.0\.norm\.", r"\1.patch_embed.norm."),
    (r"^(backbone\.stage\d)\.1\.", r"\1.blocks."),
    (r"^(backbone\.stage\d)\.2\.", r"\1.norm."),
    (r"^(backbone\..+\.attn)\.attn\.out_proj\.", r"\1.proj."),
    (r"^(backbone\..+\.attn)\.attn\.", r"\1."),
    (r"^(backbone\..+)\.ffn\.layers\.0\.", r"\1.mlp.fc1."),
    (r"^(backbone\..+)\.ffn\.layers\.1\.", r"\1.mlp.dwconv."),
    (r"^(backbone\..+)\.ffn\.layers\.4\.", r"\1.mlp.fc2."),
)


def split_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of mmsegmentation's port with joint tensors taken apart and 1x1 convolutions as linear layers.

    Its attention keeps the projections to queries, keys and values in one tensor, ours the latter two.
    """
    split: dict[str, Tensor] = {}
    for key, value in state.items():
        if ".in_proj_" in key and key.startswith("backbone."):
            channels = value.shape[0] // 3
            split[key.replace("in_proj_", "q.")] = value[:channels]
            split[key.replace("in_proj_", "kv.")] = value[channels:]
        elif ".ffn.layers." in key and value.dim() == 4 and value.shape[2] == 1:
            split[key] = value.flatten(1)
        else:
            split[key] = value
    return split
