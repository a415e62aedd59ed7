"""FRFNet: three ways of fusing semantics and detail, one for each step of the decoder.

Paper: Tan, "Feature Reuse and Fusion for Real-time Semantic segmentation", 2021, section "Upsampling Module" and
Figure 4. No code of it was released (favoMJ/FRFNet holds a README) and the text leaves most widths open, so this is a
reconstruction: its costs agree with Tables 1, 2 and 4, but many other networks would too. What the text leaves open
follows, as facts, the author's favoMJ/FEENet@234d712 and favoMJ/FlyNet@08c1553 (the inside of MSC).
DCT bases: Qin et al., "FcaNet: Frequency Channel Attention Networks", ICCV 2021, cfzd/FcaNet@aa5fb63.
DANet variants: Fu et al., "Dual Attention Network for Scene Segmentation", CVPR 2019, junfu1115/DANet@766c34e.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.frfnet_backbone import FRFNetBackbone
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU

# FcaNet's "top16": vertical and horizontal frequency of the 16 best bases on a 7x7 grid, best first.
DCT_SIZE = 7
TOP16 = tuple(
    zip(
        (0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2),
        (0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2),
        strict=True,
    )
)


def dct_bases(frequencies: Sequence[tuple[int, int]], channels: int, size: int = DCT_SIZE) -> Tensor:
    """Two-dimensional DCT bases, an equal share of the channels for each frequency, in FcaNet's normalisation.

    Args:
        frequencies: (vertical, horizontal) frequency of each basis, each below `size`.
        channels: a multiple of the number of frequencies.
        size: height and width of a basis.

    Returns:
        ``(channels, size, size)``; every basis has unit norm.
    """
    position = torch.arange(size) + 0.5
    waves = torch.cos(torch.outer(torch.arange(size), position) * (math.pi / size)) * math.sqrt(2 / size)
    waves[0] = 1 / math.sqrt(size)
    vertical, horizontal = (torch.stack([waves[u] for u in axis]) for axis in zip(*frequencies, strict=True))
    bases = vertical.unsqueeze(2) * horizontal.unsqueeze(1)
    return bases.repeat_interleave(channels // len(frequencies), dim=0)


class MSC(nn.Module):
    """Multi-spectral channel attention over three small parts of the input (Figure 4a).

    Each part is pooled to 7x7 and multiplied with its channels' DCT bases, and each product is added to the next part.
    """

    bases: Tensor

    def __init__(self, channels: int, frequencies: Sequence[tuple[int, int]] = TOP16, reduction: int = 16) -> None:
        """Build the module.

        Args:
            channels: width of the input.
            frequencies: DCT frequencies; each gets two channels of every part.
            reduction: `channels` over the width of the gate's hidden layer.
        """
        super().__init__()
        part = 2 * len(frequencies)
        self.part1 = nn.Conv2d(channels, part, 1, groups=len(frequencies))
        self.part2 = nn.Conv2d(part, part, 1)
        self.part3 = nn.Conv2d(part, part, 1)
        # Not persistent: the bases are constants of the architecture, which no checkpoint should carry or change.
        self.register_buffer("bases", dct_bases(frequencies, part), persistent=False)
        self.fc = nn.Sequential(
            nn.Linear(3 * part, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape, each channel scaled by its gate."""
        part1 = self.part1(x)
        part2 = self.part2(part1)
        part3 = self.part3(part2)
        spectrum1 = F.adaptive_avg_pool2d(part1, DCT_SIZE) * self.bases
        spectrum2 = (F.adaptive_avg_pool2d(part2, DCT_SIZE) + spectrum1) * self.bases
        spectrum3 = (F.adaptive_avg_pool2d(part3, DCT_SIZE) + spectrum2) * self.bases
        gate = self.fc(torch.cat((spectrum1, spectrum2, spectrum3), dim=1).sum((2, 3)))
        return x * gate[:, :, None, None]


