"""FBSNet (Gao et al., "FBSNet: A Fast Bilateral Symmetrical Network for Real-Time Semantic Segmentation", TMM 2022).

Written from the paper (table I, figures 2 to 5) and from the reference outputs in tests/golden; equal to
IVIPLab/FBSNet@0b143a13 (``model/FBSNet.py``). Two things there differ from the paper: the spatial attention of the
detail branch returns its map alone, which is added to the semantic branch, instead of weighting the detail; and a
normalisation (``bn_prelu_9``) is constructed and never called: it is not constructed here, and dropped from
checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.dabnet import DownsamplingBlock, depthwise
from segbench.models.layers import BNPReLU, ConvBNPReLU


class ECA(nn.Module):
    """Efficient channel attention: a 1D convolution over the pooled channels weights them."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same shape, for any C."""
        channels = self.conv(self.pool(x).squeeze(-1).transpose(-1, -2))
        return x * self.sigmoid(channels.transpose(-1, -2).unsqueeze(-1))


class BRU(nn.Module):
    """Bottleneck residual unit (figure 4): a plain and a dilated branch of depth-wise asymmetric convolutions.

    Each branch passes channel attention halfway; what leaves it there is added to the sum of the branches as well. A
    channel shuffle ends the unit.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        """Build a unit that keeps size and channels."""
        super().__init__()
        inner = channels // 2
        self.norm1 = BNPReLU(channels)
        self.project = ConvBNPReLU(channels, inner, 1)
        self.attention = ECA()
        self.local1 = nn.Sequential(depthwise(inner, (3, 1)), depthwise(inner, (1, 3)), ECA())
        self.local2 = nn.Sequential(depthwise(inner, (1, 3)), depthwise(inner, (3, 1)))
        self.context1 = nn.Sequential(depthwise(inner, (3, 1), dilation), depthwise(inner, (1, 3), dilation), ECA())
        self.context2 = nn.Sequential(depthwise(inner, (1, 3), dilation), depthwise(inner, (3, 1), dilation))
        self.norm2 = BNPReLU(inner)
        self.expand = nn.Conv2d(inner, channels, 1, bias=False)
        self.expand_attention = ECA()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        inner = self.project(self.norm1(x))
        local = self.local1(inner)
        context = self.context1(inner)
        inner = self.local2(local) + self.context2(context) + self.attention(inner) + local + context
        y = self.expand_attention(self.expand(self.norm2(inner))) + x
        # Channel shuffle with channels / 2 groups: all even channels, then all odd ones.
        return y.unflatten(1, (-1, 2)).transpose(1, 2).flatten(1, 2)


def block(channels: int, dilations: Sequence[int]) -> nn.Sequential:
    """Bottleneck residual units in a row, then batch normalisation, PReLU and channel attention."""
    return nn.Sequential(*(BRU(channels, dilation) for dilation in dilations), BNPReLU(channels), ECA())


class UpsamplerBlock(nn.Sequential):
    """A 3x3 transposed convolution at stride 2 with batch normalisation and ReLU6."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block."""
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1),
            nn.BatchNorm2d(out_channels, eps=1e-3),
            nn.ReLU6(inplace=True),
        )


class SpatialAttention(nn.Module):
    """A map of where to look, from mean and maximum over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the map alone, ``(N, 1, H, W)``."""
        return self.sigmoid(self.conv(torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1)))


