"""ResNeSt (Zhang et al., "ResNeSt: Split-Attention Networks", CVPRW 2022), dilated to output stride 8.

Public code: zhanghang1989/PyTorch-Encoding@ac748410dfc8 (``encoding/models/backbone``, ``encoding/nn/splat.py``), whose
key names are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.layers import conv_bn


class SplitAttention(nn.Module):
    """Split-attention convolution (figure 2): two grouped 3x3 convolutions, mixed by a softmax per channel."""

    radix = 2

    def __init__(self, channels: int, dilation: int) -> None:
        """Build the module; `channels` is the width of input and output."""
        super().__init__()
        hidden = max(channels * self.radix // 4, 32)
        self.conv = nn.Conv2d(
            channels, channels * self.radix, 3, padding=dilation, dilation=dilation, groups=self.radix, bias=False
        )
        self.bn0 = nn.BatchNorm2d(channels * self.radix)
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, channels * self.radix, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        first, second = self.relu(self.bn0(self.conv(x))).chunk(self.radix, dim=1)
        gap = F.adaptive_avg_pool2d(first + second, 1)
        attention = self.fc2(self.relu(self.bn1(self.fc1(gap))))
        attention = attention.unflatten(1, (self.radix, -1)).softmax(dim=1)
        return attention[:, 0] * first + attention[:, 1] * second


class ResNeStBottleneck(nn.Module):
    """Bottleneck whose 3x3 convolution is split attention; an average pooling takes over its stride."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int, first_in_dilated: bool) -> None:
        """Build the block.

        Args:
            in_channels: width of the input.
            channels: a quarter of the width of the output.
            stride: of the block.
            dilation: of the split attention.
            first_in_dilated: whether the block begins a stage whose stride became a dilation.
        """
        super().__init__()
        width = channels * self.expansion
        self.conv1, self.bn1 = conv_bn(in_channels, channels)
        self.conv2 = SplitAttention(channels, dilation)
        self.avd_layer = nn.AvgPool2d(3, stride, padding=1) if stride > 1 or first_in_dilated else None
        self.conv3, self.bn3 = conv_bn(channels, width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride > 1 or in_channels != width:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                *conv_bn(in_channels, width),
            )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 4 * channels, H/stride, W/stride)``."""
        out = self.conv2(self.relu(self.bn1(self.conv1(x))))
        if self.avd_layer is not None:
            out = self.avd_layer(out)
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNeSt(nn.Module):
    """ResNeSt trunk at output stride 8: the last two stages are dilated by 2 and 4, their first blocks by half.

    Attributes:
        channels: output widths of the four stages.
    """

    def __init__(self, depths: Sequence[int], stem_width: int) -> None:
        """Build the trunk.

        Args:
            depths: blocks per stage.
            stem_width: of the first two 3x3 convolutions; the third has twice as many channels.
        """
        super().__init__()
        width = 2 * stem_width
        self.conv1 = nn.Sequential(
            *conv_bn(3, stem_width, 3, 2),
            nn.ReLU(inplace=True),
            *conv_bn(stem_width, stem_width, 3),
            nn.ReLU(inplace=True),
            nn.Conv2d(stem_width, width, 3, 1, 1, bias=False),
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.channels = (256, 512, 1024, 2048)
        stages: list[nn.Sequential] = []
        for depth, out_channels, stride, dilation in zip(
            depths, self.channels, (1, 2, 1, 1), (1, 1, 2, 4), strict=True
        ):
            blocks: list[nn.Module] = []
            for position in range(depth):
                first = position == 0
                blocks.append(
                    ResNeStBottleneck(
                        width,
                        out_channels // 4,
                        stride if first else 1,
                        max(1, dilation // 2) if first else dilation,
                        first and dilation > 1,
                    )
                )
                width = out_channels
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages, at strides 4, 8, 8 and 8."""
        c2 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
