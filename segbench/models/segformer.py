"""SegFormer (Xie et al., "Simple and Efficient Design for Semantic Segmentation with Transformers", NeurIPS 2021).

A hierarchical transformer (MiT, section 3.1) and a decoder of linear layers (section 3.2); variants in table 6.

Public code: NVlabs/SegFormer@65fa8cfa9b52 (``mix_transformer.py``, ``segformer_head.py``), and the port of Hugging Face
transformers 4.57.1, whose checkpoints load too. They differ in one number: the normalisations of blocks and stages have
an epsilon of 1e-6 in the authors' code and 1e-5 in the port, which ignores its own setting (`layer_norm_eps`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.mit import MixTransformer, to_map, to_tokens
from segbench.models.base import Network, StateDict, resize
from segbench.models.layers import ConvBNReLU


class AllMLPDecoder(nn.Module):
    """Every map projected to one width, brought to the finest size, joined and classified (equation 4)."""

    def __init__(self, in_channels: Sequence[int], channels: int, num_classes: int) -> None:
        """Build the decoder; `in_channels` are the widths of the four maps, finest first."""
        super().__init__()
        c1, c2, c3, c4 = in_channels
        self.linear_c4 = nn.Linear(c4, channels)
        self.linear_c3 = nn.Linear(c3, channels)
        self.linear_c2 = nn.Linear(c2, channels)
        self.linear_c1 = nn.Linear(c1, channels)
        self.linear_fuse = ConvBNReLU(4 * channels, channels)
        self.linear_pred = nn.Conv2d(channels, num_classes, 1)

    def forward(self, c1: Tensor, c2: Tensor, c3: Tensor, c4: Tensor) -> Tensor:
        """Four maps to class scores ``(N, num_classes, H, W)`` at the size of `c1`."""
        size = c1.shape[-2:]

        def project(linear: nn.Linear, x: Tensor) -> Tensor:
            return resize(to_map(linear(to_tokens(x)), (x.shape[2], x.shape[3])), size)

        maps = (
            project(self.linear_c4, c4),
            project(self.linear_c3, c3),
            project(self.linear_c2, c2),
            project(self.linear_c1, c1),
        )
        return self.linear_pred(self.linear_fuse(torch.cat(maps, dim=1)))


def _hugging_face_renames() -> tuple[tuple[str, str], ...]:
    """Hugging Face keys, whose stages count from 0, as the authors' (after keys and values are merged)."""
    table: list[tuple[str, str]] = []
    for index in range(4):
        number = index + 1
        table += [
            (rf"^segformer\.encoder\.patch_embeddings\.{index}\.", f"backbone.patch_embed{number}."),
            (rf"^segformer\.encoder\.block\.{index}\.", f"backbone.block{number}."),
            (rf"^segformer\.encoder\.layer_norm\.{index}\.", f"backbone.norm{number}."),
            (rf"^decode_head\.linear_c\.{index}\.", f"decode_head.linear_c{number}."),
        ]
    return (
        *table,
        (r"^(backbone\.patch_embed\d)\.layer_norm\.", r"\1.norm."),
        (r"\.layer_norm_([12])\.", r".norm\1."),
        (r"\.attention\.self\.query\.", ".attn.q."),
        (r"\.attention\.self\.layer_norm\.", ".attn.norm."),
        (r"\.attention\.self\.", ".attn."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.mlp\.dense([12])\.", r".mlp.fc\1."),
        (r"^decode_head\.linear_fuse\.(weight)$", r"decode_head.linear_fuse.conv.\1"),
        (r"^decode_head\.batch_norm\.", "decode_head.linear_fuse.bn."),
        (r"^decode_head\.classifier\.", "decode_head.linear_pred."),
    )


class SegFormer(Network):
    """Mix Transformer encoder and all-MLP decoder."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *_hugging_face_renames(),
        (r"^backbone\.patch_embed(\d)\.", r"backbone.stage\1.patch_embed."),
        (r"^backbone\.block(\d)\.", r"backbone.stage\1.blocks."),
        (r"^backbone\.norm(\d)\.", r"backbone.stage\1.norm."),
        (r"\.dwconv\.dwconv\.", ".dwconv."),
        (r"^decode_head\.linear_c(\d)\.proj\.", r"decode_head.linear_c\1."),
    )
    # The base class of the authors' decoder creates a classifier that no forward pass calls.
    dropped: ClassVar[tuple[str, ...]] = (r"^decode_head\.conv_seg\.",)

    def __init__(
        self,
        channels: Sequence[int],
        depths: Sequence[int],
        decoder_channels: int,
        num_classes: int = 19,
        layer_norm_eps: float = 1e-6,
    ) -> None:
        """Build the network.

        Args:
            channels: widths of the four stages.
            depths: blocks per stage.
            decoder_channels: width of the decoder.
            num_classes: output channels.
            layer_norm_eps: epsilon of the normalisations in blocks and after stages.
        """
        super().__init__()
        self.backbone = MixTransformer(channels, depths, layer_norm_eps)
        self.decode_head = AllMLPDecoder(channels, decoder_channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``, sizes rounded up."""
        return self.decode_head(*self.backbone(x))

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The authors' or Hugging Face's state dict under our keys; the latter's keys and values are merged."""
        merged: dict[str, Tensor] = {}
        for key, tensor in state.items():
            if re.search(r"\.self\.key\.", key):
                value = state[key.replace(".self.key.", ".self.value.")]
                merged[key.replace(".self.key.", ".self.kv.")] = torch.cat((tensor, value))
            elif ".self.value." not in key:
                merged[key] = tensor
        return super().from_reference(merged)


_WIDE = (64, 128, 320, 512)


def segformer_b0(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B0: 3,719,027 parameters at 19 classes."""
    return SegFormer((32, 64, 160, 256), (2, 2, 2, 2), 256, num_classes, layer_norm_eps)


def segformer_b1(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B1: 13,682,131 parameters at 19 classes."""
    return SegFormer(_WIDE, (2, 2, 2, 2), 256, num_classes, layer_norm_eps)


def segformer_b2(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B2: 27,361,235 parameters at 19 classes."""
    return SegFormer(_WIDE, (3, 4, 6, 3), 768, num_classes, layer_norm_eps)


def segformer_b3(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B3: 47,237,075 parameters at 19 classes."""
    return SegFormer(_WIDE, (3, 4, 18, 3), 768, num_classes, layer_norm_eps)


def segformer_b4(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B4: 64,007,635 parameters at 19 classes."""
    return SegFormer(_WIDE, (3, 8, 27, 3), 768, num_classes, layer_norm_eps)


def segformer_b5(num_classes: int = 19, layer_norm_eps: float = 1e-6) -> SegFormer:
    """SegFormer-B5: 84,607,955 parameters at 19 classes."""
    return SegFormer(_WIDE, (3, 6, 40, 3), 768, num_classes, layer_norm_eps)
