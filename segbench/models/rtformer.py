"""RTFormer (Wang et al., NeurIPS 2022), a dual-resolution network whose last two stages attend.

Paper: "RTFormer: Efficient Design for Real-Time Semantic Segmentation with Transformer". Public code:
PaddlePaddle/PaddleSeg@d7975e7cb3b9 (``paddleseg/models/rtformer.py``), with the settings of its Cityscapes
configurations. Residual blocks, DAPPM and head are DDRNet's. The head on the first fusion (``seghead_extra``) and
stochastic depth serve training only and are not built.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.context import DAPPM
from segbench.models.ddrnet import BasicBlock, SegmentationHead, basic_layer, stem
from segbench.models.layers import norm_relu_conv


class GPUFriendlyAttention(nn.Module):
    """GPU-friendly attention: external attention with learned keys and values and no split by head.

    Heads remain in the normalisation: a softmax over positions, then a division by the sum over each head's keys.
    """

    def __init__(self, in_channels: int, channels: int, heads: int = 8) -> None:
        """Build the attention; where the width changes, queries have stride 2."""
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        # Kernels of 1x1 convolutions that are no layers, as in the public code: counters of layers miss them.
        self.k = nn.Parameter(torch.randn(channels, in_channels, 1, 1) * 0.001)
        self.v = nn.Parameter(torch.randn(channels, channels, 1, 1) * 0.001)
        self.heads = heads
        self.stride = 1 if in_channels == channels else 2

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``; the input is not added."""
        similarity = F.conv2d(self.norm(x), self.k, stride=self.stride)
        weights = similarity.flatten(2).unflatten(1, (self.heads, -1)).softmax(dim=3)
        weights = weights / (weights.sum(dim=2, keepdim=True) + 1e-6)
        return F.conv2d(weights.view_as(similarity), self.v)


class CrossResolutionAttention(nn.Module):
    """Cross-resolution attention: keys and values are pooled from the low-resolution map."""

    def __init__(self, high_channels: int, low_channels: int, pooled_side: int = 12) -> None:
        """Build the attention over ``pooled_side ** 2`` tokens."""
        super().__init__()
        self.norm = nn.BatchNorm2d(high_channels)
        self.cross_kv = nn.Sequential(
            nn.BatchNorm2d(low_channels),
            nn.AdaptiveMaxPool2d(pooled_side),
            nn.Conv2d(low_channels, 2 * high_channels, 1, bias=False),
        )
        self.scale = 1 / pooled_side

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """``(N, high_channels, H, W)`` and ``(N, low_channels, h, w)`` to ``(N, high_channels, H, W)``."""
        key, value = self.cross_kv(low).flatten(2).chunk(2, dim=1)
        # The reference writes these products as 1x1 convolutions grouped by sample.
        similarity = torch.bmm(key.transpose(1, 2), self.norm(high).flatten(2))
        weights = (similarity * self.scale).softmax(dim=1)
        return torch.bmm(value, weights).view_as(high)


