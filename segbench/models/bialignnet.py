"""BiAlignNet (Wu et al., "Fast and Accurate Scene Parsing via Bi-Direction Alignment Networks", ICIP 2021), DFNet2.

DFNet: Li et al., "Partial Order Pruning: for Best Speed/Accuracy Trade-off in Neural Architecture Search", CVPR 2019.
Public code: jojacola/BiAlignNet@3cde010bfe72 (``network/bialign.py``, ``network/dfnet.py``).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock
from segbench.models.base import Network, resize
from segbench.models.context import PPM
from segbench.models.layers import ConvBNReLU, conv_bn
from segbench.models.sfnet import flow_warp


def _stage(in_channels: int, channels: int, depth: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, channels, stride)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(depth - 1)))


class DFNet2(nn.Module):
    """DFNet2, a residual network that was found by search; only its last map is used here."""

    channels: ClassVar[int] = 512

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            *conv_bn(3, 32, 3, 2),
            nn.ReLU(inplace=True),
            *conv_bn(32, 64, 3, 2),
            nn.ReLU(inplace=True),
        )
        self.stage2_1 = _stage(64, 64, 2, stride=2)
        self.stage2_2 = _stage(64, 128, 1, stride=1)
        self.stage3_1 = _stage(128, 128, 10, stride=2)
        self.stage3_2 = _stage(128, 256, 1, stride=1)
        self.stage4_1 = _stage(256, 256, 4, stride=2)
        self.stage4_2 = _stage(256, 512, 2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, 512, H/32, W/32)``."""
        x = self.stage2_2(self.stage2_1(self.stage1(x)))
        x = self.stage3_2(self.stage3_1(x))
        return self.stage4_2(self.stage4_1(x))


class SpatialPath(nn.Module):
    """Three strided convolutions and a 1x1 convolution: detail at stride 8."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.conv1 = ConvBNReLU(3, width, 7, stride=2)
        self.conv2 = ConvBNReLU(width, width, 3, stride=2)
        self.conv3 = ConvBNReLU(width, width, 3, stride=2)
        self.conv_out = ConvBNReLU(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, channels, H/8, W/8)``."""
        return self.conv_out(self.conv3(self.conv2(self.conv1(x))))


class GatedFlowAlignment(nn.Module):
    """Gated flow alignment module (figure 2): warps one of the two maps along a flow that the same map gates."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down_h = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.down_l = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow_make = nn.Conv2d(channels, 2, 3, padding=1, bias=False)
        self.gate = nn.Sequential(nn.Conv2d(channels, 2, 1), nn.Sigmoid())

    def forward(self, spatial: Tensor, context: Tensor, source: Tensor) -> Tensor:
        """Align one of two maps.

        Args:
            spatial: ``(N, channels, H, W)``.
            context: ``(N, channels, h, w)``.
            source: whichever of the two is to be warped.

        Returns:
            `source` at ``(N, channels, H, W)``.
        """
        size = spatial.shape[-2:]
        high = resize(self.down_h(context), size, align_corners=True)
        flow = self.flow_make(torch.cat((high, self.down_l(spatial)), dim=1))
        flow = flow * resize(self.gate(source), size, align_corners=True)
        # The public code leaves this argument to torch, whose default is no longer what the code was written for.
        return flow_warp(source, flow, align_corners=False)


class BiAlignNet(Network):
    """Spatial and context path that are aligned to each other in both directions (figure 1)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\.gate\.gate\.", ".gate."),
        (r"^conv_out\.conv\.", "fuse."),
        (r"^conv_out\.conv_out\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^spatial_out\.", r"^cxt(?:8|16)_aux\.")

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of both paths."""
        super().__init__()
        self.backbone = DFNet2()
        self.ppm = PPM(self.backbone.channels, channels, channels)
        self.sp = SpatialPath(channels)
        self.spatial2Context = GatedFlowAlignment(channels)
        self.context2Spatial = GatedFlowAlignment(channels)
        self.fuse = ConvBNReLU(2 * channels, 2 * channels, 3)
        self.classifier = nn.Conv2d(2 * channels, num_classes * 8 * 8, 1)
        self.up = nn.PixelShuffle(8)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        context = self.ppm(self.backbone(x))
        spatial = self.sp(x)
        aligned = (
            self.spatial2Context(spatial, context, source=context),
            self.context2Spatial(spatial, context, source=spatial),
        )
        scores = self.up(self.classifier(self.fuse(torch.cat(aligned, dim=1))))
        return resize(scores, x.shape[-2:], align_corners=True)


def bialignnet_dfnet2(num_classes: int = 19) -> BiAlignNet:
    """BiAlignNet with DFNet2: 18,901,412 parameters at 19 classes."""
    return BiAlignNet(num_classes)
