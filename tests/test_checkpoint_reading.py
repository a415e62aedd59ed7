"""Checkpoints as training scripts write them: wherever the weights lie, whatever lies beside them."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from segbench import build, load_checkpoint
from segbench.errors import BadOption, CheckpointError

State = dict[str, Tensor]


def _net(classes: int = 7) -> nn.Module:
    return build("contextnet", classes)


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(1)
    return {key: value.clone() for key, value in _net().state_dict().items()}


def _zeros(state: State) -> State:
    return {key: torch.zeros_like(value) for key, value in state.items()}


def _behind(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


def _equal(net: nn.Module, state: State) -> bool:
    return all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def _saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


SHAPES: dict[str, Callable[[State], Any]] = {
    "ema": lambda state: {"ema": state},
    "ema.module": lambda state: {"ema": {"module": state, "updates": 7}},
    "state_dict_ema": lambda state: {"state_dict_ema": state},
    "params_ema": lambda state: {"params_ema": state},
    "generator": lambda state: {"generator": state, "discriminator": {}},
    "any name, deeply": lambda state: {"run": {"best": {"student": state}}, "epoch": 3},
    "network.": lambda state: {"state_dict": _behind("network.", state)},
    "segmentor.net.": lambda state: {"state_dict": _behind("segmentor.net.", state)},
    "lightning": lambda state: {
        "state_dict": _behind("model.", state) | {"val_miou.confmat": torch.zeros(19, 19)},
        "hyper_parameters": {},
    },
    "optimiser": lambda state: {
        "model": state,
        "optimizer": {"state": {n: {"exp_avg": value, "step": 1} for n, value in enumerate(state.values())}},
    },
    "numpy scalar": lambda state: {"best_mIoU": np.float64(0.7), "state_dict": state},
    "namespace": lambda state: {"args": Namespace(lr=0.1), "model": state},
    "list": lambda state: [{"epoch": 3}, state],
    "parts": lambda state: dict(_by_part(state)),
}


def _by_part(state: State) -> dict[str, State]:
    parts: dict[str, State] = {}
    for key, value in state.items():
        part, _, rest = key.partition(".")
        parts.setdefault(part, {})[rest] = value
    return parts


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("new_format", [True, False])
def test_weights_are_found_wherever_they_lie(shape: str, new_format: bool, state: State, tmp_path: Path) -> None:
    torch.save(SHAPES[shape](state), tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    net = _net()
    load_checkpoint(net, tmp_path / "a.pth")
    assert _equal(net, state)


@pytest.mark.parametrize("beside", ["model_ema", "state_dict_ema", "ema"])
def test_of_several_sets_the_trained_one_is_taken_and_named(beside: str, state: State) -> None:
    content = {beside: _zeros(state), "model": state}
    net = _net()
    report = load_checkpoint(net, content)
    assert _equal(net, state)
    assert (report.taken, report.others) == ("model", (beside,))
    assert f"weights taken: model; {beside} would fit as well (--weights chooses)" in report.lines()
    report = load_checkpoint(net, content, weights=beside)
    assert _equal(net, _zeros(state))
    assert report.taken == beside


def test_a_teacher_behind_another_prefix_is_a_set_too(state: State) -> None:
    content = {"state_dict": _behind("teacher.", _zeros(state)) | _behind("student.", state)}
    net = _net()
    report = load_checkpoint(net, content)
    assert _equal(net, state)
    assert report.prefix == "student."
    assert report.others == ("state_dict.teacher",)
    assert all(key.startswith("teacher.") for key in report.outside)
    load_checkpoint(net, content, weights="state_dict.teacher")
    assert _equal(net, _zeros(state))


def test_weights_that_are_not_there_are_named(state: State) -> None:
    with pytest.raises(CheckpointError, match="has no weights 'ema': it has model, last"):
        load_checkpoint(_net(), {"model": state, "last": state}, weights="ema")


def test_keys_are_dropped_where_that_is_asked_for(state: State) -> None:
    content = {**state, "aux_head.weight": torch.ones(3)}
    with pytest.raises(CheckpointError, match=r"1 unexpected: aux_head\.weight"):
        load_checkpoint(_net(), content)
    assert load_checkpoint(_net(), content, drop=["^aux_head"]).asked == ("aux_head.weight",)
    with pytest.raises(CheckpointError, match="no key that matches 'nothing'"):
        load_checkpoint(_net(), content, drop=["nothing"])
    with pytest.raises(BadOption, match="regular expression"):
        load_checkpoint(_net(), content, drop=["("])


class _Marker:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class _Settings:
    def __init__(self) -> None:
        self.lr, self.parts = 0.1, [1, 2]


@pytest.mark.parametrize("new_format", [True, False])
def test_what_needs_code_beside_weights_is_never_run(new_format: bool, state: State, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = {"model": state, "evil": _Marker(marker), "settings": _Settings(), "args": Namespace(a=_Marker(marker))}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    net = _net()
    report = load_checkpoint(net, tmp_path / "a.pth")
    assert _equal(net, state)
    assert not marker.exists()
    assert {name.rpartition(".")[2] for name in report.unread} == {"mkdir", "_Settings", "Namespace"}
    assert any("needs code" in line for line in report.lines())


@pytest.mark.parametrize(
    "place",
    [
        lambda thing: [thing],
        lambda thing: {"deep": [{"er": (1, [thing])}]},
        lambda thing: {thing: 1},
        lambda thing: [type(thing)],
    ],
)
def test_what_was_not_read_is_named_wherever_it_lies(
    place: Callable[[object], object], state: State, tmp_path: Path
) -> None:
    torch.save({"model": state, "beside": place(_Settings())}, tmp_path / "a.pth")
    assert load_checkpoint(_net(), tmp_path / "a.pth").unread == (f"{__name__}._Settings",)


@pytest.mark.parametrize("parts", [1, 4, 5, 6, 20])
def test_a_common_prefix_may_have_any_number_of_parts(parts: int, state: State) -> None:
    prefix = "".join(f"p{part}." for part in range(parts))
    net = _net()
    report = load_checkpoint(net, _behind(prefix, state))
    assert _equal(net, state)
    assert report.prefix == prefix


def _poisoned(state: State, change: Callable[[Tensor], Tensor]) -> tuple[str, State]:
    key = next(key for key, value in state.items() if value.dim() == 4)
    return key, {**state, key: change(state[key])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.index_fill(0, torch.tensor([0]), float("nan")), "is not finite .* NaN or infinite"),
        (lambda value: value.index_fill(0, torch.tensor([0]), float("inf")), "is not finite .* NaN or infinite"),
        (lambda value: value.to_sparse(), r"is sparse \(sparse_coo\)"),
        (lambda value: value.to("meta"), "is on the meta device"),
        (lambda value: (10 * value).to(torch.int8), "is int8, a quantised copy of float32"),
        (lambda value: value > 0, "is bool, a quantised copy of float32"),
        (lambda value: value.to(torch.float8_e4m3fn), r"is quantised \(float8_e4m3fn\)"),
        (lambda value: value.to(torch.complex64), "is complex64, and the network's is float32"),
        (lambda value: value.double() * 1e300, "is too large for float32"),
    ],
)
def test_weights_that_are_no_numbers_are_refused_by_key(
    change: Callable[[Tensor], Tensor], message: str, state: State, tmp_path: Path
) -> None:
    key, content = _poisoned(state, change)
    net = _net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"{key} {message}"):
        load_checkpoint(net, _saved(content, tmp_path / "a.pth"))
    assert _equal(net, before)


def test_a_checkpoint_that_holds_itself_is_refused(state: State, tmp_path: Path) -> None:
    content: dict[str, Any] = {"model": dict(state)}
    content["again"] = content
    with pytest.raises(CheckpointError, match="holds itself at 'again'"):
        load_checkpoint(_net(), content)
    with pytest.raises(CheckpointError, match="holds itself at 'again'"):
        load_checkpoint(_net(), _saved(content, tmp_path / "a.pth"))


def test_another_kernel_is_no_other_class_count() -> None:
    def make(classes: int, kernel: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, classes, kernel))

    small, large = make(5, 3), make(5, 5)
    with pytest.raises(CheckpointError, match=r"does not fit .* 1 of another shape: 2\.weight \(5, 4, 5, 5\) instead"):
        load_checkpoint(small, large.state_dict())
    with pytest.raises(CheckpointError, match=r"has 9 classes and this .* 5"):
        load_checkpoint(small, make(9, 3).state_dict())


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (b"<!DOCTYPE html>\n<html><body>Google Drive - Virus scan warning</body></html>", "an HTML page"),
        (b"  <html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer"),
        (b"/annex/objects/SHA256E-s1--00.pth\n", "a git-annex pointer"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(start: bytes, named: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(start)
    with pytest.raises(CheckpointError, match=rf"weights\.pth is not a checkpoint but {named}"):
        load_checkpoint(_net(), tmp_path / "weights.pth")


def test_safetensors_are_read_under_any_name(state: State, tmp_path: Path) -> None:
    save_file({f"module.{key}": value.clone() for key, value in state.items()}, tmp_path / "pytorch_model.bin")
    net = _net()
    load_checkpoint(net, tmp_path / "pytorch_model.bin")
    assert _equal(net, state)


def test_a_name_that_no_file_can_have_is_one_line() -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(_net(), "x" * 300)
    assert "\n" not in str(caught.value)
