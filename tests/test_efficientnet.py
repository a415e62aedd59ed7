"""EfficientNet: scaling, padding, and the features of the reference implementation."""

from __future__ import annotations

import random

import pytest
import torch

from segbench.models.backbones.efficientnet import (
    EfficientNet,
    MBConv,
    efficientnet_features,
    same_padding,
    scale_channels,
    scale_repeats,
)
from tests import golden_recipe

CLASSIFIER = {"b0": 1281, "b1": 1281, "b2": 1409, "b3": 1537, "b4": 1793, "b5": 2049, "b6": 2305, "b7": 2561}


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (24, 0.4, 16),
        (16, 0.6, 16),
        (32, 0.6, 24),
        (112, 0.4, 48),
        (112, 0.6, 64),
        (24, 1.4, 32),
        (112, 1.4, 160),
        (16, 0.4, 8),
        (32, 1.0, 32),
        (1280, 1.4, 1792),
    ],
)
def test_widths_round_to_eight_and_never_lose_a_tenth(channels: int, width: float, expected: int) -> None:
    assert scale_channels(channels, width) == expected


@pytest.mark.parametrize(("repeats", "depth", "expected"), [(2, 0.6, 2), (3, 0.6, 2), (4, 0.6, 3), (1, 1.1, 2)])
def test_repeats_round_up(repeats: int, depth: float, expected: int) -> None:
    assert scale_repeats(repeats, depth) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [(240, 3, 2, (0, 1)), (15, 3, 2, (1, 1)), (60, 5, 2, (1, 2)), (95, 5, 2, (2, 2)), (8, 5, 1, (2, 2))],
)
def test_same_padding_favours_the_far_side(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == expected


@pytest.mark.parametrize(
    ("variant", "published"),
    [
        ("b0", 5_288_548),
        ("b1", 7_794_184),
        ("b2", 9_109_994),
        ("b3", 12_233_232),
        ("b4", 19_341_616),
        ("b5", 30_389_784),
        ("b6", 43_040_704),
        ("b7", 66_347_960),
    ],
)
def test_parameters_with_the_classifier_are_the_published_ones(variant: str, published: int) -> None:
    with torch.device("meta"):
        net = efficientnet_features(variant)
    assert sum(parameter.numel() for parameter in net.parameters()) + 1000 * CLASSIFIER[variant] == published


@pytest.mark.parametrize("variant", ["b1", "b4", "b7"])
def test_reference_keys_fit_strictly_and_in_any_order(variant: str) -> None:
    golden = golden_recipe.load(f"efficientnet_{variant}_features")
    with torch.device("meta"):
        net = efficientnet_features(variant)
        state = {key: torch.empty(shape) for key, shape, _ in golden["state_dict"]}
    expected = golden["params_total"]["inference_graph_without_aux"]
    assert sum(parameter.numel() for parameter in net.parameters()) == expected
    keys = list(state)
    random.Random(variant).shuffle(keys)
    converted = net.from_reference({key: state[key] for key in keys})
    assert {key: value.shape for key, value in converted.items()} == {
        key: value.shape for key, value in net.state_dict().items()
    }


def test_an_unknown_reference_key_is_refused() -> None:
    with torch.device("meta"):
        net = efficientnet_features("b0")
        with pytest.raises(KeyError, match="_bn9"):
            net.from_reference({"_bn9.weight": torch.empty(1)})


@pytest.mark.parametrize("variant", ["b1", "b4"])
def test_features_equal_the_reference(variant: str) -> None:
    golden = golden_recipe.load(f"efficientnet_{variant}_features")
    net = efficientnet_features(variant).eval()
    net.load_state_dict(net.from_reference(golden_recipe.state(golden)), strict=True)
    (case,) = golden["golden"]["cases"]
    x = golden_recipe.image(case["input_shape"])
    for dtype, tolerance in ((torch.float32, 1e-3), (torch.float64, 1e-6)):
        expected = case[str(dtype).removeprefix("torch.")]
        with torch.inference_mode():
            features = net.to(dtype)(x.to(dtype))
        assert list(features.shape) == expected["shape"]
        got = features.double().flatten()[torch.tensor(case["sample_indices"])]
        difference = (got - torch.tensor(expected["samples"], dtype=torch.float64)).abs().max().item()
        assert difference <= tolerance * expected["std"]


def test_padding_changes_values_but_no_shape() -> None:
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    net = efficientnet_features("b0").eval()
    symmetric = efficientnet_features("b0", static_padding=False).eval()
    symmetric.load_state_dict(net.state_dict())
    with torch.inference_mode():
        a, b = net(x), symmetric(x)
    assert a.shape == b.shape == (1, 1280, 2, 3)
    assert (a - b).std() > 0.1 * a.std()


@pytest.mark.parametrize(("output_stride", "strides"), [(32, (4, 8, 16, 32)), (16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))])
def test_output_stride_trades_strides_for_dilation(output_stride: int, strides: tuple[int, ...]) -> None:
    with torch.device("meta"):
        net = EfficientNet(1.0, 1.1, output_stride)
        maps = net(torch.empty(1, 3, 128, 256))
    assert [(m.shape[1], 128 // m.shape[2], 256 // m.shape[3]) for m in maps] == [
        (channels, stride, stride) for channels, stride in zip(net.channels, strides, strict=True)
    ]
    # Parameters do not depend on the output stride, and the block that loses its stride keeps the old dilation.
    dilations = [
        module.depthwise.get_submodule("conv").dilation[0]  # type: ignore[index]
        for module in net.modules()
        if isinstance(module, MBConv)
    ]
    expected = {
        32: [1] * 23,
        16: [1] * 17 + [2] * 6,
        8: [1] * 9 + [2] * 8 + [4] * 6,
    }
    assert dilations == expected[output_stride]
