"""What no rule prices is named, what has a price is counted to the integer, nothing that may live is called dead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import segbench
from segbench.counting import prices
from segbench.counting.count import count_trace, operation_counts, uncounted
from segbench.counting.prices import PriceError, all_prices
from segbench.counting.tracer import trace, trace_and_copy
from segbench.errors import FactoryError

SIZE = (64, 128)
SHAPE = (1, 3, *SIZE)
C, PIXELS = 8, 32 * 64
FRAME = 27 * C * PIXELS + 4 * C * PIXELS
"""MACs of the stem and the head around what a test puts between them."""

QUANTISATION_IS_DEPRECATED = ("ignore:torch.ao.quantization", "ignore:torch.quantize_per_tensor")


class Framed(nn.Module):
    """A stem to 8 channels at half the size, a function of that, and a head to 4 classes."""

    def __init__(self, middle: Callable[..., Tensor] = lambda x: x, **modules: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, C, 3, 2, 1, bias=False)
        self.head = nn.Conv2d(C, 4, 1, bias=False)
        self.parts = nn.ModuleDict(modules)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.middle(self.stem(x), **dict(self.parts.items())))
        return out


def tokens(x: Tensor) -> Tensor:
    """(1, C, H, W) to (PIXELS, C)."""
    return x.flatten(2)[0].t()


@pytest.fixture(scope="module", autouse=True)
def operator() -> Iterator[None]:
    """A custom operation ``segbench_uncounted::mix`` that multiplies by an 8x8 matrix."""
    library = torch.library.Library("segbench_uncounted", "DEF")
    library.define("mix(Tensor x, Tensor w) -> Tensor")
    library.impl("mix", lambda x, w: torch.einsum("oc,nchw->nohw", w, x).contiguous(), "CPU")
    library.impl("mix", lambda x, w: torch.empty_like(x), "Meta")
    # Its parts would be seen, were it not priced as a whole.
    library.define("twice(Tensor x, Tensor w) -> Tensor")
    library.impl("twice", lambda x, w: torch.einsum("oc,nchw->nohw", w, x) * 2, "CompositeImplicitAutograd")
    yield
    library._destroy()


def mixed(name: str = "mix") -> Framed:
    net = Framed()
    net.weight = nn.Parameter(torch.randn(C, C))
    net.middle = lambda x: getattr(torch.ops.segbench_uncounted, name)(x, net.weight)
    return net


def test_a_custom_operation_is_named_with_how_often_it_ran() -> None:
    net = mixed()
    once = net.middle
    net.middle = lambda x: once(once(x))
    counted = segbench.count(net, SIZE)
    assert counted["uncounted"] == {"segbench_uncounted::mix": 2}
    assert counted["operations"]["macs"] == FRAME


def test_a_call_brings_a_price_of_its_own() -> None:
    price = {"segbench_uncounted::mix": lambda operation: operation.inputs[1][0] * int(np.prod(operation.inputs[0]))}
    counted = segbench.count(mixed(), SIZE, prices=price)
    assert counted["uncounted"] == {}
    assert counted["operations"]["macs"] == FRAME + C * C * PIXELS == counted["operations"]["live-macs"]
    assert counted["operations"]["2xmacs"] == 2 * (FRAME + C * C * PIXELS)
    assert counted["operations"]["conv-macs"] == FRAME


def test_a_priced_composite_counts_as_a_whole() -> None:
    assert segbench.count(mixed("twice"), SIZE)["operations"]["macs"] == FRAME + C * C * PIXELS
    counted = segbench.count(mixed("twice"), SIZE, prices={"segbench_uncounted::twice": lambda operation: 5})
    assert counted["operations"]["macs"] == FRAME + 5


@dataclass(frozen=True)
class Point:
    """An entry point, as `importlib.metadata` gives it."""

    name: str
    content: Any
    value: str = "mylib.prices:PRICES"

    def load(self) -> Any:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


def test_an_installed_package_registers_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    point = Point("mylib", {"segbench_uncounted::mix": lambda operation: 11})
    monkeypatch.setattr(prices, "entry_points", lambda group: [point] if group == "segbench.prices" else [])
    prices._registered.cache_clear()
    try:
        assert segbench.count(mixed(), SIZE)["operations"]["macs"] == FRAME + 11
        # What a call brings comes first.
        given = segbench.count(mixed(), SIZE, prices={"segbench_uncounted::mix": lambda operation: 7})
        assert given["operations"]["macs"] == FRAME + 7
    finally:
        prices._registered.cache_clear()


@pytest.mark.parametrize("content", [{"mylib::op": 3}, ["mylib::op"], ImportError("no such thing")])
def test_prices_that_are_none_are_refused(content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "entry_points", lambda group: [Point("mylib", content)])
    prices._registered.cache_clear()
    try:
        with pytest.raises(PriceError, match="mylib"):
            all_prices()
    finally:
        prices._registered.cache_clear()


def quantised() -> nn.Module:
    linear = nn.Linear(C, C, bias=False)
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(linear), {nn.Linear}, dtype=torch.qint8)
    return Framed(lambda x, linear: linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), linear=packed)


def sparse() -> nn.Module:
    net = Framed()
    net.register_buffer("mixer", torch.eye(C).to_sparse())
    net.middle = lambda x: (net.mixer @ x.flatten(2)[0]).view_as(x)
    return net


def bilinear() -> nn.Module:
    layer = nn.Bilinear(C, C, C, bias=False)
    return Framed(lambda x, layer: layer(tokens(x), tokens(x)).t().view_as(x), layer=layer)


def distances() -> nn.Module:
    return Framed(lambda x: x + torch.cdist(tokens(x)[None], tokens(x)[None, :16]).mean())


def flex() -> nn.Module:
    attention = pytest.importorskip("torch.nn.attention.flex_attention", reason="torch before 2.5 has none")

    def attend(x: Tensor) -> Tensor:
        given = x.flatten(2).transpose(1, 2)[:, None]
        out = attention.flex_attention(given, given, given)
        assert isinstance(out, Tensor)
        return out[:, 0].transpose(1, 2).reshape(x.shape)

    return Framed(attend)


def complex_product() -> nn.Module:
    def middle(x: Tensor) -> Tensor:
        z = torch.complex(tokens(x), tokens(x))
        return (z @ z.t().conj()[:, :C]).real.t().reshape(x.shape)

    return Framed(middle)


@pytest.mark.parametrize(
    ("build", "macs"),
    [
        (quantised, C * C * PIXELS),
        (sparse, C * PIXELS),  # the diagonal alone is stored
        (bilinear, C * C * C * PIXELS),
        (distances, 16 * C * PIXELS),
        (flex, 2 * PIXELS * PIXELS * C),
        (complex_product, 4 * C * C * PIXELS),
    ],
)
@pytest.mark.filterwarnings("ignore:flex_attention called without", "ignore:Sparse", *QUANTISATION_IS_DEPRECATED)
def test_common_operations_have_a_price(build: Callable[[], nn.Module], macs: int) -> None:
    counted = segbench.count(build(), SIZE)
    assert counted["uncounted"] == {}
    assert counted["operations"]["macs"] == FRAME + macs


@pytest.mark.filterwarnings(*QUANTISATION_IS_DEPRECATED)
def test_quantised_convolutions_count_their_packed_weights() -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.Conv2d(3, 4, 3, 2, 1)
            layer.qconfig = torch.ao.quantization.get_default_qconfig()
            layer.activation_post_process = torch.ao.quantization.MinMaxObserver()
            layer.activation_post_process(torch.ones(2))
            self.conv = torch.ao.nn.quantized.Conv2d.from_float(layer)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.conv(torch.quantize_per_tensor(x, 0.1, 0, torch.quint8)).dequantize()
            return out

    net = Quantised()
    traced = trace(net, SHAPE)
    assert count_trace(traced, "macs").total == 27 * 4 * PIXELS
    assert uncounted(traced) == {}
    assert list(traced.unregistered.values()) == [27 * 4]


def test_a_fourier_transform_counts_under_its_own_label() -> None:
    net = Framed(lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=x.shape[-2:]))
    counted = segbench.count(net, SIZE)
    # 8 channels there and back: 5 N log2 N for N = 32 * 64 points.
    assert counted["operations"]["fft-flops"] == 2 * C * 5 * PIXELS * 11
    assert counted["operations"]["macs"] == FRAME
    assert "fft-flops" not in segbench.count(Framed(), SIZE)["operations"]


class Extension(torch.autograd.Function):
    """A product outside of torch, as a compiled extension makes it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        product = np.einsum("oc,nchw->nohw", w.detach().numpy(), x.detach().numpy())
        return torch.from_numpy(product.astype("float32"))


