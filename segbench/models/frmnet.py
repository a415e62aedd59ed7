"""FRMNet (Wang et al., "A Feature Refinement Module for Light-weight Semantic Segmentation Network", arXiv 2412.08670).

No code is public. The printed costs single out what the text leaves open: VAN-S is VAN-B1, the "FPN following SFNet" is
SFNet's flow-aligned head, the attention max-pools keys and values by 2, and the feed-forward network narrows its input
to 128 channels where the text says that it expands it. The attention follows the public DNL block
(yinmh17/DNL-Semantic-Segmentation@13ce92a474d8, ``model/seg/ops/nonlocal_block.py``) in what costs nothing: biases,
scale, learned weight of the pairwise term. The embedding head of the contrastive loss is used in training only and is
not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.van import van_b1
from segbench.models.base import Network
from segbench.models.context import DAPPM, PPM
from segbench.models.layers import ConvBNReLU
from segbench.models.sfnet import SFNetHead

CHANNELS = 128  # width of the context module's output and of the decoder


def concatenate_stages(maps: Sequence[Tensor]) -> Tensor:
    """All stages at the size of the last one (equation 1): ``(N, C_i, h_i, w_i)`` to ``(N, sum(C_i), h, w)``.

    Pooling is adaptive because 720 is no multiple of 32, and a function because counters that hook modules did not
    see it.
    """
    height, width = maps[-1].shape[-2:]
    pooled = [F.adaptive_avg_pool2d(stage, (height, width)) for stage in maps[:-1]]
    return torch.cat((*pooled, maps[-1]), dim=1)


class DNL(nn.Module):
    """Disentangled non-local block (equations 2 and 3): whitened pairwise attention plus unary attention.

    Keys, values and mask come from the input after a 2x2 max pool, so that the block needs at least 2x2 positions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduced = channels // 4
        self.pool = nn.MaxPool2d(2, 2)
        self.query = nn.Conv2d(channels, self.reduced, 1)
        self.key = nn.Conv2d(channels, self.reduced, 1)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.mask = nn.Conv2d(channels, 1, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape; the input is added."""
        pooled = self.pool(x)
        query = self.query(x).flatten(2)
        key = self.key(pooled).flatten(2)
        value = self.value(pooled).flatten(2)
        mask = self.mask(pooled).flatten(2)

        query = query - query.mean(dim=2, keepdim=True)
        key = (key - key.mean(dim=2, keepdim=True)) * self.reduced**-0.5
        pairwise = torch.matmul(query.transpose(1, 2), key).softmax(dim=2)
        attended = torch.matmul(value, pairwise.transpose(1, 2)).view_as(x)
        unary = torch.matmul(value, mask.softmax(dim=2).transpose(1, 2)).unsqueeze(3)
        return self.gamma * attended + unary + x


class FFN(nn.Module):
    """Feed-forward network (section 2.2): 1x1, 3x3 depth-wise, ReLU, 1x1; the input is added."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.relu = nn.ReLU(inplace=True)
        self.reduce = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.reduce(self.relu(self.depthwise(self.expand(x)))) + x


class FRM(nn.Module):
    """Feature refinement module (figure 2): DNL, feed-forward network, and a 1x1 convolution that cuts the channels."""

    def __init__(self, in_channels: int, out_channels: int, cut_before_ffn: bool = False) -> None:
        """Build the module.

        Args:
            in_channels: width of the concatenated stages.
            out_channels: width of the output.
            cut_before_ffn: cut the channels before the feed-forward network, which then expands `out_channels` to
                `in_channels`. Text: "a 1x1 convolution is added after FFN"; this reading keeps its word "expand"
                instead, and misses the printed costs by one or two units of their last digit.
        """
        super().__init__()
        self.dnl = DNL(in_channels)
        cut = ConvBNReLU(in_channels, out_channels, 1)
        self.refine = (
            nn.Sequential(cut, FFN(out_channels, in_channels))
            if cut_before_ffn
            else nn.Sequential(FFN(in_channels, out_channels), cut)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H, W)``."""
        return self.refine(self.dnl(x))


class FRMNet(Network):
    """VAN-S, a context module on all four stages, and SFNet's head (figure 1)."""

    align_corners: ClassVar[bool] = True

    def __init__(self, num_classes: int, context: nn.Module) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            context: maps ``(N, 1024, h, w)`` to ``(N, 128, h, w)``: `FRM`, or what table 2 puts in its place.
        """
        super().__init__()
        self.backbone = van_b1()
        self.context = context
        self.decoder = SFNetHead(self.backbone.channels[:-1], CHANNELS, num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at stride 4."""
        maps = self.backbone(x)
        return self.decoder(maps[:-1], self.context(concatenate_stages(maps)))


STAGES_WIDTH = 64 + 128 + 320 + 512


def frmnet(num_classes: int = 19, cut_before_ffn: bool = False) -> FRMNet:
    """FRMNet: 16,477,525 parameters at 19 classes; `cut_before_ffn` as in `FRM`."""
    return FRMNet(num_classes, FRM(STAGES_WIDTH, CHANNELS, cut_before_ffn))


def frmnet_ppm(num_classes: int = 19) -> FRMNet:
    """The ablation of table 2 with PPM in place of FRM: 15,229,395 parameters at 19 classes."""
    return FRMNet(num_classes, PPM(STAGES_WIDTH, CHANNELS, CHANNELS))


def frmnet_dappm(num_classes: int = 19) -> FRMNet:
    """The ablation of table 2 with DAPPM in place of FRM: 15,979,987 parameters at 19 classes.

    The normalisations are of the class SyncBatchNorm, as in DDRNet's public code: the printed 214.81 G fits a counter
    that does not know this class. In eval mode it computes what BatchNorm2d does, on any device.
    """
    return FRMNet(num_classes, DAPPM(STAGES_WIDTH, CHANNELS, CHANNELS, norm=nn.SyncBatchNorm))
