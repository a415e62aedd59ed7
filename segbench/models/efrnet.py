"""EFRNet (Zhang et al., ICME 2021): ENet's encoder with fusion (FFM) and channel attention (CARM) in its decoder.

There is no public code and the block diagrams are lost, so this is the configuration that meets both printed costs
(table 2: 0.48 M, 3.01 G at 360x640 under the rule ``ptflops-0.6.3``), not a recovered original. What the text fixes:
ENet as the baseline (section 4.2) and its bottleneck as the basic block (3.2), the order of operations in FFM (3.3)
and in CARM (3.4), and what each FFM fuses (4.2). What it leaves open is a constructor option or a constant here:
reduction by 2 on both inputs, no expansion, FFM1's skip at stride 4, one and two basic blocks behind FFM2 and FFM1,
dilation 2, ReLU in FFM.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from segbench.errors import BadOption
from segbench.models.base import Network, resize
from segbench.models.enet import CONTEXT, DownsamplingBottleneck, InitialBlock, UpsamplingBottleneck, stage
from segbench.models.layers import ConvBN, ConvBNReLU

Skip = Literal["stride 2", "stride 4", "stride 8"]
"""FFM1's low-level input: the initial block (16 channels), stage 1 (64) or the second down-sampling (128)."""

_SKIPS: dict[Skip, tuple[int, int]] = {"stride 2": (16, 2), "stride 4": (64, 4), "stride 8": (128, 8)}


