"""PFNet (Li et al., "PointFlow: Flowing Semantics Through Points for Aerial Image Segmentation", CVPR 2021), ResNet-50.

Public code: lxtGH/PFSegNets@e613a5998eb5 (``network/pointflow_resnet_with_max_avg_pool.py``,
``network/nn/point_flow.py``). The released configurations are for aerial images; the hyper-parameters here are those of
its iSAID script. The trunk has a deep stem, and the 3x3 convolutions of stages 3 and 4 are dilated by 2 and 4 although
the output stride stays 32.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.context import PPM
from segbench.models.layers import ConvBNReLU, conv_bn


class PointMatcher(nn.Module):
    """Saliency map: where the coarse and the fine level agree to be matched (section 3.2)."""

    def __init__(self, channels: int) -> None:
        """Build the module; `channels` is the width of each of the two inputs."""
        super().__init__()
        self.match_conv = nn.Conv2d(2 * channels, 1, 3, padding=1)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """``(N, channels, h, w)`` and ``(N, channels, H, W)`` to a map ``(N, 1, h, w)`` between 0 and 1."""
        fine = resize(fine, coarse.shape[-2:], align_corners=True)
        return self.match_conv(torch.cat((coarse, fine), dim=1)).sigmoid()


def _aggregate(coarse: Tensor, fine: Tensor) -> Tensor:
    """Semantics of the coarse points flow to the fine ones by affinity: ``(N, C, P)`` twice to ``(N, C, P)``."""
    # The authors transpose the affinity before the softmax, which so runs over the coarse points.
    affinity = torch.bmm(coarse.transpose(1, 2), fine).transpose(1, 2).softmax(dim=-1)
    return torch.bmm(affinity, coarse.transpose(1, 2)).transpose(1, 2) + fine


class PointFlow(nn.Module):
    """Point flow module (PFM): salient points and edge points of the coarse level are carried to the fine one."""

    def __init__(
        self, channels: int, match_channels: int, salient_grid: int, average_grid: int, edge_points: int
    ) -> None:
        """Build the module.

        Args:
            channels: width of both levels.
            match_channels: width in which the saliency is computed.
            salient_grid: cells per side of the grid; the most salient point of each cell is taken.
            average_grid: cells per side of the grid that smooths the saliency for the edges.
            edge_points: number of edge points.
        """
        super().__init__()
        self.edge_points = edge_points
        self.point_matcher = PointMatcher(match_channels)
        self.down_h = nn.Conv2d(channels, match_channels, 1)
        self.down_l = nn.Conv2d(channels, match_channels, 1)
        self.max_pool = nn.AdaptiveMaxPool2d(salient_grid, return_indices=True)
        self.avg_pool = nn.AdaptiveAvgPool2d(average_grid)
        self.edge_final = nn.Sequential(
            *conv_bn(channels, channels, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, 1, 3, padding=1, bias=False),
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """``(N, channels, h, w)`` and ``(N, channels, H, W)`` to the fine level with its points replaced."""
        channels, size = coarse.shape[1], coarse.shape[-2:]
        saliency = self.point_matcher(self.down_h(coarse), self.down_l(fine))

        smooth = resize(self.avg_pool(saliency), size, align_corners=True)
        edges = self.edge_final(coarse - coarse * smooth).flatten(1)
        points = edges.topk(min(size[0] * size[1], self.edge_points), dim=1)[1]
        coordinates = self._coordinates(points, coarse)
        edge_features = _aggregate(
            F.grid_sample(coarse, coordinates, align_corners=False).squeeze(3),
            F.grid_sample(fine, coordinates, align_corners=False).squeeze(3),
        )
        edge_targets = self._fine_points(points, coarse, fine).unsqueeze(1).expand(-1, channels, -1)

        peaks, salient = self.max_pool(saliency)
        salient = salient.flatten(1)
        coarse = coarse + resize(peaks, size, align_corners=True) * coarse
        salient_points = salient.unsqueeze(1).expand(-1, channels, -1)
        salient_targets = self._fine_points(salient, coarse, fine).unsqueeze(1).expand(-1, channels, -1)
        salient_features = _aggregate(
            coarse.flatten(2).gather(2, salient_points), fine.flatten(2).gather(2, salient_targets)
        )

        # Where a point is both, the salient one is written last and stays.
        pixels = fine.flatten(2).scatter(2, edge_targets, edge_features)
        return pixels.scatter_(2, salient_targets, salient_features).view(fine.shape)

    @staticmethod
    def _coordinates(points: Tensor, x: Tensor) -> Tensor:
        """Centres of the pixels of `x` that have flat indices `points` ``(N, P)``: a sampling grid ``(N, P, 1, 2)``."""
        height, width = x.shape[-2:]
        columns = (points % width).to(x.dtype) / width + 0.5 / width
        rows = (points // width).to(x.dtype) / height + 0.5 / height
        return 2.0 * torch.stack((columns, rows), dim=-1).unsqueeze(2) - 1.0

    @staticmethod
    def _fine_points(points: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        """Flat indices in `fine` of the points that have flat indices `points` in `coarse`.

        The ratio of heights serves both directions, and a fraction of a row is carried into the columns, as in the
        public code; sizes of 2:1 have none.
        """
        ratio = fine.shape[2] / coarse.shape[2]
        width = coarse.shape[3]
        columns, rows = points % width * ratio, points // width * ratio
        return (columns + rows * fine.shape[3]).long()


class PFNet(Network):
    """ResNet, PPM, and a feature pyramid whose top-down path flows through points (figure 3)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^layer0\.0\.", "backbone.conv1."),
        (r"^layer0\.1\.", "backbone.bn1."),
        (r"^layer([1-4])\.", r"backbone.layer\1."),
        (r"^head\.ppm\.", "ppm."),
        (r"^head\.fpn_in\.(\d)\.0\.", r"lateral.\1.conv."),
        (r"^head\.fpn_in\.(\d)\.1\.", r"lateral.\1.bn."),
        (r"^head\.fpn_out\.(\d)\.0\.0\.", r"smooth.\1.conv."),
        (r"^head\.fpn_out\.(\d)\.0\.1\.", r"smooth.\1.bn."),
        (r"^head\.fpn_out_align\.", "flow."),
        (r"^head\.conv_last\.0\.0\.", "fuse.conv."),
        (r"^head\.conv_last\.0\.1\.", "fuse.bn."),
        (r"^head\.conv_last\.1\.", "classifier."),
    )

    def __init__(
        self,
        num_classes: int = 19,
        channels: int = 256,
        match_channels: int = 64,
        salient_grid: int = 14,
        average_grid: int = 9,
        edge_points: int = 128,
    ) -> None:
        """Build the network; `channels` is the width of the pyramid, the rest as in `PointFlow`."""
        super().__init__()
        self.backbone = ResNet(Bottleneck, (3, 4, 6, 3), dilations=(1, 1, 2, 4), deep_stem=(64, 64, 128))
        *widths, last = self.backbone.channels
        self.ppm = PPM(last, channels, channels)
        self.lateral = nn.ModuleList(ConvBNReLU(width, channels, bias=True) for width in widths)
        self.flow = nn.ModuleList(
            PointFlow(channels, match_channels, salient_grid, average_grid, edge_points) for _ in widths
        )
        self.smooth = nn.ModuleList(ConvBNReLU(channels, channels, 3) for _ in widths)
        self.fuse = ConvBNReLU((len(widths) + 1) * channels, channels, 3)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        *maps, last = self.backbone(x)
        coarse = self.ppm(last)
        levels = [coarse]
        for index in reversed(range(len(maps))):
            fine = self.lateral[index](maps[index])
            coarse = fine + self.flow[index](coarse, fine)
            levels.append(self.smooth[index](coarse))
        finest = maps[0].shape[-2:]
        pyramid = [resize(level, finest, align_corners=True) for level in reversed(levels)]
        return resize(self.classifier(self.fuse(torch.cat(pyramid, dim=1))), x.shape[-2:], align_corners=True)


def pfnet_r50(num_classes: int = 19) -> PFNet:
    """PFNet with ResNet-50: 32,994,774 parameters at 19 classes."""
    return PFNet(num_classes)
