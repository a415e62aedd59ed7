"""CABiNet as its first author's repository has it since 2026: another network than that of the paper.

Public code: dronefreak/CABiNet@331e58f31e5c (``src/models/cabinet.py``, ``cab.py``, ``mobilenetv3.py``). Compared with
`segbench.models.cabinet`, keys and values of the attention keep the full resolution, local attention stands beside
the global one, the branches are 128 and 256 wide, and convolutions are full where they were depth-wise. The auxiliary
head on the context branch and the backbone's classifier are not built.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.mobilenetv3 import LARGE, SMALL, MobileNetV3, Row
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU


class PyramidPooling(nn.Module):
    """A map and its averages over four grids, raised to its size, projected to its width."""

    def __init__(self, channels: int, bins: tuple[int, ...] = (1, 3, 6, 8)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.AdaptiveAvgPool2d(size) for size in bins)
        self.project = nn.Conv2d(channels * (len(bins) + 1), channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        size = x.shape[-2:]
        return self.project(torch.cat((x, *(resize(stage(x), size) for stage in self.stages)), dim=1))


class GlobalContextAttention(nn.Module):
    """Non-local attention whose keys and values pass through pyramid pooling."""

    def __init__(self, channels: int, inner_channels: int) -> None:
        super().__init__()
        self.to_query = ConvBNReLU(channels, inner_channels, 1)
        self.to_key = ConvBNReLU(channels, inner_channels, 1)
        self.to_value = nn.Conv2d(channels, inner_channels, 1, bias=False)
        self.psp_key = PyramidPooling(inner_channels)
        self.psp_value = PyramidPooling(inner_channels)
        self.project_out = nn.Conv2d(inner_channels, channels, 1, bias=False)
        self.scale = inner_channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input is not added."""
        query = self.to_query(x).flatten(2).transpose(1, 2)
        key = self.psp_key(self.to_key(x)).flatten(2)
        value = self.psp_value(self.to_value(x))
        attention = (torch.bmm(query, key) * self.scale).softmax(dim=-1)
        context = torch.bmm(value.flatten(2), attention.transpose(1, 2))
        return self.project_out(context.view_as(value))


class LocalAttention(nn.Module):
    """A map of weights from three depth-wise convolutions, applied to the input and added to it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.refine = nn.Sequential(*(ConvBNReLU(channels, channels, 3, groups=channels) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return torch.addcmul(x, x, self.refine(x).sigmoid())


class ContextAggregation(nn.Module):
    """Context aggregation block (CAB): global attention, weighted by a learned scalar, beside local attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.global_attn = GlobalContextAttention(channels, channels // 2)
        self.local_attn = LocalAttention(channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return torch.addcmul(self.local_attn(x), self.gamma, self.global_attn(x))


class FeatureFusion(nn.Module):
    """Feature fusion module of BiSeNet with biasless convolutions: its attention squeezes the width by 4."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(in_channels, channels, 1)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of one size, `in_channels` together, to ``(N, channels, H, W)``."""
        feat = self.convblk(torch.cat((spatial, context), dim=1))
        attention = self.conv2(self.relu(self.conv1(self.avg_pool(feat)))).sigmoid()
        return torch.addcmul(feat, feat, attention)


class CABiNetRewrite(Network):
    """A spatial branch at stride 8 and a context branch at stride 32, fused."""

    align_corners: ClassVar[bool] = False
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^mobile\.", "backbone."),
        (r"^sb\.", "spatial_branch."),
        (r"^ab\.conva\.", "context_branch.reduce."),
        (r"^ab\.a2block\.", "context_branch.cab."),
        (r"^ab\.convb\.", "context_branch.project."),
        (r"^conv_out\.conv\.", "head.0."),
        (r"^conv_out\.conv_out\.", "head.1."),
        (r"\.block\.", "."),
        (r"\.(reduce|to_query|to_key|refine\.\d)\.0\.", r".\1.conv."),
        (r"\.(reduce|to_query|to_key|refine\.\d)\.1\.", r".\1.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^mobile\.classifier\.", r"^ab\.b[124]\.")

    def __init__(self, num_classes: int, rows: Sequence[Row], channels: int = 256) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            rows: table of the MobileNetV3.
            channels: width of the context branch and of the fused map.
        """
        super().__init__()
        self.backbone = MobileNetV3(rows)
        self.context_branch = nn.Sequential(
            OrderedDict(
                reduce=ConvBNReLU(self.backbone.channels, channels, 3),
                cab=ContextAggregation(channels),
                project=nn.Conv2d(channels, channels, 1),
            )
        )
        self.spatial_branch = nn.Sequential(
            OrderedDict(
                conv1=ConvBNReLU(3, 64, 7, stride=2),
                conv2=ConvBNReLU(64, 64, 3, stride=2),
                conv3=ConvBNReLU(64, 64, 3, stride=2),
                conv_out=ConvBNReLU(64, 128, 1),
            )
        )
        self.ffm = FeatureFusion(128 + channels, channels)
        self.head = nn.Sequential(ConvBNReLU(channels, channels, 3), nn.Conv2d(channels, num_classes, 1, bias=False))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        spatial = self.spatial_branch(x)
        context = resize(self.context_branch(self.backbone(x)), spatial.shape[-2:])
        return resize(self.head(self.ffm(spatial, context)), x.shape[-2:])


def cabinet_small(num_classes: int = 19) -> CABiNetRewrite:
    """The rewritten CABiNet with MobileNetV3-Small: 3,443,041 parameters at 19 classes."""
    return CABiNetRewrite(num_classes, SMALL)


def cabinet_large(num_classes: int = 19) -> CABiNetRewrite:
    """The rewritten CABiNet with MobileNetV3-Large: 6,372,721 parameters at 19 classes."""
    return CABiNetRewrite(num_classes, LARGE)
