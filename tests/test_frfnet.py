"""FRFNet: the layer table, costs and ablations of its dossier, under every counter that the dossier ran."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from segbench import build
from segbench.catalog import CATALOG
from segbench.models.backbones.frfnet_backbone import DAM
from segbench.models.frfnet import DCT_SIZE, FFM, MSC, SFM, TOP16, DualAttention, FRFNet, dct_bases
from segbench.models.layers import ConvBN
from tests.wiring import built_on_meta, convolutions

CITYSCAPES = (512, 1024)
CAMVID = (360, 480)

# Layer, kernel, stride, groups, input and output channels, output size, parameters with BatchNorm, MMACs.
FULL = """
backbone.stem.conv          3 2   1   3  64 256x512   1856  226.49
backbone.stem.left.0        1 1   1  64  32 256x512   2112  268.44
backbone.stem.left.1        3 2   1  32  64 128x256  18560  603.98
backbone.stem.fuse          1 1   1 128  32 128x256   4160  134.22
backbone.dam1.base          3 1   1  32  64 128x256  18560  603.98
backbone.dam1.cheap1        1 1   1  64  64 128x256   4160  134.22
backbone.dam1.cheap2        1 1   1  64  64 128x256   4160  134.22
backbone.dam1.reuse1        3 1   1  64  64 128x256  36992 1207.96
backbone.dam1.reuse2        3 1   1  64  64 128x256  36992 1207.96
backbone.dam1.aggregate     1 1   1 224 112 128x256  25424  822.08
backbone.dam1.gate.conv     3 1   1   1   1     112      3    0.00
backbone.transition1.reduce 1 1   1 112  56 128x256   6384  205.52
backbone.transition1.c      3 2   1  56  56  64x128  28336  231.21
backbone.dam2.base          3 1   1 112  80  64x128  80800  660.60
backbone.dam2.cheap1        1 1   1  80  80  64x128   6480   52.43
backbone.dam2.cheap2        1 1   1  80  80  64x128   6480   52.43
backbone.dam2.reuse1        3 1   1  80  80  64x128  57760  471.86
backbone.dam2.reuse2        3 1   1  80  80  64x128  57760  471.86
backbone.dam2.aggregate     1 1   1 352 256  64x128  90880  738.20
backbone.dam2.gate.conv     3 1   1   1   1     256      3    0.00
backbone.transition2.reduce 1 1   1 256 128  64x128  33024  268.44
backbone.transition2.c      3 2   1 128 128   32x64 147712  301.99
backbone.dam3.base          3 1   1 256  96   32x64 221376  452.98
backbone.dam3.cheap1        1 1   1  96  96   32x64   9312   18.87
backbone.dam3.cheap2        1 1   1  96  96   32x64   9312   18.87
backbone.dam3.reuse1        3 1   1  96  96   32x64  83136  169.87
backbone.dam3.reuse2        3 1   1  96  96   32x64  83136  169.87
backbone.dam3.aggregate     1 1   1 544 384   32x64 210048  427.82
backbone.dam3.gate.conv     3 1   1   1   1     384      3    0.00
backbone.transition3.reduce 1 1   1 384 192   32x64  74112  150.99
backbone.transition3.c      3 2   1 192 192   16x32 332160  169.87
backbone.dam4.base          3 1   1 384 112   16x32 387296  198.18
backbone.dam4.cheap1        1 1   1 112 112   16x32  12656    6.42
backbone.dam4.cheap2        1 1   1 112 112   16x32  12656    6.42
backbone.dam4.reuse1        3 1   1 112 112   16x32 113120   57.80
backbone.dam4.reuse2        3 1   1 112 112   16x32 113120   57.80
backbone.dam4.aggregate     1 1   1 720 512   16x32 370176  188.74
backbone.dam4.gate.conv     3 1   1   1   1     512      3    0.00
reduce32                    3 1   1 512 128   16x32 590080  301.99
attention32.part1           1 1  16 128  32   16x32    288    0.13
attention32.part2           1 1   1  32  32   16x32   1056    0.52
attention32.part3           1 1   1  32  32   16x32   1056    0.52
reduce16                    3 1   1 384 128   32x64 442624  905.97
attention16.part1           1 1  16 128  32   32x64    288    0.52
attention16.part2           1 1   1  32  32   32x64   1056    2.10
attention16.part3           1 1   1  32  32   32x64   1056    2.10
ffm.detail                  1 1   1 256 128  64x128  33024  268.44
ffm.fuse                    3 1   1 128 128  64x128 147712 1207.96
ffm.project                 1 1   1 128 112  64x128  14560  117.44
head.0                      3 1   1 112  64 128x256  64640 2113.93
head.1                      1 1   1  64  19 128x256   1235   39.85
"""

# The rows in which FRFNet-slim differs.
SLIM = """
backbone.stem.conv          3 2   1   3  32 256x512    928  113.25
backbone.stem.left.0        1 1   1  32  16 256x512    544   67.11
backbone.stem.left.1        3 2   1  16  32 128x256   4672  150.99
backbone.stem.fuse          1 1   1  64  32 128x256   2112   67.11
backbone.dam1.reuse1        3 1  64  64  64 128x256    704   18.87
backbone.dam1.reuse2        3 1  64  64  64 128x256    704   18.87
backbone.dam2.reuse1        3 1  80  80  80  64x128    880    5.90
backbone.dam2.reuse2        3 1  80  80  80  64x128    880    5.90
backbone.dam3.reuse1        3 1  96  96  96   32x64   1056    1.77
backbone.dam3.reuse2        3 1  96  96  96   32x64   1056    1.77
backbone.dam4.reuse1        3 1 112 112 112   16x32   1232    0.52
backbone.dam4.reuse2        3 1 112 112 112   16x32   1232    0.52
"""


def _rows(table: str) -> dict[str, list[str]]:
    return {row.split()[0]: row.split()[1:] for row in table.strip().splitlines()}


def _size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _image(resolution: tuple[int, int]) -> Tensor:
    return torch.zeros(1, 3, *resolution, device="meta")


def _macs(net: nn.Module, resolution: tuple[int, int]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(_image(resolution))
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


def _module_costs(net: nn.Module, resolution: tuple[int, int]) -> dict[str, int]:
    """What each module costs under the rule of the ptflops copy in the author's repository: functions are free."""
    costs: dict[str, int] = {}

    def hook_for(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            elements = args[0].numel()
            if isinstance(module, (nn.Conv1d, nn.Conv2d)):
                taps = math.prod(module.kernel_size) * module.in_channels // module.groups
                costs[path] = output.numel() * (taps + (module.bias is not None))
            elif isinstance(module, nn.Linear):
                costs[path] = elements * module.out_features
            elif isinstance(module, nn.BatchNorm2d):
                costs[path] = 2 * elements
            elif isinstance(module, (nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d)):
                costs[path] = elements

        return hook

    hooks = [module.register_forward_hook(hook_for(path)) for path, module in net.named_modules()]
    with torch.inference_mode():
        net(_image(resolution))
    for hook in hooks:
        hook.remove()
    return costs


@pytest.mark.parametrize(("name", "table"), [("frfnet", _rows(FULL)), ("frfnet-slim", _rows(FULL) | _rows(SLIM))])
def test_every_convolution_is_that_of_the_layer_table(name: str, table: dict[str, list[str]]) -> None:
    net = built_on_meta(name)
    calls = convolutions(net, CITYSCAPES)
    paths = []
    for call in calls:
        parent, _, last = call.path.rpartition(".")
        path = parent if last == "conv" and isinstance(net.get_submodule(parent), ConvBN) else call.path
        paths.append(path)
        kernel, stride, groups, in_channels, out_channels, output, parameters, mmacs = table[path]
        dimensions = len(call.output)
        assert not call.transposed, path
        assert call.kernel == (int(kernel),) * dimensions, path
        assert call.stride == (int(stride),) * dimensions, path
        assert call.dilation == (1,) * dimensions, path
        assert (call.groups, call.in_channels, call.out_channels) == (int(groups), int(in_channels), int(out_channels))
        assert call.output == tuple(map(int, output.split("x"))), path
        assert _size(net.get_submodule(path)) == int(parameters), path
        macs = math.prod(call.kernel) * call.in_channels // call.groups * call.out_channels * math.prod(call.output)
        if dimensions == 2:
            assert f"{macs / 1e6:.2f}" == mmacs, path
    assert paths == list(table)


@pytest.mark.parametrize(("name", "stem"), [("frfnet", 64), ("frfnet-slim", 32)])
def test_max_pools_and_the_gates_of_msc_are_those_of_the_layer_table(name: str, stem: int) -> None:
    net = built_on_meta(name)
    shapes: list[tuple[int, ...]] = []
    for module in net.modules():
        if isinstance(module, nn.MaxPool2d):
            assert (module.kernel_size, module.stride) == (3, 2)
            module.register_forward_hook(lambda _module, _args, output: shapes.append(tuple(output.shape[1:])))
    net(_image(CITYSCAPES))
    assert shapes == [(stem, 128, 256), (56, 64, 128), (128, 32, 64), (192, 16, 32)]
    linears = [(module.in_features, module.out_features) for module in net.modules() if isinstance(module, nn.Linear)]
    assert linears == [(96, 8), (8, 128)] * 2


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        ("frfnet", 19, 4_002_479),
        ("frfnet-slim", 19, 3_409_775),
        ("frfnet", 11, 4_001_959),
        ("frfnet-slim", 11, 3_409_255),
        ("frfnet-danet", 11, 4_034_859),
        ("frfnet-danet-slim", 11, 3_442_155),
    ],
)
def test_parameters(name: str, classes: int, parameters: int) -> None:
    assert _size(built_on_meta(name, classes)) == parameters


