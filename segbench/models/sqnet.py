"""SQNet (Treml et al., "Speeding up Semantic Segmentation for Autonomous Driving", NIPS 2016 workshop MLITS).

The authors published no code. This is the port
xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a (``model/SQNet.py``).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from segbench.models.base import Network, resize


class Fire(nn.Module):
    """Fire module of SqueezeNet with ELU: a pointwise squeeze, pointwise and 3x3 expansions beside each other."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        """Map `in_channels` to ``2 * expand``."""
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.elu1 = nn.ELU(inplace=True)
        self.elu2 = nn.ELU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in_channels, H, W)`` to ``(N, 2 * expand, H, W)``."""
        x = self.elu1(self.squeeze(x))
        return self.elu2(torch.cat((self.expand1x1(x), self.expand3x3(x)), dim=1))


class ParallelDilatedConv(nn.Module):
    """Sum of four convolutions of dilation 1 to 4 (section 3.3); the activation stands before the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3, 1, dilation, dilation), nn.ELU(inplace=True))
            for dilation in (1, 2, 3, 4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        first, second, third, fourth = (branch(x) for branch in self.branches)
        return first + second + third + fourth


class Refinement(nn.Module):
    """Bypass refinement (section 3.4): a skip, convolved, joins the enlarged map; a convolution fuses both."""

    def __init__(self, in_channels: int, skip_channels: int) -> None:
        """Map `in_channels` to ``2 * skip_channels`` at twice the size."""
        super().__init__()
        self.deconv = nn.ConvTranspose2d(in_channels, skip_channels, 3, 2, 1, output_padding=1)
        self.skip = nn.Conv2d(skip_channels, skip_channels, 3, padding=1)
        self.fuse = nn.Conv2d(2 * skip_channels, 2 * skip_channels, 3, padding=1)
        self.elu_deconv = nn.ELU(inplace=True)
        self.elu_skip = nn.ELU(inplace=True)
        self.elu_fuse = nn.ELU(inplace=True)

    def forward(self, x: Tensor, skip: Tensor, resize_skip: bool = False) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, 2 * skip_channels, H, W)``.

        Args:
            x: the map to enlarge.
            skip: ``(N, skip_channels, H', W')``.
            resize_skip: where sizes differ, resize the skip to the enlarged map instead of the map to the skip.
        """
        up = self.elu_deconv(self.deconv(x))
        skip = self.elu_skip(self.skip(skip))
        if resize_skip:
            skip = resize(skip, up.shape[-2:], align_corners=True)
        else:
            up = resize(up, skip.shape[-2:], align_corners=True)
        return self.elu_fuse(self.fuse(torch.cat((skip, up), dim=1)))


class SQNet(Network):
    """SqueezeNet encoder with ELU, parallel dilated convolutions, refinement by bypasses (figure 1)."""

    # The last bypass is not resized in the reference, so the map at stride 2 must have an even size.
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^(fire\d_\d)\.conv1\.", r"\1.squeeze."),
        (r"^(fire\d_\d)\.conv2\.", r"\1.expand1x1."),
        (r"^(fire\d_\d)\.conv3\.", r"\1.expand3x3."),
        *((rf"^parallel\.dilated_conv_{index + 1}\.", f"parallel.branches.{index}.0.") for index in range(4)),
        *((rf"^deconv{4 - level}\.", f"refine{level}.deconv.") for level in (3, 2, 1)),
        (r"^conv([123])_1\.", r"refine\1.skip."),
        (r"^conv([123])_2\.", r"refine\1.fuse."),
        (r"^deconv4\.", "classifier."),
    )

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 3, 2, 1)
        self.elu1 = nn.ELU(inplace=True)
        self.maxpool = nn.MaxPool2d(2, 2)
        self.fire1_1, self.fire1_2 = Fire(96, 16, 64), Fire(128, 16, 64)
        self.fire2_1, self.fire2_2 = Fire(128, 32, 128), Fire(256, 32, 128)
        self.fire3_1, self.fire3_2, self.fire3_3 = Fire(256, 64, 256), Fire(512, 64, 256), Fire(512, 64, 256)
        self.parallel = ParallelDilatedConv(512)
        self.refine3 = Refinement(512, 256)
        self.refine2 = Refinement(512, 128)
        self.refine1 = Refinement(256, 96)
        self.classifier = nn.ConvTranspose2d(192, num_classes, 3, 2, 1, output_padding=1)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size."""
        x1 = self.elu1(self.conv1(x))
        x2 = self.fire1_2(self.fire1_1(self.maxpool(x1)))
        x3 = self.fire2_2(self.fire2_1(self.maxpool(x2)))
        deepest = self.parallel(self.fire3_3(self.fire3_2(self.fire3_1(self.maxpool(x3)))))
        # The reference resizes the skip here and the enlarged map below.
        out = self.refine3(deepest, x3, resize_skip=True)
        out = self.refine2(out, x2)
        return self.classifier(self.refine1(out, x1))


def sqnet(num_classes: int = 19) -> SQNet:
    """SQNet: 16,262,771 parameters at 19 classes."""
    return SQNet(num_classes)
