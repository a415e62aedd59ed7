"""Panoptic-DeepLab with both branches: its two networks' printed costs, and what their reference runs returned."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench import build, load_checkpoint
from segbench.catalog import find
from segbench.counting.count import count_trace
from segbench.counting.tracer import trace
from segbench.models.naive_student import NaiveStudent
from segbench.models.panoptic_deeplab_x71 import PanopticDeepLabX71
from tests import golden_recipe
from tests.wiring import built_on_meta

WIDE_RESNET = "panoptic_deeplab_wr41_os16_deeplab2"
XCEPTION = "xception71_os16_tf"


def _params(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _conv_macs(net: nn.Module, height: int, width: int) -> int:
    return count_trace(trace(net, (1, 3, height, width)), "conv-macs").total


def _assert_samples(got: Tensor, expected: dict[str, Any], tolerance: float) -> None:
    assert list(got.shape) == expected["shape"]
    samples = got.double().flatten()[torch.tensor(golden_recipe.sample_indices(got.numel()))]
    difference = (samples - torch.tensor(expected["samples"], dtype=torch.float64)).abs().max().item()
    assert difference <= tolerance * expected["std"]


def test_naive_student_meets_the_printed_parameters_by_ordinary_convolutions() -> None:
    net = built_on_meta("naive-student")
    assert _params(net) == 147_269_974
    assert _conv_macs(net, 1024, 2048) == 3_279_556_706_304
    assert _params(built_on_meta("naive-student", separable=True)) == 140_479_750


def test_panoptic_deeplab_on_xception_71_meets_the_printed_parameters() -> None:
    net = built_on_meta("panoptic-deeplab-x71")
    assert _params(net) == 46_745_486
    assert _params(net.get_submodule("encoder")) == 40_289_736
    assert _conv_macs(net, 1025, 2049) == 546_022_803_064


@pytest.mark.parametrize("name", ["naive-student", "panoptic-deeplab-x71"])
def test_the_instance_branch_runs_and_does_not_reach_the_logits(name: str) -> None:
    net = built_on_meta(name)
    traced = trace(net, (1, 3, 64, 128))
    instance = ("instance", "center_head", "offset_head")
    dead = sum(_params(net.get_submodule(part)) for part in instance)
    assert traced.params - traced.live_params == dead > 0
    assert traced.live_params == find(name).live_params
    assert count_trace(traced, "macs", reaching_output=True).total < count_trace(traced, "macs").total


def _ordinary(golden: dict[str, Any]) -> dict[str, Any]:
    """The file's keys as the reference has them with ordinary convolutions in decoders and heads."""
    content = dict(golden)
    content["state_dict"] = []
    for key, shape, dtype in golden["state_dict"]:
        block, depthwise, rest = key.partition(".depthwise.")
        if depthwise and rest.endswith("conv.weight"):
            pointwise = next(size for name, size, _ in golden["state_dict"] if name == f"{block}.pointwise.conv.weight")
            content["state_dict"].append([f"{block}.conv.weight", [*pointwise[:2], *shape[2:]], dtype])
        elif not depthwise and not key.endswith(".pointwise.conv.weight"):
            content["state_dict"].append([key.replace(".pointwise.", "."), shape, dtype])
    return content


def test_ordinary_convolutions_load_by_the_reference_keys() -> None:
    keys = _ordinary(golden_recipe.load(WIDE_RESNET))["state_dict"]
    net = built_on_meta("naive-student")
    assert isinstance(net, NaiveStudent)
    renamed = net.from_reference({key: torch.empty(shape, device="meta") for key, shape, _ in keys})
    own = {key: value.shape for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert {key: value.shape for key, value in renamed.items()} == own
    assert "PanopticDeepLab.semantic_head.conv_block.conv1_bn_act.batch_norm.weight" in {key for key, _, _ in keys}


@pytest.mark.slow
def test_naive_student_equals_its_reference_in_every_map() -> None:
    golden = golden_recipe.load(WIDE_RESNET)
    net = build("naive-student", separable=True)
    assert isinstance(net, NaiveStudent)
    load_checkpoint(net, golden_recipe.state(golden))
    (case,) = golden["golden"]["cases"]
    x = golden_recipe.image(case["input_shape"]).float()
    with torch.inference_mode():
        maps = dict(zip(("res2", "res3", "res5"), net.encoder(x), strict=True))
        heads = dict(zip(("semantic_logits", "center_heatmap", "offset_map"), net.panoptic(x), strict=True))
    assert set(case["endpoints"]) == {*maps, *heads}
    for name, got in {**maps, **heads}.items():
        _assert_samples(got, case["endpoints"][name], 1e-4)


@pytest.mark.slow
def test_xception_71_equals_its_reference_in_every_map() -> None:
    golden = golden_recipe.load(XCEPTION)
    net = build("panoptic-deeplab-x71")
    assert isinstance(net, PanopticDeepLabX71)
    prefix = "encoder."
    renamed = net.from_reference(golden_recipe.state(golden))
    assert all(key.startswith(prefix) for key in renamed)
    load_checkpoint(net.encoder, {key.removeprefix(prefix): value for key, value in renamed.items()})
    assert len(golden["golden"]["cases"]) == 2
    for case in golden["golden"]["cases"]:
        x = golden_recipe.image(case["input_shape"]).float()
        with torch.inference_mode():
            fine, middle, deepest = net.encoder(x)
        _assert_samples(fine, case["endpoints"]["entry_block3_sep2"], 1e-4)
        _assert_samples(middle, case["endpoints"]["entry_block5_sep2"], 1e-4)
        _assert_samples(deepest, case["endpoints"]["features"], 1e-4)
