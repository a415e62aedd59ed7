"""Dilation8 (Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", ICLR 2016), CamVid version.

The network of the authors' Caffe file for CamVid, by way of the port carlodizon03/Dilation8-Pytorch@33a4caaafcce
(``Dilation8.py``). The front end has no padding, so that the scores are those of the middle of the image. The authors
(fyu/dilation, ``predict.py``) reflect the image by 186 pixels at each side before, and the scores cover all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.vgg import VGG16
from segbench.models.base import Network, resize

STRIDE = 8
MARGIN = 186  # pixels that the front end consumes at each side
CONTEXT_DILATIONS = (1, 1, 2, 4, 8, 16, 1)


def reflect(x: Tensor, margin: int, dim: int) -> Tensor:
    """Extend `x` by `margin` at both ends of `dim`, mirrored at its outer pixels, as often as the margin needs."""
    size = x.shape[dim]
    period = 2 * (size - 1)
    index = torch.arange(-margin, size + margin, device=x.device) % period
    return x.index_select(dim, torch.minimum(index, period - index))


def context_module(channels: int) -> nn.Sequential:
    """Context module (table 1, basic): seven 3x3 convolutions of growing dilation and a 1x1, all of one width."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, dilation in enumerate(CONTEXT_DILATIONS):
        layers[f"conv{index}"] = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        layers[f"relu{index}"] = nn.ReLU(inplace=True)
    layers[f"conv{len(CONTEXT_DILATIONS)}"] = nn.Conv2d(channels, channels, 1)
    return nn.Sequential(layers)


class Dilation8(Network):
    """VGG-16 without its last two poolings, dilated instead, and the context module on its class scores."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^frontEnd(\d)\.", r"backbone.stage\1."),
        (r"^fc6\.", ""),
        (r"^ctx\.ctx_conv(\d)_dil\d+\.", r"context.conv\1."),
    )

    def __init__(self, num_classes: int = 11, reflected: bool = False, width: int = 4096) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            reflected: whether every image is reflected at its sides, as in the authors' predictions, or only those
                that are too small for the bare network.
            width: of the two convolutions that were fully connected.
        """
        super().__init__()
        self.reflected = reflected
        self.backbone = VGG16(padding=0, pools=3)
        self.fc6 = nn.Conv2d(self.backbone.channels[-1], width, 7, dilation=4)
        self.fc7 = nn.Conv2d(width, width, 1)
        self.relu = nn.ReLU(inplace=True)
        self.final = nn.Conv2d(width, num_classes, 1)
        self.context = context_module(num_classes)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, h, w)`` of the image but for 186 pixels at each side, at stride 8.

        The softmax of the public code is left out.
        """
        y = self.backbone(x)[-1]
        y = self.relu(self.fc7(self.relu(self.fc6(y))))
        return self.context(self.final(y))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at the input size.

        Where the image is not reflected, the outer 186 pixels repeat the scores of the nearest pixel that has some.
        """
        height, width = x.shape[-2:]
        if self.reflected or min(height, width) < 2 * MARGIN + STRIDE:
            return resize(self.logits(reflect(reflect(x, MARGIN, 2), MARGIN, 3)), (height, width))
        scores = self.logits(x)
        scores = resize(scores, (STRIDE * scores.shape[2], STRIDE * scores.shape[3]))
        below, right = height - MARGIN - scores.shape[2], width - MARGIN - scores.shape[3]
        return F.pad(scores, (MARGIN, right, MARGIN, below), mode="replicate")


def dilation8(num_classes: int = 11, reflected: bool = False) -> Dilation8:
    """Dilation8 for CamVid: 134,313,443 parameters at 11 classes; `reflected` as in `Dilation8`."""
    return Dilation8(num_classes, reflected)
