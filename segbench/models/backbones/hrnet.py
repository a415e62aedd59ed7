"""HRNetV2 trunk (Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2021).

Branches of strides 4 to 32 run side by side and exchange information repeatedly (figures 2 and 3).
Public code: HRNet/HRNet-Semantic-Segmentation@0bbb2880446d (``lib/models/seg_hrnet.py``), whose key names are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, Bottleneck
from segbench.models.base import resize
from segbench.models.layers import conv_bn

BLOCKS = 4  # in a branch of one module, and in stage 1


def _conv_bn_relu(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*conv_bn(in_channels, out_channels, 3, stride), nn.ReLU(inplace=True))


def _down(channels: Sequence[int], source: int, target: int) -> nn.Sequential:
    """Strided 3x3 convolutions from branch `source` to the coarser branch `target`; only the last changes width."""
    steps = [_conv_bn_relu(channels[source], channels[source], 2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, nn.Sequential(*conv_bn(channels[source], channels[target], 3, 2)))


def _up(channels: Sequence[int], source: int, target: int) -> nn.Sequential:
    """1x1 convolution to the width of the finer branch `target`; the resize follows in the forward pass."""
    return nn.Sequential(*conv_bn(channels[source], channels[target]))


class HighResolutionModule(nn.Module):
    """Parallel branches of basic blocks, then every branch receives the sum of all of them at its own size."""

    def __init__(self, channels: Sequence[int], align_corners: bool) -> None:
        """Build the module.

        Args:
            channels: widths of the branches, finest first.
            align_corners: how coarser branches are resized.
        """
        super().__init__()
        self.align_corners = align_corners
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(BLOCKS))) for width in channels
        )

        def fuse(source: int, target: int) -> nn.Module:
            if source == target:
                return nn.Identity()
            return (_up if source > target else _down)(channels, source, target)

        indices = range(len(channels))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(fuse(source, target) for source in indices) for target in indices
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the branches, finest first, to maps of the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused: list[Tensor] = []
        for target, layers in enumerate(self.fuse_layers):
            size = maps[target].shape[-2:]
            assert isinstance(layers, nn.ModuleList)
            y = layers[0](maps[0])
            for source in range(1, len(maps)):
                x = layers[source](maps[source])
                y = y + (resize(x, size, self.align_corners) if source > target else x)
            fused.append(self.relu(y))
        return fused


class HRNet(nn.Module):
    """HRNetV2 trunk: stem, a stage of bottlenecks, three stages of high-resolution modules.

    Attributes:
        channels: channels of the output, all four branches together.
    """

    def __init__(self, width: int, modules: Sequence[int] = (1, 4, 3), align_corners: bool = False) -> None:
        """Build the trunk.

        Args:
            width: channels of the finest branch; each coarser one has twice as many.
            modules: high-resolution modules in stages 2, 3 and 4.
            align_corners: how coarser branches are resized.
        """
        super().__init__()
        self.align_corners = align_corners
        self.conv1, self.bn1 = conv_bn(3, 64, 3, 2)
        self.conv2, self.bn2 = conv_bn(64, 64, 3, 2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(BLOCKS - 1)))

        widths = [width * 2**index for index in range(4)]
        self.channels = sum(widths)
        self.transition1 = nn.ModuleList(
            [_conv_bn_relu(256, widths[0], 1), nn.Sequential(_conv_bn_relu(256, widths[1], 2))]
        )
        # A new branch starts from the coarsest one; the others pass unchanged.
        self.transition2 = nn.ModuleDict({"2": nn.Sequential(_conv_bn_relu(widths[1], widths[2], 2))})
        self.transition3 = nn.ModuleDict({"3": nn.Sequential(_conv_bn_relu(widths[2], widths[3], 2))})

        def stage(branches: int, depth: int) -> nn.Sequential:
            return nn.Sequential(*(HighResolutionModule(widths[:branches], align_corners) for _ in range(depth)))

        self.stage2 = stage(2, modules[0])
        self.stage3 = stage(3, modules[1])
        self.stage4 = stage(4, modules[2])

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, channels, H/4, W/4)``, sizes rounded up: all branches at the finest size."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        maps: list[Tensor] = self.stage2([transition(x) for transition in self.transition1])
        maps = self.stage3([*maps, self.transition2["2"](maps[-1])])
        maps = self.stage4([*maps, self.transition3["3"](maps[-1])])
        size = maps[0].shape[-2:]
        return torch.cat([maps[0], *(resize(y, size, self.align_corners) for y in maps[1:])], dim=1)
