"""The trace: what it sees, what reaches the output, what it leaves behind, and what it refuses."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segbench import build
from segbench.counting.count import count_trace, parameters
from segbench.counting.modules import modules
from segbench.counting.rules import RULES
from segbench.counting.shapes import KNOWN
from segbench.counting.tools import run_tool
from segbench.counting.tracer import trace
from segbench.errors import BadResolution, FactoryError
from segbench.records.record import down_to
from segbench.records.results import ModuleRow
from tests.counting_networks import CASES, CHANNELS, HEIGHT, PIXELS, SHAPE, WIDTH, Function

# Hand-worked multiply-accumulates; T tokens of C channels in attention.
T, C = PIXELS, CHANNELS
MACS = {
    "conv": 4 * C * 9 * T,
    "conv without bias": 4 * C * 9 * T // 4,
    "conv same padding": 4 * C * 9 * T,
    "grouped conv": 16 * C // 4 * 9 * T,
    "dilated conv": 4 * C * 9 * T,
    "conv1d": 4 * C * 5 * (T - 4),
    "conv3d": 4 * 27 * (C - 2) * (HEIGHT - 2) * (WIDTH - 2),
    "subclassed conv": 4 * C * 9 * T,
    "functional conv": 4 * C * 9 * T,
    "shared conv": 2 * C * C * 9 * T,
    "transposed conv": C * 4 * 16 * T,
    "transposed conv with bias": C * 4 * 9 * T,
    "grouped transposed conv": C * 16 // 4 * 4 * T,
    "linear": T * C * 5,
    "linear without bias": C * 5,
    "q @ k attention": 2 * T * T * C,
    "scaled dot-product attention": 2 * T * T * C,
    "multi-head attention": 2 * T * T * C + 4 * T * C * C,
    "multi-head attention without weights": 2 * T * T * C + 4 * T * C * C,
    "einsum b n c, b m c": T * T * C,
    "einsum b c n, b c m": T * T * C,
    "einsum of images": C * C * T,
    "bmm": C * C * T,
    "baddbmm": C * C * T,
    "mm": HEIGHT * HEIGHT * WIDTH,
    "addmm": HEIGHT * HEIGHT * WIDTH,
    "broadcast matmul": C * HEIGHT * HEIGHT * WIDTH,
    "dropout": 4 * C * T,
    "relu in place": 4 * C * T,
    "squeeze and excitation": C * C,
    "dead branch": 4 * C * T + 4 * C * 9 * (HEIGHT - 2) * (WIDTH - 2),
    "auxiliary output": 4 * C * T + 4 * C * 9 * (HEIGHT - 2) * (WIDTH - 2),
    "in-place chain": 4 * C * T + 4 * C * 9 * T,
}


@pytest.mark.parametrize("name", CASES)
def test_macs_by_hand(name: str) -> None:
    counted = count_trace(trace(CASES[name](), SHAPE), "macs")
    assert counted.total == MACS.get(name, 0)
    assert not counted.unsupported


@pytest.mark.parametrize(("name", "kind"), [("grid sample", "grid_sampler"), ("max unpooling", "max_unpool2d")])
def test_operations_without_products_are_listed_with_zero(name: str, kind: str) -> None:
    assert count_trace(trace(CASES[name](), SHAPE), "macs").by_kind[kind] == 0


def test_conv_macs_leaves_matrix_products_out() -> None:
    traced = trace(CASES["multi-head attention"](), SHAPE)
    assert count_trace(traced, "conv-macs").total == 4 * T * C * C
    assert count_trace(traced, "2xmacs").total == 2 * count_trace(traced, "macs").total


def test_the_trace_holds_the_geometry_of_a_convolution() -> None:
    traced = trace(nn.Sequential(nn.Conv2d(C, 16, (3, 5), stride=(2, 1), groups=4)), SHAPE)
    (operation,) = traced.operations
    assert (operation.kind, operation.path, operation.kernel) == ("conv2d", "0", (3, 5))
    assert (operation.groups, operation.stride) == (4, (2, 1))
    assert operation.inputs == (SHAPE, (16, 2, 3, 5), (16,))
    assert operation.outputs == (traced.output_shape,) == ((1, 16, 7, 20),)
    assert traced.device == "meta"
    assert [(call.path, call.type, call.parent) for call in traced.calls] == [
        ("", nn.Sequential, -1),
        ("0", nn.Conv2d, 0),
    ]


def test_a_recurrent_layer_is_counted_by_its_linear_parts() -> None:
    lstm = nn.LSTM(C, 6, batch_first=True)
    net = Function(lambda x, lstm: lstm(x.flatten(2).transpose(1, 2))[0], lstm=lstm)
    traced = trace(net, SHAPE)
    assert count_trace(traced, "macs").total == T * 4 * 6 * (C + 6)
    for rule in ("fvcore", "ptflops-0.6.9"):
        assert count_trace(traced, rule).unsupported == {"lstm": 1}


def test_a_batch_counts_as_many_images() -> None:
    net = CASES["q @ k attention"]()
    assert count_trace(trace(net, (3, *SHAPE[1:])), "macs").total == 3 * count_trace(trace(net, SHAPE), "macs").total


# What reaches the output, against what is executed


def dead(net: nn.Module) -> tuple[int, int]:
    """MACs that are executed, and those that reach the output."""
    traced = trace(net, SHAPE)
    return count_trace(traced, "macs").total, count_trace(traced, "macs", reaching_output=True).total


class DeepStageThrownAway(nn.Module):
    """A backbone of two stages of which the decoder uses the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(C, C, 1, bias=False), nn.BatchNorm2d(C), nn.ReLU(inplace=True))
        self.stage2 = nn.Sequential(nn.Conv2d(C, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(C, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.stage1(x)
        _ = self.stage2(shallow)
        out: Tensor = self.head(shallow)
        return out


def test_a_stage_that_is_thrown_away_is_dead() -> None:
    assert dead(DeepStageThrownAway()) == ((C * C + C * 2 + 9 * C * 32) * T, (C * C + C * 2) * T)


@pytest.mark.parametrize("container", [dict, tuple, list, NamedTuple])
def test_an_auxiliary_head_left_on_is_dead(container: Any) -> None:
    class Outputs(NamedTuple):
        out: Tensor
        aux: Tensor

    def forward(x: Tensor, main: nn.Module, aux: nn.Module) -> object:
        side = aux(x)
        out = main(x)
        if container is NamedTuple:
            return Outputs(out, side)
        return {"aux": side, "out": out} if container is dict else container([out, side])

    net = Function(forward, main=nn.Conv2d(C, 2, 1), aux=nn.Conv2d(C, 5, 1))
    assert dead(net) == (7 * C * T, 2 * C * T)
    # fvcore traces whatever is returned
    assert count_trace(trace(net, SHAPE), "fvcore").total == 7 * C * T


def test_the_first_output_is_the_main_one_without_a_known_name() -> None:
    net = Function(lambda x, a, b: {"a": a(x), "b": b(x)}, a=nn.Conv2d(C, 2, 1), b=nn.Conv2d(C, 5, 1))
    assert dead(net) == (7 * C * T, 2 * C * T)


def test_in_place_operations_keep_what_filled_their_storage() -> None:
    executed, reaching = dead(CASES["in-place chain"]())
    assert executed == reaching


def test_a_write_after_the_last_read_is_dead() -> None:
    def forward(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
        hidden = a(x)
        out = hidden * 2
        hidden.add_(b(x))
        return out

    net = Function(forward, a=nn.Conv2d(C, 2, 1), b=nn.Conv2d(C, 2, 3, padding=1))
    assert dead(net) == (2 * C * T * 10, 2 * C * T)


def test_views_and_writes_through_views_stay_live() -> None:
    def forward(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
        canvas = x.new_zeros(1, 4, HEIGHT, WIDTH)
        canvas[:, :2] = a(x)
        canvas[:, 2:].copy_(b(x))
        return canvas.flatten(2)

    net = Function(forward, a=nn.Conv2d(C, 2, 1), b=nn.Conv2d(C, 2, 3, padding=1))
    executed, reaching = dead(net)
    assert executed == reaching == 2 * C * T * 10


def test_both_sides_of_a_concatenation_are_live() -> None:
    net = Function(lambda x, a, b: torch.cat([a(x), b(x)], 1), a=nn.Conv2d(C, 2, 1), b=nn.Conv2d(C, 3, 1))
    assert dead(net) == (5 * C * T, 5 * C * T)


def test_a_value_that_steers_the_forward_is_live() -> None:
    net = Function(
        lambda x, gate, out: out(x) if gate(x).sum() > -1e9 else x, gate=nn.Conv2d(C, 1, 1), out=nn.Conv2d(C, 2, 1)
    )
    traced = trace(net, SHAPE)
    assert traced.device.startswith("real tensors (")
    assert count_trace(traced, "macs", reaching_output=True).total == 3 * C * T


def test_a_module_rule_leaves_out_calls_without_a_live_operation() -> None:
    traced = trace(DeepStageThrownAway(), SHAPE)
    executed, reaching = count_trace(traced, "thop"), count_trace(traced, "thop", reaching_output=True)
    assert executed.total - reaching.total == 9 * C * 32 * T + 4 * 32 * T


# Parameters


class UnusedProjection(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(C, 4, 1)
        self.projection = nn.Conv2d(C, 99, 1)
        self.tied = self.conv
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.tied(x) * self.scale
        return out


def test_parameters_and_live_parameters() -> None:
    net = UnusedProjection()
    traced = trace(net, SHAPE)
    used = 4 * C + 4 + 1
    assert parameters(net) == traced.params == used + 99 * (C + 1)
    assert traced.live_params == trace(net, SHAPE).live_params == used


def test_parameters_of_a_dead_stage_are_dead() -> None:
    net = DeepStageThrownAway()
    stage2 = 32 * C * 9 + 32 + 2 * 32
    assert parameters(net) - trace(net, SHAPE).live_params == stage2


def test_enets_projection_is_never_used() -> None:
    with torch.device("meta"):
        net = build("enet")
    assert (parameters(net), trace(net, (1, 3, 128, 256)).live_params) == (360_422, 357_990)


# Module by module


def test_modules_add_up() -> None:
    net = DeepStageThrownAway()
    traced = trace(net, SHAPE)
    rows = {row.path: row for row in modules(traced, net)}
    assert list(rows)[:3] == ["", "stage1", "stage1.0"]
    total = rows[""]
    assert (total.type, total.share) == ("DeepStageThrownAway", 1.0)
    assert total.macs == count_trace(traced, "macs").total
    assert total.params == parameters(net)
    parts = [rows[name] for name in ("stage1", "stage2", "head")]
    assert sum(row.macs or 0 for row in parts) == total.macs
    assert sum(row.params or 0 for row in parts) == total.params
    assert sum(row.share or 0 for row in parts) == pytest.approx(1)
    assert rows["head"].output == [1, 2, HEIGHT, WIDTH]
    assert [row.path for row in down_to(rows.values(), 1)] == ["", "stage1", "stage2", "head"]
    assert [row.path for row in down_to(rows.values(), 0)] == [""]


def test_modules_that_share_or_are_not_called() -> None:
    net = CASES["shared conv"]()
    rows = {row.path: row for row in modules(trace(net, SHAPE), net)}
    assert list(rows) == ["", "conv", "first", "second"]
    assert rows["conv"].macs == rows[""].macs == MACS["shared conv"]
    unused = UnusedProjection()
    row = next(row for row in modules(trace(unused, SHAPE), unused) if row.path == "projection")
    assert (row.macs, row.output, row.share) == (0, None, 0.0)


def test_modules_of_a_record() -> None:
    net = nn.Sequential(nn.Conv2d(C, 4, 1))
    expected: dict[str, Any] = {"params": 4 * C + 4, "macs": 4 * C * T, "share": 1.0, "output": [1, 4, HEIGHT, WIDTH]}
    assert modules(trace(net, SHAPE), net) == [
        ModuleRow(path="", type="Sequential", **expected),
        ModuleRow(path="0", type="Conv2d", **expected),
    ]


def test_shares_of_a_network_without_products() -> None:
    net = nn.ReLU()
    assert modules(trace(net, SHAPE), net)[0].share == 0.0


# No trace


class Troublesome(nn.Module):
    """Draws random numbers, moves a buffer, keeps its features, and carries hooks, whatever the mode."""

    def __init__(self, real: bool) -> None:
        super().__init__()
        self.real = real
        self.conv = nn.Conv2d(C, C, 3, padding=1)
        self.norm = nn.BatchNorm2d(C)
        self.still = nn.Sequential(nn.BatchNorm2d(C), nn.Dropout(0.5)).eval()
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("hidden", torch.ones(3), persistent=False)
        self.constant = torch.ones(1)
        self.conv.register_forward_hook(lambda module, args, output: output * 1)
        self.conv.register_forward_pre_hook(lambda module, args: None)
        self.conv.weight.requires_grad_(False)
        self.features: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.real:
            assert self.calls.item() >= 0
        x = self.still(self.norm(self.conv(x))) * self.constant
        self.features.append(x)
        x = x + torch.rand(1, device=x.device) + torch.rand(1, device="cpu").to(x.device)
        return x + random.random() + float(np.random.rand())


def fingerprint(net: nn.Module) -> dict[str, object]:
    """Everything about a module and the process that counting could change."""
    state: dict[str, object] = {}
    for path, module in net.named_modules():
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks")
        state[path] = (
            module.training,
            sorted(vars(module)),
            [list(vars(module)[name].items()) for name in hooks],
            {name: (id(b), b.device.type, b.tolist()) for name, b in module.named_buffers(recurse=False)},
            {n: (id(p), p.requires_grad, p.sum().item()) for n, p in module.named_parameters(recurse=False)},
        )
    state["keys"] = list(net.state_dict())
    state["features"] = len(getattr(net, "features", []))
    state["random"] = (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()))
    state["flags"] = (
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.get_float32_matmul_precision(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.get_num_threads(),
    )
    return state


def count_with(tool: str) -> Callable[[nn.Module], object]:
    return lambda net: run_tool(tool, net, SHAPE)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("count", [lambda net: trace(net, SHAPE), count_with("fvcore"), count_with("thop")])
def test_counting_leaves_no_trace(count: Callable[[nn.Module], object], real: bool) -> None:
    net = Troublesome(real)
    before = fingerprint(net)
    try:
        count(net)
    except Exception:
        if not real:
            raise
    assert fingerprint(net) == before


def test_counting_twice_is_the_same() -> None:
    net = Troublesome(real=False)
    assert trace(net, SHAPE).operations == trace(net, SHAPE).operations


def test_a_default_device_and_format_are_respected() -> None:
    net = nn.Conv2d(C, 4, 1).half()
    torch.set_default_dtype(torch.float64)
    try:
        assert count_trace(trace(net, SHAPE), "macs").total == 4 * C * T
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_large_network_costs_no_memory() -> None:
    with torch.device("meta"):
        net = nn.Linear(WIDTH, 1 << 36, bias=False)  # 6 TiB of weights
    assert count_trace(trace(net, SHAPE), "macs").total == C * HEIGHT * WIDTH << 36


# Networks that are hard to run


def test_control_flow_on_values_falls_back_to_real_tensors() -> None:
    net = Function(lambda x, conv: conv(x) if bool(x.mean() > 1) else conv(conv(x)), conv=nn.Conv2d(C, C, 1))
    traced = trace(net, SHAPE)
    assert traced.device.startswith("real tensors (") and traced.device.endswith(")")
    assert count_trace(traced, "macs").total == 2 * C * C * T


def test_a_network_built_on_meta_falls_back_with_zeros() -> None:
    with torch.device("meta"):
        net = Troublesome(real=True)
    traced = trace(net, SHAPE)
    assert traced.device.startswith("real tensors (")
    assert count_trace(traced, "macs").total == C * C * 9 * T


def test_an_operation_without_a_meta_kernel_is_run_and_listed() -> None:
    library = torch.library.Library("segbench_test", "DEF")
    library.define("halve(Tensor x) -> Tensor")
    library.impl("halve", lambda x: x / 2, "CPU")
    net = Function(lambda x, conv: torch.ops.segbench_test.halve(conv(x)), conv=nn.Conv2d(C, 4, 1))
    traced = trace(net, SHAPE)
    counted = count_trace(traced, "macs")
    assert traced.device.startswith("real tensors (")
    assert (counted.total, counted.unsupported) == (4 * C * T, {"segbench_test::halve": 1})


def test_a_plain_tensor_attribute_runs_on_meta() -> None:
    class WithAnchors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.anchors = [torch.ones(C, 4)]
            self.table = {"scale": torch.ones(1)}

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).transpose(1, 2) @ self.anchors[0] * self.table["scale"]

    traced = trace(WithAnchors(), SHAPE)
    assert (traced.device, count_trace(traced, "macs").total) == ("meta", T * C * 4)


def test_lazy_modules_are_materialised_on_the_copy() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d(), nn.Conv2d(4, 2, 1))
    traced = trace(net, SHAPE)
    assert count_trace(traced, "macs").total == (4 * C * 9 + 8) * T
    assert count_trace(traced, "thop").total == (4 * C * 9 + 8 + 16) * T
    assert traced.params == 4 * C * 9 + 4 + 8 + 10
    assert isinstance(net[0], nn.LazyConv2d) and net[0].has_uninitialized_params()
    with pytest.raises(FactoryError, match="lazy modules"):
        parameters(net)


def test_a_wrapped_network_is_counted_as_the_network() -> None:
    net = nn.Conv2d(C, 4, 1)
    assert trace(nn.DataParallel(net), SHAPE).operations == trace(net, SHAPE).operations


def test_weight_norm_and_parametrisations() -> None:
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(C, 4, 1)))
    traced = trace(net, SHAPE)
    assert (traced.device, count_trace(traced, "macs").total) == ("meta", 4 * C * T)


class TwoInputs(nn.Module):
    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return image * mask


@pytest.mark.parametrize(
    ("net", "shape", "error", "message"),
    [
        (TwoInputs(), SHAPE, FactoryError, "does not take one image tensor alone: missing a required argument: 'mask'"),
        (nn.Sequential(TwoInputs()), SHAPE, FactoryError, "missing 1 required positional argument: 'mask'"),
        (nn.Conv2d(3, 4, 1), SHAPE, FactoryError, r"Conv2d fails on an image of 1x8x16x24 \(NxCxHxW\): .*channels"),
        (nn.ReLU(), (1, 3, 0, 4), BadResolution, "four sizes"),
        (nn.ReLU(), (3, 4, 4), BadResolution, "four sizes"),
    ],
)
def test_what_is_refused(net: nn.Module, shape: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        trace(net, shape)
    assert "\n" not in str(caught.value)


def test_a_network_that_cannot_be_copied_is_refused() -> None:
    net = nn.ReLU()
    vars(net)["lines"] = iter("generators cannot be copied" for _ in range(1))
    with pytest.raises(FactoryError, match="ReLU cannot be copied"):
        trace(net, SHAPE)


def test_the_networks_own_refusal_comes_through() -> None:
    def forward(x: Tensor) -> Tensor:
        raise BadResolution("multiples of 32")

    with pytest.raises(BadResolution, match="multiples of 32"):
        trace(Function(forward), SHAPE)


# Shapes known without torch's meta kernels


@pytest.mark.parametrize("size", [(1, 8, 5, 7), (2, 3, 16, 24)])
def test_known_shapes_are_torchs(size: tuple[int, int, int, int]) -> None:
    image = torch.zeros(size, device="meta").to(memory_format=torch.channels_last)
    weight = torch.zeros(size[1], device="meta")
    aten = torch.ops.aten
    cases: list[tuple[str, str, Any, tuple[Any, ...]]] = [
        (
            "batch_norm",
            "default",
            aten.batch_norm.default,
            (image, weight, weight, weight, weight, False, 0.1, 1e-5, True),
        ),
        ("batch_norm", "default", aten.batch_norm.default, (image, None, None, weight, weight, False, 0.1, 1e-5, True)),
        ("prelu", "default", aten.prelu.default, (image, weight)),
        ("prelu", "default", aten.prelu.default, (image, weight[:1])),
        ("upsample_bilinear2d", "vec", aten.upsample_bilinear2d.vec, (image, [9, 11], False, None)),
        ("upsample_bilinear2d", "vec", aten.upsample_bilinear2d.vec, (image, None, True, [1.7, 0.5])),
        ("upsample_nearest2d", "vec", aten.upsample_nearest2d.vec, (image, None, [2.0, 2.0])),
        ("upsample_nearest2d", "vec", aten.upsample_nearest2d.vec, (image, [9, 11], None)),
    ]
    for kind, overload, function, arguments in cases:
        named = dict(zip([a.name for a in function._schema.arguments], arguments, strict=True))
        known = KNOWN[kind, overload](named)
        expected = function(*arguments)
        assert known is not None
        assert (known.shape, known.dtype, known.device) == (expected.shape, expected.dtype, expected.device)
    assert {case[:2] for case in cases} == set(KNOWN)


def test_a_wrong_channel_count_is_not_hidden_by_a_known_shape() -> None:
    with pytest.raises(FactoryError, match="BatchNorm2d fails"):
        trace(nn.BatchNorm2d(3), SHAPE)
    with pytest.raises(FactoryError, match="PReLU fails"):
        trace(nn.PReLU(3), SHAPE)


# What papers print


@pytest.mark.parametrize(
    ("name", "rule", "resolution", "expected"),
    [
        ("frmnet", "ptflops-0.6.9", (1024, 2048), 214_818_357_760),
        ("frmnet-ppm", "ptflops-0.6.9", (1024, 2048), 213_214_179_840),
        ("frmnet-dappm", "ptflops-0.6.9", (1024, 2048), 214_812_230_656),
        ("sfnet-r18", "ptflops-0.6.9", (1024, 2048), 243_866_546_688),
        ("enet", "ptflops-0.6.3", (360, 640), 1_913_529_600),
        ("efrnet", "ptflops-0.6.3", (360, 640), 3_006_913_952),
        ("frfnet", "ptflops-0.6.3", (512, 1024), 16_002_743_520),
        ("frfnet-slim", "ptflops-0.6.3", (512, 1024), 11_380_997_344),
    ],
)
def test_published_figures(name: str, rule: str, resolution: tuple[int, int], expected: int) -> None:
    with torch.device("meta"):
        net = build(name)
    assert count_trace(trace(net, (1, 3, *resolution)), rule).total == expected


def test_rules_need_neither_fvcore_nor_thop() -> None:
    script = (
        "import sys; sys.modules['fvcore'] = sys.modules['thop'] = None\n"
        "from torch import nn\n"
        "from segbench.counting.count import count_trace\n"
        "from segbench.counting.rules import RULES\n"
        "from segbench.counting.tracer import trace\n"
        "traced = trace(nn.Conv2d(3, 4, 1), (1, 3, 8, 8))\n"
        "print([count_trace(traced, rule).total for rule in RULES])\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([768, 768, 1536, 768, 768, 1024, 1024, 1024])


def test_every_rule_prices_every_network() -> None:
    for build_case in CASES.values():
        traced = trace(build_case(), SHAPE)
        for rule in RULES:
            counted = count_trace(traced, rule)
            assert (
                counted.total == sum(counted.by_kind.values()) >= count_trace(traced, rule, reaching_output=True).total
            )