def test_parameters_per_stage() -> None:
    net = built_on_meta("frfnet")

    def size(*paths: str) -> int:
        return sum(_size(net.get_submodule(path)) for path in paths)

    dams = [size(f"backbone.dam{index}") for index in (1, 2, 3, 4)]
    assert [round(dam / 1e6, 2) for dam in dams] == [0.13, 0.30, 0.62, 1.01]
    assert size("attention16") == size("attention32") == 4_192
    assert round(size("reduce16", "reduce32", "attention16", "attention32") / 1e6, 2) == 1.04
    assert size("backbone.stem") + sum(dams) + sum(size(f"backbone.transition{i}") for i in (1, 2, 3)) == size(
        "backbone"
    )


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("frfnet", 15_854_083_280),
        ("frfnet-slim", 11_258_551_504),
        # The convolutions cost 0.047 G more than MSC, the matrix products of the attention 0.726 G.
        ("frfnet-danet", 15_900_610_256 + 725_614_592),
        ("frfnet-danet-slim", 11_305_078_480 + 725_614_592),
    ],
)
def test_macs_at_512x1024(name: str, macs: int) -> None:
    assert _macs(built_on_meta(name), CITYSCAPES) == macs


def test_macs_on_camvid() -> None:
    assert f"{_macs(built_on_meta('frfnet', 11), CAMVID) / 1e6:.2f}" == "5260.74"


