"""MFPNet against the layer table, the costs and the equations that its paper and its reconstruction state."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segbench import build
from segbench.catalog import CATALOG
from segbench.errors import BadOption, UnknownName
from segbench.models.mfpnet import MFPNet, propagate
from tests.wiring import built_on_meta, convolutions

VARIANTS = [name for name in CATALOG if name.startswith("mfpnet")]
CITYSCAPES, CAMVID = (512, 1024), (360, 480)

# kernel, stride, dilation, groups, in, out, output size
Row = tuple[tuple[int, int], int, int, int, int, int, tuple[int, int]]

# Sizes of the encoder's maps at 1/1, 1/2, 1/4, 1/8 and 1/16, as a ceiling at every halving.
SIZES = {
    CITYSCAPES: ((512, 1024), (256, 512), (128, 256), (64, 128), (32, 64)),
    CAMVID: ((360, 480), (180, 240), (90, 120), (45, 60), (23, 30)),
}


def params(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def macs(net: nn.Module, resolution: tuple[int, int]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, *resolution, device="meta"))
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


def block(channels: int, dilations: tuple[int, ...], size: tuple[int, int]) -> list[Row]:
    inner = channels // 2
    rows: list[Row] = []
    for dilation in dilations:
        rows += [
            ((3, 3), 1, 1, 1, channels, inner, size),
            ((3, 1), 1, 1, inner, inner, inner, size),
            ((1, 3), 1, 1, inner, inner, inner, size),
            ((3, 1), 1, dilation, inner, inner, inner, size),
            ((1, 3), 1, dilation, inner, inner, inner, size),
            ((1, 1), 1, 1, 1, inner, channels, size),
        ]
    return rows


def sgcn(channels: int, size: tuple[int, int]) -> list[Row]:
    inner, nodes = channels // 2, (28, 28)
    return [
        ((1, 1), 1, 1, 1, channels, channels, size),
        ((1, 1), 1, 1, 1, channels, inner, size),
        ((3, 3), 1, 1, 1, channels, inner, nodes),
        ((1, 1), 1, 1, 1, channels, inner, nodes),
        ((1, 1), 1, 1, 1, inner, inner, nodes),
        ((1, 1), 1, 1, 1, inner, channels, size),
    ]


def table(resolution: tuple[int, int]) -> dict[str, list[Row]]:
    """The layer table of the network with SGCN and ASPP at 19 classes, by module."""
    full, half, quarter, eighth, sixteenth = SIZES[resolution]
    return {
        "initial_block": [
            ((3, 3), 1, 1, 1, 3, 32, full),
            ((3, 3), 1, 1, 1, 32, 32, full),
            ((3, 3), 2, 1, 1, 32, 32, half),
        ],
        "down1": [((3, 3), 2, 1, 1, 32, 64, quarter)],
        "block1": block(64, (2, 2, 2), quarter),
        "down2": [((3, 3), 2, 1, 1, 64, 128, eighth)],
        "block2": block(128, (4, 8, 16), eighth),
        "down3": [((3, 3), 2, 1, 1, 128, 32, sixteenth)],
        "block3": block(32, (4, 8, 16), sixteenth),
        "sgcn1": sgcn(64, quarter),
        "sgcn2": sgcn(128, eighth),
        "sgcn3": sgcn(32, sixteenth),
        "block4": block(32, (4, 8, 16), sixteenth),
        "up1": [((1, 1), 1, 1, 1, 32, 128, eighth)],
        "block5": block(128, (4, 8, 16), eighth),
        "up2": [((1, 1), 1, 1, 1, 128, 64, quarter)],
        "block6": block(64, (2, 2, 2), quarter),
        "up3": [((1, 1), 1, 1, 1, 64, 16, half)],
        "head": [
            ((1, 1), 1, 1, 1, 16, 4, full),
            ((3, 3), 1, 6, 1, 16, 4, full),
            ((3, 3), 1, 12, 1, 16, 4, full),
            ((3, 3), 1, 18, 1, 16, 4, full),
        ],
        "classifier": [((1, 1), 1, 1, 1, 16, 19, full)],
    }


def measured(net: nn.Module, resolution: tuple[int, int]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for row in convolutions(net, resolution):
        assert not row.transposed
        assert len(row.kernel) == len(row.output) == 2
        assert row.stride[0] == row.stride[1]
        assert row.dilation[0] == row.dilation[1]
        rows.setdefault(row.path.split(".")[0], []).append(
            (
                (row.kernel[0], row.kernel[1]),
                row.stride[0],
                row.dilation[0],
                row.groups,
                row.in_channels,
                row.out_channels,
                (row.output[0], row.output[1]),
            )
        )
    return rows


@pytest.mark.parametrize("resolution", SIZES, ids=str)
def test_every_convolution_is_the_layer_tables(resolution: tuple[int, int]) -> None:
    assert measured(built_on_meta("mfpnet"), resolution) == table(resolution)


def test_attention_squeezes_by_eight_without_bias() -> None:
    layers = [module for module in built_on_meta("mfpnet").modules() if isinstance(module, nn.Linear)]
    shapes = [(layer.in_features, layer.out_features) for layer in layers]
    # Three BRMs in each of the blocks of inner width 32, 64, 16, 16, 64, 32.
    assert shapes == [pair for c in (32, 64, 16, 16, 64, 32) for _ in range(3) for pair in ((c, c // 8), (c // 8, c))]
    assert all(layer.bias is None for layer in layers)


def test_convolutions_of_the_other_variants_differ_only_where_the_tables_say() -> None:
    full = table(CAMVID)
    _, half, quarter, eighth, sixteenth = SIZES[CAMVID]
    expected: dict[str, dict[str, list[Row]]] = {
        "mfpnet-no-sgcn": {"sgcn1": [], "sgcn2": [], "sgcn3": []},
        "mfpnet-no-head": {"head": [], "classifier": [((1, 1), 1, 1, 1, 16, 19, half)]},
        "mfpnet-se-head": {"head": []},
        "mfpnet-psp-head": {
            "head": [((1, 1), 1, 1, 1, 16, 2, (bins, bins)) for bins in (1, 2, 3, 6)],
            "classifier": [((1, 1), 1, 1, 1, 24, 19, CAMVID)],
        },
        "mfpnet-1brm": {
            f"block{number}": block(channels, (1,), size)
            for numbers, channels, size in (((1, 6), 64, quarter), ((2, 5), 128, eighth), ((3, 4), 32, sixteenth))
            for number in numbers
        },
        "mfpnet-dilation2": {
            f"block{number}": block(channels, (2, 2, 2), size)
            for numbers, channels, size in (((2, 5), 128, eighth), ((3, 4), 32, sixteenth))
            for number in numbers
        },
    }
    assert {"mfpnet", *expected} == set(VARIANTS)
    for name, changes in expected.items():
        changed = {module: rows for module, rows in {**full, **changes}.items() if rows}
        assert measured(built_on_meta(name), CAMVID) == changed, name


def test_parameters_per_module() -> None:
    net = built_on_meta("mfpnet")
    assert {name: params(module) for name, module in net.named_children() if params(module)} == {
        "initial_block": 19_680,
        "down1": 18_624,
        "down2": 74_112,
        "down3": 36_960,
        "block1": 65_856,
        "block2": 256_128,
        "block3": 17_376,
        "sgcn1": 30_400,
        "sgcn2": 120_192,
        "sgcn3": 7_776,
        "block4": 17_280,
        "block5": 255_744,
        "block6": 65_664,
        "up1": 4_352,
        "up2": 8_320,
        "up3": 1_056,
        "head": 1_872,
        "classifier": 304,
    }
    assert params(built_on_meta("mfpnet", 11).get_submodule("classifier")) == 176
    assert params(built_on_meta("mfpnet-se-head").get_submodule("head")) == 148


@pytest.mark.parametrize(
    ("name", "published", "expected"),
    [
        ("mfpnet", 1001.57, 1_001_568),
        ("mfpnet-no-sgcn", 843.20, 843_200),
        ("mfpnet-no-head", 999.70, 999_696),
        ("mfpnet-se-head", 999.85, 999_844),
        ("mfpnet-psp-head", 999.92, 999_920),
        ("mfpnet-1brm", None, 549_984),
        ("mfpnet-dilation2", 1001.57, 1_001_568),
    ],
)
def test_parameters_at_eleven_classes(name: str, published: float | None, expected: int) -> None:
    counted = params(built_on_meta(name, 11))
    assert counted == expected
    if published is not None:
        assert counted / 1e3 == pytest.approx(published, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "resolution", "classes", "published", "expected"),
    [
        ("mfpnet", CITYSCAPES, 19, 18.6, 18_310_205_312),
        ("mfpnet-no-sgcn", CITYSCAPES, 19, 17.8, 17_542_946_688),
        ("mfpnet", CAMVID, 11, 6.20, 6_165_448_832),
        ("mfpnet-no-sgcn", CAMVID, 11, 5.8, 5_760_895_104),
        ("mfpnet-no-head", CAMVID, 11, 5.80, 5_832_981_632),
        ("mfpnet-se-head", CAMVID, 11, 5.82, 5_855_791_360),
        ("mfpnet-psp-head", CAMVID, 11, 5.82, 5_870_999_232),
        ("mfpnet-1brm", CAMVID, 11, None, 4_356_427_136),
        ("mfpnet-dilation2", CAMVID, 11, 6.20, 6_165_448_832),
    ],
)
def test_macs(name: str, resolution: tuple[int, int], classes: int, published: float | None, expected: int) -> None:
    counted = macs(built_on_meta(name, classes), resolution)
    assert counted == expected
    if published is not None:
        assert counted / 1e9 == pytest.approx(published, rel=0.02)


def test_propagation_is_the_papers_equation() -> None:
    generator = torch.Generator().manual_seed(0)
    nodes = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    adjacency = torch.rand(2, 5, 5, generator=generator, dtype=torch.float64)
    looped = adjacency + torch.eye(5, dtype=torch.float64)
    inverse_root = torch.diag_embed(looped.sum(-1) ** -0.5)
    expected = inverse_root @ looped @ inverse_root @ nodes.transpose(1, 2)
    torch.testing.assert_close(propagate(nodes, adjacency).transpose(1, 2), expected)


@pytest.mark.parametrize("name", VARIANTS)
def test_forward_is_finite_at_the_input_size(name: str) -> None:
    net = build(name, 5)
    x = torch.randn(1, 3, 128, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        own, logits = net.logits(x), net(x)
    assert own.shape == ((1, 5, 64, 128) if name == "mfpnet-no-head" else (1, 5, 128, 256))
    assert logits.shape == (1, 5, 128, 256)
    assert logits.isfinite().all()
    assert logits.std() > 0
    torch.testing.assert_close(logits.softmax(1).sum(1), torch.ones(1, 128, 256))


def test_every_parameter_is_trained() -> None:
    net = build("mfpnet", 3).train()
    net(torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


def test_runner_up_reading_meets_the_costs_too() -> None:
    options = {"pool_concat": True, "concat_fusion": True}
    assert params(built_on_meta("mfpnet-no-sgcn", 11, **options)) == 840_800
    assert macs(built_on_meta("mfpnet-no-sgcn", **options), CITYSCAPES) / 1e9 == pytest.approx(17.48, abs=0.005)
    assert macs(built_on_meta("mfpnet-no-sgcn", 11, **options), CAMVID) / 1e9 == pytest.approx(5.74, abs=0.005)
    with torch.inference_mode():
        assert build("mfpnet", 3, **options)(torch.zeros(1, 3, 65, 67)).shape == (1, 3, 65, 67)


@pytest.mark.parametrize(
    ("grid", "deltas"), [((28, 28), (0.77, 0.40)), ((24, 32), (0.76, 0.40)), ((32, 32), (0.89, 0.53))], ids=str
)
def test_node_grid_sets_the_cost_of_the_graphs(grid: tuple[int, int], deltas: tuple[float, float]) -> None:
    # Table 3 prints 0.8 G for Cityscapes and 0.4 G for CamVid, which 32x32 nodes would miss.
    for resolution, classes, delta in ((CITYSCAPES, 19, deltas[0]), (CAMVID, 11, deltas[1])):
        plain = macs(built_on_meta("mfpnet-no-sgcn", classes), resolution)
        gridded = macs(built_on_meta("mfpnet", classes, node_grid=grid), resolution)
        assert (gridded - plain) / 1e9 == pytest.approx(delta, abs=0.005)


def test_relu_reading_drops_the_slopes_only() -> None:
    prelu, relu = built_on_meta("mfpnet"), built_on_meta("mfpnet", activation="relu")
    slopes = sum(params(module) for module in prelu.modules() if isinstance(module, nn.PReLU))
    assert slopes > 0
    assert params(relu) == params(prelu) - slopes
    assert measured(relu, CAMVID) == measured(prelu, CAMVID)


def test_unknown_readings_are_errors() -> None:
    with pytest.raises(UnknownName, match="aspp"):
        build("mfpnet", head="aspq")
    with pytest.raises(UnknownName, match="prelu"):
        build("mfpnet", activation="prelo")
    with pytest.raises(BadOption, match="2 blocks"):
        MFPNet(dilations=((1,), (1,)))
