"""SFANet (Weng et al., "Stage-Aware Feature Alignment Network for Real-Time Semantic Segmentation of Street Scenes").

IEEE TCSVT 2022. Its authors published no code: this is the reproduction by the authors of CSFCN,
kaigelee/CSFCN@16ad80ea9f32 (``models/SFANet.py``), with ResNet-18. There is neither normalisation nor ReLU after its
first convolution, and an attention stands between the two blocks of stages 2 to 4.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU, conv_bn
from segbench.models.sfnet import flow_warp


class SpatialChannelAttention(nn.Module):
    """Spatial-channel attention (SCA): a gate per pixel and a gate per channel, added; the latter as in ECA-Net."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, 1, 1, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.channel = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        spatial = self.spatial(x).sigmoid()
        channel = self.channel(self.pool(x).squeeze(3).transpose(1, 2)).transpose(1, 2).unsqueeze(3).sigmoid()
        return x * (spatial + channel)


class Backbone(nn.Module):
    """ResNet-18 with attention inside its stages; stages 2 to 4 are cut to one width by 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        """Build the trunk; `channels` is the width of the last three maps."""
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                BasicBlock(width // 2, width, stride=2), SpatialChannelAttention(width), BasicBlock(width, width)
            )
            for width in (128, 256, 512)
        )
        self.cbr1 = ConvBNReLU(128, channels, 3)
        self.cbr2 = ConvBNReLU(256, channels, 3)
        self.cbr3 = ConvBNReLU(512, channels, 3)
        self.gap = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps at strides 4 to 32 and the mean ``(N, 512, 1, 1)`` of the last stage."""
        c2 = self.layer1(self.maxpool(self.stem(x)))
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        return c2, self.cbr1(c3), self.cbr2(c4), self.cbr3(c5), self.gap(c5)


class DepthwiseEnhancement(nn.Module):
    """Feature enhancement block (FEB) of stages 3 and 4: two depthwise 3x3 convolutions, one upon the other."""

    def __init__(self, channels: int, dilations: tuple[int, int]) -> None:
        """Build the block; `dilations` are those of the two convolutions."""
        super().__init__()
        first, second = dilations
        self.dw_conv_1 = nn.Conv2d(channels, channels, 3, 1, first, first, groups=channels, bias=False)
        self.bn_1 = nn.BatchNorm2d(channels)
        self.dw_conv_2 = nn.Conv2d(channels, channels, 3, 1, second, second, groups=channels, bias=False)
        self.conv_1x1 = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.bn_2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.sca = SpatialChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        first = self.dw_conv_1(x)
        second = self.dw_conv_2(self.bn_1(first))
        out = self.bn_2(self.conv_1x1(torch.cat((first, second), dim=1)))
        out += x
        return self.sca(self.relu(out))


class Enhancement(nn.Module):
    """Feature enhancement block (FEB) of stage 2: two ordinary 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_1, self.bn_1 = conv_bn(channels, channels, 3)
        self.conv_2, self.bn_2 = conv_bn(channels, channels, 3)
        self.relu = nn.ReLU(inplace=True)
        self.sca = SpatialChannelAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        out = self.bn_2(self.conv_2(self.bn_1(self.conv_1(x))))
        out += x
        return self.sca(self.relu(out))


class FeatureAlignment(nn.Module):
    """Feature alignment with attention (FAA): the coarse map is warped onto the fine one, added, and weighed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.offset = nn.Conv2d(2 * channels, 2, 3, padding=1, bias=False)
        self.sca = SpatialChannelAttention(channels)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """``(N, channels, H, W)`` twice to the same shape."""
        offset = self.offset(torch.cat((fine, coarse), dim=1))
        return self.sca(fine + flow_warp(coarse, offset))


class StageAwareAlignment(nn.Module):
    """Stage-aware feature alignment (SFA): the fine map enhanced as its stage needs, the coarse one aligned to it."""

    def __init__(self, coarse_channels: int, channels: int, enhance: nn.Module) -> None:
        """Build the module.

        Args:
            coarse_channels: width of the coarse map.
            channels: width of the fine map.
            enhance: feature enhancement block of the fine map.
        """
        super().__init__()
        self.cbr = ConvBNReLU(coarse_channels, channels)
        self.feb = enhance
        self.faa = FeatureAlignment(channels)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """``(N, channels, H, W)`` and ``(N, coarse_channels, h, w)`` to ``(N, channels, H, W)``."""
        coarse = resize(self.cbr(coarse), fine.shape[-2:], align_corners=True)
        return self.faa(self.feb(fine), coarse)


class SFANet(Network):
    """Encoder, four alignments from the global mean to stride 4, and a head on the finest level (figure 2)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"\.spatial\.0\.", ".spatial."),
        (r"\.channel\.conv\.", ".channel."),
        (r"\.(cbr\d?)\.conv\.0\.", r".\1.conv."),
        (r"\.(cbr\d?)\.conv\.1\.", r".\1.bn."),
        (r"^conv_out\.block\.0\.conv\.0\.", "conv_out.0.conv."),
        (r"^conv_out\.block\.0\.conv\.1\.", "conv_out.0.bn."),
        (r"^conv_out\.block\.1\.", "conv_out.1."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^conv_out[1-4]\.",)

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of strides 8 to 32."""
        super().__init__()
        self.resnet = Backbone(channels)
        self.sfa4 = StageAwareAlignment(512, channels, DepthwiseEnhancement(channels, (2, 5)))
        self.sfa3 = StageAwareAlignment(channels, channels, DepthwiseEnhancement(channels, (1, 1)))
        self.sfa2 = StageAwareAlignment(channels, channels, Enhancement(channels))
        self.sfa1 = StageAwareAlignment(channels, 64, nn.Identity())
        self.conv_out = nn.Sequential(ConvBNReLU(2 * 64, 64), nn.Conv2d(64, num_classes, 3, padding=1, bias=False))

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, 4 * h, 4 * w)``, where h x w is H/4 x W/4 rounded up."""
        c2, c3, c4, c5, mean = self.resnet(x)
        y = self.sfa4(c5, mean)
        y = self.sfa3(c4, y)
        y = self.sfa2(c3, y)
        y = self.sfa1(c2, y)
        scores = self.conv_out(torch.cat((c2, y), dim=1))
        return F.interpolate(scores, scale_factor=4, mode="bilinear", align_corners=True)


def sfanet_r18(num_classes: int = 19) -> SFANet:
    """SFANet with ResNet-18: 12,720,478 parameters at 19 classes."""
    return SFANet(num_classes)
