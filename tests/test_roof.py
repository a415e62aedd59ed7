"""The predicted bound of a network on a card: by hand, with the layers that bind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.counting import winograd
from segbench.counting.trace import Operation
from segbench.gpus import GPUS
from segbench.measure.subject import resolve
from segbench.roof import roof
from tests.conftest import Answer

Cli = Callable[..., Answer]

NETWORK = """
from torch import nn

def build(num_classes=19):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(8, 8, (1, 3), padding=(0, 1), bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.Conv2d(8, num_classes, 1, bias=False),
    )
"""


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"kernel": (3, 3), "stride": (1, 1)}, "3x3"),
        ({"kernel": (3, 1), "stride": (1, 1)}, "3x1"),
        ({"kernel": (1, 3), "stride": (1, 1)}, "3x1"),
        ({"kernel": (3, 3), "stride": (2, 2)}, None),
        ({"kernel": (3, 3), "stride": (1, 2)}, None),
        ({"kernel": (3, 3), "stride": (1, 1), "groups": 8}, None),
        ({"kernel": (5, 5), "stride": (1, 1)}, None),
        ({"kernel": (1, 1), "stride": (1, 1)}, None),
    ],
)
def test_winograd_takes_dense_layers_of_stride_1(about: dict[str, object], expected: str | None) -> None:
    operation = Operation("conv2d", "", "", 0, (), (), **about)  # type: ignore[arg-type]
    assert winograd.kernel(operation) == expected
    assert winograd.kernel(Operation("conv_transpose2d", "", "", 0, (), (), **about)) is None  # type: ignore[arg-type]


def test_multiplications_of_each_algorithm() -> None:
    assert winograd.multiplications(100, 36, 12, 1) == 100
    assert winograd.multiplications(100, 36, 12, 2) == 52 + 16 + 8
    assert winograd.multiplications(100, 36, 12, 4) == 52 + 9 + 6


def test_a_network_s_bound_by_hand(in_folder: Path) -> None:
    (in_folder / "bounded.py").write_text(NETWORK)
    found = roof(resolve("bounded:build"), (64, 128), GPUS["Titan X (Maxwell)"])
    first, second, third = 64 * 128 * 9 * 3 * 8, 32 * 64 * 9 * 8 * 8, 32 * 64 * 3 * 8 * 8
    depthwise, last = 32 * 64 * 9 * 8, 32 * 64 * 8 * 19
    macs = first + second + third + depthwise + last
    assert (found.work.macs, found.work.macs_3x3, found.work.macs_3x1) == (macs, first, third)
    assert found.classes == 19
    peak = 2 * 3072 * 1089e6
    assert found.arithmetic_s("direct") == pytest.approx(2 * macs / peak)
    assert found.arithmetic_s("winograd_f4") == pytest.approx(2 * (macs - first * 3 / 4 - third / 2) / peak)
    # Image and class indices; the cache holds the parameters.
    moved = 64 * 128 * (3 * 4 + 1)
    assert found.bytes_s == moved / 336.5e9
    assert found.bound_by("direct") == "arithmetic"
    assert found.fps("direct") == 1 / found.arithmetic_s("direct")
    half = roof(resolve("bounded:build"), (64, 128), GPUS["H100 (SXM)"], "fp16")
    assert half.bound_by("direct") == "bytes"
    assert half.fps("direct") == half.fps("winograd_f4") == pytest.approx(3350e9 / (64 * 128 * 7))
    shares = {layer.path: layer.share_direct for layer in found.layers}
    parts = (first, second, third, depthwise, last)
    assert shares == {f"network.{index}": pytest.approx(part / macs) for index, part in enumerate(parts)}
    assert sum(layer.share_winograd for layer in found.layers) == pytest.approx(1)
    assert [layer.share_direct for layer in found.layers] == sorted(shares.values(), reverse=True)


def test_the_highest_clock_raises_the_bound() -> None:
    found = roof(resolve("contextnet"), (512, 1024), GPUS["Titan X (Maxwell)"])
    assert found.fps("direct", highest=True) == pytest.approx(found.fps("direct") * 1325 / 1089)


def test_the_command_labels_the_bound_and_names_the_layers(segbench_cli: Cli, tmp_path: Path) -> None:
    answer = segbench_cli("roof", "erfnet", "--gpu", "Titan X (Maxwell)", "--res", "720x960", "--classes", "11")
    assert answer.status == 0
    for words in ("predicted bound", "layers that bind", "upsampler1.conv", "Nothing was measured", "Sources:"):
        assert words in " ".join(answer.out.split())
    path = tmp_path / "roof.json"
    arguments = ("--gpu", "Titan X (Maxwell)", "--res", "720x960", "--classes", "11", "--json", path)
    assert segbench_cli("roof", "erfnet", *arguments).status == 0
    content = json.loads(path.read_text())
    assert content["label"] == "predicted bound"
    # 139 FPS are 1.45 of this card by direct convolution.
    assert 139 / content["fps"]["direct"] == pytest.approx(1.45, abs=0.005)
    assert content["fps"]["winograd_f4"] > content["fps"]["winograd_f2"] > content["fps"]["direct"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("roof", "erfnet", "--gpu", "Titan X"), "may mean several cards"),
        (("roof", "erfnet", "--gpu", "Titan Q"), "unknown GPU"),
        (("roof", "erfnett", "--gpu", "H200"), "did you mean erfnet"),
        (("roof", "erfnet", "--gpu", "H200", "--precision", "fp8"), "unknown precision"),
        (("roof", "erfnet", "--gpu", "H200", "--res", "30x30"), "too small"),
    ],
)
def test_a_wrong_call_is_one_sentence(segbench_cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    answer = segbench_cli(*arguments)
    assert answer.status == 2
    assert words in " ".join(answer.err.split())
