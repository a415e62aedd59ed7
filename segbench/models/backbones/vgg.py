"""VGG-16 (Simonyan and Zisserman, ICLR 2015) as early segmentation networks use it: convolutions without normalisation.

Layers are named ``conv1_1`` to ``conv5_3`` as in the Caffe models.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)


class VGG16(nn.Module):
    """The thirteen convolutions of VGG-16 in five stages, each of which may end in a max-pooling.

    Attributes:
        channels: output widths of the five stages.
    """

    channels = WIDTHS

    def __init__(
        self, padding: int = 1, first_padding: int | None = None, pools: int = 5, ceil_mode: bool = False
    ) -> None:
        """Build the trunk.

        Args:
            padding: of every convolution.
            first_padding: of the first convolution, where it differs.
            pools: number of stages that end in a pooling; stages after the first one without are dilated by 2.
            ceil_mode: whether the poolings round sizes up.
        """
        super().__init__()
        in_channels = 3
        for stage, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True), start=1):
            dilation = 2 if stage > pools + 1 else 1
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            for index in range(1, depth + 1):
                margin = first_padding if in_channels == 3 and first_padding is not None else padding
                layers[f"conv{stage}_{index}"] = nn.Conv2d(in_channels, width, 3, padding=margin, dilation=dilation)
                layers[f"relu{stage}_{index}"] = nn.ReLU(inplace=True)
                in_channels = width
            if stage <= pools:
                layers[f"pool{stage}"] = nn.MaxPool2d(2, 2, ceil_mode=ceil_mode)
            self.add_module(f"stage{stage}", nn.Sequential(layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Image ``(N, 3, H, W)`` to the maps of the five stages."""
        maps: list[Tensor] = []
        for stage in self.children():
            x = stage(x)
            maps.append(x)
        return tuple(maps)
