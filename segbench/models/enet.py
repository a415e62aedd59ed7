"""ENet (Paszke et al., arXiv 1606.02147) in the two settings that PyTorch users meet.

- `enet`: the port of xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7, whose cost the EFRNet paper prints as its
  baseline: 3x3 pooling, 3x3 transposed convolutions, one activation shared by a whole bottleneck, and a 128-channel
  projection to the classes that no forward pass calls.
- `enet_torch7`: the port of davidtvs/PyTorch-ENet@e17d404e, which follows the authors' Torch7 code more closely: 2x2
  pooling, 2x2 transposed convolutions, an activation of its own at every place.

With 3x3 windows at stride 2, neighbouring windows may store the same index; un-pooling then keeps the value written
last, which on CUDA is undefined. That is a property of the port, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench.models.base import Network, StateDict
from segbench.models.layers import conv_bn

Middle = int | Literal["asymmetric"]
"""The middle convolution of a bottleneck: 3x3 with this dilation, or 5x1 followed by 1x5."""

# Table 1 of the paper, bottlenecks 2.1 to 2.8; stage 3 repeats them.
CONTEXT: tuple[Middle, ...] = (1, 2, "asymmetric", 4, 1, 8, "asymmetric", 16)


def activations(kind: type[nn.Module], shared: bool) -> Callable[[], nn.Module]:
    """What a bottleneck calls for each of its activations: the same module every time, or a new one."""
    if not shared:
        return kind
    module = kind()
    return lambda: module


class InitialBlock(nn.Module):
    """A 3x3 convolution beside a max pooling of the image, both at stride 2 (figure 2a): 13 + 3 channels."""

    def __init__(self) -> None:
        """Build the block."""
        super().__init__()
        self.conv = nn.Conv2d(3, 13, 3, 2, 1, bias=False)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.bn = nn.BatchNorm2d(16)
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to ``(N, 16, H/2, W/2)``, rounded up."""
        return self.activation(self.bn(torch.cat((self.conv(x), self.pool(x)), 1)))


class RegularBottleneck(nn.Module):
    """1x1 projection, middle convolution, 1x1 expansion, added to the input (figure 2b)."""

    def __init__(
        self,
        channels: int,
        middle: Middle = 1,
        kind: type[nn.Module] = nn.PReLU,
        shared: bool = True,
        drop: float = 0.1,
    ) -> None:
        """Build a bottleneck that keeps size and channels; `shared` gives all its activations one module."""
        super().__init__()
        activation = activations(kind, shared)
        inner = channels // 4
        self.project = nn.Sequential(*conv_bn(channels, inner), activation())
        if middle == "asymmetric":
            rows = [*conv_bn(inner, inner, (5, 1)), activation()]
            self.middle = nn.Sequential(*rows, *conv_bn(inner, inner, (1, 5)), activation())
        else:
            self.middle = nn.Sequential(*conv_bn(inner, inner, 3, dilation=middle), activation())
        self.expand = nn.Sequential(*conv_bn(inner, channels), activation())
        self.dropout = nn.Dropout2d(drop)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return self.activation(x + self.dropout(self.expand(self.middle(self.project(x)))))


