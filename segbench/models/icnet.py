"""ICNet (Zhao et al., "ICNet for Real-Time Semantic Segmentation on High-Resolution Images", ECCV 2018).

Follows a widely used port, liminn/ICNet-pytorch@da394fc44f4f (``models/icnet.py``), which is not the authors' Caffe
network: the medium and the small image share a whole dilated ResNet-50 of full width, where the authors share its front
and halve its kernels. The port also runs stages 3 and 4 on the medium image and discards the result; here they are not
run.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, ConvBNReLU


def pyramid_pooling(x: Tensor, bins: tuple[int, ...] = (1, 2, 3, 6)) -> Tensor:
    """Pyramid pooling by addition, without parameters: averages over a few grids are added to the input.

    Args:
        x: ``(N, C, H, W)``.
        bins: cells per side of each grid.

    Returns:
        ``(N, C, H, W)``.
    """
    size = x.shape[-2:]
    out = x
    for cells in bins:
        out = out + resize(F.adaptive_avg_pool2d(x, cells), size, align_corners=True)
    return out


class CascadeFeatureFusion(nn.Module):
    """Cascade feature fusion (CFF, section 3.3): a coarse map joins one of twice the height and width."""

    def __init__(self, low_channels: int, high_channels: int, channels: int) -> None:
        super().__init__()
        self.conv_low = ConvBN(low_channels, channels, 3, dilation=2)
        self.conv_high = ConvBN(high_channels, channels, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """``(N, low_channels, h, w)`` and ``(N, high_channels, H, W)`` to ``(N, channels, H, W)``."""
        low = self.conv_low(resize(low, high.shape[-2:], align_corners=True))
        return F.relu(low + self.conv_high(high), inplace=True)


class ICNet(Network):
    """Branches for the image at 1, 1/2 and 1/4 of its size, the smaller the deeper, joined by CFF (figure 3)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^pretrained\.", "backbone."),
        (r"^head\.(cff_\d+\.conv_(?:low|high))\.0\.", r"\1.conv."),
        (r"^head\.(cff_\d+\.conv_(?:low|high))\.1\.", r"\1.bn."),
        (r"^head\.conv_cls\.", "conv_cls."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^pretrained\.fc\.", r"\.conv_low_cls\.")

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of the fused maps."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck,
            (3, 4, 6, 3),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, (1, 2, 2, 2, 2, 2), (2, 4, 4)),
            deep_stem=(64, 64, 128),
        )
        _, medium, _, small = self.backbone.channels
        self.conv_sub1 = nn.Sequential(
            ConvBNReLU(3, 32, 3, stride=2), ConvBNReLU(32, 32, 3, stride=2), ConvBNReLU(32, 64, 3, stride=2)
        )
        self.cff_24 = CascadeFeatureFusion(small, medium, channels)
        self.cff_12 = CascadeFeatureFusion(channels, 64, channels)
        self.conv_cls = nn.Conv2d(channels, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at eight times the size of the full-resolution branch: at the input size where 8 divides it."""
        half = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True)
        quarter = F.interpolate(x, scale_factor=0.25, mode="bilinear", align_corners=True)

        sub1 = self.conv_sub1(x)
        sub2 = self.backbone.layer2(self.backbone.layer1(self.backbone.stem(half)))
        sub4 = pyramid_pooling(self.backbone(quarter)[-1])

        fused = self.cff_12(self.cff_24(sub4, sub2), sub1)
        # As in the port, the classifier stands between two enlargements.
        fused = F.interpolate(fused, scale_factor=2.0, mode="bilinear", align_corners=True)
        return F.interpolate(self.conv_cls(fused), scale_factor=4.0, mode="bilinear", align_corners=True)


def icnet(num_classes: int = 19) -> ICNet:
    """ICNet of the port, with ResNet-50: 26,244,512 parameters at 19 classes."""
    return ICNet(num_classes)