class CARM(nn.Module):
    """Channel Attention Refinement Module (section 3.4): ``x + x * w``, one weight `w` per channel."""

    def __init__(self, channels: int, squeeze: int | None = None) -> None:
        """Build the module; with `squeeze` a first 1x1 convolution divides the channels by it."""
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        if squeeze is None:
            self.conv: nn.Module = ConvBN(channels, channels)
        else:
            inner = channels // squeeze
            self.conv = nn.Sequential(ConvBNReLU(channels, inner), ConvBN(inner, channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return torch.addcmul(x, x, torch.sigmoid(self.conv(self.pool(x))))


class FFM(nn.Module):
    """Feature Fusion Module (section 3.3) of a low-level and a high-level map.

    Each is reduced by a 1x1 convolution, filtered by two dilated 1-D convolutions and only then up-sampled; a 1x1
    and a dilated 3x3 convolution fuse the two.
    """

    def __init__(
        self,
        low: tuple[int, int],
        high: tuple[int, int],
        out_channels: int,
        reduction: int = 2,
        expand: bool = False,
        modules: bool = False,
    ) -> None:
        """Build the module.

        Args:
            low: channels of the low-level map, and the factor from its size to the fused size.
            high: the same of the high-level map.
            out_channels: channels of the fused map.
            reduction: the high-level map's channels are divided by it, and the low-level map's where it has as
                few or fewer; a wider low-level map is reduced to the same width as the high-level one.
            expand: follow the 1-D convolutions by a 1x1 convolution to `out_channels`.
            modules: up-sample with `nn.Upsample` modules, which counters of modules see.
        """
        super().__init__()
        inner_high = high[0] // reduction
        inner_low = min(low[0] // reduction, inner_high)
        self.high = self._branch(high[0], inner_high, out_channels if expand else None)
        self.low = self._branch(low[0], inner_low, out_channels if expand else None)
        self.upsample_high = self._upsample(high[1]) if modules else None
        self.upsample_low = self._upsample(low[1]) if modules else None
        joined = 2 * out_channels if expand else inner_high + inner_low
        self.fuse = nn.Sequential(
            ConvBNReLU(joined, out_channels),
            ConvBNReLU(out_channels, out_channels, 3, dilation=2),
        )

    @staticmethod
    def _branch(in_channels: int, inner: int, expanded: int | None) -> nn.Sequential:
        layers = [
            ConvBNReLU(in_channels, inner),
            ConvBNReLU(inner, inner, (3, 1), dilation=2),
            ConvBNReLU(inner, inner, (1, 3), dilation=2),
        ]
        return nn.Sequential(*layers) if expanded is None else nn.Sequential(*layers, ConvBNReLU(inner, expanded))

    @staticmethod
    def _upsample(factor: int) -> nn.Module | None:
        return nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False) if factor > 1 else None

    def forward(self, low: Tensor, high: Tensor, size: torch.Size) -> Tensor:
        """The two maps to ``(N, out_channels, *size)``."""
        # The high-level branch comes first, as in the layer table that the tests hold this network against.
        fused_high = self._to(self.high(high), self.upsample_high, size)
        fused_low = self._to(self.low(low), self.upsample_low, size)
        return self.fuse(torch.cat((fused_low, fused_high), 1))

    @staticmethod
    def _to(x: Tensor, upsample: nn.Module | None, size: torch.Size) -> Tensor:
        # nn.Upsample knows a factor and no size: where the encoder halved an odd size, one row or column is too many.
        return resize(x, size) if upsample is None else upsample(x)[..., : size[0], : size[1]]


class EFRNet(Network):
    """EFRNet and its ablations: ENet's three encoder stages and two fusion stages.

    A fusion stage without its FFM is the stage of ENet's decoder: up-sampling by un-pooling, and ENet's number of
    basic blocks. Any H and W from 64 up are taken.
    """

    def __init__(
        self,
        num_classes: int = 19,
        ffm1: bool = True,
        ffm2: bool = True,
        carm: bool = True,
        reduction: int = 2,
        expand: bool = False,
        skip: Skip = "stride 4",
        blocks: tuple[int, int] = (1, 2),
        squeeze: int | None = None,
        upsample_modules: bool = False,
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            ffm1: fuse the earliest encoder and decoder features in stage 5.
            ffm2: fuse the middle and last encoder features in stage 4.
            carm: refine the features at the end of stages 2, 4 and 5.
            reduction: see `FFM`.
            expand: see `FFM`.
            skip: where FFM1 takes its low-level input.
            blocks: basic blocks behind FFM2 and behind FFM1.
            squeeze: see `CARM`.
            upsample_modules: see `FFM`.

        Raises:
            BadOption: an unknown `skip`.
        """
        super().__init__()
        if skip not in _SKIPS:
            raise BadOption(f"skip must be one of {', '.join(_SKIPS)}: {skip!r} given")
        self.skip = skip
        self.with_ffm1, self.with_ffm2 = ffm1, ffm2
        blocks4, blocks5 = blocks[0] if ffm2 else 2, blocks[1] if ffm1 else 1

        # Stage 1, Down-Sampling.
        self.initial_block = InitialBlock()
        self.downsample1 = DownsamplingBottleneck(16, 64, 0.01, indices=not ffm1)
        self.stage1 = stage(64, (1, 1, 1, 1), drop=0.01)
        self.downsample2 = DownsamplingBottleneck(64, 128, indices=not ffm2)
        # Stage 2, Encoding with Refining, and stage 3, Encoding.
        self.stage2 = stage(128, CONTEXT)
        self.carm2 = CARM(128, squeeze) if carm else None
        self.stage3 = stage(128, CONTEXT)
        # Stage 4, Fusion with Refinement.
        if ffm2:
            self.ffm2 = FFM((128, 2), (128, 2), 64, reduction, expand, upsample_modules)
        else:
            self.upsample4 = UpsamplingBottleneck(128, 64)
        self.stage4 = stage(64, (1,) * blocks4, nn.ReLU)
        self.carm4 = CARM(64, squeeze) if carm else None
        # Stage 5, Fusion with Refinement.
        if ffm1:
            channels, stride = _SKIPS[skip]
            self.ffm1 = FFM((channels, stride // 2), (64, 2), 16, reduction, expand, upsample_modules)
        else:
            self.upsample5 = UpsamplingBottleneck(64, 16)
        self.stage5 = stage(16, (1,) * blocks5, nn.ReLU)
        self.carm5 = CARM(16, squeeze) if carm else None
        self.transposed_conv = nn.ConvTranspose2d(16, num_classes, 3, 2, 1, output_padding=1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        full = list(x.shape[-2:])
        stride2 = self.initial_block(x)
        x, indices1 = self.downsample1(stride2)
        stride4 = self.stage1(x)
        stride8, indices2 = self.downsample2(stride4)
        earliest = {"stride 2": stride2, "stride 4": stride4, "stride 8": stride8}[self.skip]
        half, quarter = stride2.shape[-2:], stride4.shape[-2:]
        middle = self._refine(self.stage2(stride8), self.carm2)
        # Maps that no later stage reads must not stand in the measured peak memory.
        del stride2, stride4, stride8

        x = self.stage3(middle)
        x = self.ffm2(middle, x, quarter) if self.with_ffm2 else self.upsample4(x, indices2, quarter)
        x = self._refine(self.stage4(x), self.carm4)
        x = self.ffm1(earliest, x, half) if self.with_ffm1 else self.upsample5(x, indices1, half)
        x = self._refine(self.stage5(x), self.carm5)
        return self.transposed_conv(x, full)

    @staticmethod
    def _refine(x: Tensor, carm: nn.Module | None) -> Tensor:
        return x if carm is None else carm(x)


def efrnet(
    num_classes: int = 19,
    reduction: int = 2,
    expand: bool = False,
    skip: Skip = "stride 4",
    blocks: tuple[int, int] = (1, 2),
    squeeze: int | None = None,
    upsample_modules: bool = False,
) -> EFRNet:
    """EFRNet (478,022 parameters at 19 classes); the options, described at `EFRNet`, are what the paper leaves open."""
    return EFRNet(num_classes, True, True, True, reduction, expand, skip, blocks, squeeze, upsample_modules)


def efrnet_ffm1(num_classes: int = 19) -> EFRNet:
    """The ablation "Baseline+FFM1" of table 1: stage 4 is ENet's, and nothing is refined."""
    return EFRNet(num_classes, ffm2=False, carm=False)


def efrnet_ffm1_ffm2(num_classes: int = 19) -> EFRNet:
    """The ablation "Baseline+FFM1+FFM2" of table 1: EFRNet without CARM."""
    return EFRNet(num_classes, carm=False)
