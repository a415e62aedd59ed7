"""Small networks that each hold one thing that counters get wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS, HEIGHT, WIDTH = 8, 16, 24
PIXELS = HEIGHT * WIDTH
SHAPE = (1, CHANNELS, HEIGHT, WIDTH)


class Function(nn.Module):
    """Calls a function of the image and the modules given."""

    def __init__(self, function: Callable[..., object], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> object:
        return self.function(x, **dict(self.named_children()))


class MyConv(nn.Conv2d):
    pass


class OwnWeight(nn.Module):
    """A functional convolution with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, CHANNELS, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)


class Branch(nn.Module):
    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Shared(nn.Module):
    """One convolution under three paths (here, and in two branches), run twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.first, self.second = Branch(self.conv), Branch(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(x))
        return out


def _attention(x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    return torch.softmax(tokens.transpose(1, 2) @ tokens, -1) @ tokens.transpose(1, 2)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _grid(x: Tensor) -> Tensor:
    return x[:, :2].permute(0, 2, 3, 1)


def _unpool(x: Tensor) -> Tensor:
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(pooled, indices, (2, 2))


CASES: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(CHANNELS, 4, 3, padding=1),
    "conv without bias": lambda: nn.Conv2d(CHANNELS, 4, 3, stride=2, padding=1, bias=False),
    "conv same padding": lambda: nn.Conv2d(CHANNELS, 4, 3, padding="same"),
    "grouped conv": lambda: nn.Conv2d(CHANNELS, 16, 3, padding=1, groups=4),
    "dilated conv": lambda: nn.Conv2d(CHANNELS, 4, 3, padding=3, dilation=3),
    "conv1d": lambda: Function(lambda x, conv: conv(x.flatten(2)), conv=nn.Conv1d(CHANNELS, 4, 5)),
    "conv3d": lambda: Function(lambda x, conv: conv(x[:, None]), conv=nn.Conv3d(1, 4, 3)),
    "subclassed conv": lambda: MyConv(CHANNELS, 4, 3, padding=1),
    "functional conv": OwnWeight,
    "shared conv": Shared,
    "transposed conv": lambda: nn.ConvTranspose2d(CHANNELS, 4, 4, stride=2, padding=1, bias=False),
    "transposed conv with bias": lambda: nn.ConvTranspose2d(CHANNELS, 4, 3, stride=2, padding=1, output_padding=1),
    "grouped transposed conv": lambda: nn.ConvTranspose2d(CHANNELS, 16, 2, stride=2, groups=4, bias=False),
    "linear": lambda: Function(lambda x, fc: fc(_tokens(x)), fc=nn.Linear(CHANNELS, 5)),
    "linear without bias": lambda: Function(lambda x, fc: fc(x.mean((2, 3))), fc=nn.Linear(CHANNELS, 5, bias=False)),
    "batch norm": lambda: nn.BatchNorm2d(CHANNELS),
    "batch norm without weight": lambda: nn.BatchNorm2d(CHANNELS, affine=False),
    "batch norm of the batch": lambda: nn.BatchNorm2d(CHANNELS, track_running_stats=False),
    "synchronised batch norm": lambda: nn.SyncBatchNorm(CHANNELS),
    "group norm": lambda: nn.GroupNorm(2, CHANNELS),
    "instance norm": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "instance norm without weight": lambda: nn.InstanceNorm2d(CHANNELS),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "layer norm without weight": lambda: nn.LayerNorm(WIDTH, elementwise_affine=False),
    "relu": nn.ReLU,
    "relu in place": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 4, 1), nn.ReLU(inplace=True)),
    "prelu": lambda: nn.PReLU(CHANNELS),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "hardswish": nn.Hardswish,
    "softmax": lambda: nn.Softmax(1),
    "max pooling": lambda: nn.MaxPool2d(2),
    "average pooling": lambda: nn.AvgPool2d(3, 2, 1),
    "functional average pooling": lambda: Function(lambda x: F.avg_pool2d(x, 2)),
    "adaptive pooling": lambda: nn.AdaptiveAvgPool2d(1),
    "adaptive pooling to 3x5": lambda: nn.AdaptiveAvgPool2d((3, 5)),
    "adaptive max pooling": lambda: nn.AdaptiveMaxPool2d(2),
    "functional adaptive pooling": lambda: Function(lambda x: F.adaptive_avg_pool2d(x, (3, 5))),
    "global mean": lambda: Function(lambda x: x.mean((2, 3), keepdim=True)),
    "upsample bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    "upsample nearest": lambda: nn.Upsample(scale_factor=2),
    "upsample bicubic": lambda: nn.Upsample(scale_factor=2, mode="bicubic", align_corners=False),
    "upsampling bilinear 2d": lambda: nn.UpsamplingBilinear2d(scale_factor=2),
    "interpolate bilinear": lambda: Function(lambda x: F.interpolate(x, (20, 30), mode="bilinear")),
    "interpolate nearest": lambda: Function(lambda x: F.interpolate(x, scale_factor=1.5)),
    "interpolate bicubic": lambda: Function(lambda x: F.interpolate(x, (20, 30), mode="bicubic")),
    "q @ k attention": lambda: Function(_attention),
    "scaled dot-product attention": lambda: Function(
        lambda x: F.scaled_dot_product_attention(_tokens(x), _tokens(x), _tokens(x))
    ),
    "multi-head attention": lambda: Function(
        lambda x, attention: attention(_tokens(x), _tokens(x), _tokens(x))[0],
        attention=nn.MultiheadAttention(CHANNELS, 2, batch_first=True),
    ),
    "multi-head attention without weights": lambda: Function(
        lambda x, attention: attention(_tokens(x), _tokens(x), _tokens(x), need_weights=False)[0],
        attention=nn.MultiheadAttention(CHANNELS, 2, batch_first=True),
    ),
    "einsum b n c, b m c": lambda: Function(lambda x: torch.einsum("bnc,bmc->bnm", _tokens(x), _tokens(x))),
    "einsum b c n, b c m": lambda: Function(
        lambda x: torch.einsum("b c n, b c m -> b n m", x.flatten(2), x.flatten(2))
    ),
    "einsum of images": lambda: Function(lambda x: torch.einsum("nchw,ndhw->ncd", x, x)),
    "bmm": lambda: Function(lambda x: torch.bmm(x.flatten(2), _tokens(x))),
    "baddbmm": lambda: Function(lambda x: torch.baddbmm(x.new_zeros(1, 1, 1), x.flatten(2), _tokens(x))),
    "mm": lambda: Function(lambda x: torch.mm(x[0, 0], x[0, 1].t())),
    "addmm": lambda: Function(lambda x: torch.addmm(x.new_zeros(1), x[0, 0], x[0, 1].t())),
    "broadcast matmul": lambda: Function(lambda x: x[0, 0] @ x.transpose(2, 3)),
    "grid sample": lambda: Function(lambda x: F.grid_sample(x, _grid(x), align_corners=False)),
    "max unpooling": lambda: Function(_unpool),
    "pixel shuffle": lambda: nn.PixelShuffle(2),
    "dropout": lambda: nn.Sequential(nn.Conv2d(CHANNELS, 4, 1), nn.Dropout(0.5)),
    "squeeze and excitation": lambda: Function(
        lambda x, fc: x * torch.sigmoid(fc(F.adaptive_avg_pool2d(x, 1))), fc=nn.Conv2d(CHANNELS, CHANNELS, 1)
    ),
    "dead branch": lambda: Function(
        lambda x, used, unused: (used(x), torch.relu_(unused(x)))[0],
        used=nn.Conv2d(CHANNELS, 4, 1),
        unused=nn.Conv2d(CHANNELS, 4, 3),
    ),
    "auxiliary output": lambda: Function(
        lambda x, main, auxiliary: {"aux": auxiliary(x), "out": main(x)},
        main=nn.Conv2d(CHANNELS, 4, 1),
        auxiliary=nn.Conv2d(CHANNELS, 4, 3),
    ),
    "in-place chain": lambda: Function(
        lambda x, conv, other: conv(x).mul_(2).add_(other(x))[:, :2].relu_(),
        conv=nn.Conv2d(CHANNELS, 4, 1),
        other=nn.Conv2d(CHANNELS, 4, 3, padding=1),
    ),
}
