"""Context modules: pyramid pooling (PPM) as SFNet forms it, deep aggregation pyramid pooling (DAPPM) as DDRNet does.

PPM: Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, in the form of lxtGH/SFSegNets@ba475bafbfde.
DAPPM: Pan et al., "Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of Traffic Scenes",
TITS 2022, figure 5 and table 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.models.base import resize
from segbench.models.layers import Norm, norm_relu_conv


class PPM(nn.Module):
    """Pyramid pooling module: averages over a few grids, beside the input itself.

    A branch has no activation, and the branches stand before the input in the concatenation, as in SFNet. Resizing is
    bilinear with aligned corners.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        bottleneck_kernel: int = 1,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        """Build the module.

        Args:
            in_channels: width of the input.
            branch_channels: width of each pooled branch.
            out_channels: width of the output.
            bins: cells per side of each grid.
            bottleneck_kernel: kernel of the convolution over the concatenation.
            norm: class of the normalisations.
        """
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(size),
                nn.Conv2d(in_channels, branch_channels, 1, bias=False),
                norm(branch_channels),
            )
            for size in bins
        )
        width = in_channels + len(bins) * branch_channels
        self.bottleneck = nn.Sequential(
            nn.Conv2d(width, out_channels, bottleneck_kernel, padding=bottleneck_kernel // 2, bias=False),
            norm(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        size = x.shape[-2:]
        branches = [resize(stage(x), size, align_corners=True) for stage in self.stages]
        return self.bottleneck(torch.cat((*branches, x), dim=1))


class DAPPM(nn.Module):
    """Deep aggregation pyramid pooling module: each coarser scale is refined together with the finer one before it.

    Every convolution has its normalisation and ReLU in front of it and no bias.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        norm: Norm = nn.BatchNorm2d,
        align_corners: bool = False,
    ) -> None:
        """Build the module.

        Args:
            in_channels: width of the input.
            branch_channels: width of each scale.
            out_channels: width of the output.
            norm: class of the normalisations.
            align_corners: how the pooled scales are resized.
        """
        super().__init__()
        self.align_corners = align_corners

        def scale(*pooling: nn.Module) -> nn.Sequential:
            return nn.Sequential(*pooling, *norm_relu_conv(in_channels, branch_channels, norm=norm))

        def process() -> nn.Sequential:
            return nn.Sequential(*norm_relu_conv(branch_channels, branch_channels, 3, norm=norm))

        self.scale0 = scale()
        self.scale1 = scale(nn.AvgPool2d(5, 2, 2))
        self.scale2 = scale(nn.AvgPool2d(9, 4, 4))
        self.scale3 = scale(nn.AvgPool2d(17, 8, 8))
        self.scale4 = scale(nn.AdaptiveAvgPool2d(1))
        self.process1 = process()
        self.process2 = process()
        self.process3 = process()
        self.process4 = process()
        self.compression = nn.Sequential(*norm_relu_conv(5 * branch_channels, out_channels, norm=norm))
        self.shortcut = nn.Sequential(*norm_relu_conv(in_channels, out_channels, norm=norm))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        size = x.shape[-2:]
        y0 = self.scale0(x)
        y1 = self.process1(resize(self.scale1(x), size, self.align_corners) + y0)
        y2 = self.process2(resize(self.scale2(x), size, self.align_corners) + y1)
        y3 = self.process3(resize(self.scale3(x), size, self.align_corners) + y2)
        y4 = self.process4(resize(self.scale4(x), size, self.align_corners) + y3)
        return self.compression(torch.cat((y0, y1, y2, y3, y4), dim=1)) + self.shortcut(x)
