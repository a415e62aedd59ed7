"""Building blocks that several architectures share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def leaky_relu() -> nn.LeakyReLU:
    """Leaky ReLU of slope 0.01: the activation of in-place activated batch normalisation (InPlaceABN), its default."""
    return nn.LeakyReLU(0.01, inplace=True)


def set_norm_eps(module: nn.Module, eps: float) -> None:
    """Give every batch normalisation of `module` this epsilon."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = eps


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int] = 1,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    eps: float = 1e-5,
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution and its batch normalisation, to be named by the caller; padding keeps the size at stride 1."""
    kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)
    return conv, nn.BatchNorm2d(out_channels, eps=eps)


def norm_relu_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    norm: Norm = nn.BatchNorm2d,
) -> tuple[nn.Module, nn.ReLU, nn.Conv2d]:
    """Normalisation, ReLU and a convolution without bias, in this order; padding keeps the size at stride 1."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
    return norm(in_channels), nn.ReLU(inplace=True), conv


class ConvBN(nn.Sequential):
    """Convolution and batch normalisation; padding keeps the size at stride 1.

    Children are named ``conv``, ``bn`` and, where given, ``act``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: nn.Module | None = None,
        eps: float = 1e-5,
    ) -> None:
        """Build the pair, followed by `act` where given."""
        conv, bn = conv_bn(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, eps)
        children: OrderedDict[str, nn.Module] = OrderedDict(conv=conv, bn=bn)
        if act is not None:
            children["act"] = act
        super().__init__(children)


class ConvBNReLU(ConvBN):
    """Convolution, batch normalisation and ReLU; padding keeps the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        eps: float = 1e-5,
    ) -> None:
        """Build the triple; arguments as `ConvBN`."""
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, nn.ReLU(inplace=True), eps
        )


def separable_conv(
    in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Depthwise and pointwise convolution, batch normalisation and ReLU after each; the first strides and dilates."""
    return nn.Sequential(
        ConvBNReLU(in_channels, in_channels, kernel_size, stride, dilation, in_channels),
        ConvBNReLU(in_channels, out_channels),
    )


class BNPReLU(nn.Sequential):
    """Batch normalisation and a PReLU with one slope per channel, as ESPNet and its descendants use them.

    Children are named ``bn`` and ``act``.
    """

    def __init__(self, channels: int, eps: float = 1e-3) -> None:
        """Build the pair."""
        super().__init__(OrderedDict(bn=nn.BatchNorm2d(channels, eps=eps), act=nn.PReLU(channels)))


class ConvBNPReLU(ConvBN):
    """Convolution, batch normalisation and a PReLU with one slope per channel; padding keeps the size at stride 1."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 1,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        eps: float = 1e-3,
    ) -> None:
        """Build the triple; arguments as `ConvBN`."""
        super().__init__(
            in_channels, out_channels, kernel_size, stride, dilation, groups, bias, nn.PReLU(out_channels), eps
        )


class InputInjection(nn.Sequential):
    """The image at ``1 / 2**times`` of its size, to be concatenated with a feature map: 3x3 average pooling in turn."""

    def __init__(self, times: int) -> None:
        """Build the poolings; each rounds odd sizes up, as the strided convolutions beside it do."""
        super().__init__(*(nn.AvgPool2d(3, stride=2, padding=1) for _ in range(times)))


class UpsamplerBlock(nn.Module):
    """ERFNet's up-sampling: a 3x3 transposed convolution at stride 2, batch normalisation (epsilon 1e-3) and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build the block."""
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, output_padding=1)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor, size: list[int] | None = None) -> Tensor:
        """``(N, in_channels, h, w)`` to ``(N, out_channels, *size)``: twice the size, or one less where `size` says."""
        return F.relu(self.bn(self.conv(x, size)))


class StemBlock(nn.Module):
    """BiSeNetV2's stem (figure 4a): a strided convolution, then two down-samplings side by side, joined."""

    def __init__(self, channels: int, out_channels: int, fuse_kernel: int) -> None:
        """Build the block.

        Args:
            channels: width of both down-samplings.
            out_channels: width of the output.
            fuse_kernel: kernel of the convolution that joins them.
        """
        super().__init__()
        self.conv = ConvBNReLU(3, channels, 3, stride=2)
        self.left = nn.Sequential(
            ConvBNReLU(channels, channels // 2, 1), ConvBNReLU(channels // 2, channels, 3, stride=2)
        )
        self.right = nn.MaxPool2d(3, 2, 1)
        self.fuse = ConvBNReLU(2 * channels, out_channels, fuse_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Image ``(N, 3, H, W)`` to ``(N, out_channels, H/4, W/4)``."""
        x = self.conv(x)
        return self.fuse(torch.cat((self.left(x), self.right(x)), dim=1))


class SqueezeExcitation(nn.Module):
    """Channels weighted by what the whole map looks like (Hu et al., CVPR 2018): two linear layers on its average."""

    def __init__(self, channels: int, squeezed: int, bias: bool = True, gate: nn.Module | None = None) -> None:
        """Build the module.

        Args:
            channels: width of input and output.
            squeezed: width between the two layers.
            bias: whether they have one.
            gate: what turns their output into weights; the logistic function by default.
        """
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed, bias),
            nn.ReLU(inplace=True),
            nn.Linear(squeezed, channels, bias),
            nn.Sigmoid() if gate is None else gate,
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` to the same shape."""
        return x * self.fc(self.pool(x).flatten(1))[:, :, None, None]
