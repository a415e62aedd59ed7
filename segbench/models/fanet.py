"""FANet (Hu et al., "Real-time Semantic Segmentation with Fast Attention", IEEE RA-L 2021) with a ResNet-18.

Public code: feinanshan/FANet@d4e5e3cab052 (``Train/ptsemseg/models/fanet``). Its folder ``Testing``, for measuring
speed, has other module names and a normalisation that does nothing; the weights belong to ``Train``. There every
normalisation is in-place activated (leaky ReLU of slope 0.01), and the first stage of the ResNet is strided, so that
its maps are at strides 8 to 64.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import BasicBlock, ResNet
from segbench.models.base import Network, resize
from segbench.models.layers import ConvBN, leaky_relu


class FastAttention(nn.Module):
    """Fast attention (section III-B): cosine similarities without a softmax, so that keys and values meet first.

    The cost is linear in the number of positions. As in the public code, the sum over positions is not divided by
    their number.
    """

    def __init__(self, channels: int, key_channels: int = 32) -> None:
        super().__init__()
        self.w_qs = ConvBN(channels, key_channels, 1)
        self.w_ks = ConvBN(channels, key_channels, 1)
        self.w_vs = ConvBN(channels, channels, 1, act=leaky_relu())
        self.latlayer3 = ConvBN(channels, channels, 1, act=leaky_relu())

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input is added."""
        query = F.normalize(self.w_qs(x).flatten(2), dim=1)
        key = F.normalize(self.w_ks(x).flatten(2), dim=1)
        value = self.w_vs(x).flatten(2)
        attended = torch.matmul(torch.matmul(value, key.transpose(1, 2)), query)
        return self.latlayer3(attended.view_as(x)) + x


def _up(in_channels: int, out_channels: int) -> nn.Sequential:
    # The public code pads its 1x1 convolution, which adds a border of one position to the map.
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, 1, padding=1, bias=False),
            bn=nn.BatchNorm2d(out_channels),
            act=leaky_relu(),
        )
    )


class FANet(Network):
    """ResNet-18, fast attention on each of its four maps, and a top-down path (figure 2)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^resnet\.", "backbone."),
        (r"^ffm_(\d+)\.up\.", r"up_\1."),
        (r"^ffm_(\d+)\.smooth\.", r"smooth_\1."),
        (r"^ffm_(\d+)\.", r"attention_\1."),
        (r"^clslayer_8\.conv\.", "fuse."),
        (r"^clslayer_8\.conv_out\.", "classifier."),
    )
    dropped: ClassVar[tuple[str, ...]] = (
        r"^clslayer_(?:16|32)\.",
        r"^ffm_(?:8|32)\.smooth\.",
        r"^ffm_4\.up\.",
    )

    def __init__(self, num_classes: int = 19, channels: int = 128) -> None:
        """Build the network; `channels` is the width of each of the two maps that the classifier sees."""
        super().__init__()
        self.backbone = ResNet(BasicBlock, (2, 2, 2, 2), strides=(2, 2, 2, 2), act=leaky_relu)
        c4, c8, c16, c32 = self.backbone.channels
        # Names count strides as the public code does: half of what they are.
        self.attention_4 = FastAttention(c4)
        self.attention_8 = FastAttention(c8)
        self.attention_16 = FastAttention(c16)
        self.attention_32 = FastAttention(c32)
        self.up_32 = _up(c32, c16)
        self.up_16 = _up(c16, c8)
        self.up_8 = _up(c8, c4)
        self.smooth_16 = ConvBN(c16, channels, 3, act=leaky_relu())
        self.smooth_4 = ConvBN(c4, channels, 3, act=leaky_relu())
        self.fuse = ConvBN(2 * channels, 2 * channels, 3, act=leaky_relu())
        self.classifier = nn.Conv2d(2 * channels, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself."""
        c4, c8, c16, c32 = self.backbone(x)
        p32 = self.attention_32(c32)
        p16 = self._add(self.up_32(p32), self.attention_16(c16))
        p8 = self._add(self.up_16(p16), self.attention_8(c8))
        p4 = self._add(self.up_8(p8), self.attention_4(c4))

        coarse, fine = self.smooth_16(p16), self.smooth_4(p4)
        both = torch.cat((resize(coarse, fine.shape[-2:], align_corners=True), fine), dim=1)
        return resize(self.classifier(self.fuse(both)), x.shape[-2:], align_corners=True)

    @staticmethod
    def _add(coarse: Tensor, fine: Tensor) -> Tensor:
        return resize(coarse, fine.shape[-2:], align_corners=True) + fine


def fanet18(num_classes: int = 19) -> FANet:
    """FANet with ResNet-18: 13,080,128 parameters at 19 classes."""
    return FANet(num_classes)