def test_matrix_products_of_dual_attention() -> None:
    positions = [(32 * 64), (16 * 32)]
    products = sum(n * n * (16 + 128) + 2 * 128 * 128 * n for n in positions)
    assert products == 725_614_592


@pytest.mark.parametrize(
    ("name", "parameters", "gflops"),
    [
        ("frfnet-baseline", "3.994", "5.308"),
        ("frfnet-msc", "4.002", "5.310"),
        ("frfnet-msc-ffm", "4.002", "5.310"),
        ("frfnet", "4.002", "5.310"),
    ],
)
def test_ablation_rows(name: str, parameters: str, gflops: str) -> None:
    net = built_on_meta(name, 11)
    assert f"{_size(net) / 1e6:.3f}" == parameters
    assert f"{sum(_module_costs(net, CAMVID).values()) / 1e9:.3f}" == gflops


@pytest.mark.parametrize(
    ("name", "gflops", "printed"),
    [
        ("frfnet", "16.003", 16.01),
        ("frfnet-slim", "11.381", 11.38),
        ("frfnet-danet", "16.049", 16.01),
        ("frfnet-danet-slim", "11.428", 11.38),
    ],
)
def test_the_authors_counter(name: str, gflops: str, printed: float) -> None:
    total = sum(_module_costs(built_on_meta(name), CITYSCAPES).values())
    assert f"{total / 1e9:.3f}" == gflops
    assert total / 1e9 == pytest.approx(printed, rel=0.005)


@pytest.mark.parametrize(
    ("name", "gflops"),
    [("frfnet", "16.018"), ("frfnet-slim", "11.394"), ("frfnet-danet", "16.065"), ("frfnet-danet-slim", "11.440")],
)
def test_thop(name: str, gflops: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import thop

        total, _ = thop.profile(built_on_meta(name), inputs=(_image(CITYSCAPES),), verbose=False)
    assert f"{total / 1e9:.3f}" == gflops


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gflops"),
    [("frfnet", "15.996"), ("frfnet-slim", "11.386"), ("frfnet-danet", "16.768"), ("frfnet-danet-slim", "12.158")],
)
def test_fvcore(name: str, gflops: str, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.ERROR):
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        total = FlopCountAnalysis(build(name), torch.zeros(1, 3, *CITYSCAPES)).total()
    assert f"{total / 1e9:.3f}" == gflops