class PositionAttention(nn.Module):
    """DANet's position attention: every position gathers the values of all positions, plus a shortcut."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        """Build the module; queries and keys have ``channels // reduction`` channels."""
        super().__init__()
        self.query = nn.Conv2d(channels, channels // reduction, 1)
        self.key = nn.Conv2d(channels, channels // reduction, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; memory grows with ``(H * W) ** 2``."""
        query, key, value = (projection(x).flatten(2) for projection in (self.query, self.key, self.value))
        attention = torch.bmm(query.transpose(1, 2), key).softmax(dim=-1)
        gathered = torch.bmm(value, attention.transpose(1, 2)).view_as(x)
        return torch.addcmul(x, self.gamma, gathered)


class ChannelAttention(nn.Module):
    """DANet's channel attention: every channel gathers the channels least like it, plus a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        rows = x.flatten(2)
        # DANet's softmax(max - energy), without the constant that softmax takes out itself.
        attention = torch.bmm(rows, rows.transpose(1, 2)).neg().softmax(dim=-1)
        return torch.addcmul(x, self.gamma, torch.bmm(attention, rows).view_as(x))


class DualAttention(nn.Module):
    """Sum of DANet's position and channel attention: what FRFNet-Danet has in place of MSC."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.position = PositionAttention(channels)
        self.channel = ChannelAttention()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.position(x) + self.channel(x)


class FFM(nn.Module):
    """Fusion of the detail map Y and the context map O, gated by the difference of their probabilities (Figure 4b).

    The paper thresholds the difference at 0.4. The gates add to Y and O: alone they would be zero wherever both
    probabilities are near 0.5, which is almost everywhere.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int, threshold: float | None = 0.4) -> None:
        """Build the module.

        Args:
            in_channels: width of the stage that gives the detail map.
            channels: width of the detail and context maps.
            out_channels: width of the result.
            threshold: least difference of probabilities that opens a gate; None adds the two maps as they are.
        """
        super().__init__()
        self.threshold = threshold
        self.detail = ConvBNReLU(in_channels, channels, 1)
        self.fuse = ConvBNReLU(channels, channels, 3)
        self.project = ConvBNReLU(channels, out_channels, 1)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Stage ``(N, in_channels, H, W)`` and context ``(N, channels, h, w)`` to ``(N, out_channels, H, W)``."""
        y = self.detail(detail)
        o = resize(context, y.shape[-2:])
        fused = y + o if self.threshold is None else self.gated_sum(y, o, self.threshold)
        return self.project(self.fuse(fused))

    @staticmethod
    def gated_sum(y: Tensor, o: Tensor, threshold: float) -> Tensor:
        """``y * (1 + t1) + o * (1 + t2)`` of two maps of one shape, compared in their own precision."""
        y_probability, o_probability = torch.sigmoid(y), torch.sigmoid(o)
        difference = y_probability - o_probability
        t1 = y_probability * (difference > threshold)
        t2 = o_probability * (difference < -threshold)
        return torch.addcmul(y, y, t1) + torch.addcmul(o, o, t2)


class SFM(nn.Module):
    """Sum with detail X weighted by its own sigmoid (Figure 4c): no convolution at the largest size."""

    def forward(self, x: Tensor, detail: Tensor) -> Tensor:
        """``(N, C, h, w)`` and detail ``(N, C, H, W)`` to ``(N, C, H, W)``."""
        # SiLU is X * sigmoid(X) in one pass over the largest map of the decoder.
        return resize(x, detail.shape[-2:]) + F.silu(detail)


class FRFNet(Network):
    """FRFNet (Figure 1): backbone, attention on its last two stages, then FFM, SFM and the head."""

    def __init__(
        self,
        num_classes: int,
        slim: bool = False,
        attention: Callable[[int], nn.Module] = MSC,
        threshold: float | None = 0.4,
        sfm: bool = True,
        channels: int = 128,
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            slim: FRFNet-slim's stem and DAMs.
            attention: builds what follows the 3x3 reduction of the last two stages, from its width.
            threshold: FFM's threshold; None for plain addition (Table 3 without FFM).
            sfm: add the stage at stride 4 (Table 3 with SFM).
            channels: width of the decoder up to FFM.
        """
        super().__init__()
        self.backbone = FRFNetBackbone(slim)
        c4, c8, c16, c32 = self.backbone.channels
        self.reduce16 = ConvBNReLU(c16, channels, 3)
        self.reduce32 = ConvBNReLU(c32, channels, 3)
        self.attention16 = attention(channels)
        self.attention32 = attention(channels)
        self.ffm = FFM(c8, channels, c4, threshold)
        self.sfm = SFM() if sfm else None
        self.head = nn.Sequential(ConvBNReLU(c4, 64, 3), nn.Conv2d(64, num_classes, 1))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``."""
        x4, x8, x16, x32 = self.backbone(x)
        context32 = self.attention32(self.reduce32(x32))
        context16 = self.attention16(self.reduce16(x16))
        context = resize(context32, context16.shape[-2:]) + context16
        fused = self.ffm(x8, context)
        fused = resize(fused, x4.shape[-2:]) if self.sfm is None else self.sfm(fused, x4)
        return self.head(fused)


def frfnet(num_classes: int = 19) -> FRFNet:
    """FRFNet (Tables 1, 3 and 4)."""
    return FRFNet(num_classes)


def frfnet_slim(num_classes: int = 19) -> FRFNet:
    """FRFNet-slim (Table 1): half the stem's width and depth-wise re-use in every DAM."""
    return FRFNet(num_classes, slim=True)


def frfnet_danet(num_classes: int = 19) -> FRFNet:
    """FRFNet-Danet (Table 2): DANet's attention in place of MSC."""
    return FRFNet(num_classes, attention=DualAttention)


def frfnet_danet_slim(num_classes: int = 19) -> FRFNet:
    """FRFNet-Danet-slim (Table 2)."""
    return FRFNet(num_classes, slim=True, attention=DualAttention)


def frfnet_baseline(num_classes: int = 19) -> FRFNet:
    """Table 3, "Baseline": no attention, plain addition, nothing from stride 4."""
    return FRFNet(num_classes, attention=nn.Identity, threshold=None, sfm=False)


def frfnet_msc(num_classes: int = 19) -> FRFNet:
    """Table 3, "Baseline + MSC"."""
    return FRFNet(num_classes, threshold=None, sfm=False)


def frfnet_msc_ffm(num_classes: int = 19) -> FRFNet:
    """Table 3, "Baseline + MSC + FFM"."""
    return FRFNet(num_classes, sfm=False)
