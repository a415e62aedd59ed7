"""DDRNet (Pan et al., TITS 2022), two branches at different resolutions that exchange their maps.

Paper: "Deep Dual-resolution Networks for Real-time and Accurate Semantic Segmentation of Traffic Scenes". Public code:
ydhongHIT/DDRNet@de0db317c5af (``segmentation/DDRNet_23_slim.py``, ``DDRNet_23.py``, ``DDRNet_39.py``). The head on the
first fusion (``seghead_extra``) serves training only and is not built. SyncBatchNorm there is BatchNorm2d here, which
computes the same in eval mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from segbench.models.backbones.resnet import downsample
from segbench.models.base import Network, resize
from segbench.models.context import DAPPM
from segbench.models.layers import conv_bn


def stem(channels: int) -> nn.Sequential:
    """Two 3x3 convolutions with stride 2, biased although normalised: image to ``(N, channels, H/4, W/4)``."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, 2, 1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, 2, 1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class BasicBlock(nn.Module):
    """Residual basic block (RB): two 3x3 convolutions and a shortcut; before a fusion without the closing ReLU."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1, final_relu: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 3, stride)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample(in_channels, channels, stride)
        self.final_relu = final_relu

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, channels, H/stride, W/stride)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += shortcut
        return self.relu(out) if self.final_relu else out


class Bottleneck(nn.Module):
    """Residual bottleneck block (RBB): it doubles the width and has no closing ReLU."""

    expansion: ClassVar[int] = 2

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(in_channels, channels, 1)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3, stride)
        self.conv3, self.bn3 = conv_bn(channels, channels * self.expansion, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample(in_channels, channels * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 2 * channels, H/stride, W/stride)``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += shortcut
        return out


def basic_layer(in_channels: int, channels: int, depth: int, stride: int = 1) -> nn.Sequential:
    """`depth` basic blocks, the first one strided, the last one without its closing ReLU."""
    return nn.Sequential(
        *(
            BasicBlock(
                channels if index else in_channels, channels, 1 if index else stride, final_relu=index < depth - 1
            )
            for index in range(depth)
        )
    )


class SegmentationHead(nn.Module):
    """Normalisation and ReLU, 3x3 convolution, normalisation and ReLU, 1x1 classifier."""

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1, self.bn2 = conv_bn(in_channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to class scores ``(N, num_classes, H, W)``."""
        x = self.conv1(self.relu(self.bn1(x)))
        return self.conv2(self.relu(self.bn2(x)))


class DualResolutionStage(nn.Module):
    """One layer of both branches and the bilateral fusion after it (section III-B, figure 4)."""

    def __init__(self, in_channels: int, low_channels: int, high_channels: int, depth: int, stride: int) -> None:
        """Build the stage.

        Args:
            in_channels: width of the low-resolution input.
            low_channels: width of the low-resolution output, 2 or 4 times `high_channels`.
            high_channels: width of the high-resolution branch.
            depth: blocks in each branch.
            stride: stride of the low-resolution layer.
        """
        super().__init__()
        self.low = basic_layer(in_channels, low_channels, depth, stride)
        self.high = basic_layer(high_channels, high_channels, depth)
        self.compression = nn.Sequential(*conv_bn(low_channels, high_channels, 1))
        down: list[nn.Module] = [*conv_bn(high_channels, 2 * high_channels, 3, 2)]
        if low_channels == 4 * high_channels:
            down += [nn.ReLU(inplace=True), *conv_bn(2 * high_channels, low_channels, 3, 2)]
        self.down = nn.Sequential(*down)
        # Each branch is summed as it is and sent across after a ReLU, so this one must not write in place.
        self.relu = nn.ReLU()

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Rectified maps of both branches to their fused sums, without the ReLU that follows them."""
        low = self.low(low)
        high = self.high(high)
        raised = resize(self.compression(self.relu(low)), high.shape[-2:])
        return low + self.down(self.relu(high)), high + raised


class DDRNet(Network):
    """Two branches at strides 8 and 16 to 64 with bilateral fusions, DAPPM on the coarse one (figure 4)."""

    align_corners: ClassVar[bool] = False  # "in all places", as the repository's README asks for its weights
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^conv1\.", "stem."),
        (r"^layer([34](?:_[12])?)\.", r"stages.\1.low."),
        (r"^layer([34](?:_[12])?)_\.", r"stages.\1.high."),
        (r"^(compression|down)([34](?:_[12])?)\.", r"stages.\2.\1."),
        (r"^layer5_\.0\.", "high5."),
        (r"^layer5\.0\.", "low5."),
        (r"^final_layer\.", "head."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^seghead_extra\.",)

    def __init__(
        self, num_classes: int, planes: int, head_channels: int, depths: tuple[int, int], stages: Mapping[str, int]
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            planes: width of the stem; the high-resolution branch has twice as much.
            head_channels: width of the segmentation head.
            depths: blocks of the two layers before the branches part.
            stages: blocks per branch of each fused stage, by the name that the paper gives it; a later part of a
                split stage keeps resolution and width.
        """
        super().__init__()
        high = 2 * planes
        self.stem = stem(planes)
        self.layer1 = basic_layer(planes, planes, depths[0])
        self.layer2 = basic_layer(planes, high, depths[1], stride=2)
        self.stages = nn.ModuleDict()
        width = high
        for name, depth in stages.items():
            low = 8 * planes if name == "4" else 4 * planes
            self.stages[name] = DualResolutionStage(width, low, high, depth, stride=1 if width == low else 2)
            width = low
        self.low5 = Bottleneck(width, width, stride=2)
        self.high5 = Bottleneck(high, high)
        self.spp = DAPPM(2 * width, 128, 2 * high)
        self.head = SegmentationHead(2 * high, head_channels, num_classes)
        self.relu = nn.ReLU(inplace=True)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at stride 8."""
        x = self.relu(self.layer1(self.stem(x)))
        low = high = self.relu(self.layer2(x))
        for stage in self.stages.values():
            low, high = stage(low, high)
            low, high = self.relu(low), self.relu(high)
        high = self.high5(high)
        context = resize(self.spp(self.low5(low)), high.shape[-2:])
        return self.head(context + high)


def ddrnet_23_slim(num_classes: int = 19) -> DDRNet:
    """DDRNet-23-slim: 5,695,987 parameters at 19 classes."""
    return DDRNet(num_classes, planes=32, head_channels=64, depths=(2, 2), stages={"3": 2, "4": 2})


def ddrnet_23(num_classes: int = 19) -> DDRNet:
    """DDRNet-23: 20,148,947 parameters at 19 classes."""
    return DDRNet(num_classes, planes=64, head_channels=128, depths=(2, 2), stages={"3": 2, "4": 2})


def ddrnet_39(num_classes: int = 19) -> DDRNet:
    """DDRNet-39: 32,360,275 parameters at 19 classes; its third stage is split by a second fusion."""
    return DDRNet(num_classes, planes=64, head_channels=256, depths=(3, 4), stages={"3_1": 3, "3_2": 3, "4": 3})
