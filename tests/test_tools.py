"""The real fvcore, thop and torchstat: what the rules of the same names are held against; the first two run quietly."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from segbench import build
from segbench.catalog import CATALOG
from segbench.counting.count import count_trace
from segbench.counting.tools import TOOLS, ToolError, run_tool
from segbench.counting.tracer import trace
from segbench.errors import UnknownName
from tests.counting_networks import CASES, CHANNELS, PIXELS, SHAPE, Function

# Operations on which a tool fails under some versions of torch, and so reports nothing to compare with.
FAILS_ON = {("fvcore", "max_unpool2d"): "torch 2.13 checks the size with a tensor where a jit trace needs a bool"}


def compare(tool: str, net: nn.Module, shape: tuple[int, int, int, int]) -> None:
    """Hold the rule against the tool to the integer, or the failure against the table."""
    traced = trace(net, shape)
    kinds = {operation.kind for operation in traced.operations}
    cause = next((kind for kind in kinds if (tool, kind) in FAILS_ON), None)
    try:
        reported = run_tool(tool, net, shape).total
    except ToolError as error:
        assert cause is not None, error
        assert re.search(f"{tool} fails on .* in {cause}: ", str(error))
    else:
        assert reported == count_trace(traced, tool).total


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tool", TOOLS)
def test_rule_equals_tool_on_small_networks(tool: str, name: str, batch: int) -> None:
    compare(tool, CASES[name](), (batch, *SHAPE[1:]))


def catalog_network(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


def about_128x256(name: str) -> tuple[int, int, int, int]:
    """The nearest size below that the network takes, or above for 8k + 1."""
    rule = CATALOG[name].size_rule
    multiple, offset = rule.multiple, rule.offset
    return 1, 3, 128 // multiple * multiple + offset, 256 // multiple * multiple + offset


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG)
def test_thop_rule_equals_thop_on_the_catalog(name: str) -> None:
    compare("thop", catalog_network(name), about_128x256(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG)
def test_fvcore_rule_equals_fvcore_on_the_catalog(name: str) -> None:
    compare("fvcore", catalog_network(name), about_128x256(name))


# Printed for 512x1024 by MFPNet's Table 2 as 25.8, 3.8, 10.5 and 18.6.
TORCHSTAT = {"erfnet": 25_785_532_416, "enet": 3_844_734_976, "dabnet": 10_461_757_440, "mfpnet": 18_639_589_504}


@pytest.mark.parametrize("name", TORCHSTAT)
def test_the_torchstat_rule_at_512x1024(name: str) -> None:
    assert count_trace(trace(catalog_network(name), (1, 3, 512, 1024)), "torchstat").total == TORCHSTAT[name]


def run_torchstat(net: nn.Module, shape: tuple[int, int, int, int]) -> int:
    """The Flops that torchstat reports; what it puts over ``__call__`` of each class is taken off again."""
    torchstat = pytest.importorskip("torchstat")
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        try:
            return sum(int(node.Flops) for node in torchstat.ModelStat(net, shape[1:])._analyze_model())
        finally:
            for kind in {type(module) for module in net.modules()}:
                if "__call__" in vars(kind):
                    del kind.__call__


# Modules that are called several times among them (sgcpnet, pidnet-s), and one whose size rule is 8k + 1.
@pytest.mark.parametrize("name", ["mfpnet", "dabnet", "sgcpnet", "bisenet-xception39", "espnetv2-0.5", "lednet"])
def test_torchstat_rule_equals_torchstat(name: str) -> None:
    shape = about_128x256(name)
    net = build(name).eval()
    assert count_trace(trace(net, shape), "torchstat").total == run_torchstat(net, shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CATALOG if CATALOG[name].params < 20_000_000])
def test_torchstat_rule_equals_torchstat_on_what_it_can_run(name: str) -> None:
    shape = about_128x256(name)
    net = build(name).eval()
    counted = count_trace(trace(net, shape), "torchstat").total
    try:
        assert run_torchstat(net, shape) == counted
    except AttributeError as error:
        assert "'tuple' object has no attribute" in str(error)
        assert name.startswith(("efrnet", "enet", "erfnet", "esnet"))
    except AssertionError as error:
        if str(error):
            raise
        assert name.startswith("segformer")  # linear layers of tokens


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Conv2d(CHANNELS, 6, 3, groups=2), nn.BatchNorm2d(6, affine=False), nn.PReLU()),
        nn.Sequential(nn.MaxPool2d(3, 2), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(CHANNELS, 4, 2), nn.ELU()),
        nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 5), nn.ReLU6()),
    ],
)
def test_torchstat_rule_equals_torchstat_on_small_networks(net: nn.Module) -> None:
    assert count_trace(trace(net.eval(), SHAPE), "torchstat").total == run_torchstat(net, SHAPE)


def unpool_that_traces(
    x: Tensor, indices: Tensor, kernel_size: int, stride: object = None, padding: int = 0, output_size: object = None
) -> Tensor:
    """Un-pooling by a scatter, of 2x2 windows with stride 2, or to the size given."""
    size = x.shape[-2] * 2, x.shape[-1] * 2
    if isinstance(output_size, (list, tuple, torch.Size)):
        size = output_size[-2], output_size[-1]
    canvas = x.new_zeros(*x.shape[:2], int(size[0]) * int(size[1]))
    return canvas.scatter(2, indices.flatten(2), x.flatten(2)).reshape(*x.shape[:2], int(size[0]), int(size[1]))


@pytest.mark.parametrize("name", ["enet", "efrnet-ffm1"])
def test_fvcore_rule_where_fvcore_fails_on_unpooling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = catalog_network(name)
    expected = count_trace(trace(net, (1, 3, 128, 256)), "fvcore").total
    monkeypatch.setattr(torch.nn.functional, "max_unpool2d", unpool_that_traces)
    assert run_tool("fvcore", net, (1, 3, 128, 256)).total == expected


def test_a_tool_takes_a_factory() -> None:
    assert run_tool("fvcore", CASES["conv"], SHAPE).total == run_tool("fvcore", CASES["conv"](), SHAPE).total


def test_unsupported_is_named() -> None:
    assert run_tool("fvcore", CASES["scaled dot-product attention"](), SHAPE).unsupported == {
        "scaled_dot_product_attention": 1
    }
    counted = run_tool("thop", nn.Sequential(CASES["subclassed conv"](), nn.GELU()), SHAPE)
    assert counted.total == 0
    assert counted.unsupported == {"MyConv": 1, "GELU": 1}
    assert counted.note.startswith("thop: ")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_package_is_one_sentence(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == tool]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, tool, None)
    with pytest.raises(ToolError, match=rf"{tool} is not installed.*pip install {tool}") as caught:
        run_tool(tool, CASES["conv"](), SHAPE)
    assert "\n" not in str(caught.value)


def test_an_unknown_tool() -> None:
    with pytest.raises(UnknownName, match="fvcore"):
        run_tool("fvcor", CASES["conv"](), SHAPE)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_failing_network_is_one_sentence(tool: str) -> None:
    with pytest.raises(ToolError, match=f"{tool} fails on Conv2d") as caught:
        run_tool(tool, nn.Conv2d(3, 4, 1), SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tool", TOOLS)
def test_quiet(tool: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    parts = [nn.Conv2d(CHANNELS, 4, 1), nn.PReLU(), nn.Sigmoid(), nn.Upsample(scale_factor=2, mode="nearest-exact")]
    run_tool(tool, nn.Sequential(*parts), SHAPE)
    out, err = capfd.readouterr()
    assert (out, err, caplog.records) == ("", "", [])
    assert logging.getLogger().handlers == handlers
    assert not logging.getLogger().disabled


def test_outputs_that_a_trace_does_not_take() -> None:
    net = Function(lambda x, a: {"features": [x, {"deep": a(x)}], "out": a(x)}, a=nn.Conv2d(CHANNELS, 4, 1))
    assert run_tool("fvcore", net, SHAPE).total == 2 * 4 * CHANNELS * PIXELS


def test_import_in_a_fresh_process_gives_no_warning() -> None:
    script = (
        "from torch import nn\n"
        "from segbench.counting.tools import run_tool\n"
        "print([run_tool(tool, nn.Conv2d(3, 4, 1), (1, 3, 8, 8)).total for tool in ('fvcore', 'thop')])\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[768, 768]", "")
