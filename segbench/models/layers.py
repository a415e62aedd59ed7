"""Building blocks that several architectures share."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def leaky_relu() -> nn.LeakyReLU:
    """Leaky ReLU of slope 0.01: the activation of in-place activated batch normalisation (InPlaceABN), its default."""
    return nn.LeakyReLU(0.01, inplace=True)


def set_norm_eps(module: nn.Module, eps: float) -> None:
    """Give every batch normalisation of `module` this epsilon."""
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eps = eps


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
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2))
        children: OrderedDict[str, nn.Module] = OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias),
            bn=nn.BatchNorm2d(out_channels, eps=eps),
        )
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
