"""ESPNet as its authors released it: parameters, both forms of the decoder, and which one a checkpoint asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from segbench import SegbenchError, build, load_checkpoint
from segbench.accuracy.run import run
from segbench.accuracy.settings import EvaluationSettings
from segbench.accuracy.synthetic import write_synthetic
from segbench.catalog import CATALOG
from segbench.weights.load import class_count
from tests import golden_recipe
from tests.wiring import built_on_meta

RELEASED = [
    ("espnet", 20, {}, 364_569),
    ("espnet-q5", 20, {}, 267_417),
    ("espnet-q3", 20, {}, 202_649),
    ("espnet-c-q8", 20, {}, 349_449),
    ("espnet-c-q5", 20, {}, 252_297),
    ("espnet-c-q3", 20, {}, 187_529),
    ("espnet", 12, {"joined": 19}, 354_517),
    ("espnet-port", 19, {}, 201_542),
]


@pytest.mark.parametrize(("name", "classes", "options", "params"), RELEASED)
def test_parameters_are_those_of_the_released_files(
    name: str, classes: int, options: dict[str, int], params: int
) -> None:
    net = built_on_meta(name, classes, **options)
    assert sum(parameter.numel() for parameter in net.parameters()) == params


@pytest.mark.parametrize("name", [name for name in CATALOG if name.startswith("espnet-") or name == "espnet"])
def test_fidelity_and_weights_are_stated(name: str) -> None:
    entry = CATALOG[name]
    assert (entry.fidelity, bool(entry.searched)) == (("port", True) if name == "espnet-port" else ("official", False))
    for weights in entry.checkpoints:
        assert len(weights.sha256) == 64
        assert weights.void_output == weights.classes - 1
        assert weights.licence == "MIT"


def test_the_checkpoint_decides_how_many_channels_are_joined() -> None:
    official = golden_recipe.state(golden_recipe.load("espnet_p2_q8_joined19_c12"))
    net = build("espnet", 12)
    report = load_checkpoint(net, official)
    assert report.options == {"joined": 19}
    assert sum(parameter.numel() for parameter in net.parameters()) == 354_517
    again = build("espnet", 12, joined=19)
    load_checkpoint(again, net.state_dict())
    x = torch.rand(1, 3, 64, 128)
    with torch.inference_mode():
        assert torch.equal(net(x), again(x))
    # And back: the weights that are loaded last decide.
    assert load_checkpoint(net, build("espnet", 12).state_dict()).options == {"joined": 16}


def test_weights_of_another_network_do_not_change_the_form() -> None:
    net = build("espnet", 20)
    with pytest.raises(SegbenchError, match="does not fit ESPNet"):
        load_checkpoint(net, build("erfnet", 20).state_dict())
    assert net.joined == 16


@pytest.mark.parametrize(
    ("file", "name", "classes"),
    [
        ("espnet_p2_q8", "espnet", 20),
        ("espnet_p2_q8_joined19_c12", "espnet", 12),
        ("espnet_c_p2_q5", "espnet-c-q5", 20),
    ],
)
def test_classes_are_told_from_either_form(file: str, name: str, classes: int) -> None:
    state = golden_recipe.state(golden_recipe.load(file))
    assert class_count(lambda count: build(name, count), state) == classes


def test_other_channels_to_join_are_refused() -> None:
    with pytest.raises(SegbenchError, match="joins 16 or 19"):
        build("espnet", 19, joined=17)


def test_the_record_has_the_parameters_of_the_form_that_ran(tmp_path: Path) -> None:
    root = write_synthetic("camvid", tmp_path / "camvid", {"train": 1, "val": 2}, (64, 96), 1)
    torch.save(golden_recipe.state(golden_recipe.load("espnet_p2_q8_joined19_c12")), tmp_path / "weights.pth")
    settings = EvaluationSettings(
        model="espnet",
        checkpoint=tmp_path / "weights.pth",
        dataset="camvid",
        root=root,
        device="cpu",
        workers=0,
        speed=False,
    )
    record = run(settings).record
    assert (record.params, record.classes, record.options) == (354_517, 12, {"joined": 19})
    assert record.accuracy is not None
    assert record.accuracy.protocol["void_output"] == 11
    assert record.to_json()["options"] == {"joined": 19}
