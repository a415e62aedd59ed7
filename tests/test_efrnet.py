"""EFRNet and its baselines: ENet in both settings, ERFNet. Costs to the digit, layer by layer, and any input size."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import segbench
from segbench import build, load_checkpoint
from segbench.catalog import find
from segbench.models.efrnet import CARM, EFRNet, Skip
from tests import golden_recipe
from tests.wiring import built_on_meta

DATA = Path(__file__).parent / "data"
NAMES = ("enet", "enet-torch7", "efrnet", "efrnet-ffm1", "efrnet-ffm1-ffm2", "erfnet")
TABLE_2 = (360, 640)

COUNTED = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.PReLU,
    nn.MaxPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Upsample,
)


@dataclass(frozen=True)
class Call:
    """One call of a counted module, in the columns of tests/data/efrnet_layers.csv."""

    op: str
    kernel: str
    stride: str
    dilation: str
    in_channels: int
    out_channels: int
    height: int
    width: int
    params: int
    macs: int
    macs_on_output: int
    bn: int
    activation: int
    pooling: int
    bias: int = 0
    upsample: int = 0

    @property
    def ptflops(self) -> int:
        """What ptflops up to 0.6.3 adds for this call."""
        return self.macs + self.bias + 2 * self.bn + self.activation + self.pooling + self.upsample


def _call(module: nn.Module, x: Tensor, y: Tensor, params: int) -> Call:
    kernel = stride = dilation = ""
    macs = on_output = bias = 0
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        kernel = "x".join(str(length) for length in module.kernel_size)
        stride, dilation = str(module.stride[0]), str(module.dilation[0])
        # Multiply-accumulates of one position: per output of a convolution, per input of a transposed one.
        each = module.weight[0].numel()
        macs = (x if isinstance(module, nn.ConvTranspose2d) else y).numel() * each
        on_output = y.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1]
        bias = y.numel() if module.bias is not None else 0
    return Call(
        type(module).__name__,
        kernel,
        stride,
        dilation,
        x.shape[1],
        y.shape[1],
        y.shape[2],
        y.shape[3],
        params,
        macs,
        on_output,
        x.numel() if isinstance(module, nn.BatchNorm2d) else 0,
        y.numel() if isinstance(module, (nn.ReLU, nn.PReLU)) else 0,
        x.numel() if isinstance(module, (nn.MaxPool2d, nn.AdaptiveAvgPool2d)) else 0,
        bias,
        y.numel() if isinstance(module, nn.Upsample) else 0,
    )


def calls(net: nn.Module, resolution: tuple[int, int] = TABLE_2) -> list[Call]:
    """Every call of a counted module in execution order; parameters stand at a module's first call."""
    seen: set[int] = set()
    rows: list[Call] = []

    def record(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        y = output[0] if isinstance(output, tuple) else output
        params = 0 if id(module) in seen else sum(parameter.numel() for parameter in module.parameters())
        seen.add(id(module))
        rows.append(_call(module, args[0], y, params))

    for module in net.modules():
        if isinstance(module, COUNTED):
            module.register_forward_hook(record)
    with torch.inference_mode():
        net(torch.zeros(1, 3, *resolution, device="meta"))
    return rows


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def printed(rows: list[Call]) -> tuple[int, int]:
    """MACs (transposed convolutions on the input grid), and the total of the rule ptflops-0.6.3."""
    return sum(row.macs for row in rows), sum(row.ptflops for row in rows)


def table(model: str) -> Iterator[Call]:
    """The rows of one model in the dossier's layer table, without the layer that is never called."""
    with (DATA / "efrnet_layers.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["model"] == model and "never called" not in row["layer"]:
                yield Call(
                    row["op"],
                    row["kernel"],
                    row["stride"],
                    row["dilation"],
                    *(int(row[column]) for column in ("cin", "cout", "out_h", "out_w", "params")),
                    *(int(row[column]) for column in ("macs_deconv_in", "macs_deconv_out")),
                    *(int(row[column]) for column in ("bn_elems", "act_elems", "pool_in_elems")),
                )


@pytest.mark.parametrize(("name", "model"), [("enet", "ENet"), ("efrnet", "EFRNet")])
def test_every_layer_stands_in_the_table(name: str, model: str) -> None:
    expected = list(table(model))
    got = calls(built_on_meta(name))
    assert len(got) == len(expected)
    for number, (row, wanted) in enumerate(zip(got, expected, strict=True)):
        assert row == wanted, f"call {number}"


# Name, parameters, MACs and ptflops-0.6.3 at 360x640, from the layer tables and section 4 of the dossier.
@pytest.mark.parametrize(
    ("name", "params", "macs", "rule"),
    [
        ("enet", 360_422, 1_811_116_800, 1_913_529_600),
        ("efrnet-ffm1", 373_734, 2_176_992_000, 2_290_694_400),
        ("efrnet-ffm1-ffm2", 456_870, 2_892_153_600, 3_004_588_800),
        ("efrnet", 478_022, 2_892_174_336, 3_006_913_952),
    ],
)
def test_costs_of_the_ablation(name: str, params: int, macs: int, rule: int) -> None:
    net = built_on_meta(name)
    assert parameters(net) == params
    assert printed(calls(net)) == (macs, rule)


def test_printed_costs_of_table_2_are_met() -> None:
    for name, params, gflops in (("enet", "0.36", "1.91"), ("efrnet", "0.48", "3.01")):
        net = built_on_meta(name)
        _, rule = printed(calls(net))
        assert (f"{parameters(net) / 1e6:.2f}", f"{rule / 1e9:.2f}") == (params, gflops)


def test_costs_at_the_size_of_the_accuracies() -> None:
    assert f"{printed(calls(built_on_meta('enet'), (1024, 2048)))[1] / 1e9:.2f}" == "17.42"
    assert f"{printed(calls(built_on_meta('efrnet'), (1024, 2048)))[1] / 1e9:.2f}" == "27.37"


def test_eleven_classes_of_camvid() -> None:
    assert parameters(built_on_meta("efrnet", 11)) == 476_870


# The configurations that fit the printed costs about as well, and the ablation under A (dossier, sections 2 and 4).
@pytest.mark.parametrize(
    ("options", "params", "gflops"),
    [
        pytest.param({"blocks": (2, 1)}, 482_246, "3.0539", id="A"),
        pytest.param({"blocks": (1, 1)}, 477_702, "2.9862", id="B"),
        pytest.param({"blocks": (2, 1), "skip": "stride 8"}, 484_294, "2.9697", id="C"),
        pytest.param(
            {"blocks": (1, 1), "squeeze": 4, "expand": True, "upsample_modules": True}, 476_462, "3.0074", id="S"
        ),
        pytest.param({"blocks": (3, 1), "skip": "stride 2"}, 478_582, "3.0111", id="D"),
        pytest.param({"upsample_modules": True}, 478_022, "3.0124", id="R with nn.Upsample"),
    ],
)
def test_runner_up_configurations_stay_reachable(options: dict[str, Any], params: int, gflops: str) -> None:
    net = built_on_meta("efrnet", **options)
    assert parameters(net) == params
    assert f"{printed(calls(net))[1] / 1e9:.4f}" == gflops


@pytest.mark.parametrize(("ffm2", "params", "gflops"), [(False, 373_414, "2.2700"), (True, 461_094, "3.0516")])
def test_ablation_of_configuration_a(ffm2: bool, params: int, gflops: str) -> None:
    with torch.device("meta"):
        net = EFRNet(ffm2=ffm2, carm=False, blocks=(2, 1)).eval()
    assert parameters(net) == params
    assert f"{printed(calls(net))[1] / 1e9:.4f}" == gflops


@pytest.mark.parametrize(("reduction", "params", "cost"), [(4, -0.129, -0.139), (1, 0.45, 0.46)])
def test_reduction_ratio_is_what_the_printed_costs_identify(reduction: int, params: float, cost: float) -> None:
    net = built_on_meta("efrnet", reduction=reduction)
    assert parameters(net) / 478_022 - 1 == pytest.approx(params, abs=0.005)
    assert printed(calls(net))[1] / 3_006_913_952 - 1 == pytest.approx(cost, abs=0.005)


def test_channel_attention_is_light() -> None:
    for squeeze, expected in ((None, [16_640, 4_224, 288]), (4, [8_512, 2_208, 168])):
        net = built_on_meta("efrnet", squeeze=squeeze)
        assert [parameters(module) for module in net.modules() if isinstance(module, CARM)] == expected


def test_channel_attention_weighs_and_keeps_its_input() -> None:
    torch.manual_seed(0)
    module, x = CARM(8).eval(), torch.randn(2, 8, 5, 6)
    with torch.inference_mode():
        weight = torch.sigmoid(module.conv(x.mean((2, 3), keepdim=True)))
        torch.testing.assert_close(module(x), x + x * weight)


def test_unused_projection_is_the_only_dead_parameter_of_enet() -> None:
    net = build("enet").train()
    net(torch.zeros(2, 3, 64, 64)).sum().backward()
    dead = {name: value.numel() for name, value in net.named_parameters() if value.grad is None}
    assert dead == {"project_layer.weight": 2_432}
    assert parameters(net) - sum(dead.values()) == find("enet").live_params


@pytest.mark.parametrize("name", [name for name in NAMES if name != "enet"])
def test_every_other_parameter_reaches_the_output(name: str) -> None:
    net = build(name).train()
    net(torch.zeros(2, 3, 64, 64)).sum().backward()
    assert not [key for key, value in net.named_parameters() if value.grad is None]


def test_enet_equals_the_port_whose_cost_the_paper_prints() -> None:
    golden = json.loads((DATA / "enet_port.json").read_text())
    net = build("enet")
    assert parameters(net) == golden["params_total"]["all_trainable"]
    state = golden_recipe.state(golden)
    load_checkpoint(net, {"model": {f"module.{key}": state[key] for key in sorted(state)}})
    for case in golden["golden"]["cases"]:
        image = golden_recipe.image(case["input_shape"])
        for precision, tolerance in (("float64", 1e-6), ("float32", 1e-3)):
            dtype, expected = getattr(torch, precision), case[precision]
            with torch.inference_mode():
                y = net.to(dtype).logits(image.to(dtype))
            assert list(y.shape) == expected["shape"]
            got = y.flatten().double()[torch.tensor(golden_recipe.sample_indices(y.numel()))]
            difference = (got - torch.tensor(expected["samples"], dtype=torch.float64)).abs().max()
            assert difference <= tolerance * expected["std"]


@pytest.mark.parametrize("name", NAMES)
def test_own_weights_come_back(name: str) -> None:
    torch.manual_seed(0)
    first, second = build(name), build(name)
    load_checkpoint(second, first.state_dict())
    x = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(first(x), second(x))


def test_a_checkpoint_of_the_other_port_is_refused() -> None:
    golden = golden_recipe.load("enet")
    with pytest.raises(segbench.SegbenchError, match="does not fit ENet"):
        load_checkpoint(build("enet"), golden_recipe.state(golden))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(128, 256), (65, 67), (66, 70), (129, 257)], ids=str)
