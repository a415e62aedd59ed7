"""SegNet (Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture", TPAMI 2017).

The authors' code is for Caffe. This is the port
xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a (``model/SegNet.py``): VGG-16's
convolutions with BN, and their mirror image as decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.layers import ConvBN

# Convolutions per stage of VGG-16 and their width.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class Stage(nn.Sequential):
    """3x3 convolutions, each with BN and ReLU (functional, as in the reference)."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Build convolutions from each of `widths` to the next."""
        super().__init__(*(ConvBN(start, stop, 3, bias=True) for start, stop in pairwise(widths)))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, widths[0], H, W)`` to ``(N, widths[-1], H, W)``."""
        for layer in self:
            x = F.relu(layer(x), inplace=True)
        return x


def _renames() -> list[tuple[str, str]]:
    """From ``conv12`` (stage, position) and ``conv53d`` (of the decoder, counted backwards) to stages."""
    pairs = [(r"^conv11d\.", "classifier.")]
    for stage, (depth, _) in enumerate(STAGES):
        for position in range(depth):
            key = rf"^(conv|bn){stage + 1}{position + 1}"
            pairs.append((key + r"\.", rf"encoder.{stage}.{position}.\1."))
            pairs.append((key + r"d\.", rf"decoder.{stage}.{depth - 1 - position}.\1."))
    return pairs


class SegNet(Network):
    """VGG-16 encoder, and a decoder that unpools with the indices of the encoder's max pools (figure 2)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = tuple(_renames())

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        ends = [3, *(width for _, width in STAGES)]
        self.encoder = nn.ModuleList(
            Stage([start, *[width] * depth]) for start, (depth, width) in zip(ends[:-1], STAGES, strict=True)
        )
        # The last stage of the decoder ends in the classifier, which has neither BN nor ReLU.
        self.decoder = nn.ModuleList(
            Stage([*[width] * depth, start] if stage else [width] * depth)
            for stage, (start, (depth, width)) in enumerate(zip(ends[:-1], STAGES, strict=True))
        )
        self.classifier = nn.Conv2d(STAGES[0][1], num_classes, 3, padding=1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size."""
        pools = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape
            x, indices = F.max_pool2d(x, 2, 2, return_indices=True)
            pools.append((indices, size[-2:]))
        for index in reversed(range(len(STAGES))):
            indices, full = pools[index]
            x = self.decoder[index](F.max_unpool2d(x, indices, (2, 2), (2, 2), output_size=full))
        return self.classifier(x)


def segnet(num_classes: int = 19) -> SegNet:
    """SegNet: 29,453,971 parameters at 19 classes."""
    return SegNet(num_classes)
