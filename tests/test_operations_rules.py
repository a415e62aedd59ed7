"""Every count by hand: each rule is a table of functions, and each function has its arithmetic spelled out here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from segbench.counting import fvcore_rule, macs, rules
from segbench.counting import ptflops_rule as ptflops
from segbench.counting import thop_rule as thop
from segbench.counting import torchstat_rule as torchstat
from segbench.counting.count import Count, count_trace
from segbench.counting.meanings import MEANINGS
from segbench.counting.rules import RULES
from segbench.counting.trace import ModuleCall, Operation, Setting, Shape, Trace
from segbench.errors import UnknownName


def op(kind: str, *inputs: Shape, out: Shape, **about: object) -> Operation:
    return Operation(kind, "default", "", 0, inputs, (out,), **about)  # type: ignore[arg-type]


def call(kind: type[nn.Module], *inputs: Shape, out: Shape, occurrences: int = 1, **settings: Setting) -> ModuleCall:
    return ModuleCall("", kind, -1, inputs, (out,), settings, occurrences)


IMAGE = (2, 8, 6, 10)  # N, C, H, W: 960 elements
CONV = op("conv2d", IMAGE, (4, 8, 3, 3), out=(2, 4, 6, 10))
GROUPED = op("conv2d", IMAGE, (16, 2, 3, 3), out=(2, 16, 3, 5), groups=4)
UNBATCHED = op("conv2d", IMAGE[1:], (4, 8, 3, 3), out=(4, 6, 10))
TRANSPOSED = op("conv_transpose2d", IMAGE, (8, 4, 4, 4), out=(2, 4, 12, 20))
LINEAR = op("linear", (2, 7, 8), (5, 8), out=(2, 7, 5))
LINEAR_VECTOR = op("linear", (2, 8), (8,), out=(2,))
MATMUL = op("matmul", (2, 6, 8), (2, 8, 5), out=(2, 6, 5))
BROADCAST = op("matmul", (6, 8), (2, 8, 5), out=(2, 6, 5))
DOT = op("dot", (8,), (8,), out=())
ADDMM = op("addmm", (5,), (6, 8), (8, 5), out=(6, 5))
ADDBMM = op("addbmm", (6, 5), (2, 6, 8), (2, 8, 5), out=(6, 5))
ATTENTION = op("scaled_dot_product_attention", (2, 3, 10, 4), (2, 3, 12, 4), (2, 3, 12, 5), out=(2, 3, 10, 5))
AFFINE_GRID = op("affine_grid_generator", (2, 2, 3), out=(2, 6, 10, 2))


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (macs.convolution(CONV), 2 * 4 * 8 * 9 * 6 * 10),
        (macs.convolution(GROUPED), 2 * 16 * (8 // 4) * 9 * 3 * 5),
        (macs.convolution(UNBATCHED), 4 * 8 * 9 * 6 * 10),
        (macs.transposed_convolution(TRANSPOSED), 2 * 8 * 4 * 16 * 6 * 10),
        (macs.linear(LINEAR), 2 * 7 * 8 * 5),
        (macs.linear(LINEAR_VECTOR), 2 * 8),
        (macs.product(MATMUL), 2 * 6 * 8 * 5),
        (macs.product(BROADCAST), 2 * 6 * 8 * 5),
        (macs.product(DOT), 8),
        (macs.added_product(ADDMM), 6 * 8 * 5),
        (macs.summed_product(ADDBMM), 2 * 6 * 8 * 5),
        (macs.attention(ATTENTION), 2 * 3 * (10 * 12 * 4 + 10 * 12 * 5)),
        (macs.affine_grid(AFFINE_GRID), 2 * 60 * 3 * 2),
        (rules.TWICE_MACS["conv2d"](CONV), 2 * 2 * 4 * 8 * 9 * 60),
        (rules.CONV_MACS["matmul"](MATMUL), 0),
        (rules.CONV_MACS["linear"](LINEAR), 2 * 7 * 8 * 5),
    ],
)
def test_macs(counted: int, expected: int) -> None:
    assert counted == expected


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (rules.FVCORE["conv2d"](GROUPED), 2 * 16 * 2 * 9 * 3 * 5),
        (rules.FVCORE["conv_transpose2d"](TRANSPOSED), 2 * 8 * 4 * 16 * 60),
        (rules.FVCORE["linear"](LINEAR), 2 * 7 * 8 * 5),
        (fvcore_rule.unbroadcast_product(MATMUL), 2 * 6 * 8 * 5),
        (fvcore_rule.unbroadcast_product(BROADCAST), 6 * 8 * 5),
        (fvcore_rule.matrix_product(ADDMM), 6 * 8 * 5),
        (fvcore_rule.batch_norm(op("batch_norm", IMAGE, out=IMAGE, affine=True)), 2 * 960),
        (fvcore_rule.batch_norm(op("batch_norm", IMAGE, out=IMAGE)), 960),
        (fvcore_rule.batch_norm(op("batch_norm", IMAGE, out=IMAGE, training=True)), 4 * 960),
        (fvcore_rule.normalisation(op("layer_norm", IMAGE, out=IMAGE, affine=True)), 5 * 960),
        (fvcore_rule.normalisation(op("group_norm", IMAGE, out=IMAGE)), 4 * 960),
        (fvcore_rule.output_elements(op("upsample_nearest2d", IMAGE, out=(2, 8, 12, 20))), 4 * 960),
        (fvcore_rule.four_per_output(op("upsample_bilinear2d", IMAGE, out=(2, 8, 12, 20))), 4 * 4 * 960),
        (fvcore_rule.pooled_elements(op("adaptive_avg_pool2d", IMAGE, out=(2, 8, 1, 1))), 960),
        (
            fvcore_rule.einsum(op("einsum", (2, 3, 4), (2, 3, 5), out=(2, 4, 5), equation="bij,bik->bjk")),
            2 * 3 * 4 * 5,
        ),
        (
            fvcore_rule.einsum(op("einsum", (2, 3, 4), (2, 5, 4), out=(2, 3, 5), equation="b i j, b k j -> b i k")),
            2 * 3 * 5 * 4,
        ),
        # 2 * 3 * 4 * 5 multiply-adds of an outer product summed over the last index, as numpy counts them
        (fvcore_rule.einsum(op("einsum", (3, 4), (4, 5), out=(3, 5), equation="ij,jk->ik")), 3 * 4 * 5),
    ],
)
def test_fvcore(counted: int, expected: int) -> None:
    assert counted == expected


def test_fvcore_reads_numpys_four_digits() -> None:
    # exactly 2 * 123 * 457 * 789 operations, which numpy prints as 8.870e+07
    wide = op("einsum", (123, 457), (457, 789), out=(123, 789), equation="ij,jk->ik")
    assert fvcore_rule.einsum(wide) == 44_350_000 != 123 * 457 * 789


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (thop.convolution(call(nn.Conv2d, IMAGE, out=(2, 4, 6, 10), kernel_size=(3, 3), groups=1)), 480 * 8 * 9),
        (thop.convolution(call(nn.Conv2d, IMAGE, out=(2, 16, 3, 5), kernel_size=(3, 3), groups=4)), 480 * 2 * 9),
        (
            thop.convolution(call(nn.ConvTranspose2d, IMAGE, out=(2, 4, 12, 20), kernel_size=(4, 4), groups=1)),
            2 * 4 * 240 * 8 * 16,  # on the output grid: four times the work
        ),
        (thop.normalisation(call(nn.BatchNorm2d, IMAGE, out=IMAGE, affine=True)), 4 * 960),
        (thop.normalisation(call(nn.BatchNorm2d, IMAGE, out=IMAGE, affine=False)), 2 * 960),
        (thop.normalisation(call(nn.LayerNorm, IMAGE, out=IMAGE, elementwise_affine=True)), 4 * 960),
        (thop.input_elements(call(nn.PReLU, IMAGE, out=IMAGE)), 960),
        (thop.output_elements(call(nn.AvgPool2d, IMAGE, out=(2, 8, 3, 5))), 240),
        (thop.adaptive_average(call(nn.AdaptiveAvgPool2d, IMAGE, out=(2, 8, 1, 1))), (60 + 1) * 16),
        (thop.adaptive_average(call(nn.AdaptiveAvgPool2d, IMAGE, out=(2, 8, 4, 4))), int((1.5 * 2.5 + 1) * 256)),
        (thop.softmax(call(nn.Softmax, IMAGE, out=IMAGE, dim=1)), 120 * (8 + 7 + 8)),
        (thop.upsampling(call(nn.Upsample, IMAGE, out=(2, 8, 12, 20), mode="nearest")), 3840),
        (thop.upsampling(call(nn.Upsample, IMAGE, out=(2, 8, 12, 20), mode="bilinear")), 11 * 3840),
        (thop.upsampling(call(nn.Upsample, IMAGE, out=(2, 8, 12, 20), mode="bicubic")), 259 * 3840),
        (thop.upsampling(call(nn.Upsample, IMAGE, out=(2, 8, 12, 20), mode="nearest-exact")), 0),
        (thop.linear(call(nn.Linear, (2, 7, 8), out=(2, 7, 5), in_features=8)), 8 * 70),
        (thop.nothing(call(nn.ReLU, IMAGE, out=IMAGE)), 0),
        (thop.times_counted(call(nn.Conv2d, IMAGE, out=IMAGE, occurrences=3)), 9),
    ],
)
def test_thop(counted: int, expected: int) -> None:
    assert counted == expected


def conv_call(kind: type[nn.Module], out: Shape, kernel: int, groups: int = 1, bias: bool = False) -> ModuleCall:
    about = {"in_channels": IMAGE[1], "out_channels": out[1], "groups": groups, "bias": bias}
    return call(kind, IMAGE, out=out, kernel_size=(kernel, kernel), **about)


TOKENS = (2, 10, 8)


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (ptflops.convolution(conv_call(nn.Conv2d, (2, 4, 6, 10), 3)), 9 * 8 * 4 * 120),
        (ptflops.convolution(conv_call(nn.Conv2d, (2, 4, 6, 10), 3, bias=True)), (9 * 8 * 4 + 4) * 120),
        (ptflops.convolution(conv_call(nn.Conv2d, (2, 16, 3, 5), 3, groups=4)), 9 * 8 * 4 * 30),
        (ptflops.transposed_convolution(conv_call(nn.ConvTranspose2d, (2, 4, 12, 20), 4)), 16 * 8 * 4 * 120),
        (
            ptflops.transposed_convolution(conv_call(nn.ConvTranspose2d, (2, 4, 12, 20), 4, bias=True)),
            16 * 8 * 4 * 120 + 4 * 2 * 12 * 12,  # the bias on height times height
        ),
        (rules.PTFLOPS_0_6_9[nn.ConvTranspose2d](conv_call(nn.Conv2d, (2, 4, 12, 20), 4)), 16 * 8 * 4 * 480),
        (ptflops.input_elements(call(nn.MaxPool2d, IMAGE, out=(2, 8, 3, 5))), 960),
        (ptflops.output_elements(call(nn.ReLU, IMAGE, out=IMAGE)), 960),
        (ptflops.first_image(call(nn.Upsample, IMAGE, out=(2, 8, 12, 20))), 1920),
        (ptflops.normalisation(call(nn.BatchNorm2d, IMAGE, out=IMAGE, affine=True)), 2 * 960),
        (ptflops.normalisation(call(nn.BatchNorm2d, IMAGE, out=IMAGE, affine=False)), 960),
        (ptflops.linear(call(nn.Linear, (2, 7, 8), out=(2, 7, 5), bias=True)), 112 * 5),
        (ptflops.linear_and_bias(call(nn.Linear, (2, 7, 8), out=(2, 7, 5), bias=True)), 112 * 5 + 5),
        (ptflops.linear_and_bias(call(nn.Linear, (2, 7, 8), out=(2, 7, 5), bias=False)), 112 * 5),
        (
            ptflops.attention(
                call(
                    nn.MultiheadAttention,
                    *(TOKENS, TOKENS, TOKENS),
                    out=TOKENS,
                    num_heads=2,
                    batch_first=True,
                    in_proj_bias=True,
                )
            ),
            # scaling, projections, their biases; two heads of q @ k, softmax, weights @ v; output projection
            2 * (10 * 8 + 3 * 10 * 8 * 8 + 30 * 8 + 2 * (100 * 4 + 100 + 100 * 4) + 10 * 8 * 9),
        ),
        (ptflops.once(call(nn.Conv2d, IMAGE, out=IMAGE, occurrences=3)), 1),
        (ptflops.per_path(call(nn.Conv2d, IMAGE, out=IMAGE, occurrences=3)), 3),
    ],
)
def test_ptflops(counted: int, expected: int) -> None:
    assert counted == expected


def test_what_tells_the_two_ptflops_releases_apart() -> None:
    new = set(rules.PTFLOPS_0_6_9) - set(rules.PTFLOPS_0_6_3)
    instance_norms = {nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d}
    transposed = {nn.ConvTranspose1d, nn.ConvTranspose3d}
    assert new == {nn.GELU, nn.GroupNorm, nn.MultiheadAttention} | instance_norms | transposed
    changed = {kind for kind, function in rules.PTFLOPS_0_6_3.items() if rules.PTFLOPS_0_6_9[kind] is not function}
    assert changed == {nn.Linear, nn.ConvTranspose2d}


def trace_of(operations: list[Operation], calls: list[ModuleCall], batch: int = 1) -> Trace:
    return Trace(
        (batch, 3, 4, 4), (batch, 1, 4, 4), "meta", tuple(operations), tuple(calls), {}, frozenset({9}), frozenset({9})
    )


UP = call(nn.Upsample, IMAGE, out=(2, 8, 12, 20))
RELU = call(nn.ReLU, IMAGE, out=IMAGE)


def test_torchstat() -> None:
    assert torchstat.positions(UP) == 2 * 12 * 20
    assert rules.TORCHSTAT[nn.ReLU](call(nn.ReLU, IMAGE, out=(2, 8, 3, 5))) == 960
    assert set(rules.TORCHSTAT) & {nn.ConvTranspose2d, nn.AdaptiveAvgPool2d, nn.GroupNorm} == set()


def test_torchstat_keeps_the_last_call_of_a_module_and_every_call_where_it_fails() -> None:
    network, other = call(nn.Module, IMAGE, out=IMAGE), ModuleCall("other", nn.ReLU, 0, (IMAGE,), (IMAGE,))
    small = ModuleCall("relu", nn.ReLU, 0, ((1, 1, 2, 2),), ((1, 1, 2, 2),))
    large = replace(small, inputs=(IMAGE,), outputs=(IMAGE,))
    indices = ModuleCall("pool", nn.MaxPool2d, 0, (IMAGE,), (IMAGE, IMAGE))
    tokens = ModuleCall("fc", nn.Linear, 0, ((2, 7, 8),), ((2, 7, 5),))
    last, with_indices, with_tokens = (
        count_trace(trace_of([], [network, *calls]), "torchstat").total
        for calls in ([large, small, other], [large, small, indices], [large, small, tokens])
    )
    assert last == 4 + 960
    assert with_indices == 960 + 4 + 960
    assert with_tokens == 960 + 4 + 2 * 7 * 8 * 5


def test_torchstat_counts_what_derives_from_a_type() -> None:
    class OwnReLU(nn.ReLU):
        pass

    calls = [call(nn.Module, IMAGE, out=IMAGE), ModuleCall("own", OwnReLU, 0, (IMAGE,), (IMAGE,))]
    assert count_trace(trace_of([], calls), "torchstat").total == 960
    assert count_trace(trace_of([], calls), "ptflops-0.6.9").total == 0


def test_rules_in_order() -> None:
    assert list(RULES) == [
        "macs",
        "conv-macs",
        "2xmacs",
        "fvcore",
        "thop",
        "ptflops-0.6.3",
        "ptflops-0.6.9",
        "torchstat",
    ]
    assert list(MEANINGS) == list(RULES), "each rule has a text for users"


def test_unknown_rule_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean fvcore"):
        count_trace(trace_of([], []), "fvcor")


def test_a_composite_is_counted_by_its_parts_or_as_a_whole_but_once() -> None:
    whole = op("einsum", (1, 2, 3), (1, 2, 4), out=(1, 3, 4), equation="abc,abd->acd", writes=(9,), divided=True)
    part = op("bmm", (1, 3, 2), (1, 2, 4), out=(1, 3, 4), writes=(9,), inside="einsum")
    traced = trace_of([part, whole], [call(nn.Module, (1,), out=(1,))])
    assert count_trace(traced, "macs") == Count(24, {}, {"bmm": 24})
    assert count_trace(traced, "fvcore") == Count(24, {}, {"einsum": 24})


def test_what_a_rule_cannot_price_is_listed() -> None:
    operations = [
        op("my::deformable", IMAGE, out=IMAGE, writes=(9,)),
        op("relu", IMAGE, out=IMAGE, reads=(9,), writes=(9,)),
        op("silu", IMAGE, out=IMAGE, reads=(9,), writes=(9,)),
        op("view", IMAGE, out=IMAGE, reads=(9,)),
        op("my::scaled", IMAGE, out=IMAGE, reads=(9,), writes=(9,), pointwise=True),
    ]
    traced = trace_of(operations, [call(nn.Module, IMAGE, out=IMAGE)])
    assert count_trace(traced, "macs").unsupported == {"my::deformable": 1}
    assert count_trace(traced, "macs").by_kind == {"relu": 0, "silu": 0, "view": 0, "my::scaled": 0}
    assert count_trace(traced, "fvcore").unsupported == {"my::deformable": 1, "silu": 1, "my::scaled": 1}
    assert count_trace(traced, "thop").unsupported == {"my::deformable": 1, "relu": 1, "silu": 1, "my::scaled": 1}


def test_ptflops_reports_per_image_and_the_others_the_batch() -> None:
    calls = [conv_call(nn.Conv2d, (2, 4, 6, 10), 3)]
    traced = trace_of([CONV], calls, batch=2)
    assert count_trace(traced, "macs").total == 2 * count_trace(traced, "ptflops-0.6.3").total
