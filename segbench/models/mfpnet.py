"""MFPNet: a symmetric encoder-decoder of bottleneck residual modules, joined by graph convolutions at three scales.

Paper: Xu, Jia, Wu, Chen, "MFPNet: Multi-scale Feature Propagation Network for Lightweight Semantic Segmentation",
arXiv 2309.04914.
No code of this network is public, so this is a reconstruction. The paper fixes the modules and their order, the
dilations and every published cost; the widths, the scales and most of the SGCN are inferred from those costs. With one
multiply-accumulate counted as one FLOP, parameters (11 classes) agree to 0.001 % and operations to 2 %. Where equally
good readings remain, the constructor takes them as alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.errors import BadOption, UnknownName
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, ConvBNReLU

Activation = Callable[[int], nn.Module]

WIDTHS = (64, 128, 32)
DILATIONS = ((2, 2, 2), (4, 8, 16), (4, 8, 16))
STEM_WIDTH, TAIL_WIDTH = 32, 16


def _norm_act(channels: int, act: Activation) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), act(channels))


class InitialBlock(nn.Sequential):
    """Three consecutive 3x3 convolutions (Sec. 3.1); the last one halves the resolution."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__(
            ConvBN(3, channels, 3, act=act(channels)),
            ConvBN(channels, channels, 3, act=act(channels)),
            ConvBN(channels, channels, 3, stride=2, act=act(channels)),
            _norm_act(channels, act),
        )


class DownSampling(nn.Module):
    """A 3x3 convolution of stride 2; alternatively, max pooling supplies the input's channels where the width grows."""

    def __init__(self, in_channels: int, out_channels: int, act: Activation, pool_concat: bool) -> None:
        super().__init__()
        pooled = in_channels if pool_concat and out_channels > in_channels else 0
        self.conv = nn.Conv2d(in_channels, out_channels - pooled, 3, stride=2, padding=1, bias=False)
        # A convolution of stride 2 rounds odd sizes up; so must the pooling beside it.
        self.pool = nn.MaxPool2d(2, ceil_mode=True) if pooled else None
        self.norm_act = _norm_act(out_channels, act)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H/2), ceil(W/2))``."""
        y = self.conv(x)
        return self.norm_act(y if self.pool is None else torch.cat((y, self.pool(x)), 1))


class UpSampling(nn.Module):
    """Bilinear resize to a given size, then a 1x1 convolution; takes any size, such as 23x30 to 45x60."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = ConvBNReLU(in_channels, out_channels)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, out_channels, *size)``."""
        return self.project(resize(x, size))


