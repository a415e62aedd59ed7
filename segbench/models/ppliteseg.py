"""PP-LiteSeg (Peng et al., "PP-LiteSeg: A Superior Real-Time Semantic Segmentation Model", arXiv 2204.02681, 2022).

Public code: PaddlePaddle/PaddleSeg@d7975e7cb3b9 (``paddleseg/models/pp_liteseg.py``, ``layers/tensor_fusion.py``), with
the settings of its Cityscapes configurations. The heads on the two coarser maps serve training only and are not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, ConvBNReLU
from segbench.models.stdc import STDCNet


class SPPM(nn.Module):
    """Simple pyramid pooling module (section 3.3): averages over three grids, summed without the input itself."""

    def __init__(self, in_channels: int, channels: int, bins: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), ConvBNReLU(in_channels, channels, 1, bias=True)) for size in bins
        )
        self.conv_out = ConvBNReLU(channels, channels, 3, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H, W)``."""
        first, *others = (resize(stage(x), x.shape[-2:]) for stage in self.stages)
        for other in others:
            first = first + other
        return self.conv_out(first)


class UAFM(nn.Module):
    """Unified attention fusion module with spatial attention (section 3.2): a weighted mean of two maps."""

    def __init__(self, low_channels: int, high_channels: int, out_channels: int) -> None:
        """Build the module.

        Args:
            low_channels: width of the finer map, which the backbone gives.
            high_channels: width of the coarser map, which the decoder gives.
            out_channels: width of the output.
        """
        super().__init__()
        self.conv_x = ConvBNReLU(low_channels, high_channels, 3)
        self.attention = nn.Sequential(ConvBNReLU(4, 2, 3), ConvBN(2, 1, 3))
        self.conv_out = ConvBNReLU(high_channels, out_channels, 3)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """``(N, low_channels, H, W)`` and ``(N, high_channels, h, w)`` to ``(N, out_channels, H, W)``."""
        low = self.conv_x(low)
        high = resize(high, low.shape[-2:])
        statistics = [reduced for x in (low, high) for reduced in (x.mean(1, keepdim=True), x.amax(1, keepdim=True))]
        weight = self.attention(torch.cat(statistics, dim=1)).sigmoid()
        return self.conv_out(torch.lerp(high, low, weight))


class PPLiteSeg(Network):
    """STDC backbone, SPPM on its last map, and the flexible and lightweight decoder of three UAFMs (figure 2)."""

    align_corners: ClassVar[bool] = False
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\._mean$", ".running_mean"),
        (r"\._variance$", ".running_var"),
        (r"\._conv\.", ".conv."),
        (r"\._batch_norm\.", ".bn."),
        (r"^ppseg_head\.cm\.", "sppm."),
        (r"^ppseg_head\.arm_list\.", "decoder."),
        (r"\.conv_xy_atten\.", ".attention."),
        (r"^seg_heads\.0\.conv\.", "head.0."),
        (r"^seg_heads\.0\.conv_out\.", "head.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (
        r"^seg_heads\.[12]\.",
        r"^ppseg_head\.arm_list\.\d\._scale$",  # a constant 1
    )

    def __init__(
        self, num_classes: int, depths: Sequence[int], decoder_channels: Sequence[int], head_channels: int
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            depths: modules of the backbone's last three stages.
            decoder_channels: output widths of the fusions at strides 8, 16 and 32.
            head_channels: width of the segmentation head.
        """
        super().__init__()
        # Paddle's average pooling leaves the padding out of its averages.
        self.backbone = STDCNet(depths, count_padding=False)
        self.sppm = SPPM(1024, 128)
        above = (*decoder_channels[1:], 128)
        self.decoder = nn.ModuleList(
            UAFM(low, high, out) for low, high, out in zip((256, 512, 1024), above, decoder_channels, strict=True)
        )
        self.head = nn.Sequential(
            ConvBNReLU(decoder_channels[0], head_channels, 3), nn.Conv2d(head_channels, num_classes, 1, bias=False)
        )

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        maps = self.backbone(x)
        y = self.sppm(maps[-1])
        for fusion, low in zip(reversed(self.decoder), reversed(maps), strict=True):
            y = fusion(low, y)
        return resize(self.head(y), x.shape[-2:])


def pp_liteseg_t(num_classes: int = 19) -> PPLiteSeg:
    """PP-LiteSeg-T on STDC1: 8,028,320 parameters at 19 classes."""
    return PPLiteSeg(num_classes, depths=(2, 2, 2), decoder_channels=(32, 64, 128), head_channels=32)


def pp_liteseg_b(num_classes: int = 19) -> PPLiteSeg:
    """PP-LiteSeg-B on STDC2: 12,234,752 parameters at 19 classes."""
    return PPLiteSeg(num_classes, depths=(4, 5, 3), decoder_channels=(64, 96, 128), head_channels=64)
