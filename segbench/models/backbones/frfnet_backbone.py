"""FRFNet's backbone: a stem block, then DAMs (dense aggregation modules) with transition layers between them.

Paper: Tan, "Feature Reuse and Fusion for Real-time Semantic segmentation", 2021, section "Backbone Design" and
Figures 2 and 3. The text fixes the parts but neither their widths nor their order, so this is a reconstruction: stage
widths are those of VoVNetV2-19-slim (CenterMask, CVPR 2020), the wiring follows the text and, where it is silent, the
author's earlier favoMJ/FEENet@744e785 (base_model/vovnet_.py) in structure only. There the second re-used 3x3 layer
reads the first one's output instead of the first cheap feature; the cost is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segbench.models.layers import ConvBNReLU, StemBlock

STEM_WIDTH = 32
STAGE_WIDTHS = (64, 80, 96, 112)
OUT_CHANNELS = (112, 256, 384, 512)


class TransitionLayer(nn.Module):
    """Max pooling P beside a strided convolution C (section "Transition Layer"); keeps the width, halves the size.

    Inception-v2 concatenates its P and C, so equal input and output widths leave half of the width to each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvBNReLU(channels, half, 1)
        self.p = nn.MaxPool2d(3, stride=2, padding=1)
        self.c = ConvBNReLU(half, half, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to ``(N, channels, H/2, W/2)``."""
        x = self.reduce(x)
        return torch.cat((self.p(x), self.c(x)), dim=1)


class ChannelGate(nn.Module):
    """Efficient channel attention (ECA-Net, CVPR 2020): a 3-tap convolution along the pooled channel vector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape, each channel scaled by its gate."""
        gate = torch.sigmoid(self.conv(x.mean((2, 3)).unsqueeze(1)))
        return x * gate.transpose(1, 2).unsqueeze(-1)


class DAM(nn.Module):
    """Dense aggregation module (Figure 3b; 3c with `slim`).

    A 3x3 convolution, two cheap 1x1 convolutions on top of it (GhostNet's idea), two 3x3 layers that re-use pairs of
    those features (Res2Net's idea), and VoVNet's one-shot aggregation of input and 3x3 features.
    """

    def __init__(self, in_channels: int, channels: int, out_channels: int, slim: bool = False) -> None:
        """Build the module.

        Args:
            in_channels: width of the input.
            channels: width of the inner features.
            out_channels: width after aggregation.
            slim: make the re-using 3x3 layers depth-wise (DAM-slim).
        """
        super().__init__()
        groups = channels if slim else 1
        self.base = ConvBNReLU(in_channels, channels, 3)
        self.cheap1 = nn.Conv2d(channels, channels, 1)
        self.cheap2 = nn.Conv2d(channels, channels, 1)
        self.reuse1 = ConvBNReLU(channels, channels, 3, groups=groups)
        self.reuse2 = ConvBNReLU(channels, channels, 3, groups=groups)
        self.aggregate = ConvBNReLU(in_channels + 3 * channels, out_channels, 1, bias=True)
        self.gate = ChannelGate()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        base = self.base(x)
        cheap1 = self.cheap1(base)
        cheap2 = self.cheap2(cheap1)
        reuse1 = self.reuse1(base + cheap1)
        reuse2 = self.reuse2(cheap1 + cheap2)
        return self.gate(self.aggregate(torch.cat((x, base, reuse1, reuse2), dim=1)))


class FRFNetBackbone(nn.Module):
    """Stem block, four DAMs, three transition layers.

    Attributes:
        channels: output widths of the four stages.
    """

    channels = OUT_CHANNELS

    def __init__(self, slim: bool = False) -> None:
        """Build FRFNet's backbone, or FRFNet-slim's."""
        super().__init__()
        self.stem = StemBlock(32 if slim else 64, STEM_WIDTH, 1)
        in_channels = (STEM_WIDTH, *OUT_CHANNELS[:-1])
        dams = [DAM(*widths, slim) for widths in zip(in_channels, STAGE_WIDTHS, OUT_CHANNELS, strict=True)]
        self.dam1, self.dam2, self.dam3, self.dam4 = dams
        self.transition1, self.transition2, self.transition3 = map(TransitionLayer, OUT_CHANNELS[:-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages, at strides 4, 8, 16 and 32."""
        c4 = self.dam1(self.stem(x))
        c8 = self.dam2(self.transition1(c4))
        c16 = self.dam3(self.transition2(c8))
        return c4, c8, c16, self.dam4(self.transition3(c16))
