"""DSANet (Elhassan et al., "DSANet: Dilated Spatial Attention for Real-time Semantic Segmentation", ESWA 2021).

Public code: mohamedac29/DSANet@6b625b938b39824972eefef762b77beb3f06ad23 (``model/DSANet.py``). There the dual attention
modules feed the auxiliary predictions alone, which its forward computes in eval mode too: 1.30 M of its 3.12 M
parameters and 14.6 of its 37.5 GMACs at 512x1024 never reach the main output, and none of them is built here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import BNPReLU, ConvBNPReLU

EPS = 1e-3


def shuffle_halves(x: Tensor) -> Tensor:
    """Interleave the first and the second half of the channels of ``(N, C, H, W)``."""
    n, channels, height, width = x.shape
    return x.view(n, 2, channels // 2, height, width).transpose(1, 2).reshape(n, channels, height, width)


def asymmetric(channels: int, dilation: int) -> nn.Sequential:
    """Depth-wise 3x1 and 1x3 convolutions, each with BN and PReLU."""
    return nn.Sequential(
        ConvBNPReLU(channels, channels, (3, 1), dilation=dilation, groups=channels, eps=EPS),
        ConvBNPReLU(channels, channels, (1, 3), dilation=dilation, groups=channels, eps=EPS),
    )


class FDSS(nn.Module):
    """Channel split and shuffle around a plain and a dilated branch of factorised depth-wise convolutions."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.bn_prelu = BNPReLU(channels, EPS)
        self.conv1x1 = ConvBNPReLU(channels, channels, 1, eps=EPS)
        self.conv3x3 = ConvBNPReLU(channels, channels, 3, eps=EPS)
        self.plain = asymmetric(channels // 2, 1)
        self.dilated = asymmetric(channels // 2, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        first, second = self.conv3x3(self.conv1x1(self.bn_prelu(x))).chunk(2, dim=1)
        out = torch.cat((self.plain(first), self.dilated(second)), dim=1)
        out += x
        return shuffle_halves(out)


class DownSampling(nn.Module):
    """Strided convolution beside a max pool that keeps the input's channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(in_channels, out_channels - in_channels, 3, 2, 1, bias=False)
        self.max_pool = nn.MaxPool2d(2, stride=2)
        self.bn_prelu = BNPReLU(out_channels, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``."""
        return self.bn_prelu(torch.cat((self.conv3x3(x), self.max_pool(x)), dim=1))


def spatial_encoding() -> nn.Sequential:
    """Three strided convolutions with a second one behind each: the branch that keeps spatial detail, at stride 8."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width = 3
    for stage, channels in enumerate((32, 64, 128), start=1):
        layers[f"conv{stage}"] = ConvBNPReLU(width, channels, 3, stride=2, eps=EPS)
        layers[f"conv{stage}1"] = ConvBNPReLU(channels, channels, 3, eps=EPS)
        width = channels
    return nn.Sequential(layers)


def semantic_block(channels: int, dilations: Sequence[int]) -> nn.Sequential:
    """One FDSS module for each of `dilations`."""
    return nn.Sequential(*(FDSS(channels, dilation) for dilation in dilations))


class DSANet(Network):
    """Semantic and spatial encoding branches, joined at stride 8 by a pointwise classifier (figure 1)."""

    # Max pool (floor) and strided convolution (ceil) are concatenated at strides 4 and 8.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^spatial\.Spatial_Encoding_Network\.", "spatial."),
        (r"^FDSS_Block_(\d)\.FDSS_Module_\d_(\d+)\.", r"fdss_block_\1.\2."),
        (r"\.conv3x3\.conv\.weight$", ".conv3x3.weight"),
        (r"^(fdss.*)\.conv3x3\.weight$", r"\1.conv1x1.conv.weight"),
        (r"^(fdss.*)\.conv3x3\.bn_prelu\.", r"\1.conv1x1.bn_prelu."),
        (r"\.conv3x31\.", ".conv3x3."),
        (r"\.dconv3x1\.", ".plain.0."),
        (r"\.dconv1x3\.", ".plain.1."),
        (r"\.ddconv3x1\.", ".dilated.0."),
        (r"\.ddconv1x3\.", ".dilated.1."),
        # Only where a convolution stands before it is the pair a level of its own in the reference's keys.
        (r"(?<!downsample_\d)\.bn_prelu\.", "."),
        (r"\.bn_relu_1\.", ".bn_prelu."),
        (r"\.acti\.", ".act."),
        (r"^classifier\.conv\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^attentio[123]\.", r"^refine[123]\.")

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.spatial = spatial_encoding()
        self.bn_prelu_sp = BNPReLU(128, EPS)
        self.init_block = nn.Sequential(
            ConvBNPReLU(3, 32, 3, stride=2, eps=EPS),
            ConvBNPReLU(32, 32, 3, eps=EPS),
            ConvBNPReLU(32, 32, 3, eps=EPS),
        )
        self.bn_prelu_1 = BNPReLU(32, EPS)
        self.downsample_1 = DownSampling(32, 64)
        self.fdss_block_1 = semantic_block(64, (1, 1, 1))
        self.bn_prelu_2 = BNPReLU(64, EPS)
        self.downsample_2 = DownSampling(64, 128)
        self.fdss_block_2 = semantic_block(128, (1, 3, 6, 12))
        self.bn_prelu_3 = BNPReLU(128, EPS)
        self.fdss_block_3 = semantic_block(128, (3, 6, 12, 24))
        self.bn_prelu_4 = BNPReLU(128, EPS)
        self.classifier = nn.Conv2d(256, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        spatial = self.bn_prelu_sp(self.spatial(x))
        semantic = self.bn_prelu_1(self.init_block(x))
        semantic = self.bn_prelu_2(self.fdss_block_1(self.downsample_1(semantic)))
        semantic = self.bn_prelu_3(self.fdss_block_2(self.downsample_2(semantic)))
        semantic = self.bn_prelu_4(self.fdss_block_3(semantic))
        scores = self.classifier(torch.cat((spatial, semantic), dim=1))
        return resize(scores, x.shape[-2:])


def dsanet(num_classes: int = 19) -> DSANet:
    """DSANet: 1,819,584 parameters at 19 classes."""
    return DSANet(num_classes)
