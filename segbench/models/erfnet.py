"""ERFNet (Romera et al., IEEE T-ITS 2017): factorised residual blocks in an encoder-decoder.

Written from the paper (table I and figure 2) and from the reference outputs in tests/golden; equal to
Eromera/erfnet_pytorch@d4a46faf, whose released weights load. That repository's ``encoder.output_conv`` serves only
the training of the encoder alone: it is not constructed here, and dropped from checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.layers import UpsamplerBlock

_BN_EPS = 1e-3


class DownsamplerBlock(nn.Module):
    """A 3x3 convolution beside a 2x2 max pooling, both at stride 2, as in ENet's initial block."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block; the convolution supplies the channels that pooling does not."""
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, 2, 1)
        # ceil_mode changes odd sizes only, which the reference rejects: there the convolution rounds up as well.
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.bn = nn.BatchNorm2d(out_channels, eps=_BN_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)``, rounded up."""
        return F.relu(self.bn(torch.cat((self.conv(x), self.pool(x)), 1)))


class NonBottleneck1D(nn.Module):
    """Two 3x3 convolutions with a shortcut, each factorised into 3x1 and 1x3 (figure 2c); the second is dilated."""

    def __init__(self, channels: int, dilation: int = 1, drop: float = 0.0) -> None:
        """Build a block that keeps size and channels."""
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=_BN_EPS)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation))
        self.bn2 = nn.BatchNorm2d(channels, eps=_BN_EPS)
        self.dropout = nn.Dropout2d(drop) if drop else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        residual = F.relu(self.bn1(self.conv1x3_1(F.relu(self.conv3x1_1(x)))))
        residual = self.bn2(self.conv1x3_2(F.relu(self.conv3x1_2(residual))))
        if self.dropout is not None:
            residual = self.dropout(residual)
        return F.relu(residual + x)


class ERFNet(Network):
    """ERFNet: 16 encoder layers to stride 8 and 7 decoder layers back to stride 1.

    Any H and W from 64 up are taken, although the reference rejects those that are not multiples of 8: pooling
    rounds odd sizes up, as the convolutions beside it do, and the decoder is told the sizes to return to. At sizes
    that the reference takes, nothing changes.
    """

    renames = (
        (r"^encoder\.initial_block\.", "initial_block."),
        (r"^encoder\.layers\.", "encoder."),
        (r"^decoder\.layers\.0\.", "upsampler1."),
        (r"^decoder\.layers\.1\.", "decoder1.0."),
        (r"^decoder\.layers\.2\.", "decoder1.1."),
        (r"^decoder\.layers\.3\.", "upsampler2."),
        (r"^decoder\.layers\.4\.", "decoder2.0."),
        (r"^decoder\.layers\.5\.", "decoder2.1."),
        (r"^decoder\.output_conv\.", "output_conv."),
    )
    dropped = (r"^encoder\.output_conv\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build ERFNet."""
        super().__init__()
        self.initial_block = DownsamplerBlock(3, 16)
        self.encoder = nn.Sequential(
            DownsamplerBlock(16, 64),
            *(NonBottleneck1D(64, drop=0.03) for _ in range(5)),
            DownsamplerBlock(64, 128),
            *(NonBottleneck1D(128, dilation, drop=0.3) for _ in range(2) for dilation in (2, 4, 8, 16)),
        )
        self.upsampler1 = UpsamplerBlock(128, 64)
        self.decoder1 = nn.Sequential(NonBottleneck1D(64), NonBottleneck1D(64))
        self.upsampler2 = UpsamplerBlock(64, 16)
        self.decoder2 = nn.Sequential(NonBottleneck1D(16), NonBottleneck1D(16))
        self.output_conv = nn.ConvTranspose2d(16, num_classes, 2, 2)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        height, width = x.shape[-2:]
        x = self.initial_block(x)
        half = list(x.shape[-2:])
        x = self.encoder(x)
        x = self.decoder1(self.upsampler1(x, [(size + 1) // 2 for size in half]))
        x = self.decoder2(self.upsampler2(x, half))
        # The last transposed convolution can only double: an odd size is cut from one row or column more.
        return self.output_conv(x)[..., :height, :width]


def erfnet(num_classes: int = 19) -> ERFNet:
    """ERFNet: 2,064,191 parameters at 19 classes, 2,064,256 at the 20 of the released weights."""
    return ERFNet(num_classes)