class FeedForward(nn.Module):
    """Feed-forward network of two 3x3 convolutions without expansion."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=1e-6)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.act = nn.GELU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.conv2(self.act(self.conv1(self.norm(x))))


class RTFormerBlock(nn.Module):
    """RTFormer block: the low-resolution branch attends, and the high-resolution one attends to it."""

    def __init__(self, in_channels: int, low_channels: int, high_channels: int, injects: bool) -> None:
        """Build the block.

        Args:
            in_channels: width of the low-resolution input; where it is not `low_channels`, the branch has stride 2.
            low_channels: width of the low-resolution output.
            high_channels: width of the high-resolution branch.
            injects: whether the high-resolution output is added to the low-resolution one.
        """
        super().__init__()
        self.attn_shortcut_l: nn.Module | None = None
        if in_channels != low_channels:
            self.attn_shortcut_l = nn.Sequential(
                nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, low_channels, 1, 2, bias=False)
            )
        self.attn_l = GPUFriendlyAttention(in_channels, low_channels)
        self.mlp_l = FeedForward(low_channels)
        self.compression = nn.Sequential(*norm_relu_conv(low_channels, high_channels, 1))
        self.attn_h = CrossResolutionAttention(high_channels, low_channels)
        self.mlp_h = FeedForward(high_channels)
        self.down: nn.Module | None = None
        if injects:
            self.down = nn.Sequential(
                *norm_relu_conv(high_channels, low_channels // 2, 3, 2),
                *norm_relu_conv(low_channels // 2, low_channels, 3, 2),
            )

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified maps of both branches to their outputs, without the ReLU that follows them."""
        shortcut = low if self.attn_shortcut_l is None else self.attn_shortcut_l(low)
        low = shortcut + self.attn_l(low)
        low = low + self.mlp_l(low)
        high = high + resize(self.compression(low), high.shape[-2:])
        high = high + self.attn_h(high, low)
        high = high + self.mlp_h(high)
        if self.down is not None:
            low = low + self.down(high)
        return low, high


class RTFormer(Network):
    """Residual stages to stride 16, two RTFormer blocks at strides 8 and 32, DAPPM on the coarse map."""

    align_corners: ClassVar[bool] = False
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\._mean$", ".running_mean"),
        (r"\._variance$", ".running_var"),
        (r"^conv1\.", "stem."),
        (r"^layer3\.", "low3."),
        (r"^layer3_\.", "high3."),
        (r"^layer([45])\.cross_kv\.", r"layer\1.attn_h.cross_kv."),
        (r"^seghead\.", "head."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^seghead_extra\.",)

    def __init__(
        self, num_classes: int, channels: int, head_channels: int, injections: tuple[bool, bool] = (True, True)
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            channels: width of the stem; the high-resolution branch has twice as much.
            head_channels: width of the segmentation head.
            injections: for each RTFormer block, whether its high-resolution output is added to the other branch.
        """
        super().__init__()
        high = 2 * channels
        self.stem = stem(channels)
        self.layer1 = basic_layer(channels, channels, 2)
        self.layer2 = basic_layer(channels, high, 2, stride=2)
        self.low3 = basic_layer(high, 4 * channels, 2, stride=2)
        self.high3 = nn.Sequential(BasicBlock(high, high, final_relu=True))
        self.compression3 = nn.Sequential(*norm_relu_conv(4 * channels, high, 1))
        self.layer4 = RTFormerBlock(4 * channels, 8 * channels, high, injections[0])
        self.layer5 = RTFormerBlock(8 * channels, 8 * channels, high, injections[1])
        self.spp = DAPPM(8 * channels, 128, high)
        self.head = SegmentationHead(2 * high, head_channels, num_classes)
        # Maps before this ReLU are inputs of other layers too, so it must not write in place.
        self.relu = nn.ReLU()

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        shared = self.layer2(self.relu(self.layer1(self.stem(x))))
        low = self.low3(self.relu(shared))
        high = self.high3(self.relu(shared + resize(self.compression3(low), shared.shape[-2:])))
        # The block that ends high3 closes with a ReLU, so the reference's second one changes nothing.
        low, high = self.layer4(self.relu(low), high)
        low, high = self.layer5(self.relu(low), self.relu(high))
        context = resize(self.spp(low), high.shape[-2:])
        return resize(self.head(torch.cat((high, context), dim=1)), x.shape[-2:])


def rtformer_slim(num_classes: int = 19) -> RTFormer:
    """RTFormer-Slim: 5,365,043 parameters at 19 classes."""
    return RTFormer(num_classes, channels=32, head_channels=128)


def rtformer_base(num_classes: int = 19) -> RTFormer:
    """RTFormer-Base: 17,765,971 parameters at 19 classes; its second block injects nothing."""
    return RTFormer(num_classes, channels=64, head_channels=256, injections=(True, False))
