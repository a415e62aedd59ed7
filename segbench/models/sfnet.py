"""SFNet (Li et al., "Semantic Flow for Fast and Accurate Scene Parsing", ECCV 2020) and SFNet-Lite, with a ResNet-18.

SFNet-Lite: Li et al., "SFNet: Faster and Accurate Semantic Segmentation via Semantic Flow", IJCV 2023.
Public code: lxtGH/SFSegNets@ba475bafbfde (``network/sfnet_resnet.py``). Its ResNet-18 has a deep stem, and the second
convolutions of stages 3 and 4 are dilated by 2 and 4 although the output stride stays 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize
from segbench.models.context import PPM
from segbench.models.layers import ConvBNReLU


def flow_warp(x: Tensor, flow: Tensor, align_corners: bool = True) -> Tensor:
    """Sample `x` where `flow` points (equations 2 and 3).

    Args:
        x: ``(N, C, h, w)``.
        flow: ``(N, 2, H, W)``, horizontal before vertical; a flow of W or H is one unit of the grid from -1 to 1.
        align_corners: whether -1 and 1 are the centres of the outer pixels of `x`, as the grid supposes, or its edges.

    Returns:
        ``(N, C, H, W)``; zeros are sampled outside of `x`.
    """
    height, width = flow.shape[-2:]
    # In single precision whatever the network's: the reference's grid, to the last bit.
    columns = torch.linspace(-1.0, 1.0, width, dtype=torch.float32, device=flow.device).to(flow.dtype)
    rows = torch.linspace(-1.0, 1.0, height, dtype=torch.float32, device=flow.device).to(flow.dtype)
    grid = torch.stack((columns + flow[:, 0] / width, rows[:, None] + flow[:, 1] / height), dim=-1)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=align_corners)


class FlowAlignment(nn.Module):
    """Flow alignment module (FAM, section 3.2): warps a coarse map onto a fine one along a learned flow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down_h = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.down_l = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow_make = nn.Conv2d(channels, 2, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, channels, h, w)`` to the coarse map at H x W."""
        high = resize(self.down_h(coarse), fine.shape[-2:], align_corners=True)
        flow = self.flow_make(torch.cat((high, self.down_l(fine)), dim=1))
        return flow_warp(coarse, flow)


class SFNetHead(nn.Module):
    """Feature pyramid whose top-down path is aligned by flow; all levels are fused at the finest one (figure 3)."""

    def __init__(self, in_channels: Sequence[int], channels: int, num_classes: int) -> None:
        """Build the head.

        Args:
            in_channels: widths of the backbone maps, finest first, without the coarsest.
            channels: width of the pyramid and of the context map that enters at its top.
            num_classes: output channels.
        """
        super().__init__()
        self.lateral = nn.ModuleList(ConvBNReLU(width, channels, 1, bias=True) for width in in_channels)
        self.align = nn.ModuleList(FlowAlignment(channels) for _ in in_channels)
        self.smooth = nn.ModuleList(ConvBNReLU(channels, channels, 3) for _ in in_channels)
        self.fuse = ConvBNReLU((len(in_channels) + 1) * channels, channels, 3)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps: Sequence[Tensor], context: Tensor) -> Tensor:
        """Class scores at the size of the finest map.

        Args:
            maps: backbone maps, finest first, without the coarsest.
            context: ``(N, channels, h, w)``, the context module's output on the coarsest map.

        Returns:
            ``(N, num_classes, H, W)`` at the size of ``maps[0]``.
        """
        levels = [context]
        x = context
        for index in reversed(range(len(maps))):
            fine = self.lateral[index](maps[index])
            x = fine + self.align[index](fine, x)
            levels.append(self.smooth[index](x))
        size = maps[0].shape[-2:]
        pyramid = [resize(level, size, align_corners=True) for level in reversed(levels)]
        return self.classifier(self.fuse(torch.cat(pyramid, dim=1)))


def _dilated_resnet18() -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), dilations=(1, 1, 2, 4), deep_stem=(64, 64, 128))


_TRUNK_AND_PPM = (
    (r"^layer0\.0\.", "backbone.conv1."),
    (r"^layer0\.1\.", "backbone.bn1."),
    (r"^layer([1-4])\.", r"backbone.layer\1."),
    (r"^head\.ppm\.", "ppm."),
)


class SFNet(Network):
    """Dilated ResNet-18 with a deep stem, PPM, and the flow-aligned pyramid at width 128."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *_TRUNK_AND_PPM,
        (r"^head\.fpn_in\.(\d)\.0\.", r"head.lateral.\1.conv."),
        (r"^head\.fpn_in\.(\d)\.1\.", r"head.lateral.\1.bn."),
        (r"^head\.fpn_out\.(\d)\.0\.0\.", r"head.smooth.\1.conv."),
        (r"^head\.fpn_out\.(\d)\.0\.1\.", r"head.smooth.\1.bn."),
        (r"^head\.fpn_out_align\.", "head.align."),
        (r"^head\.conv_last\.0\.0\.", "head.fuse.conv."),
        (r"^head\.conv_last\.0\.1\.", "head.fuse.bn."),
        (r"^head\.conv_last\.1\.", "head.classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^head\.dsn\.",)

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of PPM and pyramid."""
        super().__init__()
        self.backbone = _dilated_resnet18()
        widths = self.backbone.channels
        self.ppm = PPM(widths[-1], channels, channels)
        self.head = SFNetHead(widths[:-1], channels, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        *maps, coarsest = self.backbone(x)
        return resize(self.head(maps, self.ppm(coarsest)), x.shape[-2:], align_corners=True)


def sfnet_r18(num_classes: int = 19) -> SFNet:
    """SFNet with ResNet-18: 12,869,715 parameters at 19 classes."""
    return SFNet(num_classes)


class GatedDualFlowAlignment(nn.Module):
    """Gated dual flow alignment (GD-FAM, SFNet-Lite): both maps are warped onto each other and mixed by a gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down_h = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.down_l = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow_make = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
        self.flow_gate = nn.Sequential(nn.Conv2d(4, 1, 3, padding=1, bias=False), nn.Sigmoid())

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, channels, h, w)`` to ``(N, channels, H, W)``."""
        high = resize(self.down_h(coarse), fine.shape[-2:], align_corners=True)
        flow_up, flow_down = self.flow_make(torch.cat((high, self.down_l(fine)), dim=1)).chunk(2, dim=1)
        # As in the public code, the gate sees the coarse map projected and the fine one as it came.
        statistics = (
            high.mean(dim=1, keepdim=True),
            fine.mean(dim=1, keepdim=True),
            high.amax(dim=1, keepdim=True),
            fine.amax(dim=1, keepdim=True),
        )
        gate = self.flow_gate(torch.cat(statistics, dim=1))
        return flow_warp(coarse, flow_up) * gate + flow_warp(fine, flow_down) * (1 - gate)


class SFNetLite(Network):
    """Dilated ResNet-18, PPM, and one gated dual flow alignment from the coarsest map straight to the finest.

    The public code builds a third lateral convolution (``fpn_in.2``) that nothing calls; it is left out.
    """

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *_TRUNK_AND_PPM,
        (r"^head\.fpn_in\.0\.0\.", "lateral2.conv."),
        (r"^head\.fpn_in\.0\.1\.", "lateral2.bn."),
        (r"^head\.fpn_in\.1\.0\.", "lateral4.conv."),
        (r"^head\.fpn_in\.1\.1\.", "lateral4.bn."),
        (r"^head\.flow_align_module\.", "align."),
        (r"^head\.conv_last\.0\.0\.", "fuse.conv."),
        (r"^head\.conv_last\.0\.1\.", "fuse.bn."),
        (r"^head\.conv_last\.1\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^head\.dsn\.", r"^head\.fpn_in\.2\.")

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of PPM and decoder."""
        super().__init__()
        self.backbone = _dilated_resnet18()
        c2, _, c4, c5 = self.backbone.channels
        self.ppm = PPM(c5, channels, channels)
        self.lateral2 = ConvBNReLU(c2, channels, 1, bias=True)
        self.lateral4 = ConvBNReLU(c4, channels, 1, bias=True)
        self.align = GatedDualFlowAlignment(channels)
        self.fuse = ConvBNReLU(2 * channels, channels, 3)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        c2, _, c4, c5 = self.backbone(x)
        aligned = self.align(self.lateral2(c2), self.ppm(c5))
        p4 = resize(self.lateral4(c4), aligned.shape[-2:], align_corners=True)
        scores = self.classifier(self.fuse(torch.cat((aligned, p4), dim=1)))
        return resize(scores, x.shape[-2:], align_corners=True)


def sfnet_lite_r18(num_classes: int = 19) -> SFNetLite:
    """SFNet-Lite with ResNet-18: 12,079,863 parameters at 19 classes."""
    return SFNetLite(num_classes)
