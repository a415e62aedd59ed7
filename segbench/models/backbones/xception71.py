"""Aligned Xception-71 at output stride 16, of DeepLab's authors.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018, section
3.2, with two more blocks in the entry flow than Xception-65.

Source: tensorflow/models (``research/deeplab/core/xception.py``), the authors' TensorFlow code. The trunk of the same
name in ``xception.py`` is another one: NVIDIA's, with fewer strides and one normalisation less per convolution.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from segbench.models.backbones.xception65 import XceptionBlock
from segbench.models.layers import ConvBNReLU, set_norm_eps

BN_EPS = 1e-3


class Xception71(nn.Module):
    """Entry flow of five blocks, sixteen units of middle flow, exit flow.

    Attributes:
        channels: widths of the three maps that it returns.
    """

    channels = (256, 728, 2048)

    def __init__(self) -> None:
        """Build the trunk."""
        super().__init__()
        self.stem = nn.Sequential(ConvBNReLU(3, 32, 3, 2), ConvBNReLU(32, 64, 3))
        self.block1 = XceptionBlock((64, 128, 128, 128), stride=2)
        self.block2 = XceptionBlock((128, 256, 256, 256))
        self.block3 = XceptionBlock((256, 256, 256, 256), stride=2)
        self.block4 = XceptionBlock((256, 728, 728, 728))
        self.block5 = XceptionBlock((728, 728, 728, 728), stride=2)
        self.middle = nn.Sequential(
            OrderedDict((f"unit_{number}", XceptionBlock((728,) * 4, shortcut="identity")) for number in range(1, 17))
        )
        self.exit1 = XceptionBlock((728, 728, 1024, 1024))
        self.exit2 = XceptionBlock((1024, 1536, 1536, 2048), shortcut="none", relu_first=False, dilation=2)
        set_norm_eps(self, BN_EPS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image ``(N, 3, H, W)`` to maps of 256, 728 and 2048 channels at strides 4, 8 and 16.

        The first two are the maps within blocks 3 and 5, before their strides.
        """
        x, c2 = self.block3.both(self.block2(self.block1(self.stem(x))))
        x, c3 = self.block5.both(self.block4(x))
        return c2, c3, self.exit2(self.exit1(self.middle(x)))