class CoordinateAttention(nn.Module):
    """Feature augment module (figure 5): weights every row and every column by what it holds."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        inner = max(8, channels // reduction)
        self.pool_h = nn.AdaptiveAvgPool2d((None, 1))
        self.pool_w = nn.AdaptiveAvgPool2d((1, None))
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.act = nn.Hardswish(inplace=True)
        self.conv_h = nn.Conv2d(inner, channels, 1)
        self.conv_w = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        profiles = torch.cat((self.pool_h(x), self.pool_w(x).transpose(2, 3)), 2)
        rows, columns = self.act(self.bn1(self.conv1(profiles))).split(x.shape[-2:], 2)
        return x * self.conv_w(columns.transpose(2, 3)).sigmoid() * self.conv_h(rows).sigmoid()


def _last_of_block(number: int, units: int) -> tuple[tuple[str, str], ...]:
    """Renames of what follows the units of a block: the reference numbers it by the next block."""
    return (
        (rf"^bn_prelu_{number + 1}\.", f"block{number}.{units}."),
        (rf"^attention{number + 1}_1\.", f"block{number}.{units + 1}."),
    )


class FBSNet(Network):
    """FBSNet: a symmetrical semantic branch down to stride 8 and back, and a detail branch at stride 2 (figure 2).

    Pooling rounds odd sizes down where the convolution beside it rounds up, and the decoder doubles what it gets:
    sizes are multiples of 8.
    """

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *DownsamplingBlock.renames,
        (r"^init_conv\.", "stem."),
        (r"^bn_prelu_1\.", "stem.3."),
        (r"^attention1_1\.", "attention."),
        *(pair for number, units in enumerate((5, 5, 16, 3, 3), 1) for pair in _last_of_block(number, units)),
        (r"^BRU_Block_(\d)\.BRU_Module_\d_(\d+)\.", r"block\1.\2."),
        (r"\.bn_relu_(\d)\.", r".norm\1."),
        (r"\.conv1x1_init\.", ".project."),
        (r"\.conv1x1\.conv\.", ".expand."),
        (r"\.ca0\.", ".attention."),
        (r"\.ca11\.", ".local1.2."),
        (r"\.ca22\.", ".context1.2."),
        (r"\.ca\.", ".expand_attention."),
        (r"\.dconv3x1\.", ".local1.0."),
        (r"\.dconv1x3\.", ".local1.1."),
        (r"\.dconv1x3_l\.", ".local2.0."),
        (r"\.dconv3x1_l\.", ".local2.1."),
        (r"\.ddconv3x1\.", ".context1.0."),
        (r"\.ddconv1x3\.", ".context1.1."),
        (r"\.ddconv1x3_r\.", ".context2.0."),
        (r"\.ddconv3x1_r\.", ".context2.1."),
        (r"^upsample_(\d)\.conv\.", r"upsample\1.0."),
        (r"^upsample_(\d)\.bn\.", r"upsample\1.1."),
        (r"^conv_sipath1\.", "detail.0."),
        (r"^conv_sipath2\.", "detail.1."),
        (r"^conv_sipath3\.", "detail.2."),
        (r"^atten_sipath\.conv1\.", "detail.3.conv."),
        (r"^bn_prelu_8\.", "fusion."),
        (r"^endatten\.", "augment."),
        (r"\.bn_prelu\.", "."),
        (r"\.acti\.", ".act."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^bn_prelu_9\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build FBSNet."""
        super().__init__()
        self.stem = nn.Sequential(
            ConvBNPReLU(3, 16, 3, stride=2), ConvBNPReLU(16, 16, 3), ConvBNPReLU(16, 16, 3), BNPReLU(16)
        )
        self.attention = ECA()
        self.block1 = block(16, (1, 1, 1, 1, 1))
        self.downsample1 = DownsamplingBlock(16, 64)
        self.block2 = block(64, (1, 2, 5, 9, 17))
        self.downsample2 = DownsamplingBlock(64, 128)
        self.block3 = block(128, (1, 2, 5, 9, 1, 2, 5, 9, 2, 5, 9, 17, 2, 5, 9, 17))
        self.upsample1 = UpsamplerBlock(128, 64)
        self.block4 = block(64, (1, 1, 1))
        self.upsample2 = UpsamplerBlock(64, 32)
        self.block5 = block(32, (1, 1, 1))
        self.detail = nn.Sequential(
            ConvBNPReLU(16, 32, 3), ConvBNPReLU(32, 128, 3), ConvBNPReLU(128, 32, 3), SpatialAttention()
        )
        self.fusion = BNPReLU(32)
        self.augment = CoordinateAttention(32)
        self.output_conv = nn.ConvTranspose2d(32, num_classes, 2, 2)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        half = self.stem(x)
        x = self.block1(self.attention(half))
        x = self.block2(self.downsample1(x))
        x = self.block3(self.downsample2(x))
        x = self.block4(self.upsample1(x))
        x = self.block5(self.upsample2(x))
        return self.output_conv(self.augment(self.fusion(x + self.detail(half))))


def fbsnet(num_classes: int = 19) -> FBSNet:
    """FBSNet: 607,103 parameters at 19 classes."""
    return FBSNet(num_classes)
