"""CABiNet (Kumaar et al., ICRA 2021), a dual-branch network with MobileNetV3-Small.

Paper: "CABiNet: Efficient Context Aggregation Network for Low-Latency Semantic Segmentation". Public code:
dronefreak/CABiNet@abfff8a5a0ec (``cabinet.py``, ``cab.py``), the state of the repository that is closest to the paper;
what it became is in `segbench.models.cabinet_rewrite`. The classifier on the context branch, its fusion with the
logits, and a second stem of the backbone do not reach the output and are not built.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.mobilenetv3 import SMALL, MobileNetV3
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU


def _depthwise(channels: int, stride: int = 1) -> ConvBNReLU:
    return ConvBNReLU(channels, channels, 3, stride, groups=channels)


class GlobalAttention(nn.Module):
    """Compact global attention: a non-local block whose keys and values are averages over four grids."""

    def __init__(self, channels: int, value_channels: int, bins: tuple[int, ...] = (1, 3, 6, 8)) -> None:
        super().__init__()
        self.key_query = ConvBNReLU(channels, channels, 1, bias=True)
        self.value = nn.Conv2d(channels, value_channels, 1)
        self.project_out = nn.Conv2d(value_channels, channels, 1)
        self.pools = nn.ModuleList(nn.AdaptiveAvgPool2d(size) for size in bins)
        self.scale = channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input is not added."""
        value = self.value(x)
        # One projection serves queries and keys. The reference runs it for each of them, and its costs count both.
        query = self.key_query(x).flatten(2).transpose(1, 2)
        similarity = torch.bmm(query, self._pool(self.key_query(x))) * self.scale
        context = torch.bmm(self._pool(value), similarity.softmax(dim=-1).transpose(1, 2))
        return self.project_out(context.view_as(value))

    def _pool(self, x: Tensor) -> Tensor:
        return torch.cat([pool(x).flatten(2) for pool in self.pools], dim=2)


class LocalAttention(nn.Module):
    """Local distribution: a map of weights from three depth-wise convolutions at a quarter of the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dconv1 = _depthwise(channels, 2)
        self.dconv2 = _depthwise(channels, 2)
        self.dconv3 = _depthwise(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        mask = resize(self.dconv3(self.dconv2(self.dconv1(x))), x.shape[-2:], align_corners=True)
        return torch.addcmul(x, x, mask.sigmoid())


class ContextAggregation(nn.Module):
    """Context aggregation block (CAB): global attention, then local attention with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.global_attention = GlobalAttention(channels, channels // 2)
        self.local_attention = LocalAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        x = self.global_attention(x)
        return self.local_attention(x) + x


class ContextBranch(nn.Module):
    """Context aggregation on the backbone's last map, and the fusion of both."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.reduce = ConvBNReLU(in_channels, channels, 3)
        self.cab = ContextAggregation(channels)
        self.project = nn.Conv2d(channels, channels, 1)
        self.fuse = ConvBNReLU(in_channels + channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        return self.fuse(torch.cat((x, self.project(self.cab(self.reduce(x)))), dim=1))


class FeatureFusion(nn.Module):
    """Feature fusion module (FFM) as the public code has it.

    Its softmax runs over the one column of a pooled map, so the attention is 1 and the output twice the fused map. The
    convolutions before it are executed and counted by the reference, and so they are here.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = _depthwise(channels)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of one size, `channels` together, to ``(N, channels, H, W)``."""
        feat = self.convblk(torch.cat((spatial, context), dim=1))
        attention = self.conv2(self.relu(self.conv1(feat.mean(dim=(2, 3), keepdim=True))))
        return torch.addcmul(feat, feat, attention.softmax(dim=-1))


class CABiNet(Network):
    """A spatial branch at stride 8 and a context branch at stride 32, fused."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^mobile\.", "backbone."),
        (r"^sb\.", "spatial_branch."),
        (r"^ab\.conva\.0\.", "context_branch.reduce.conv."),
        (r"^ab\.conva\.1\.", "context_branch.reduce.bn."),
        (r"^ab\.convb\.", "context_branch.project."),
        (r"^ab\.b1\.", "context_branch.fuse.conv."),
        (r"^ab\.b2\.", "context_branch.fuse.bn."),
        (r"^ab\.a2block\.", "context_branch.cab."),
        (r"\.long_relation\.", ".global_attention."),
        (r"\.f_value\.", ".value."),
        (r"\.W\.", ".project_out."),
        (r"\.f_query\.0\.", ".key_query.conv."),
        (r"\.f_query\.1\.", ".key_query.bn."),
        (r"^conv_out\.conv\.conv\.0\.", "head.0.conv."),
        (r"^conv_out\.conv\.conv\.1\.", "head.0.bn."),
        (r"^conv_out\.conv\.conv\.3\.", "head.1.conv."),
        (r"^conv_out\.conv\.conv\.4\.", "head.1.bn."),
        (r"^conv_out\.conv_out\.", "head.2."),
        # Its depth-wise convolutions are a sequence by the name of conv.
        (r"^(ffm|spatial_branch|context_branch)\.(.+)\.conv\.0\.", r"\1.\2.conv."),
        (r"^(ffm|spatial_branch|context_branch)\.(.+)\.conv\.1\.", r"\1.\2.bn."),
    )
    dropped: ClassVar[tuple[str, ...]] = (
        r"^mobile\.input_layer\.",
        r"^ab\.b4\.",
        r"^attention_fusion\.",
        r"\.f_key\.",  # the tensors of f_query again
    )

    def __init__(self, num_classes: int, channels: int = 128) -> None:
        """Build the network; `channels` is the width of each branch."""
        super().__init__()
        self.backbone = MobileNetV3(SMALL)
        self.context_branch = ContextBranch(self.backbone.channels, channels)
        self.spatial_branch = nn.Sequential(
            OrderedDict(
                conv1=ConvBNReLU(3, 64, 7, stride=2),
                conv2=_depthwise(64, 2),
                conv3=_depthwise(64, 2),
                conv_out=ConvBNReLU(64, channels, 1),
            )
        )
        self.ffm = FeatureFusion(2 * channels)
        self.head = nn.Sequential(
            _depthwise(2 * channels),
            ConvBNReLU(2 * channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, num_classes, 1, bias=False),
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        spatial = self.spatial_branch(x)
        context = self.context_branch(self.backbone(x))
        context = resize(context, spatial.shape[-2:], align_corners=True)
        return resize(self.head(self.ffm(spatial, context)), x.shape[-2:], align_corners=True)


def cabinet(num_classes: int = 19) -> CABiNet:
    """CABiNet with MobileNetV3-Small: 2,584,864 parameters at 19 classes."""
    return CABiNet(num_classes)
