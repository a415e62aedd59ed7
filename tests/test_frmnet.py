"""FRMNet, its ablations and SFNet against the FRMNet paper: layer tables, parameters, costs under its counter's rule.

The expected tables are stated, not derived from the networks: kernel, stride, dilation, groups, widths, times.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import nn

from segbench import build
from segbench.models.frmnet import DNL, FRMNet, concatenate_stages
from segbench.models.sfnet import SFNet, flow_warp
from tests.wiring import built_on_meta, convolutions

CITYSCAPES = (1024, 2048)
BDD = (720, 1280)
RESOLUTIONS = [CITYSCAPES, BDD, (65, 67), (64, 64)]

# (kernel, stride, dilation, groups, in, out, where, times); `where` is the stride of the output grid, or a name for the
# few grids that are no ceiling of the input size over a power of two.
Row = tuple[int, int, int, int, int, int, int | str, int]


def _van_stage(before: int, width: int, hidden: int, kernel: int, stride: int, grid: int, depth: int) -> list[Row]:
    return [
        (kernel, stride, 1, 1, before, width, grid, 1),
        (1, 1, 1, 1, width, width, grid, 3 * depth),  # in-projection, point-wise gate, out-projection
        (5, 1, 1, width, width, width, grid, depth),
        (7, 1, 3, width, width, width, grid, depth),
        (1, 1, 1, 1, width, hidden, grid, depth),
        (3, 1, 1, hidden, hidden, hidden, grid, depth),
        (1, 1, 1, 1, hidden, width, grid, depth),
    ]


BACKBONE: list[Row] = [
    *_van_stage(3, 64, 512, 7, 4, 4, 2),
    *_van_stage(64, 128, 1024, 3, 2, 8, 2),
    *_van_stage(128, 320, 1280, 3, 2, 16, 4),
    *_van_stage(320, 512, 2048, 3, 2, 32, 2),
]
FRM: list[Row] = [
    (1, 1, 1, 1, 1024, 256, 32, 1),  # query
    (1, 1, 1, 1, 1024, 256, "pooled", 1),  # key
    (1, 1, 1, 1, 1024, 1024, "pooled", 1),  # value
    (1, 1, 1, 1, 1024, 1, "pooled", 1),  # mask
    (1, 1, 1, 1, 1024, 128, 32, 2),  # FFN in, channel cut
    (3, 1, 1, 128, 128, 128, 32, 1),
    (1, 1, 1, 1, 128, 1024, 32, 1),
]
PPM: list[Row] = [
    *((1, 1, 1, 1, 1024, 128, f"bin {size}", 1) for size in (1, 2, 3, 6)),
    (1, 1, 1, 1, 1536, 128, 32, 1),
]
DAPPM: list[Row] = [
    (1, 1, 1, 1, 1024, 128, 32, 2),  # scale 0, shortcut
    (1, 1, 1, 1, 1024, 128, 64, 1),
    (1, 1, 1, 1, 1024, 128, 128, 1),
    (1, 1, 1, 1, 1024, 128, 256, 1),
    (1, 1, 1, 1, 1024, 128, "bin 1", 1),
    (3, 1, 1, 1, 128, 128, 32, 4),
    (1, 1, 1, 1, 640, 128, 32, 1),
]


def _head(widths: tuple[int, int, int]) -> list[Row]:
    rows: list[Row] = []
    for width, grid in zip(widths, (4, 8, 16), strict=True):
        rows += [
            (1, 1, 1, 1, width, 128, grid, 1),  # lateral
            (1, 1, 1, 1, 128, 64, 2 * grid, 1),  # coarse side of the flow
            (1, 1, 1, 1, 128, 64, grid, 1),  # fine side of the flow
            (3, 1, 1, 1, 128, 2, grid, 1),  # flow
            (3, 1, 1, 1, 128, 128, grid, 1),  # smooth
        ]
    return [*rows, (3, 1, 1, 1, 512, 128, 4, 1), (1, 1, 1, 1, 128, 19, 4, 1)]


def _resnet_stage(before: int, width: int, stride: int, dilation: int, grid: int) -> list[Row]:
    return [
        (3, stride, 1, 1, before, width, grid, 1),
        (1, stride, 1, 1, before, width, grid, 1),  # shortcut
        (3, 1, dilation, 1, width, width, grid, 2),
        (3, 1, 1, 1, width, width, grid, 1),
    ]


SFNET_R18: list[Row] = [
    (3, 2, 1, 1, 3, 64, 2, 1),
    (3, 1, 1, 1, 64, 64, 2, 1),
    (3, 1, 1, 1, 64, 128, 2, 1),
    *_resnet_stage(128, 64, 1, 1, 4),
    *_resnet_stage(64, 128, 2, 1, 8),
    *_resnet_stage(128, 256, 2, 2, 16),
    *_resnet_stage(256, 512, 2, 4, 32),
    *((1, 1, 1, 1, 512, 128, f"bin {size}", 1) for size in (1, 2, 3, 6)),
    (1, 1, 1, 1, 1024, 128, 32, 1),
    *_head((64, 128, 256)),
]
TABLES: dict[str, list[Row]] = {
    "frmnet": [*BACKBONE, *FRM, *_head((64, 128, 320))],
    "frmnet-ppm": [*BACKBONE, *PPM, *_head((64, 128, 320))],
    "frmnet-dappm": [*BACKBONE, *DAPPM, *_head((64, 128, 320))],
    "sfnet-r18": SFNET_R18,
}


def _grid(where: int | str, resolution: tuple[int, int]) -> tuple[int, ...]:
    if where == "pooled":
        return tuple(math.ceil(size / 32) // 2 for size in resolution)
    if isinstance(where, str):
        return (int(where.removeprefix("bin ")),) * 2
    return tuple(math.ceil(size / where) for size in resolution)


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
@pytest.mark.parametrize("name", TABLES)
def test_convolutions_are_those_of_the_table(name: str, resolution: tuple[int, int]) -> None:
    expected: Counter[tuple[object, ...]] = Counter()
    for kernel, stride, dilation, groups, before, after, where, times in TABLES[name]:
        expected[kernel, stride, dilation, groups, before, after, _grid(where, resolution)] += times

    found: Counter[tuple[object, ...]] = Counter()
    for row in convolutions(built_on_meta(name), resolution):
        assert not row.transposed
        for pair in (row.kernel, row.stride, row.dilation):
            assert pair[0] == pair[1]
        key = (row.kernel[0], row.stride[0], row.dilation[0], row.groups, row.in_channels, row.out_channels, row.output)
        found[key] += 1
    assert found == expected


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_part_by_part() -> None:
    net = built_on_meta("frmnet")
    assert isinstance(net, FRMNet)
    assert [_params(stage) for stage in net.backbone.stages] == [187_648, 741_504, 5_042_240, 7_377_408]
    assert _params(net.context) == 1_970_306
    assert _params(net.decoder) == 1_158_419
    for name, params in (("frmnet-ppm", 722_176), ("frmnet-dappm", 1_472_768)):
        ablation = built_on_meta(name)
        assert isinstance(ablation, FRMNet)
        assert _params(ablation.context) == params


# What ptflops 0.6.9 sees: modules of these exact kinds, and nothing that is a function or another class.
_ACTIVATIONS = (nn.ReLU, nn.GELU)
_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def _hooked_costs(name: str, resolution: tuple[int, int], **options: bool) -> tuple[int, int]:
    """Convolution MACs, and the whole under the rule of ptflops 0.6.9, from module hooks on the meta device."""
    net = built_on_meta(name, **options)
    totals = {"conv": 0, "rest": 0}

    def convolution(module: nn.Conv2d, args: tuple[torch.Tensor], output: torch.Tensor) -> None:
        totals["conv"] += output.numel() * math.prod(module.kernel_size) * module.in_channels // module.groups
        totals["rest"] += output.numel() if module.bias is not None else 0

    def normalisation(module: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> None:
        totals["rest"] += 2 * args[0].numel()

    def activation(module: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> None:
        totals["rest"] += output.numel()

    def pooling(module: nn.Module, args: tuple[torch.Tensor], output: torch.Tensor) -> None:
        totals["rest"] += args[0].numel()

    prices: dict[type[nn.Module], Callable[..., None]] = {nn.Conv2d: convolution, nn.BatchNorm2d: normalisation}
    prices |= dict.fromkeys(_ACTIVATIONS, activation) | dict.fromkeys(_POOLINGS, pooling)
    for module in net.modules():
        if type(module) in prices:
            module.register_forward_hook(prices[type(module)])
    with torch.inference_mode():
        net(torch.zeros(1, 3, *resolution, device="meta"))
    return totals["conv"], totals["conv"] + totals["rest"]


def test_convolution_macs_of_frmnet() -> None:
    assert _hooked_costs("frmnet", CITYSCAPES)[0] == 213_386_002_432
    assert _hooked_costs("frmnet", BDD)[0] == 93_926_968_320


@pytest.mark.parametrize(
    ("name", "resolution", "giga"),
    [
        ("frmnet", CITYSCAPES, "214.818"),
        ("frmnet", BDD, "94.557"),
        ("frmnet-ppm", CITYSCAPES, "213.214"),
        ("frmnet-ppm", BDD, "93.853"),
        ("frmnet-dappm", CITYSCAPES, "214.812"),
        ("frmnet-dappm", BDD, "94.569"),
        ("sfnet-r18", CITYSCAPES, "243.867"),
        ("sfnet-r18", BDD, "107.341"),
    ],
)
def test_cost_under_the_rule_of_the_paper(name: str, resolution: tuple[int, int], giga: str) -> None:
    assert f"{_hooked_costs(name, resolution)[1] / 1e9:.3f}" == giga


def test_cut_before_the_feed_forward_network_misses_the_printed_digits() -> None:
    assert _params(built_on_meta("frmnet", cut_before_ffn=True)) == 16_486_485
    assert f"{_hooked_costs('frmnet', CITYSCAPES, cut_before_ffn=True)[1] / 1e9:.3f}" == "214.839"
    assert f"{_hooked_costs('frmnet', BDD, cut_before_ffn=True)[1] / 1e9:.3f}" == "94.566"


def test_attention_products_of_frmnet() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net = built_on_meta("frmnet")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, *CITYSCAPES, device="meta"))
    tokens, pooled = 32 * 64, 16 * 32
    products = tokens * pooled * (256 + 1024) + pooled * 1024
    assert counter.get_total_flops() == 2 * (213_386_002_432 + products)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("size", [(128, 256), (64, 64), (65, 67)], ids=str)
def test_logits_are_finite_and_depend_on_the_image(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = build(name, 5)
    with torch.inference_mode():
        first, second = (net(torch.randn(1, 3, *size)) for _ in range(2))
    assert first.shape == (1, 5, *size)
    assert torch.isfinite(first).all()
    assert not torch.allclose(first, second)


def test_non_local_block_is_equation_2_on_max_pooled_keys() -> None:
    torch.manual_seed(0)
    block = DNL(16).double().eval()
    block.gamma.data.fill_(0.7)
    x = torch.randn(2, 16, 6, 5, dtype=torch.float64)
    with torch.inference_mode():
        y = block(x)
        # Floor: the last column of five has no partner.
        pooled = x[:, :, :, :4].unflatten(3, (2, 2)).unflatten(2, (3, 2)).amax(dim=(3, 5))
        q, k, g, m = (
            torch.einsum("oc,nchw->nohw", convolution.weight[:, :, 0, 0], source).flatten(2)
            + (0.0 if convolution.bias is None else convolution.bias[:, None])
            for convolution, source in (
                (block.query, x),
                (block.key, pooled),
                (block.value, pooled),
                (block.mask, pooled),
            )
        )
        scores = torch.einsum("nci,ncj->nij", q - q.mean(2, keepdim=True), k - k.mean(2, keepdim=True)) / 2
        similarity = 0.7 * scores.softmax(2) + m.softmax(2)
        expected = x + torch.einsum("nij,ncj->nci", similarity, g).view_as(x)
    torch.testing.assert_close(y, expected)


def test_stages_are_averaged_to_the_coarsest_grid() -> None:
    fine = torch.arange(24.0).view(1, 1, 4, 6)
    coarse = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    expected = torch.tensor([[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    torch.testing.assert_close(concatenate_stages((fine, coarse)), torch.stack((expected, coarse[0, 0]))[None])


def test_warping_without_flow_is_bilinear_resizing_with_aligned_corners() -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    resized = nn.functional.interpolate(x, size=(7, 9), mode="bilinear", align_corners=True)
    torch.testing.assert_close(flow_warp(x, x.new_zeros(2, 2, 7, 9)), resized, atol=1e-6, rtol=0)


def test_flow_shifts_horizontally_in_its_first_channel() -> None:
    x = torch.randn(1, 1, 4, 5)
    flow = torch.zeros(1, 2, 4, 5)
    flow[:, 0] = 5 * 2 / 4  # one of the four steps between the outer columns, whose grid is 2 wide
    torch.testing.assert_close(flow_warp(x, flow)[..., :4], x[..., 1:], atol=1e-5, rtol=0)


def test_sfnet_reads_its_own_keys_too() -> None:
    net = build("sfnet-r18", 3)
    assert isinstance(net, SFNet)
    own = net.state_dict()
    assert set(net.from_reference(own)) == set(own)
