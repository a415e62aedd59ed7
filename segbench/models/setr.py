"""SETR with the decoder of progressive upsampling (SETR-PUP).

Zheng et al., "Rethinking Semantic Segmentation from a Sequence-to-Sequence Perspective with Transformers", CVPR 2021.

A ViT-L/16 encoder, and four steps of a 3x3 convolution and a doubling of the size.

Public code: the port of mmsegmentation 1.2.2 (``setr_vit-l_pup_8xb1-80k_cityscapes-768x768.py``).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from segbench.models.backbones.mit import to_map
from segbench.models.backbones.vit import EPS, VisionTransformer
from segbench.models.base import Network
from segbench.models.layers import ConvBNReLU

CHANNELS = 1024
DECODER_CHANNELS = 256


class ProgressiveUpsampling(nn.Module):
    """Four 3x3 convolutions, each before a bilinear doubling of the size, and the classifier at stride 1."""

    def __init__(self, num_classes: int) -> None:
        """Build the decoder."""
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS, eps=EPS)
        steps: list[nn.Module] = []
        for width in (CHANNELS, *[DECODER_CHANNELS] * 3):
            steps += [ConvBNReLU(width, DECODER_CHANNELS, 3), nn.Upsample(scale_factor=2, mode="bilinear")]
        self.up_convs = nn.Sequential(*steps)
        self.conv_seg = nn.Conv2d(DECODER_CHANNELS, num_classes, 1)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Tokens ``(N, h * w, 1024)`` of a grid of `size` ``(h, w)`` to scores ``(N, num_classes, 16 h, 16 w)``."""
        return self.conv_seg(self.up_convs(to_map(self.norm(tokens), size)))


class SETR(Network):
    """ViT-L/16 encoder and a decoder of progressive upsampling."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.patch_embed\.projection\.", "backbone.patch_embed."),
        (r"\.ln([12])\.", r".norm\1."),
        (r"\.attn\.attn\.in_proj_", ".attn.qkv."),
        (r"\.attn\.attn\.out_proj\.", ".attn.proj."),
        (r"\.ffn\.layers\.0\.0\.", ".mlp.0."),
        (r"\.ffn\.layers\.1\.", ".mlp.2."),
        *((rf"\.up_convs\.{index}\.0\.", f".up_steps.{2 * index}.") for index in range(4)),
        (r"\.up_steps\.", ".up_convs."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^auxiliary_head\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network, with positions for 768x768 pixels, the training size."""
        super().__init__()
        self.backbone = VisionTransformer(CHANNELS, depth=24, heads=16, grid=(48, 48))
        self.decode_head = ProgressiveUpsampling(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)``, sizes rounded up to multiples of 16."""
        return self.decode_head(*self.backbone(x))


def setr(num_classes: int = 19) -> SETR:
    """SETR-PUP with ViT-L/16: 309,594,899 parameters at 19 classes."""
    return SETR(num_classes)