def test_every_entry_says_that_the_network_is_not_identifiable() -> None:
    entries = [entry for entry in CATALOG.values() if entry.name.startswith("frfnet")]
    assert len(entries) == 7
    for entry in entries:
        assert entry.fidelity == "reconstruction"
        assert "not identifiable" in entry.note


@pytest.mark.parametrize("name", ["frfnet", "frfnet-slim", "frfnet-danet", "frfnet-danet-slim", "frfnet-baseline"])
def test_forward(name: str) -> None:
    torch.manual_seed(0)
    net = build(name)
    assert isinstance(net, FRFNet)
    x = torch.randn(2, 3, 128, 256)
    with torch.inference_mode():
        logits, output = net.logits(x), net(x)
        alone = net(x[:1])
    assert logits.shape == (2, 19, 32, 64)
    assert output.shape == (2, 19, 128, 256)
    torch.testing.assert_close(output, F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False))
    torch.testing.assert_close(alone, output[:1], rtol=1e-4, atol=1e-5)
    assert output.std() > 0


@pytest.mark.parametrize("size", [(64, 64), (65, 67), (100, 130)])
def test_any_size_from_64_runs_and_trains(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = build("frfnet").train()
    output = net(torch.randn(2, 3, *size))
    assert output.shape == (2, 19, *size)
    output.square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("slim", [False, True])
def test_dam_reuses_pairs_of_features_and_aggregates_once(slim: bool) -> None:
    torch.manual_seed(0)
    dam = DAM(6, 4, 8, slim).eval()
    seen: dict[str, Tensor] = {}
    for name, module in dam.named_children():
        module.register_forward_hook(lambda _module, args, output, name=name: seen.update({name: output}))
        module.register_forward_pre_hook(lambda _module, args, name=name: seen.update({f"{name} input": args[0]}))
    x = torch.randn(1, 6, 5, 7)
    with torch.inference_mode():
        output = dam(x)
    assert torch.equal(seen["cheap1 input"], seen["base"])
    assert torch.equal(seen["cheap2 input"], seen["cheap1"])
    assert torch.equal(seen["reuse1 input"], seen["base"] + seen["cheap1"])
    assert torch.equal(seen["reuse2 input"], seen["cheap1"] + seen["cheap2"])
    assert torch.equal(seen["aggregate input"], torch.cat((x, seen["base"], seen["reuse1"], seen["reuse2"]), 1))
    first, middle, last = dam.gate.conv.weight.detach().flatten().tolist()
    mean = [0.0, *seen["aggregate"].mean((2, 3))[0].tolist(), 0.0]
    gate = [first * mean[i - 1] + middle * mean[i] + last * mean[i + 1] for i in range(1, 9)]
    expected = seen["aggregate"] * torch.sigmoid(torch.tensor(gate)).view(1, 8, 1, 1)
    torch.testing.assert_close(output, expected)


def test_decoder_merges_both_contexts_then_detail() -> None:
    torch.manual_seed(0)
    net = build("frfnet")
    assert isinstance(net, FRFNet)
    seen: dict[str, Any] = {}
    for name, module in net.named_children():
        module.register_forward_hook(
            lambda _module, args, output, name=name: seen.update({name: args, f"{name} output": output})
        )
    with torch.inference_mode():
        logits = net.logits(torch.randn(1, 3, 64, 128))
        contexts = net.attention32(seen["reduce32 output"]), net.attention16(seen["reduce16 output"])
    stages = seen["backbone output"]
    up = F.interpolate(contexts[0], (4, 8), mode="bilinear", align_corners=False)
    assert seen["reduce32"][0] is stages[3]
    assert seen["reduce16"][0] is stages[2]
    assert seen["ffm"][0] is stages[1]
    assert torch.equal(seen["ffm"][1], up + contexts[1])
    assert seen["sfm"][0] is seen["ffm output"]
    assert seen["sfm"][1] is stages[0]
    assert seen["head"][0] is seen["sfm output"]
    assert seen["head output"] is logits


def test_dct_bases_are_fcanets() -> None:
    bases = dct_bases(TOP16, 32)
    assert bases.shape == (32, 7, 7)

    def wave(frequency: int, position: int) -> float:
        value = math.cos(math.pi * frequency * (position + 0.5) / DCT_SIZE) / math.sqrt(DCT_SIZE)
        return value if frequency == 0 else value * math.sqrt(2)

    for index, (u, v) in enumerate(TOP16):
        expected = torch.tensor([[wave(u, row) * wave(v, column) for column in range(7)] for row in range(7)])
        torch.testing.assert_close(bases[2 * index], expected)
        assert torch.equal(bases[2 * index], bases[2 * index + 1])
    distinct = bases[::2].flatten(1)
    torch.testing.assert_close(distinct @ distinct.T, torch.eye(16), atol=1e-5, rtol=0)


def test_msc_adds_each_spectrum_to_the_next_part() -> None:
    torch.manual_seed(0)
    msc = MSC(128).eval()
    x = torch.randn(2, 128, 9, 11)
    with torch.inference_mode():
        parts = [msc.part1(x)]
        parts += [msc.part2(parts[0])]
        parts += [msc.part3(parts[1])]
        spectrum = torch.zeros(1)
        sums = []
        for part in parts:
            spectrum = (F.adaptive_avg_pool2d(part, 7) + spectrum) * dct_bases(TOP16, 32)
            sums.append(spectrum.sum((2, 3)))
        hidden = torch.relu(torch.cat(sums, 1) @ msc.get_parameter("fc.0.weight").T)
        gate = torch.sigmoid(hidden @ msc.get_parameter("fc.2.weight").T)
        torch.testing.assert_close(msc(x), x * gate.view(2, 128, 1, 1))
    assert not any("bases" in key for key in msc.state_dict())


def test_gates_open_only_beyond_the_threshold() -> None:
    # Logits whose sigmoids differ by more than 0.4 one way, the other way, and by less.
    y = torch.tensor([4.0, 0.0, 1.0])
    o = torch.tensor([0.0, 4.0, 0.0])
    high = 1 / (1 + math.exp(-4.0))
    expected = torch.tensor([4 * (1 + high), 4 * (1 + high), 1.0])
    torch.testing.assert_close(FFM.gated_sum(y, o, 0.4), expected)
    assert torch.equal(FFM.gated_sum(y, o, 0.5), y + o)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_gates_keep_the_precision(dtype: torch.dtype) -> None:
    y, o = torch.randn(2, 4, 8, 8).mul(4).to(dtype)
    t1 = torch.where(y.sigmoid() - o.sigmoid() > 0.4, y.sigmoid(), 0)
    t2 = torch.where(o.sigmoid() - y.sigmoid() > 0.4, o.sigmoid(), 0)
    fused = FFM.gated_sum(y, o, 0.4)
    assert fused.dtype == dtype
    torch.testing.assert_close(fused, y * (1 + t1) + o * (1 + t2), rtol=0.05, atol=0.1)


def test_ffm_without_a_threshold_adds() -> None:
    torch.manual_seed(0)
    gated, plain = FFM(6, 4, 5).eval(), FFM(6, 4, 5, threshold=None).eval()
    plain.load_state_dict(gated.state_dict())
    detail, context = 9 * torch.randn(1, 6, 8, 8), 9 * torch.randn(1, 4, 4, 4)
    with torch.inference_mode():
        y = gated.detail(detail)
        o = F.interpolate(context, (8, 8), mode="bilinear", align_corners=False)
        torch.testing.assert_close(plain(detail, context), gated.project(gated.fuse(y + o)))
        torch.testing.assert_close(gated(detail, context), gated.project(gated.fuse(FFM.gated_sum(y, o, 0.4))))
        assert not torch.allclose(plain(detail, context), gated(detail, context))


def test_sfm_weights_the_detail_by_its_own_sigmoid() -> None:
    x, detail = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 8, 8)
    up = F.interpolate(x, (8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(SFM()(x, detail), up + detail * torch.sigmoid(detail))


def test_dual_attention_is_danets() -> None:
    torch.manual_seed(0)
    attention = DualAttention(16).eval()
    nn.init.constant_(attention.position.gamma, 0.7)
    nn.init.constant_(attention.channel.gamma, 0.3)
    x = torch.randn(2, 16, 3, 5)
    with torch.inference_mode():
        query, key, value = (getattr(attention.position, name)(x).flatten(2) for name in ("query", "key", "value"))
        weights = torch.einsum("nci,ncj->nij", query, key).softmax(2)
        position = torch.einsum("nij,ncj->nci", weights, value).view_as(x)
        rows = x.flatten(2)
        energy = torch.einsum("nci,ndi->ncd", rows, rows)
        likeness = (energy.amax(2, keepdim=True) - energy).softmax(2)
        channel = torch.einsum("ncd,ndi->nci", likeness, rows).view_as(x)
        torch.testing.assert_close(attention(x), 2 * x + 0.7 * position + 0.3 * channel)
