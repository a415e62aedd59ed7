"""HANet (Choi et al., "Cars Can't Fly up in the Sky", CVPR 2020) on DeepLabV3+ with ResNet-101 at output stride 8.

Height-driven attention: the rows of one map weigh, channel by channel, the rows of a later one.
Public code: shachoi/HANet@656bedc2979e (``network/deepv3.py``, ``network/HANet.py``, ``network/PosEmbedding.py``),
factory ``DeepR101V3PlusD_HANet_OS8`` with attention at four places. The trunk has a deep stem and keeps stride 8 with
dilations of 2 and 4 in the last two stages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.backbones.resnet import Bottleneck, ResNet
from segbench.models.base import Network, resize
from segbench.models.deeplabv3plus import ASPP, NVIDIA_ASPP_RENAMES, WIDTH
from segbench.models.layers import ConvBNReLU

ROWS = 16  # to which a map is pooled
HEIGHT = 128  # in which the authors' data loader counts positions, whatever the height of the image


def positions(x: Tensor) -> Tensor:
    """Vertical positions ``(ROWS,)`` from 0 to ROWS - 1 of the pooled rows of an image ``(N, 3, H, W)``.

    The authors number the H rows of the image from 0 to HEIGHT - 1, divide by ``HEIGHT / ROWS`` and take the nearest
    row, rounding down each time; a height that ROWS does not divide so repeats positions.
    """
    height = x.shape[-2]
    nearest = torch.arange(ROWS, device=x.device) * height // ROWS
    return nearest * HEIGHT // height // (HEIGHT // ROWS)


def sinusoid(channels: int) -> Tensor:
    """Position encoding ``(ROWS + 1, channels)``, between 0 and 2 (section 3.2), in single precision."""
    cycle = 10.0 if channels > 50 else 100.0
    index = torch.arange(channels)
    position = torch.arange(ROWS + 1, dtype=torch.float64).unsqueeze(1)
    angle = position / cycle ** (2.0 * (index // 2).double() / channels)
    return (torch.where(index % 2 == 0, angle.sin(), angle.cos()) + 1).float()


class HeightAttention(nn.Module):
    """Height-driven attention (HANet, figure 3): rows pooled, three 1-D convolutions, gates between 0 and 1."""

    def __init__(self, in_channels: int, out_channels: int, reduction: int = 64) -> None:
        """Build the module.

        Args:
            in_channels: width of the map that is looked at.
            out_channels: width of the map that is weighed.
            reduction: by which the width is divided in between.
        """
        super().__init__()
        width = math.ceil(in_channels / reduction)
        self.rowpool = nn.AdaptiveAvgPool2d((ROWS, 1))
        self.attention_first = nn.Sequential(
            nn.Conv1d(in_channels, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)
        )
        self.encoding = nn.Embedding.from_pretrained(sinusoid(width), freeze=True)
        self.attention_second = nn.Sequential(
            nn.Conv1d(width, 2 * width, 3, padding=1), nn.BatchNorm1d(2 * width), nn.ReLU(inplace=True)
        )
        self.attention_third = nn.Conv1d(2 * width, out_channels, 3, padding=1)

    def forward(self, x: Tensor, y: Tensor, position: Tensor) -> Tensor:
        """Weigh `y` by the rows of `x`.

        Args:
            x: ``(N, in_channels, h, w)``.
            y: ``(N, out_channels, H, W)``.
            position: ``(ROWS,)``, as `positions` gives it.

        Returns:
            ``(N, out_channels, H, W)``.
        """
        rows = self.attention_first(self.rowpool(x).squeeze(3)) + self.encoding(position).t()
        gates = self.attention_third(self.attention_second(rows)).sigmoid()
        return y * F.interpolate(gates, size=y.shape[2], mode="linear").unsqueeze(3)


class HANet(Network):
    """DeepLabV3+ whose last stage, ASPP, ASPP projection and decoder are weighed by height (figure 5)."""

    align_corners: ClassVar[bool] = True
    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^layer0\.7\.", "backbone.bn1."),
        (r"^layer0\.", "backbone.conv1."),
        (r"^layer([1-4])\.", r"backbone.layer\1."),
        *NVIDIA_ASPP_RENAMES,
        (r"^(bot_fine|bot_aspp)\.0\.", r"\1.conv."),
        (r"^(bot_fine|bot_aspp)\.1\.", r"\1.bn."),
        (r"^final1\.0\.", "final1.0.conv."),
        (r"^final1\.1\.", "final1.0.bn."),
        (r"^final1\.3\.", "final1.1.conv."),
        (r"^final1\.4\.", "final1.1.bn."),
        (r"^final2\.0\.", "final2."),
        (r"\.attention_third\.0\.", ".attention_third."),
        (r"\.pos_emb1d_2nd\.pos_layer\.", ".encoding."),
    )
    dropped: ClassVar[tuple[str, ...]] = (r"^dsn\.",)

    def __init__(self, num_classes: int = 19) -> None:
        """Build the network."""
        super().__init__()
        self.backbone = ResNet(
            Bottleneck, (3, 4, 23, 3), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), deep_stem=(64, 64, 128)
        )
        low_level, _, c4, c5 = self.backbone.channels
        self.aspp = ASPP(c5, (12, 24, 36), project_kernel=None, pooling_first=True)
        self.bot_fine = ConvBNReLU(low_level, 48)
        self.bot_aspp = ConvBNReLU(5 * WIDTH, WIDTH)
        self.final1 = nn.Sequential(ConvBNReLU(48 + WIDTH, WIDTH, 3), ConvBNReLU(WIDTH, WIDTH, 3))
        self.final2 = nn.Conv2d(WIDTH, num_classes, 1)
        self.hanet0 = HeightAttention(c4, c5)
        self.hanet1 = HeightAttention(c5, 5 * WIDTH)
        self.hanet2 = HeightAttention(5 * WIDTH, WIDTH)
        self.hanet3 = HeightAttention(48 + WIDTH, WIDTH)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size: the reference resizes them itself, with aligned corners."""
        position = positions(x)
        low_level, _, c4, c5 = self.backbone(x)
        c5 = self.hanet0(c4, c5, position)
        pyramid = self.hanet1(c5, self.aspp(c5), position)
        context = self.hanet2(pyramid, self.bot_aspp(pyramid), position)
        context = resize(context, low_level.shape[-2:], align_corners=True)
        joined = torch.cat((self.bot_fine(low_level), context), dim=1)
        scores = self.final2(self.hanet3(joined, self.final1(joined), position))
        return resize(scores, x.shape[-2:], align_corners=True)

    def from_reference(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `Network.from_reference`; position encodings are constants, and ours stand in where the state has none."""
        own = {key: value for key, value in self.state_dict().items() if ".encoding." in key}
        return {**own, **super().from_reference(state)}


def hanet_r101(num_classes: int = 19) -> HANet:
    """HANet with ResNet-101 at output stride 8: 60,073,274 parameters at 19 classes, frozen encodings included."""
    return HANet(num_classes)