class SE(nn.Module):
    """Squeeze-and-excitation (reference 14 of the paper): channels weighted by their global context."""

    def __init__(self, channels: int, reduction: int, bias: bool) -> None:
        super().__init__()
        self.out_channels = channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Linear(channels, channels // reduction, bias=bias)
        self.excite = nn.Linear(channels // reduction, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        weight = torch.sigmoid(self.excite(F.relu(self.squeeze(self.pool(x).flatten(1)))))
        return x * weight[:, :, None, None]


class BRM(nn.Module):
    """Bottleneck residual module (Sec. 3.2, Fig. 2b).

    A 3x3 bottleneck, a factorised pair, attention, a dilated factorised pair and a 1x1 convolution that recovers the
    channels. The pairs are depth-wise: full ones would cost 45 % more parameters than published.
    """

    def __init__(self, channels: int, dilation: int, act: Activation) -> None:
        super().__init__()
        inner = channels // 2

        def pair(dilation: int) -> nn.Sequential:
            return nn.Sequential(
                ConvBN(inner, inner, (3, 1), dilation=dilation, groups=inner, act=act(inner)),
                ConvBN(inner, inner, (1, 3), dilation=dilation, groups=inner, act=act(inner)),
            )

        self.norm_act = _norm_act(channels, act)
        self.bottleneck = ConvBN(channels, inner, 3, act=act(inner))
        self.factorized = pair(1)
        self.attention = SE(inner, reduction=8, bias=False)
        self.dilated = pair(dilation)
        self.inner_norm_act = _norm_act(inner, act)
        self.recover = nn.Conv2d(inner, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        y = self.attention(self.factorized(self.bottleneck(self.norm_act(x))))
        y = self.inner_norm_act(self.dilated(y) + y)
        return self.recover(y) + x


class Block(nn.Module):
    """A row of BRMs with a residual connection around it (Sec. 3.1); encoder blocks normalise the sum."""

    def __init__(self, channels: int, dilations: Sequence[int], act: Activation, encoder: bool) -> None:
        super().__init__()
        self.brms = nn.Sequential(*(BRM(channels, dilation, act) for dilation in dilations))
        self.norm_act = _norm_act(channels, act) if encoder else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape."""
        return self.norm_act(self.brms(x) + x)


class SGCN(nn.Module):
    """Simple graph convolutional network (Sec. 3.3, eq. 2 to 5).

    Phi projects the features onto a grid of nodes: X, and G, from which delta and psi make the adjacency A. X is
    propagated once over the graph with self-loops, weighted by Q and projected back. The grid is fixed, because the
    published costs of the SGCN grow more slowly than the image; on the deepest map of small images (23x30 of 360x480)
    it has more nodes than positions, against the letter of Sec. 3.3.
    """

    def __init__(self, channels: int, grid: tuple[int, int], act: Activation) -> None:
        super().__init__()
        nodes = channels // 2
        self.phi_adjacency = ConvBN(channels, channels, act=act(channels))
        self.phi_nodes = ConvBN(channels, nodes, act=act(nodes))
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.delta = ConvBN(channels, nodes, 3)
        self.psi = ConvBN(channels, nodes)
        self.q = ConvBN(nodes, nodes, act=act(nodes))
        self.reproject = ConvBN(nodes, channels, act=act(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Encoder features ``E_i`` of ``(N, C, H, W)`` to ``M_i`` of the same shape."""
        graph = self.pool(self.phi_adjacency(x))
        nodes = self.pool(self.phi_nodes(x))
        scores = torch.bmm(self.delta(graph).flatten(2).transpose(1, 2), self.psi(graph).flatten(2))
        adjacency = F.relu(scores, inplace=True)
        nodes = self.q(propagate(nodes.flatten(2), adjacency).view_as(nodes))
        return self.reproject(resize(nodes, x.shape[-2:]))


def propagate(nodes: Tensor, adjacency: Tensor) -> Tensor:
    """One step over a graph with self-loops, degree-normalised: ``D^-1/2 (A + I) D^-1/2 X`` (eq. 2 and 3).

    Eq. 2 prints +1/2 as the second exponent; the usual normalisation is assumed.

    Args:
        nodes: ``(N, C, n)``, the transpose of X.
        adjacency: A of ``(N, n, n)``, not negative; row i holds the weights with which node i receives.

    Returns:
        ``(N, C, n)``.
    """
    # I and D are applied to the nodes: they are diagonal, and the adjacency is the large matrix.
    scale = (adjacency.sum(-1) + 1).rsqrt().unsqueeze(1)
    scaled = nodes * scale
    return (torch.bmm(scaled, adjacency.transpose(1, 2)) + scaled) * scale


class Fusion(nn.Module):
    """Sum of decoded and propagated features; alternatively, their concatenation and a 1x1 convolution."""

    def __init__(self, channels: int, act: Activation, concat: bool) -> None:
        super().__init__()
        self.project = ConvBN(2 * channels, channels, act=act(channels)) if concat else None

    def forward(self, decoded: Tensor, propagated: Tensor) -> Tensor:
        """Two times ``(N, C, H, W)`` to the same shape."""
        if self.project is None:
            return decoded + propagated
        return self.project(torch.cat((decoded, propagated), 1))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling with reduction 4 (Sec. 4.3): a 1x1 and three dilated 3x3 branches."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        branch = channels // 4
        dilated = (ConvBNReLU(channels, branch, 3, dilation=rate) for rate in (6, 12, 18))
        self.branches = nn.ModuleList([ConvBNReLU(channels, branch), *dilated])
        self.out_channels = branch * len(self.branches)
        self.norm_act = _norm_act(self.out_channels, act)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, out_channels, H, W)``."""
        return self.norm_act(torch.cat([branch(x) for branch in self.branches], 1))


class PSP(nn.Module):
    """Pyramid pooling head of Table 4; its form is inferred from 224 parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        bins = (1, 2, 3, 6)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Conv2d(channels, channels // 8, 1)) for size in bins
        )
        self.out_channels = channels + channels // 8 * len(bins)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, out_channels, H, W)``."""
        return torch.cat([x, *(resize(stage(x), x.shape[-2:]) for stage in self.stages)], 1)


ACTIVATIONS: Mapping[str, Activation] = {"prelu": nn.PReLU, "relu": lambda channels: nn.ReLU(inplace=True)}
HEADS: Mapping[str, Callable[[int, Activation], ASPP | SE | PSP]] = {
    "aspp": ASPP,
    "se": lambda channels, act: SE(channels, reduction=4, bias=True),
    "psp": lambda channels, act: PSP(channels),
}


class MFPNet(Network):
    """MFPNet (Fig. 1 and 2a): encoder blocks 1 to 3, decoder blocks 4 to 6, an SGCN between each pair of a scale.

    With a segmentation head, head and classifier work at full resolution, which the published cost of the ASPP head
    requires; without one, the classifier works at half resolution.
    """

    def __init__(
        self,
        num_classes: int = 19,
        *,
        sgcn: bool = True,
        head: Literal["aspp", "se", "psp"] | None = "aspp",
        dilations: Sequence[Sequence[int]] = DILATIONS,
        pool_concat: bool = False,
        concat_fusion: bool = False,
        activation: Literal["prelu", "relu"] = "prelu",
        node_grid: tuple[int, int] = (28, 28),
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            sgcn: graph convolutions between encoder and decoder (Table 3); without them the skips are plain.
            head: segmentation head (Table 4).
            dilations: of the BRMs of blocks 1 to 3, mirrored in blocks 6 to 4 (Table 5).
            pool_concat: down-sampling by convolution beside max pooling; together with `concat_fusion` it meets the
                published parameters to 0.3 % and the operations as well as the default.
            concat_fusion: propagated features are concatenated with the decoder's instead of added.
            activation: what follows normalisation, except in up-sampling and ASPP branches, which have ReLU.
            node_grid: rows and columns of the graph's nodes; (24, 32) meets the published operations as well.

        Raises:
            UnknownName: a head or an activation that does not exist.
            BadOption: dilations for other than three blocks.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if head is not None and head not in HEADS:
            raise UnknownName("head", head, HEADS)
        if len(dilations) != len(WIDTHS):
            raise BadOption(f"dilations for {len(dilations)} blocks given: three are accepted, such as {DILATIONS}")
        act = ACTIVATIONS[activation]
        (c1, c2, c3), (l1, l2, l3) = WIDTHS, dilations

        self.initial_block = InitialBlock(STEM_WIDTH, act)
        self.down1 = DownSampling(STEM_WIDTH, c1, act, pool_concat)
        self.block1 = Block(c1, l1, act, encoder=True)
        self.down2 = DownSampling(c1, c2, act, pool_concat)
        self.block2 = Block(c2, l2, act, encoder=True)
        self.down3 = DownSampling(c2, c3, act, pool_concat)
        self.block3 = Block(c3, l3, act, encoder=True)

        self.sgcn1, self.sgcn2, self.sgcn3 = (SGCN(c, node_grid, act) if sgcn else nn.Identity() for c in WIDTHS)
        self.fusion1, self.fusion2, self.fusion3 = (Fusion(c, act, concat_fusion) for c in WIDTHS)

        self.block4 = Block(c3, l3, act, encoder=False)
        self.up1 = UpSampling(c3, c2)
        self.block5 = Block(c2, l2, act, encoder=False)
        self.up2 = UpSampling(c2, c1)
        self.block6 = Block(c1, l1, act, encoder=False)
        self.up3 = UpSampling(c1, TAIL_WIDTH)
        self.head = None if head is None else HEADS[head](TAIL_WIDTH, act)
        features = TAIL_WIDTH if self.head is None else self.head.out_channels
        self.classifier = nn.Conv2d(features, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, num_classes, H, W)``; half of H and W without a head."""
        features = self.initial_block(x)
        e1 = self.block1(self.down1(features))
        e2 = self.block2(self.down2(e1))
        e3 = self.block3(self.down3(e2))
        y = self.up1(self.fusion3(self.block4(e3), self.sgcn3(e3)), e2.shape[-2:])
        y = self.up2(self.fusion2(self.block5(y), self.sgcn2(e2)), e1.shape[-2:])
        y = self.up3(self.fusion1(self.block6(y), self.sgcn1(e1)), features.shape[-2:])
        if self.head is not None:
            y = self.head(resize(y, x.shape[-2:]))
        return self.classifier(y)


def mfpnet(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet, the final model of Tables 2 to 5."""
    return MFPNet(num_classes, **alternatives)


def mfpnet_no_sgcn(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet without graph convolutions (Table 3)."""
    return MFPNet(num_classes, **{"sgcn": False, **alternatives})


def mfpnet_no_head(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet without a segmentation head (Table 4)."""
    return MFPNet(num_classes, **{"head": None, **alternatives})


def mfpnet_se_head(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet with a squeeze-and-excitation head (Table 4)."""
    return MFPNet(num_classes, **{"head": "se", **alternatives})


def mfpnet_psp_head(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet with a pyramid pooling head (Table 4)."""
    return MFPNet(num_classes, **{"head": "psp", **alternatives})


def mfpnet_1brm(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet with one undilated BRM per block (Table 5)."""
    return MFPNet(num_classes, **{"dilations": ((1,), (1,), (1,)), **alternatives})


def mfpnet_dilation2(num_classes: int = 19, **alternatives: Any) -> MFPNet:
    """MFPNet with dilation 2 in every BRM (Table 5)."""
    return MFPNet(num_classes, **{"dilations": ((2, 2, 2),) * 3, **alternatives})
