"""ESNet (Wang et al., "ESNet: An Efficient Symmetric Network for Real-time Semantic Segmentation", PRCV 2019).

Written from the paper (arXiv 1906.09826, table 1, figures 2 and 3) and from the reference outputs in tests/golden;
equal to xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7 (``model/ESNet.py``).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network
from segbench.models.layers import UpsamplerBlock
from segbench.models.lednet import BN_EPS, DownsamplerBlock


class FCU(nn.Module):
    """Factorised convolution unit (figure 3d): two K x K convolutions, each as K x 1 and 1 x K, added to the input."""

    def __init__(self, channels: int, kernel: int, drop: float = 0.0) -> None:
        """Build a unit that keeps size and channels."""
        super().__init__()
        half = kernel // 2
        self.conv3x1_1 = nn.Conv2d(channels, channels, (kernel, 1), padding=(half, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, kernel), padding=(0, half))
        self.bn1 = nn.BatchNorm2d(channels, eps=BN_EPS)
        self.conv3x1_2 = nn.Conv2d(channels, channels, (kernel, 1), padding=(half, 0))
        self.conv1x3_2 = nn.Conv2d(channels, channels, (1, kernel), padding=(0, half))
        self.bn2 = nn.BatchNorm2d(channels, eps=BN_EPS)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout2d(drop)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        y = self.relu(self.bn1(self.conv1x3_1(self.relu(self.conv3x1_1(x)))))
        y = self.bn2(self.conv1x3_2(self.relu(self.conv3x1_2(y))))
        return F.relu(x + self.dropout(y), inplace=True)


class PFCU(nn.Module):
    """Parallel factorised convolution unit (figure 3e): dilations 2, 5 and 9 beside each other.

    The branches share one batch normalisation.
    """

    def __init__(self, channels: int) -> None:
        """Build a unit that keeps size and channels."""
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.conv1x3_1 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 1))
        self.bn1 = nn.BatchNorm2d(channels, eps=BN_EPS)
        self.conv3x1_22 = nn.Conv2d(channels, channels, (3, 1), padding=(2, 0), dilation=(2, 1))
        self.conv1x3_22 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 2), dilation=(1, 2))
        self.conv3x1_25 = nn.Conv2d(channels, channels, (3, 1), padding=(5, 0), dilation=(5, 1))
        self.conv1x3_25 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 5), dilation=(1, 5))
        self.conv3x1_29 = nn.Conv2d(channels, channels, (3, 1), padding=(9, 0), dilation=(9, 1))
        self.conv1x3_29 = nn.Conv2d(channels, channels, (1, 3), padding=(0, 9), dilation=(1, 9))
        self.bn2 = nn.BatchNorm2d(channels, eps=BN_EPS)
        self.dropout = nn.Dropout2d(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        y = F.relu(self.conv3x1_1(x), inplace=True)
        y = F.relu(self.bn1(self.conv1x3_1(y)), inplace=True)
        by_two = self.dropout(self.bn2(self.conv1x3_22(F.relu(self.conv3x1_22(y), inplace=True))))
        by_five = self.dropout(self.bn2(self.conv1x3_25(F.relu(self.conv3x1_25(y), inplace=True))))
        by_nine = self.dropout(self.bn2(self.conv1x3_29(F.relu(self.conv3x1_29(y), inplace=True))))
        return F.relu(x + by_two + by_five + by_nine, inplace=True)


class ESNet(Network):
    """ESNet: an encoder to stride 8 and the same number of units back to stride 2 (figure 2).

    The reference names its layers by number alone; they keep these names.
    """

    def __init__(self, num_classes: int = 19) -> None:
        """Build ESNet."""
        super().__init__()
        self.initial_block = DownsamplerBlock(3, 16)
        self.layers = nn.Sequential(
            *(FCU(16, 3, drop=0.03) for _ in range(3)),
            DownsamplerBlock(16, 64),
            *(FCU(64, 5, drop=0.03) for _ in range(2)),
            DownsamplerBlock(64, 128),
            *(PFCU(128) for _ in range(3)),
            UpsamplerBlock(128, 64),
            *(FCU(64, 5) for _ in range(2)),
            UpsamplerBlock(64, 16),
            *(FCU(16, 3) for _ in range(2)),
        )
        self.output_conv = nn.ConvTranspose2d(16, num_classes, 2, 2)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores at the input size rounded up to a multiple of 8."""
        return self.output_conv(self.layers(self.initial_block(x)))


def esnet(num_classes: int = 19) -> ESNet:
    """ESNet: 1,659,071 parameters at 19 classes."""
    return ESNet(num_classes)
