"""CSRNet (Xiong et al., "Cascaded Selective Resolution Network for Real-Time Semantic Segmentation", ESWA 2023).

Public code: Mayy1994/CSRNet@dcf46d5ba5c3 (``csrnet_feat.py``, ``csrnet_seg.py``, ``util2.py``), built on SwiftNet's.
Three cascaded decoders on a ResNet-18: the first has four levels, the second three, the third two. The code holds
SwiftNet's image mean and deviation, and does not apply them; as in SwiftNet's, the skip connections are rectified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBNReLU
from segbench.models.swiftnet import BNReLUConv, SpatialPyramidPooling


class SelectiveKernel(nn.Module):
    """Two maps mixed by a softmax per channel, as in selective kernel networks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = ConvBNReLU(channels, channels)
        self.fc1 = nn.Linear(channels, channels)
        self.fc2 = nn.Linear(channels, channels)
        self.conv_out = ConvBNReLU(channels, channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """``(N, channels, H, W)`` twice to the same shape."""
        summary = self.fc(self.avg_pool(first + second)).flatten(1)
        weights = torch.stack((self.fc1(summary), self.fc2(summary)), dim=1).softmax(dim=1)[..., None, None]
        return self.conv_out(first * weights[:, 0] + second * weights[:, 1])


class SelectiveUpsample(nn.Module):
    """Selective resolution: the coarse map resized, mixed with the skip connection, and a 3x3 convolution."""

    def __init__(self, skip_channels: int, channels: int) -> None:
        """Build the module; `channels` is the width of the coarse map and of the output."""
        super().__init__()
        self.bottleneck = ConvBNReLU(skip_channels, channels)
        self.blend_conv = ConvBNReLU(channels, channels, 3)
        self.sk = SelectiveKernel(channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """``(N, channels, h, w)`` and ``(N, skip_channels, H, W)`` to ``(N, channels, H, W)``."""
        skip = self.bottleneck(skip)
        return self.blend_conv(self.sk(resize(x, skip.shape[-2:]), skip))


class CSRNet(Network):
    """ResNet-18 and three cascaded decoders, each with a pyramid pooling on its coarsest map (figure 2)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^backbone\.(spp|spp_up1|spp_up2)\.spp\.spp_bn\.", r"\1.bottleneck."),
        (r"^backbone\.(spp|spp_up1|spp_up2)\.spp\.spp(\d)\.", r"\1.levels.\2."),
        (r"^backbone\.(spp|spp_up1|spp_up2)\.spp\.spp_fuse\.", r"\1.fuse."),
        (r"^backbone\.(upsample(?:_up[23])?)\.", r"\1."),
        (r"^((?:spp|upsample).*)\.norm\.", r"\1.bn."),
        (r"^logits\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^backbone\.img_(?:mean|std)$",)

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of the decoders."""
        super().__init__()
        self.backbone = ResNet(BasicBlock, (2, 2, 2, 2))
        *skips, coarsest = self.backbone.channels
        self.spp = SpatialPyramidPooling(coarsest, channels, unit=ConvBNReLU)
        self.spp_up1 = SpatialPyramidPooling(channels, channels, unit=ConvBNReLU)
        self.spp_up2 = SpatialPyramidPooling(channels, channels, unit=ConvBNReLU)
        self.upsample = nn.ModuleList(SelectiveUpsample(width, channels) for width in reversed(skips))
        self.upsample_up2 = nn.ModuleList(SelectiveUpsample(channels, channels) for _ in range(2))
        self.upsample_up3 = nn.ModuleList(SelectiveUpsample(channels, channels) for _ in range(1))
        self.classifier = BNReLUConv(channels, num_classes, bias=True)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        *skips, coarsest = self.backbone(x)
        maps = self._decode((self.spp(coarsest), *reversed(skips)), self.upsample)
        maps = self._decode((self.spp_up1(maps[0]), *maps[1:]), self.upsample_up2)
        maps = self._decode((self.spp_up2(maps[0]), *maps[1:]), self.upsample_up3)
        return resize(self.classifier(maps[0]), x.shape[-2:])

    @staticmethod
    def _decode(maps: Sequence[Tensor], upsamples: nn.ModuleList) -> list[Tensor]:
        """Maps, coarsest first, to one map fewer: each takes in the result before it."""
        x = maps[0]
        decoded: list[Tensor] = []
        for skip, upsample in zip(maps[1:], upsamples, strict=True):
            x = upsample(x, skip)
            decoded.append(x)
        return decoded


def csrnet_r18(num_classes: int = 19) -> CSRNet:
    """CSRNet with ResNet-18: 12,817,863 parameters at 19 classes."""
    return CSRNet(num_classes)