def test_real_forward_at_sizes_that_references_reject(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = build(name, 5)
    with torch.inference_mode():
        x = torch.randn(1, 3, *size)
        assert net.logits(x).shape == (1, 5, *size)
        y = net(x)
    assert y.shape == (1, 5, *size)
    assert torch.isfinite(y).all()
    # No row or column is empty: every one varies with the image.
    assert (y.std(-1) > 0).all()
    assert (y.std(-2) > 0).all()


@pytest.mark.parametrize("skip", ["stride 2", "stride 8"])
@pytest.mark.parametrize("modules", [False, True])
def test_alternatives_take_odd_sizes_too(skip: Skip, modules: bool) -> None:
    net = built_on_meta("efrnet", 5, skip=skip, upsample_modules=modules)
    with torch.inference_mode():
        for size in ((65, 67), (713, 713), (68, 102)):
            assert net(torch.zeros(1, 3, *size, device="meta")).shape == (1, 5, *size)


def test_an_unknown_skip_names_what_is_accepted() -> None:
    with pytest.raises(segbench.SegbenchError, match="stride 2, stride 4, stride 8"):
        build("efrnet", skip="stride 16")


def test_upsampling_modules_and_functions_agree() -> None:
    torch.manual_seed(0)
    functional, modules = build("efrnet"), build("efrnet", upsample_modules=True)
    modules.load_state_dict(functional.state_dict())
    x = torch.randn(1, 3, 64, 128)
    with torch.inference_mode():
        torch.testing.assert_close(functional(x), modules(x))


def test_erfnet_has_no_encoder_classifier_and_counts_as_the_reference() -> None:
    golden = golden_recipe.load("erfnet_c19")
    net = built_on_meta("erfnet")
    assert not [key for key in net.state_dict() if key.startswith("encoder.output_conv")]
    macs, _ = printed(calls(net, (512, 1024)))
    assert f"{macs / 1e9:.6f}" == f"{golden['gmacs_conv_linear_modules_only']['512x1024']:.6f}"


def test_enet_torch7_counts_as_the_reference() -> None:
    golden = golden_recipe.load("enet")
    for size, gmacs in golden["gmacs_conv_linear_modules_only"].items():
        height, width = (int(length) for length in size.split("x"))
        macs, _ = printed(calls(built_on_meta("enet-torch7"), (height, width)))
        assert f"{macs / 1e9:.6f}" == f"{gmacs:.6f}"
