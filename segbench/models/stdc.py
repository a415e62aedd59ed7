"""STDC-Seg (Fan et al., "Rethinking BiSeNet for Real-time Semantic Segmentation", CVPR 2021).

Public code: MichaelFan01/STDC-Seg@59ff37fbd693 (``models/model_stages.py``, ``nets/stdcnet.py``). The boundary and
auxiliary heads serve training only, and the backbone's classifier is never run: neither is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, StateDict, resize
from segbench.models.bisenet import AttentionRefinement
from segbench.models.layers import ConvBNReLU


class STDCModule(nn.Module):
    """Short-term dense concatenate module: four convolutions of shrinking width, all outputs kept (figure 3b, c)."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, count_padding: bool = True) -> None:
        super().__init__()
        self.conv_list = nn.ModuleList(
            (
                ConvBNReLU(in_channels, channels // 2, 1),
                ConvBNReLU(channels // 2, channels // 4, 3),
                ConvBNReLU(channels // 4, channels // 8, 3),
                ConvBNReLU(channels // 8, channels // 8, 3),
            )
        )
        self.avd_layer: nn.Module | None = None
        self.skip: nn.Module | None = None
        if stride == 2:
            half = channels // 2
            self.avd_layer = nn.Sequential(
                nn.Conv2d(half, half, 3, 2, 1, groups=half, bias=False), nn.BatchNorm2d(half)
            )
            self.skip = nn.AvgPool2d(3, 2, 1, count_include_pad=count_padding)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``."""
        first = x = self.conv_list[0](x)
        if self.avd_layer is not None and self.skip is not None:
            first, x = self.skip(first), self.avd_layer(first)
        outputs = [first]
        for conv in self.conv_list[1:]:
            x = conv(x)
            outputs.append(x)
        return torch.cat(outputs, dim=1)


class STDCNet(nn.Module):
    """STDC backbone (figure 3a, table 2): two convolutions and three stages of STDC modules, each at half the size."""

    def __init__(self, depths: Sequence[int], count_padding: bool = True) -> None:
        """Build the backbone.

        Args:
            depths: modules of stages 3, 4 and 5.
            count_padding: whether the averages of the strided modules include the zeros around the map.
        """
        super().__init__()
        layers: list[nn.Module] = [ConvBNReLU(3, 32, 3, stride=2), ConvBNReLU(32, 64, 3, stride=2)]
        width = 64
        ends = []
        for depth, channels in zip(depths, (256, 512, 1024), strict=True):
            for index in range(depth):
                layers.append(STDCModule(width, channels, 1 if index else 2, count_padding))
                width = channels
            ends.append(len(layers))
        self.features = nn.ModuleList(layers)
        self.stage_ends = tuple(ends)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps at strides 8, 16 and 32, of 256, 512 and 1024 channels."""
        maps = []
        for position, layer in enumerate(self.features, start=1):
            x = layer(x)
            if position in self.stage_ends:
                maps.append(x)
        feat8, feat16, feat32 = maps
        return feat8, feat16, feat32


class ContextPath(nn.Module):
    """The backbone, a global average on top of it, and attention on its last two stages (figure 4)."""

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.backbone = STDCNet(depths)
        self.arm16 = AttentionRefinement(512, 128)
        self.arm32 = AttentionRefinement(1024, 128)
        self.conv_head32 = ConvBNReLU(128, 128, 3)
        self.conv_head16 = ConvBNReLU(128, 128, 3)
        self.conv_avg = ConvBNReLU(1024, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to detail ``(N, 256, H/8, W/8)`` and context ``(N, 128, H/8, W/8)``."""
        feat8, feat16, feat32 = self.backbone(x)
        average = self.conv_avg(feat32.mean(dim=(2, 3), keepdim=True))
        context = self.arm32(feat32) + F.interpolate(average, feat32.shape[-2:], mode="nearest")
        context = self.conv_head32(F.interpolate(context, feat16.shape[-2:], mode="nearest"))
        context = self.arm16(feat16) + context
        return feat8, self.conv_head16(F.interpolate(context, feat8.shape[-2:], mode="nearest"))


class FeatureFusion(nn.Module):
    """Feature fusion module of the BiSeNet paper: its attention squeezes the width by 4."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(in_channels, channels, 1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two maps of one size, `in_channels` together, to ``(N, channels, H, W)``."""
        feat = self.convblk(torch.cat((spatial, context), dim=1))
        atten = feat.mean(dim=(2, 3), keepdim=True)
        return feat * self.conv2(self.relu(self.conv1(atten))).sigmoid() + feat


class STDCSeg(Network):
    """BiSeNet whose spatial path is the backbone's own third stage (figure 4)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^cp\.backbone\.x\d+\.0\.", "cp.backbone.features."),
        (r"^conv_out\.conv\.", "head.0."),
        (r"^conv_out\.conv_out\.", "head.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (
        r"^conv_out(16|32|_sp\d+)\.",
        r"^cp\.backbone\.(conv_last|fc|bn|linear)\.",
        r"^cp\.backbone\.features\.",  # the same tensors as x2 to x32, by which the reference runs them
    )

    def __init__(self, num_classes: int, depths: Sequence[int]) -> None:
        """Build the network; `depths` are the modules of the backbone's last three stages."""
        super().__init__()
        self.cp = ContextPath(depths)
        self.ffm = FeatureFusion(256 + 128, 256)
        self.head = nn.Sequential(ConvBNReLU(256, 256, 3), nn.Conv2d(256, num_classes, 1, bias=False))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        return resize(self.head(self.ffm(*self.cp(x))), x.shape[-2:], align_corners=True)

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """The reference's state dict under our keys.

        Outside of the backbone the reference normalises with InPlaceABN, which multiplies by the weight's magnitude
        and, unlike BatchNorm2d, counts no batches.
        """
        return super().from_reference(
            {key: value.abs() if self._scales_by_magnitude(key, state) else value for key, value in state.items()}
        )

    @staticmethod
    def _scales_by_magnitude(key: str, state: StateDict) -> bool:
        layer, _, last = key.rpartition(".")
        return last == "weight" and f"{layer}.running_var" in state and f"{layer}.num_batches_tracked" not in state


def stdc1_seg(num_classes: int = 19) -> STDCSeg:
    """STDC1-Seg: 8,275,104 parameters at 19 classes."""
    return STDCSeg(num_classes, depths=(2, 2, 2))


def stdc2_seg(num_classes: int = 19) -> STDCSeg:
    """STDC2-Seg: 12,305,568 parameters at 19 classes."""
    return STDCSeg(num_classes, depths=(4, 5, 3))
