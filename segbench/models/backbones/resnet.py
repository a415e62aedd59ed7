"""ResNet (He et al., CVPR 2016) as segmentation networks use it: four feature maps, no classifier.

Keys are torchvision's (``conv1``, ``bn1``, ``layer1.0.conv1`` ...), which most reference implementations follow.
In a bottleneck the stride stands on the 3x3 convolution, as in torchvision and in every network here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from segbench.models.layers import conv_bn

Activation = Callable[[], nn.Module]

# The deep stem where a reference names its convolutions apart, with or without a prefix.
NAMED_STEM_RENAMES = (
    (r"^(?:backbone\.resinit\.)?conv1\.", "backbone.conv1.0."),
    (r"^(?:backbone\.resinit\.)?bn1\.", "backbone.conv1.1."),
    (r"^(?:backbone\.resinit\.)?conv2\.", "backbone.conv1.3."),
    (r"^(?:backbone\.resinit\.)?bn2\.", "backbone.conv1.4."),
    (r"^(?:backbone\.resinit\.)?conv3\.", "backbone.conv1.6."),
    (r"^(?:backbone\.resinit\.)?bn3\.", "backbone.bn1."),
)


def downsample(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The projection of a shortcut: a strided 1x1 convolution and its normalisation, or nothing where shapes agree."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(*conv_bn(in_channels, out_channels, 1, stride))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (ResNet-18 and -34); `dilation` acts on the second one."""

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, dilation: int = 1, act: Activation | None = None
    ) -> None:
        """Map `in_channels` to `channels` at `stride`; `act` stands between the convolutions, ReLU by default."""
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 3, stride)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, dilation=dilation)
        self.relu = nn.ReLU(inplace=True)
        self.act = None if act is None else act()
        self.downsample = downsample(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        act = self.relu if self.act is None else self.act
        out = act(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut (ResNet-50 and -101); the 3x3 is strided and dilated.

    Class attributes:
        groups: of the 3x3 convolution.
        group_width: width of one group in the first stage.
    """

    expansion = 4
    groups: ClassVar[int] = 1
    group_width: ClassVar[int] = 64

    def __init__(
        self, in_channels: int, channels: int, stride: int = 1, dilation: int = 1, act: Activation | None = None
    ) -> None:
        """Map `in_channels` to ``4 * channels`` at `stride`; `act` stands between the convolutions, ReLU by default."""
        super().__init__()
        width = channels * self.group_width // 64 * self.groups
        self.conv1, self.bn1 = conv_bn(in_channels, width)
        self.conv2, self.bn2 = conv_bn(width, width, 3, stride, dilation, self.groups)
        self.conv3, self.bn3 = conv_bn(width, channels * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.act = None if act is None else act()
        self.downsample = downsample(in_channels, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 4 * channels, H/stride, W/stride)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        act = self.relu if self.act is None else self.act
        out = act(self.bn1(self.conv1(x)))
        out = act(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += shortcut
        return self.relu(out)


class ResNeXtBottleneck(Bottleneck):
    """The bottleneck of ResNeXt 32x4d (Xie et al., CVPR 2017): the 3x3 convolution has 32 groups of 4 channels."""

    groups = 32
    group_width = 4


class ResNet(nn.Module):
    """ResNet trunk that returns the maps of its four stages.

    Attributes:
        channels: output widths of the four stages.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int | Sequence[int]] = (1, 1, 1, 1),
        deep_stem: Sequence[int] | None = None,
        act: Activation | None = None,
        ceil_mode: bool = False,
    ) -> None:
        """Build the trunk.

        Args:
            block: `BasicBlock` or `Bottleneck`.
            depths: blocks per stage.
            strides: stride of each stage's first block.
            dilations: dilation per stage, one number for all blocks of the stage or one per block.
            deep_stem: widths of three 3x3 convolutions that replace the 7x7 stem (PSPNet's and SFNet's form).
            act: what stands for ReLU after the stem and between the convolutions of a block; the ReLU behind a shortcut
                stays. Networks with in-place activated batch normalisation have a leaky ReLU there.
            ceil_mode: whether the stem's pooling rounds sizes up, which adds a row and a column to even ones.
        """
        super().__init__()
        if deep_stem is None:
            stem_width = 64
            self.conv1: nn.Module = nn.Conv2d(3, stem_width, 7, 2, 3, bias=False)
        else:
            first, second, stem_width = deep_stem
            self.conv1 = nn.Sequential(
                *conv_bn(3, first, 3, 2),
                nn.ReLU(inplace=True),
                *conv_bn(first, second, 3),
                nn.ReLU(inplace=True),
                nn.Conv2d(second, stem_width, 3, 1, 1, bias=False),
            )
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU(inplace=True) if act is None else act()
        self.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=ceil_mode)

        width = stem_width
        stages: list[nn.Sequential] = []
        for index, depth in enumerate(depths):
            planes = 64 * 2**index
            per_stage = dilations[index]
            rates = [per_stage] * depth if isinstance(per_stage, int) else list(per_stage)
            blocks: list[nn.Module] = []
            for position in range(depth):
                stride = strides[index] if position == 0 else 1
                blocks.append(block(width, planes, stride, rates[position], act))
                width = planes * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels = tuple(64 * 2**index * block.expansion for index in range(4))

    def stem(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to the input of the first stage, at stride 4."""
        return self.maxpool(self.relu(self.bn1(self.conv1(x))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to the maps of the four stages, at strides 4, 8, 16, 32 by default."""
        c2 = self.layer1(self.stem(x))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
