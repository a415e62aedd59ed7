"""NRD (Zhang et al., "Dynamic Neural Representational Decoders for High-Resolution Semantic Segmentation").

NeurIPS 2021; with ResNet-50. Each position of the stride-32 map predicts the weights of a small network, which paints
the 8x8 block of the stride-4 map that it stands for. Public code: zbwxp/NRD_decoder@4b75721daeb6
(``bilinear_pad_head_fast.py``), configuration ``NRD_r50_512x1024_84k_cityscapes``. The guidance map must be exactly
eight times the coarse one, so that heights and widths are multiples of 32.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network
from segbench.models.deeplabv3plus import ASPP, MMSEG_ASPP_RENAMES, MMSEG_STEM_RENAMES
from segbench.models.layers import ConvBNReLU

BLOCK = 8  # pixels per side that one position of the coarse map paints


def block_coordinates(size: torch.Size, like: Tensor) -> Tensor:
    """Coordinates in [0, 1) within each block, x before y: ``(1, 2, BLOCK * h, BLOCK * w)`` for a map of `size`."""
    ramp = torch.arange(BLOCK, dtype=like.dtype, device=like.device) / BLOCK
    y, x = torch.meshgrid(ramp.repeat(size[0]), ramp.repeat(size[1]), indexing="ij")
    return torch.stack((x, y)).unsqueeze(0)


def dynamic_conv(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1x1 convolution with weights of its own at every pixel.

    Args:
        x: ``(N, C, H, W)``.
        weight: ``(N, K * C, H, W)``, the C weights of an output channel side by side.
        bias: ``(N, K, H, W)``.

    Returns:
        ``(N, K, H, W)``.
    """
    out_channels, in_channels = bias.shape[1], x.shape[1]
    products = (x.unsqueeze(1) * weight.unflatten(1, (out_channels, in_channels))).flatten(1, 2)
    # The sum over a channel group is a convolution with ones in the public code, and is counted as such.
    ones = torch.ones(out_channels, in_channels, 1, 1, dtype=x.dtype, device=x.device)
    return F.conv2d(products, ones, groups=out_channels) + bias


class NRD(Network):
    """ResNet at output stride 32, ASPP, and one three-layer network per position of its output (figure 2)."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        *MMSEG_STEM_RENAMES,
        *MMSEG_ASPP_RENAMES,
        (r"^decode_head\.classifier\.classifier\.0\.", "controller.0."),
        (r"^decode_head\.classifier\.classifier\.1\.", "controller.1."),
        (r"^decode_head\.c1_bottleneck\.1\.conv\.", "guidance.1."),
        (r"^decode_head\.c1_bottleneck\.", "guidance."),
        (r"^decode_head\.cat_norm\.", "norm."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^decode_head\.conv_seg\.", r"^auxiliary_head\.")

    def __init__(
        self, num_classes: int = 19, channels: int = 512, width: int = 16, guidance_channels: int = 16
    ) -> None:
        """Build the network.

        Args:
            num_classes: output channels.
            channels: width of the ASPP.
            width: of the hidden layers of the predicted networks.
            guidance_channels: that the finest map of the backbone contributes to their input.
        """
        super().__init__()
        self.backbone = ResNet(Bottleneck, (3, 4, 6, 3), deep_stem=(32, 32, 64))
        low_level, *_, last = self.backbone.channels
        self.aspp = ASPP(last, (3, 6, 9), channels, project_kernel=3, pooling_first=True, separable=True)
        layers = ((2 + guidance_channels, width), (width, width), (width, num_classes))
        self.parameter_sizes = [size for inputs, outputs in layers for size in (inputs * outputs, outputs)]
        self.controller = nn.Sequential(
            ConvBNReLU(channels, channels, 3), nn.Conv2d(channels, sum(self.parameter_sizes), 1)
        )
        self.guidance = nn.Sequential(ConvBNReLU(low_level, 48, 3), nn.Conv2d(48, guidance_channels, 1))
        self.norm = nn.BatchNorm2d(2 + guidance_channels)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H/4, W/4)``."""
        low_level, *_, last = self.backbone(x)
        context = self.aspp(last)
        guidance = self.guidance(low_level)
        predicted = [
            F.interpolate(part, scale_factor=BLOCK, mode="nearest")
            for part in self.controller(context).split(self.parameter_sizes, dim=1)
        ]
        coordinates = block_coordinates(last.shape[-2:], x).expand(x.shape[0], -1, -1, -1)
        y = self.norm(torch.cat((coordinates, guidance), dim=1))
        y = F.relu_(dynamic_conv(y, predicted[0], predicted[1]))
        y = F.relu_(dynamic_conv(y, predicted[2], predicted[3]))
        return dynamic_conv(y, predicted[4], predicted[5])


def nrd_r50(num_classes: int = 19) -> NRD:
    """NRD with ResNet-50: 43,573,367 parameters at 19 classes."""
    return NRD(num_classes)