class FillsAnEmptyTensor(torch.autograd.Function):
    """The other form of an extension: it writes where torch has made room."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        out = torch.empty_like(x)
        np.einsum("oc,nchw->nohw", w.detach().numpy(), x.detach().numpy(), out=out.numpy())
        return out


@pytest.mark.parametrize("extension", [Extension, FillsAnEmptyTensor])
def test_what_runs_before_an_opaque_kernel_is_not_called_dead(extension: Any) -> None:
    net = Framed()
    net.weight = nn.Parameter(torch.randn(C, C))
    net.middle = lambda x: extension.apply(x, net.weight)
    traced = trace(net, SHAPE)
    counts = operation_counts(traced)
    assert uncounted(traced) == {"opaque kernel": 1}
    assert counts["live-macs"] == counts["macs"] == counts["fvcore"] == FRAME
    assert traced.live_params == traced.params == 27 * C + 4 * C + C * C


def test_constants_are_no_opaque_kernels() -> None:
    table = torch.ones(C, 1, 1)  # held by the code, not by a module

    def middle(x: Tensor) -> Tensor:
        steered = x * 2 if x.mean().item() > -9 else x
        return steered * table + torch.tensor([1.0, 2.0])[0] + torch.from_numpy(np.ones((C, 1, 1), np.float32))

    traced = trace(Framed(middle), SHAPE)
    assert traced.device != "meta"
    assert uncounted(traced) == {}


def test_a_branch_on_values_is_taken_as_it_is_when_timed() -> None:
    extra = nn.Conv2d(C, C, 3, 1, 1, bias=False)
    net = Framed(lambda x, extra: extra(x) if x.abs().mean().item() > 0 else x, extra=extra)
    traced = trace(net, SHAPE)
    assert count_trace(traced, "macs").total == FRAME + 9 * C * C * PIXELS
    assert traced.live_params == traced.params
    assert traced.steered_by


def test_parameters_are_those_after_the_first_run() -> None:
    lazy = Framed(lambda x, conv, norm: norm(conv(x)), conv=nn.LazyConv2d(C, 3, 1, 1), norm=nn.LazyBatchNorm2d())
    counted = segbench.count(lazy, SIZE)
    assert counted["params"] == 27 * C + 4 * C + 9 * C * C + C + 2 * C
    assert counted["operations"]["macs"] == FRAME + 9 * C * C * PIXELS

    class Late(Framed):
        def forward(self, x: Tensor) -> Tensor:
            if "late" not in self.parts:
                self.parts["late"] = nn.Conv2d(C, C, 1, bias=False)
            out: Tensor = self.head(self.parts["late"](self.stem(x)))
            return out

    late = Late()
    traced, copy = trace_and_copy(late, SHAPE)
    assert traced.params == 27 * C + 4 * C + C * C
    assert [call.path for call in traced.calls] == ["", "stem", "parts.late", "head"]
    assert "late" in copy.parts and "late" not in late.parts  # type: ignore[operator]


def test_a_lazy_network_on_meta_stays_lazy() -> None:
    with torch.device("meta"):
        net = Framed(lambda x, conv: conv(x), conv=nn.LazyConv2d(C, 1, bias=False)).eval()
    assert segbench.count(net, SIZE)["params"] == 27 * C + 4 * C + C * C
    assert isinstance(net.parts["conv"], nn.LazyConv2d)


def test_weights_that_no_module_registers_are_named() -> None:
    class Slip(Framed):
        def __init__(self) -> None:
            super().__init__()
            self.branches = [nn.Conv2d(C, C, 3, 1, 1, bias=False), nn.Conv2d(C, C, 1)]

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.branches[0](self.stem(x)))
            return out

    traced = trace(Slip(), SHAPE)
    assert traced.device == "meta"
    assert traced.unregistered == {"branches[0].weight": 9 * C * C}
    assert count_trace(traced, "macs").total == FRAME + 9 * C * C * PIXELS

    def forgetful_middle(x: Tensor) -> Tensor:
        made: Tensor = nn.Conv2d(C, C, 1, bias=False)(x)
        return made

    forgetful = trace(Framed(forgetful_middle), SHAPE)
    assert list(forgetful.unregistered.values()) == [C * C]
    assert "conv2d" in next(iter(forgetful.unregistered))


class Locked(Framed):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def test_a_network_that_cannot_be_copied_is_built_afresh() -> None:
    with pytest.raises(FactoryError, match="cannot be copied"):
        trace(Locked(), SHAPE)
    traced = trace(Locked(), SHAPE, build=Locked)
    assert (traced.params, count_trace(traced, "macs").total) == (27 * C + 4 * C, FRAME)


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_a_scripted_network_counts_by_its_operations() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, C, 3, 2, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(self.conv(x))

    traced_network = torch.jit.trace(Plain().eval(), torch.zeros(SHAPE))
    assert count_trace(trace(traced_network, SHAPE), "macs").total == 27 * C * PIXELS


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both_ways", [False, True])
def test_rule_thop_equals_thop_on_recurrent_layers(kind: Any, layers: int, both_ways: bool) -> None:
    from segbench.counting.tools import run_tool

    layer = kind(C, 4, layers, batch_first=True, bidirectional=both_ways, bias=layers == 1)
    net = Framed(lambda x, layer: x + layer(tokens(x)[None, :6])[0].mean(), layer=layer)
    assert count_trace(trace(net, SHAPE), "thop").total == run_tool("thop", net, SHAPE).total


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_rule_thop_equals_thop_on_recurrent_cells(kind: Any) -> None:
    from segbench.counting.tools import run_tool

    def middle(x: Tensor, cell: nn.Module) -> Tensor:
        found = cell(tokens(x)[:1])
        return x + (found[0] if isinstance(found, tuple) else found).mean()

    net = Framed(middle, cell=kind(C, 4))
    assert count_trace(trace(net, SHAPE), "thop").total == run_tool("thop", net, SHAPE).total


def test_the_tools_run_where_control_flow_depends_on_values() -> None:
    from segbench.counting.tools import run_tool

    net = Framed(lambda x, extra: extra(x) if x.abs().mean().item() > 0 else x, extra=nn.Conv2d(C, C, 1, bias=False))
    traced = trace(net, SHAPE)
    assert run_tool("thop", net, SHAPE).total == count_trace(traced, "thop").total == FRAME + C * C * PIXELS