class DownsamplingBottleneck(nn.Module):
    """A bottleneck at stride 2 whose shortcut is a max pooling, padded with empty channels (figure 2b)."""

    def __init__(
        self, in_channels: int, out_channels: int, drop: float = 0.1, torch7: bool = False, indices: bool = True
    ) -> None:
        """Build the bottleneck; `indices` keeps the places of the maxima, `torch7` pools 2x2 windows instead of 3x3."""
        super().__init__()
        activation = activations(nn.PReLU, shared=not torch7)
        inner = in_channels // 4
        kernel, padding = (2, 0) if torch7 else (3, 1)
        self.pool = nn.MaxPool2d(kernel, 2, padding, return_indices=indices)
        strided = nn.Conv2d(in_channels, inner, 2, 2, bias=False)
        self.project = nn.Sequential(strided, nn.BatchNorm2d(inner), activation())
        self.middle = nn.Sequential(*conv_bn(inner, inner, 3), activation())
        self.expand = nn.Sequential(*conv_bn(inner, out_channels), activation())
        self.dropout = nn.Dropout2d(drop)
        self.activation = activation()
        self.added_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """``(N, in_channels, H, W)`` to ``(N, out_channels, H/2, W/2)`` and the indices of the maxima, or None.

        2x2 pooling rounds odd sizes down and 3x3 pooling rounds them up. The reference of the latter rejects them,
        because its 2x2 convolution rounds down; here that convolution sees one more row or column of zeros.
        """
        pooled, indices = self.pool(x) if self.pool.return_indices else (self.pool(x), None)
        height, width = x.shape[-2:]
        if self.pool.padding and (height % 2 or width % 2):
            x = F.pad(x, (0, width % 2, 0, height % 2))
        extension = self.dropout(self.expand(self.middle(self.project(x))))
        return self.activation(F.pad(pooled, (0, 0, 0, 0, 0, self.added_channels)) + extension), indices


