"""BiSeNetV2 (Yu et al., IJCV 2021), a detail and a semantic branch that guide each other's aggregation.

Paper: "BiSeNet V2: Bilateral Network with Guided Aggregation for Real-time Semantic Segmentation". The authors' code is
not public. This is the port CoinCheung/BiSeNet@6b4b67a8e3eb (``lib/models/bisenetv2.py``), which adds ReLUs that the
paper does not show and upsamples by the nearest neighbour in the aggregation. With `aligned` it is the port
Admit24/neural@7e45208de4f0 (``neural/models/segmentation/bisenetv2.py``), which upsamples bilinearly with aligned
corners and is the only one found with the paper's large setting. Auxiliary heads are not built.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.layers import ConvBNReLU, StemBlock, conv_bn


def detail_branch(width: int, depth: int) -> nn.Sequential:
    """Detail branch (table 1): image to ``(N, 2 * width, H/8, W/8)`` in three stages of 3x3 convolutions."""

    def stage(in_channels: int, channels: int, repeats: int) -> nn.Sequential:
        first = ConvBNReLU(in_channels, channels, 3, stride=2)
        return nn.Sequential(first, *(ConvBNReLU(channels, channels, 3) for _ in range(repeats - 1)))

    return nn.Sequential(
        OrderedDict(
            stage1=stage(3, width, 2 * depth),
            stage2=stage(width, width, 3 * depth),
            stage3=stage(width, 2 * width, 3 * depth),
        )
    )


class GatherExpansion(nn.Module):
    """Gather-and-expansion layer (figure 5b): the depth-wise convolution itself widens the map by 6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 6 * channels
        self.conv1 = ConvBNReLU(channels, channels, 3)
        self.dwconv = nn.Sequential(*conv_bn(channels, hidden, 3, groups=channels), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(*conv_bn(hidden, channels, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.relu(self.conv2(self.dwconv(self.conv1(x))) + x)


class StridedGatherExpansion(nn.Module):
    """Gather-and-expansion layer with stride 2 (figure 5c): two depth-wise convolutions, and one in the shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        hidden = 6 * in_channels
        self.conv1 = ConvBNReLU(in_channels, in_channels, 3)
        self.dwconv1 = nn.Sequential(*conv_bn(in_channels, hidden, 3, 2, groups=in_channels))
        self.dwconv2 = nn.Sequential(*conv_bn(hidden, hidden, 3, groups=hidden), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(*conv_bn(hidden, channels, 1))
        self.shortcut = nn.Sequential(
            *conv_bn(in_channels, in_channels, 3, 2, groups=in_channels), *conv_bn(in_channels, channels, 1)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/2, W/2)``."""
        out = self.conv2(self.dwconv2(self.dwconv1(self.conv1(x))))
        return self.relu(out + self.shortcut(x))


class ContextEmbedding(nn.Module):
    """Context embedding block (figure 4b): a global average is added to the map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv_gap = ConvBNReLU(channels, channels, 1)
        self.conv_last = ConvBNReLU(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        context = self.conv_gap(self.bn(x.mean(dim=(2, 3), keepdim=True)))
        return self.conv_last(context + x)


def semantic_branch(width: int, depth: int) -> nn.Sequential:
    """Semantic branch (table 1): image to ``(N, 8 * width, H/32, W/32)`` by gather-and-expansion layers."""

    def stage(in_channels: int, channels: int, repeats: int) -> nn.Sequential:
        first = StridedGatherExpansion(in_channels, channels)
        return nn.Sequential(first, *(GatherExpansion(channels) for _ in range(repeats - 1)))

    return nn.Sequential(
        OrderedDict(
            stem=StemBlock(width, width, 3),
            stage3=stage(width, 2 * width, 2 * depth),
            stage4=stage(2 * width, 4 * width, 2 * depth),
            stage5=stage(4 * width, 8 * width, 4 * depth),
            context=ContextEmbedding(8 * width),
        )
    )


class BilateralGuidedAggregation(nn.Module):
    """Bilateral guided aggregation layer (figure 6): each branch is gated by the other, at both scales."""

    def __init__(self, channels: int, aligned: bool) -> None:
        """Build the layer; `aligned` upsamples bilinearly with aligned corners instead of by nearest neighbours."""
        super().__init__()

        def separable() -> nn.Sequential:
            return nn.Sequential(
                *conv_bn(channels, channels, 3, groups=channels), nn.Conv2d(channels, channels, 1, bias=False)
            )

        def upsample() -> nn.Upsample:
            mode = "bilinear" if aligned else "nearest"
            return nn.Upsample(scale_factor=4, mode=mode, align_corners=True if aligned else None)

        self.left1 = separable()
        self.left2 = nn.Sequential(*conv_bn(channels, channels, 3, 2), nn.AvgPool2d(3, 2, 1))
        self.right1 = nn.Sequential(*conv_bn(channels, channels, 3))
        self.right2 = separable()
        self.up1 = upsample()
        self.up2 = upsample()
        self.conv = nn.Sequential(*conv_bn(channels, channels, 3), nn.ReLU(inplace=True))

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, channels, H/4, W/4)`` to ``(N, channels, H, W)``."""
        left = self.left1(detail) * self.up1(self.right1(semantic)).sigmoid()
        right = self.left2(detail) * self.right2(semantic).sigmoid()
        return self.conv(left + self.up2(right))


# Admit24's keys in CoinCheung's words, from which the table of the class goes on.
_CONV_BN = r"^(detail\.S\d\.\d+|segment\.(?:S1S2\.(?:conv|fuse|left\.\d)|S5_5\.conv_\w+|S\w+\.\d+\.conv1)|head\.conv)"
_FROM_ADMIT24 = (
    (r"^detail\.stage", "detail.S"),
    (r"^semantic\.stem\.conv1\.", "segment.S1S2.conv."),
    (r"^semantic\.stem\.conv2\.", "segment.S1S2.fuse."),
    (r"^semantic\.stem\.left\.", "segment.S1S2.left."),
    (r"^semantic\.stage5\.\d+\.pool\.1\.", "segment.S5_5.bn."),
    (r"^semantic\.stage5\.\d+\.pool\.2\.", "segment.S5_5.conv_gap."),
    (r"^semantic\.stage5\.\d+\.conv\.", "segment.S5_5.conv_last."),
    (r"^(semantic\.stage\d\.\d+)\.conv2\.0\.([01])\.", r"\1.dwconv1.\2."),
    (r"^(semantic\.stage\d\.\d+)\.conv2\.1\.([01])\.", r"\1.dwconv2.\2."),
    (r"^(semantic\.stage\d\.\d+)\.conv2\.", r"\1.dwconv."),
    (r"^(semantic\.stage\d\.\d+)\.conv3\.", r"\1.conv2."),
    (r"^(semantic\.stage\d\.\d+)\.downsample\.0\.", r"\1.shortcut."),
    (r"^(semantic\.stage\d\.\d+)\.downsample\.1\.0\.", r"\1.shortcut.2."),
    (r"^(semantic\.stage\d\.\d+)\.downsample\.1\.1\.", r"\1.shortcut.3."),
    (r"^semantic\.stage5\.", "segment.S5_4."),
    (r"^semantic\.stage", "segment.S"),
    (r"^aggregation\.detail\.conv\.0\.", "bga.left1."),
    (r"^aggregation\.detail\.conv\.1\.", "bga.left1.2."),
    (r"^aggregation\.detail\.pool\.0\.", "bga.left2."),
    (r"^aggregation\.semantic\.conv\.0\.", "bga.right2."),
    (r"^aggregation\.semantic\.conv\.1\.", "bga.right2.2."),
    (r"^aggregation\.semantic\.pool\.0\.", "bga.right1."),
    (r"^aggregation\.conv\.", "bga.conv."),
    (r"^classifier\.0\.", "head.conv."),
    (r"^classifier\.2\.", "head.conv_out.1."),
    (_CONV_BN + r"\.0\.", r"\1.conv."),
    (_CONV_BN + r"\.1\.", r"\1.bn."),
)


class BiSeNetV2(Network):
    """A wide, shallow detail branch and a narrow, deep semantic one, aggregated at stride 8 (figure 3)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *_FROM_ADMIT24,
        (r"^detail\.S", "detail.stage"),
        (r"^segment\.S1S2\.", "semantic.stem."),
        (r"^segment\.S5_5\.", "semantic.context."),
        (r"^segment\.S5_4\.", "semantic.stage5."),
        (r"^segment\.S", "semantic.stage"),
        (r"^head\.conv\.", "head.0."),
        (r"^head\.conv_out\.1\.", "head.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^aux\d",)

    def __init__(self, num_classes: int, width: int = 1, depth: int = 1, aligned: bool = False) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            width: the paper's alpha, a factor on the channels of both branches and their aggregation.
            depth: the paper's d, a factor on the layers of every stage of both branches.
            aligned: upsample as Admit24's port does, not as CoinCheung's.
        """
        super().__init__()
        self.detail = detail_branch(64 * width, depth)
        self.semantic = semantic_branch(16 * width, depth)
        self.bga = BilateralGuidedAggregation(128 * width, aligned)
        self.head = nn.Sequential(
            ConvBNReLU(128 * width, 1024, 3),
            nn.Conv2d(1024, num_classes, 1),
            nn.Upsample(scale_factor=8, mode="bilinear", align_corners=aligned),
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: both ports upsample them themselves."""
        return self.head(self.bga(self.detail(x), self.semantic(x)))


def bisenetv2(num_classes: int = 19, aligned: bool = False) -> BiSeNetV2:
    """BiSeNetV2: 3,358,627 parameters at 19 classes; `aligned` as in `BiSeNetV2`."""
    return BiSeNetV2(num_classes, aligned=aligned)


def bisenetv2_l(num_classes: int = 19) -> BiSeNetV2:
    """BiSeNetV2-L (alpha 2, d 3) as Admit24 reads it: 25,202,483 parameters at 19 classes.

    Not the network of the paper, which prints 118.51 GFLOPs at 512x1024: this one has 221.48 GMACs.
    """
    return BiSeNetV2(num_classes, width=2, depth=3, aligned=True)
