"""ESeg, its BiFPN decoder and the DeepLabV3+ baselines of its Table 8: structure, printed costs, exact pins."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segbench import build
from segbench.errors import BadOption
from segbench.models.deeplabv3plus import DeepLabV3Plus
from segbench.models.eseg import LEVELS, BiFPNCell, ESeg, OutputFusion, Pyramid, SeparableConvBN
from tests.wiring import Convolution, built_on_meta, convolutions

FULL = (1024, 2048)

# Parameters and MACs of the whole network, as the reconstruction fixes them.
PINS = {
    "eseg-s": (6_862_179, 33_952_265_728),
    "eseg-m": (19_997_389, 110_559_809_376),
    "eseg-l": (70_501_143, 340_104_817_152),
    "eseg-lite-s": (635_479, 5_236_629_056),
    "eseg-lite-m": (1_588_041, 11_371_833_760),
    "eseg-lite-l": (4_212_701, 24_086_391_552),
    "bifpn-resnet50": (25_253_763, 187_480_132_608),
    "deeplabv3plus-efficientnet-b1-os16": (8_964_131, 88_404_929_024),
    "deeplabv3plus-efficientnet-b1-os32": (8_964_131, 48_479_939_072),
    "deeplabv3plus-resnet50-os16": (39_210_947, 404_052_508_672),
    "deeplabv3plus-resnet50-os32": (39_210_947, 223_261_229_056),
}

# Per part: encoder, laterals, BiFPN, output fusion, classifier; params, and MACs in units of 10^6.
PARTS = {
    "eseg-s": ((6_101_024, 172_800, 575_368, 10_280, 2_707), (22_872, 600, 8_808, 1_321, 352)),
    "eseg-m": ((16_742_216, 482_304, 2_728_490, 38_984, 5_395), (61_003, 1_644, 42_150, 5_058, 705)),
    "eseg-l": ((62_143_440, 1_029_888, 7_233_612, 86_120, 8_083), (212_131, 3_598, 112_107, 11_211, 1_057)),
    "eseg-lite-s": ((514_010, 47_616, 67_234, 4_808, 1_811), (3_154, 215, 1_021, 612, 235)),
    "eseg-lite-m": ((1_287_546, 87_040, 203_908, 7_288, 2_259), (6_720, 315, 3_111, 933, 294)),
    "eseg-lite-l": ((3_595_388, 172_800, 431_526, 10_280, 2_707), (15_208, 600, 6_606, 1_321, 352)),
}

# Stem and the seven stages of the encoder, MACs in units of 10^6.
STAGES = {
    "eseg-lite-s": (226, 143, 875, 510, 197, 451, 539, 213),
    "eseg-lite-m": (340, 315, 1_636, 700, 676, 1_286, 1_337, 431),
    "eseg-lite-l": (453, 419, 2_296, 1_585, 1_819, 3_595, 3_810, 1_229),
    "eseg-s": (453, 629, 3_372, 2_411, 2_483, 4_966, 4_775, 3_782),
    "eseg-m": (679, 1_246, 8_097, 5_840, 7_363, 15_201, 15_156, 7_419),
    "eseg-l": (906, 3_439, 28_437, 20_262, 25_210, 50_088, 48_500, 35_290),
}

# Blocks x channels of the seven stages after rounding.
LAYOUTS = {
    "eseg-lite-s": ("1x8", "2x16", "2x16", "2x32", "2x48", "3x80", "1x128"),
    "eseg-lite-m": ("1x16", "2x16", "2x24", "3x48", "3x64", "4x112", "1x192"),
    "eseg-lite-l": ("1x16", "2x24", "2x40", "3x80", "3x112", "4x192", "1x320"),
    "eseg-s": ("2x16", "3x24", "3x40", "4x80", "4x112", "5x192", "2x320"),
    "eseg-m": ("2x24", "4x32", "4x56", "6x112", "6x160", "8x272", "2x448"),
    "eseg-l": ("4x32", "7x48", "7x80", "10x160", "10x224", "13x384", "4x640"),
}
# Squeezed widths of each stage: first block / later blocks.
SQUEEZED = {
    "eseg-lite-s": ("4", "2/4", "4/4", "4/8", "8/12", "12/20", "20"),
    "eseg-lite-m": ("6", "4/4", "4/6", "6/12", "12/16", "16/28", "28"),
    "eseg-s": ("8/4", "4/6", "6/10", "10/20", "20/28", "28/48", "48/80"),
    "eseg-l": ("16/8", "8/12", "12/20", "20/40", "40/56", "56/96", "96/160"),
}


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def macs(row: Convolution) -> int:
    return row.out_channels * math.prod(row.output) * row.in_channels // row.groups * math.prod(row.kernel)


@cache
def network(name: str) -> nn.Module:
    """A network that several tests read and none changes."""
    return built_on_meta(name)


@cache
def rows_of(net: nn.Module) -> list[Convolution]:
    return convolutions(net, FULL)


def macs_of_parts(net: nn.Module, depth: int = 1) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows_of(net):
        total[".".join(row.path.split(".")[:depth])] += macs(row)
    return total


@pytest.mark.parametrize("name", PINS)
def test_parameters_and_macs_to_the_integer(name: str) -> None:
    net = network(name)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, *FULL, device="meta"))
    assert (parameters(net), counter.get_total_flops() // 2) == PINS[name]
    assert macs_of_parts(net).total() == PINS[name][1]


@pytest.mark.parametrize(
    ("name", "printed_params", "printed_flops"),
    [("eseg-s", "6.9", 34.5), ("eseg-m", "20.0", 112.0), ("eseg-l", "70.5", 343.0)],
)
def test_printed_costs_are_met(name: str, printed_params: str, printed_flops: float) -> None:
    net = network(name)
    assert f"{parameters(net) / 1e6:.1f}" == printed_params
    # Convolutions alone stay a little under a count that includes element-wise products.
    assert 0.98 * printed_flops <= macs_of_parts(net).total() / 1e9 <= printed_flops


@pytest.mark.parametrize("name", PARTS)
def test_cost_of_each_part(name: str) -> None:
    net = network(name)
    parts = ("encoder", "pyramid", "bifpn", "fusion", "classifier")
    found = macs_of_parts(net)
    assert tuple(dict(net.named_children())) == parts
    assert tuple(parameters(net.get_submodule(part)) for part in parts) == PARTS[name][0]
    assert tuple(round(found[part] / 1e6) for part in parts) == PARTS[name][1]


@pytest.mark.parametrize("name", STAGES)
def test_cost_and_layout_of_each_encoder_stage(name: str) -> None:
    net = network(name)
    assert isinstance(net, ESeg)
    found = macs_of_parts(net, depth=3)
    stem = sum(value for key, value in found.items() if key.startswith("encoder.stem"))
    stages = [found[f"encoder.stages.{index}"] for index in range(7)]
    assert tuple(round(value / 1e6) for value in (stem, *stages)) == STAGES[name]

    layout, squeezed = [], []
    for stage in net.encoder.get_submodule("stages").children():
        blocks = list(stage.children())
        layout.append(f"{len(blocks)}x{blocks[-1].get_submodule('project.conv').out_channels}")
        widths = [str(block.get_submodule("squeeze_excite.reduce").out_channels) for block in blocks]
        assert len(set(widths[1:])) <= 1
        squeezed.append("/".join(widths[:2]))
    assert tuple(layout) == LAYOUTS[name]
    assert tuple(squeezed) == SQUEEZED.get(name, tuple(squeezed))


def test_strides_and_kernels_of_the_encoder() -> None:
    rows = [row for row in rows_of(network("eseg-s")) if "depthwise" in row.path and "enc" in row.path]
    first_of_stage = {row.path: row for row in rows if ".0.depthwise" in row.path}
    assert [row.kernel[0] for row in first_of_stage.values()] == [3, 3, 5, 3, 5, 5, 3]
    assert [row.stride[0] for row in first_of_stage.values()] == [1, 2, 2, 2, 1, 2, 1]
    assert [FULL[0] // row.output[0] for row in first_of_stage.values()] == [2, 4, 8, 16, 16, 32, 32]


def test_a_cell_has_fourteen_nodes_and_thirty_four_scalars() -> None:
    cell = BiFPNCell(16)
    assert sum(isinstance(module, SeparableConvBN) for module in cell.modules()) == 14
    assert cell.top_down_weights.numel() + cell.bottom_up_weights.numel() + cell.top_weights.numel() == 34
    assert parameters(cell) == 14 * (16**2 + 11 * 16) + 34
    assert OutputFusion(16).weights.numel() == LEVELS == 8


def test_a_cell_is_wired_as_bifpn() -> None:
    """With nodes that pass their sum through, a cell on constant maps is a hand-worked table of sums."""
    cell = BiFPNCell(1, fusion="sum")
    for nodes in (cell.top_down, cell.bottom_up):
        for index in range(len(nodes)):
            nodes[index] = nn.Identity()
    sizes = [(128, 256), (64, 128), (32, 64), (16, 32), (8, 16), (4, 8), (2, 4), (1, 2)]
    x = {level: float(10**index) for index, level in enumerate(range(2, 10))}
    outputs = cell([torch.full((1, 1, *size), x[level]) for level, size in zip(x, sizes, strict=True)])
    t = {9: x[9]}
    for level in range(8, 2, -1):
        t[level] = x[level] + t[level + 1]
    o = {2: x[2] + t[3]}
    for level in range(3, 9):
        o[level] = x[level] + t[level] + o[level - 1]
    o[9] = x[9] + o[8]
    assert [tuple(output.shape[-2:]) for output in outputs] == sizes
    for output, level in zip(outputs, o, strict=True):
        torch.testing.assert_close(output, torch.full_like(output, o[level]))


def test_edge_weights_are_normalised_per_node() -> None:
    weights = torch.tensor([[2.0, -1.0, 6.0], [1.0, 1.0, 2.0]])
    fast = BiFPNCell(4).normalised(weights)
    torch.testing.assert_close(
        fast, torch.tensor([[2.0, 0.0, 6.0], [1.0, 1.0, 2.0]]) / torch.tensor([[8.0001], [4.0001]])
    )
    torch.testing.assert_close(BiFPNCell(4, fusion="softmax").normalised(weights), weights.softmax(1))
    assert parameters(BiFPNCell(4)) - parameters(BiFPNCell(4, fusion="sum")) == 34


def test_the_output_is_the_softmax_weighted_sum_of_upsampled_levels() -> None:
    generator = torch.Generator().manual_seed(0)
    fusion = OutputFusion(3)
    fusion.conv = nn.Identity()  # type: ignore[assignment]
    with torch.no_grad():
        fusion.weights.copy_(torch.randn(LEVELS, generator=generator))
    levels = [torch.randn(2, 3, -(-65 // 2**i), -(-33 // 2**i), generator=generator) for i in range(LEVELS)]
    upsampled = [nn.functional.interpolate(level, (65, 33), mode="bilinear") for level in levels]
    expected = torch.einsum("l,lnchw->nchw", fusion.weights.softmax(0), torch.stack(upsampled))
    torch.testing.assert_close(fusion(levels), expected)


def test_coarse_levels_are_means_of_the_raw_p5_without_the_padding() -> None:
    pyramid = Pyramid((4, 4, 4, 6), 8).eval()
    seen: list[torch.Tensor] = []
    for lateral in pyramid.laterals:
        lateral.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    maps = tuple(torch.ones(1, width, size, size) for width, size in ((4, 33), (4, 17), (4, 9), (6, 5)))
    levels = pyramid(maps)
    assert [level.shape[1:] for level in levels] == [(8, n, n) for n in (33, 17, 9, 5, 3, 2, 1, 1)]
    assert [tensor.shape[1] for tensor in seen] == [4, 4, 4, 6, 6, 6, 6, 6]
    for tensor in seen:
        torch.testing.assert_close(tensor, torch.ones_like(tensor))


@pytest.mark.parametrize(
    ("name", "scaled", "fixed"),
    [
        ("eseg-lite-s", (551_549, 5.237), (552_317, 5.606)),
        ("eseg-lite-m", (1_368_335, 11.372), (1_368_783, 11.590)),
        ("eseg-lite-l", (3_576_161, 24.086), (3_576_161, 24.086)),
    ],
)
def test_lite_operators(name: str, scaled: tuple[int, float], fixed: tuple[int, float]) -> None:
    for stem, expected in ((None, scaled), (32, fixed)):
        net = built_on_meta(name, lite_ops=True, stem_channels=stem)
        assert (parameters(net), round(macs_of_parts(net).total() / 1e9, 3)) == expected
        assert not any(isinstance(module, nn.SiLU) for module in net.modules())
        assert any(isinstance(module, nn.ReLU6) for module in net.modules())


@pytest.mark.parametrize(
    ("name", "separable_3x3", "separable_5x5", "low_level_96"),
    [
        ("deeplabv3plus-efficientnet-b1-os32", 48.48, 49.65, 50.30),
        ("deeplabv3plus-efficientnet-b1-os16", 88.40, 89.58, 90.22),
        ("deeplabv3plus-resnet50-os32", 223.26, 224.44, 226.54),
        ("deeplabv3plus-resnet50-os16", 404.05, 405.23, 407.33),
    ],
)
def test_deeplabv3plus_under_three_decoders(
    name: str, separable_3x3: float, separable_5x5: float, low_level_96: float
) -> None:
    for options, expected in (
        ({}, separable_3x3),
        ({"decoder_kernel": 5}, separable_5x5),
        ({"low_level_channels": 96}, low_level_96),
    ):
        net = built_on_meta(name, **options)
        assert round(macs_of_parts(net).total() / 1e9, 2) == expected


@pytest.mark.parametrize(
    ("name", "trunk", "stride", "rates"),
    [
        ("deeplabv3plus-efficientnet-b1-os32", 22.87, 32, [3, 6, 9]),
        ("deeplabv3plus-efficientnet-b1-os16", 46.69, 16, [6, 12, 18]),
        ("deeplabv3plus-resnet50-os32", 170.83, 32, [3, 6, 9]),
        ("deeplabv3plus-resnet50-os16", 259.41, 16, [6, 12, 18]),
    ],
)
def test_trunk_and_aspp_of_deeplabv3plus(name: str, trunk: float, stride: int, rates: list[int]) -> None:
    net = network(name)
    assert isinstance(net, DeepLabV3Plus)
    assert round(macs_of_parts(net)["backbone"] / 1e9, 2) == trunk
    aspp = [row for row in rows_of(net) if row.path.startswith("aspp.branches")]
    assert [row.dilation[0] for row in aspp] == [1, *rates]
    assert all(row.output == (FULL[0] // stride, FULL[1] // stride) for row in aspp)


def test_printed_baselines_are_met_within_four_percent_but_for_one() -> None:
    printed = {
        "bifpn-resnet50": (188.0, 0.01),
        "deeplabv3plus-efficientnet-b1-os16": (91.8, 0.04),
        "deeplabv3plus-efficientnet-b1-os32": (49.9, 0.04),
        "deeplabv3plus-resnet50-os32": (230.3, 0.04),
    }
    for name, (flops, tolerance) in printed.items():
        assert macs_of_parts(network(name)).total() / 1e9 == pytest.approx(flops, rel=tolerance)


@pytest.mark.parametrize("name", PINS)
@pytest.mark.parametrize("size", [(64, 64), (65, 67), (360, 480), (713, 713)])
def test_logits_stand_at_stride_four(name: str, size: tuple[int, int]) -> None:
    net = built_on_meta(name, 5)
    assert isinstance(net, (ESeg, DeepLabV3Plus))
    with torch.inference_mode():
        logits = net.logits(torch.zeros(1, 3, *size, device="meta"))
    assert logits.shape == (1, 5, -(-size[0] // 4), -(-size[1] // 4))


def test_classes_change_only_the_classifier() -> None:
    for name, channels in (("eseg-m", 192), ("eseg-l", 288)):
        assert parameters(built_on_meta(name, 150)) - parameters(network(name)) == 131 * (channels + 1)


def _filled(net: nn.Module) -> nn.Module:
    """Weights of unit gain, so that the signal of the input survives a deep network without batch statistics."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = math.prod(module.weight.shape[1:])
                module.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
    return net


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("eseg-lite-s", (128, 256)),
        ("eseg-s", (128, 256)),
        ("eseg-lite-s", (65, 67)),
        ("deeplabv3plus-efficientnet-b1-os16", (65, 67)),
    ],
)
def test_a_real_forward_depends_on_the_image(name: str, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    net = _filled(build(name))
    x, y = torch.randn(2, 1, 3, *size, generator=generator)
    with torch.inference_mode():
        a, again, b = net(x), net(x), net(y)
    assert a.shape == (1, 19, *size)
    assert a.isfinite().all()
    torch.testing.assert_close(a, again, rtol=0, atol=0)
    assert (a - b).std() > 1e-2 * a.std()


def test_gradients_reach_every_parameter() -> None:
    """The sums in place must not overwrite what the backward pass needs."""
    net = _filled(build("eseg-lite-s")).train()
    net(torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    weights = net.get_parameter("fusion.weights").grad
    assert weights is not None
    assert weights.abs().min() > 0


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(BadOption, match="fast, softmax, sum: 'max' given"):
        built_on_meta("eseg-s", fusion="max")
    with pytest.raises(BadOption, match="must be odd: 4 given"):
        built_on_meta("deeplabv3plus-resnet50-os32", decoder_kernel=4)