class UpsamplingBottleneck(nn.Module):
    """A bottleneck that doubles the size: un-pooling on the shortcut, a transposed convolution beside it."""

    def __init__(self, in_channels: int, out_channels: int, torch7: bool = False) -> None:
        """Build the bottleneck; `torch7` takes a 2x2 kernel and leaves the expansion without activation."""
        super().__init__()
        inner = in_channels // 4
        activation = activations(nn.ReLU, shared=not torch7)
        self.main = nn.Sequential(*conv_bn(in_channels, out_channels))
        self.unpool = nn.MaxUnpool2d(2)
        self.project = nn.Sequential(*conv_bn(in_channels, inner), activation())
        self.transposed = (
            nn.ConvTranspose2d(inner, inner, 2, 2, bias=False)
            if torch7
            else nn.ConvTranspose2d(inner, inner, 3, 2, 1, output_padding=1, bias=False)
        )
        self.transposed_bn = nn.BatchNorm2d(inner)
        self.transposed_activation = activation()
        expand = conv_bn(inner, out_channels)
        self.expand = nn.Sequential(*expand) if torch7 else nn.Sequential(*expand, activation())
        self.dropout = nn.Dropout2d(0.1)
        self.activation = activation()

    def forward(self, x: Tensor, indices: Tensor, size: Sequence[int]) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, out_channels, *size)``; `indices` come from the pooling of that size."""
        main = self.unpool(self.main(x), indices, list(size))
        extension = self.transposed_bn(self.transposed(self.project(x), list(size)))
        extension = self.dropout(self.expand(self.transposed_activation(extension)))
        return self.activation(main + extension)


def stage(
    channels: int,
    middles: Sequence[Middle],
    kind: type[nn.Module] = nn.PReLU,
    shared: bool = True,
    drop: float = 0.1,
) -> nn.Sequential:
    """Regular bottlenecks in a row, one for each middle convolution."""
    return nn.Sequential(*(RegularBottleneck(channels, middle, kind, shared, drop) for middle in middles))


# Both ports number the regular bottlenecks of a stage behind its resampling one; stage 3 has none and starts at 0.
_BLOCKS = {1: range(1, 5), 2: range(1, 9), 3: range(8), 4: range(1, 3), 5: range(1, 2)}
_BLOCK_RENAMES = tuple(
    (rf"^(?:regular|dilated|asymmetric){number}_{block}\.", f"stage{number}.{block - blocks.start}.")
    for number, blocks in _BLOCKS.items()
    for block in blocks
)


class ENet(Network):
    """ENet: an encoder of two down-samplings after the initial block, and a small decoder that un-pools.

    Any H and W from 64 up are taken: un-pooling and transposed convolutions are told the sizes to return to. At
    multiples of 8, the only sizes that the reference of the default setting takes, this changes nothing.
    """

    renames = (
        *_BLOCK_RENAMES,
        (r"^initial_block\.main_branch\.", "initial_block.conv."),
        (r"^initial_block\.batch_norm\.", "initial_block.bn."),
        (r"^(down|up)sample(\d)_0\.", r"\1sample\2."),
        (r"\.out_(?:prelu|activation)\.", ".activation."),
        (r"^(upsample\d)\.ext_conv2\.0\.", r"\1.transposed."),
        (r"^(upsample\d)\.ext_conv2\.1\.", r"\1.transposed_bn."),
        (r"^(upsample\d)\.main_conv1\.", r"\1.main."),
        (r"\.ext_conv1\.", ".project."),
        (r"\.ext_conv2\.", ".middle."),
        (r"\.ext_conv3\.", ".expand."),
    )

    def __init__(self, num_classes: int = 19, torch7: bool = False) -> None:
        """Build ENet; `torch7` chooses the setting of `enet_torch7`."""
        super().__init__()
        shared = not torch7
        self.initial_block = InitialBlock()
        self.downsample1 = DownsamplingBottleneck(16, 64, 0.01, torch7)
        self.stage1 = stage(64, (1, 1, 1, 1), nn.PReLU, shared, 0.01)
        self.downsample2 = DownsamplingBottleneck(64, 128, 0.1, torch7)
        self.stage2 = stage(128, CONTEXT, nn.PReLU, shared)
        self.stage3 = stage(128, CONTEXT, nn.PReLU, shared)
        self.upsample4 = UpsamplingBottleneck(128, 64, torch7)
        self.stage4 = stage(64, (1, 1), nn.ReLU, shared)
        self.upsample5 = UpsamplingBottleneck(64, 16, torch7)
        self.stage5 = stage(16, (1,), nn.ReLU, shared)
        self.transposed_conv = nn.ConvTranspose2d(16, num_classes, 3, 2, 1, output_padding=1, bias=False)
        # The port constructs this layer and never calls it: it counts as parameters, and as nothing else.
        self.project_layer = None if torch7 else nn.Conv2d(128, num_classes, 1, bias=False)

    def logits(self, x: Tensor) -> Tensor:
        """Class scores ``(N, num_classes, H, W)`` at stride 1."""
        full = list(x.shape[-2:])
        x = self.initial_block(x)
        half = x.shape[-2:]
        x, indices1 = self.downsample1(x)
        x = self.stage1(x)
        quarter = x.shape[-2:]
        x, indices2 = self.downsample2(x)
        x = self.stage3(self.stage2(x))
        x = self.stage4(self.upsample4(x, indices2, quarter))
        x = self.stage5(self.upsample5(x, indices1, half))
        return self.transposed_conv(x, full)

    def from_reference(self, state: StateDict) -> dict[str, Tensor]:
        """A checkpoint of either port under our keys."""
        if any(".ext_tconv1." in key for key in state):
            state = {_with_three_convolutions(key): value for key, value in state.items()}
        return super().from_reference(state)


def _with_three_convolutions(key: str) -> str:
    """A key of davidtvs/PyTorch-ENet under the names of the other port, which differ in the up-sampling only."""
    if not key.startswith("upsample"):
        return key
    key = key.replace(".ext_conv2.", ".ext_conv3.")
    return key.replace(".ext_tconv1.", ".ext_conv2.0.").replace(".ext_tconv1_bnorm.", ".ext_conv2.1.")


def enet(num_classes: int = 19) -> ENet:
    """ENet as in Efficient-Segmentation-Networks: 360,422 parameters at 19 classes, 2,432 of them never used."""
    return ENet(num_classes)


def enet_torch7(num_classes: int = 19) -> ENet:
    """ENet as in PyTorch-ENet, after the authors' Torch7 code: 351,660 parameters at 19 classes."""
    return ENet(num_classes, torch7=True)
