"""Backbones that stand in no catalog entry of their own against their reference implementations."""

from __future__ import annotations

import torch

from segbench.models.backbones.van import VAN, van_b1
from tests import golden_recipe


def test_van_b1_equals_the_reference() -> None:
    golden = golden_recipe.load("van_b1_backbone")
    net = van_b1().eval()
    assert sum(parameter.numel() for parameter in net.parameters()) == 13_348_800
    assert golden["params_total"]["inference_graph_without_aux"] == 13_348_800

    net.load_state_dict(VAN.from_reference(golden_recipe.state(golden)))
    for sample in golden["golden"]["cases"]:
        x = golden_recipe.image(sample["input_shape"])
        for precision, tolerance in (("float64", 1e-6), ("float32", 1e-3)):
            expected = sample[precision]
            dtype = getattr(torch, precision)
            with torch.inference_mode():
                y = net.to(dtype)(x.to(dtype))[-1]
            assert list(y.shape) == expected["shape"]
            got = y.double().flatten()[torch.tensor(sample["sample_indices"])]
            difference = (got - torch.tensor(expected["samples"], dtype=torch.float64)).abs().max().item()
            assert difference <= tolerance * expected["std"], precision


def test_van_maps_have_strides_4_to_32() -> None:
    with torch.device("meta"):
        net = van_b1().eval()
    with torch.inference_mode():
        shapes = [tuple(stage.shape) for stage in net(torch.zeros(2, 3, 720, 1280, device="meta"))]
    assert shapes == [(2, 64, 180, 320), (2, 128, 90, 160), (2, 320, 45, 80), (2, 512, 23, 40)]
