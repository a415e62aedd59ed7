"""Checkpoints: wrappers, prefixes, residue, class counts, and files that are damaged, foreign or malicious."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import warnings
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
from segbench.errors import CheckpointError
from segbench.weights.load import class_count, read_checkpoint, sha256
from tests import golden_recipe


def _state(model: str = "enet", classes: int = 19) -> dict[str, Tensor]:
    return build(model, classes).state_dict()


def _equal(net: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


WRAPPERS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {}}},
    "model": lambda state: {"model": state},
    "beside a tensor": lambda state: {"best_miou": torch.tensor(0.7), "model_state": state},
    "twice": lambda state: {"model": {"state_dict": state}},
    "parallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "compiled": lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    "compiled inside": lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("suffix", [".pth", ".tar"])
def test_wrappers_and_prefixes_are_stripped(wrapper: str, suffix: str, tmp_path: Path) -> None:
    state = _state()
    path = tmp_path / f"weights{suffix}"
    torch.save(WRAPPERS[wrapper](state), path)
    net = build("enet", 19)
    report = load_checkpoint(net, path)
    assert _equal(net, state)
    assert report.loaded == len(state)
    assert report.dropped == ()


def test_safetensors_and_old_torch_files(tmp_path: Path) -> None:
    state = _state()
    # Its activations share their weights, which the format refuses.
    save_file({key: value.clone() for key, value in state.items()}, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "a.pth"):
        net = build("enet", 19)
        load_checkpoint(net, tmp_path / name)
        assert _equal(net, state)


def test_dropped_keys_are_named() -> None:
    golden = golden_recipe.load("pidnet_s")
    state = {f"model.{key}": value for key, value in golden_recipe.state(golden).items()}
    state["sem_loss.criterion.weight"] = torch.ones(19)
    state["model.total_ops"] = torch.zeros(1)
    report = load_checkpoint(build("pidnet-s", golden["num_classes"]), state)
    assert report.names == "reference"
    assert report.prefix == "model."
    assert report.loss == ("sem_loss.criterion.weight",)
    assert report.residue == ("model.total_ops",)
    assert report.auxiliary
    assert all(key.startswith(("seghead_p", "seghead_d")) for key in report.auxiliary)
    assert len(report.lines()) == 3
    assert "sem_loss.criterion.weight" in " ".join(report.lines())


def test_strict_otherwise() -> None:
    state = _state()
    first = next(iter(state))
    with pytest.raises(CheckpointError, match=f"1 missing: {first}"):
        load_checkpoint(build("enet", 19), {key: value for key, value in state.items() if key != first})
    with pytest.raises(CheckpointError, match=r"1 unexpected: extra\.weight"):
        load_checkpoint(build("enet", 19), {**state, "extra.weight": torch.ones(3)})
    # Beside a wrapped network, only loss modules may lack the prefix.
    beside = {f"module.{key}": value for key, value in state.items()} | {"decoder2.weight": torch.ones(3)}
    with pytest.raises(CheckpointError, match=r"1 unexpected: decoder2\.weight"):
        load_checkpoint(build("enet", 19), beside)
    with pytest.raises(CheckpointError, match=r"1 of another shape: .* instead of "):
        load_checkpoint(build("enet", 19), {**state, first: torch.ones(1, 1)})


def test_a_failed_load_changes_nothing() -> None:
    net = build("enet", 19)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    other = {key: value + 1 for key, value in _state().items()}
    other.pop(next(iter(other)))
    with pytest.raises(CheckpointError):
        load_checkpoint(net, other)
    assert _equal(net, before)


@pytest.mark.parametrize(("model", "classes"), [("erfnet", 20), ("enet", 12), ("espnetv2-1.0", 19), ("regseg", 11)])
def test_class_counts_are_told_and_counted(model: str, classes: int) -> None:
    state = _state(model, classes)
    assert class_count(lambda count: build(model, count), state) == classes
    with pytest.raises(CheckpointError, match=f"has {classes} classes and this .* 7: the class counts must be equal"):
        load_checkpoint(build(model, 7), state)


def test_the_class_count_under_reference_names() -> None:
    state = golden_recipe.state(golden_recipe.load("ddrnet_23_slim"))
    assert class_count(lambda count: build("ddrnet-23-slim", count), {"state_dict": state}) == 19


def test_another_networks_checkpoint_has_no_class_count_and_is_refused(tmp_path: Path) -> None:
    torch.save(_state("erfnet"), tmp_path / "erfnet.pth")
    assert class_count(lambda count: build("enet", count), tmp_path / "erfnet.pth") is None
    with pytest.raises(
        CheckpointError, match=r"erfnet\.pth does not fit ENet: \d+ missing: .*, \.\.\.; \d+ unexpected"
    ):
        load_checkpoint(build("enet", 19), tmp_path / "erfnet.pth")


class _Marker:
    """Unpickled with code allowed, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_malicious_pickle_is_refused_without_running(new_format: bool, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    torch.save({"state_dict": _Marker(marker)}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r"needs code to unpickle.* and is refused"):
        read_checkpoint(path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps(_Marker(marker), protocol))
        with pytest.raises(CheckpointError, match=r"code.* and is refused"):
            read_checkpoint(path)
    assert not marker.exists()


def test_what_a_pickle_needs_is_named(tmp_path: Path) -> None:
    for item, named in (
        (Namespace(lr=1), r"argparse\.Namespace"),
        (np.float64(0.7), r"numpy\S*\.scalar"),
        (nn.Conv2d(1, 1, 1), r"torch\.nn\.modules\.conv\.Conv2d"),
        (_Marker(tmp_path), r"\w+\.mkdir"),
    ):
        torch.save({"state_dict": _state(), "extra": item}, tmp_path / "a.pth")
        # Beside weights it is left alone; instead of them it is refused.
        (name,) = load_checkpoint(build("enet", 19), tmp_path / "a.pth").unread
        assert re.fullmatch(named, name)
        torch.save({"state_dict": item}, tmp_path / "a.pth")
        with pytest.raises(CheckpointError, match=rf"needs code to unpickle \({named}\)"):
            read_checkpoint(tmp_path / "a.pth")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # Deprecated in newer releases of torch.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 8, 8)), str(tmp_path / "a.pt"))
    with pytest.raises(CheckpointError, match="TorchScript archive, which holds code"):
        read_checkpoint(tmp_path / "a.pt")


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    torch.save(_state(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    save_file({"a": torch.ones(1000)}, tmp_path / "whole.safetensors")
    files = {
        "truncated.pth": (whole[: len(whole) // 2], "damaged or truncated"),
        "stub.pth": (whole[:10], "damaged or truncated"),
        "empty.pth": (b"", "is empty"),
        "page.pth": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "not a checkpoint"),
        "notes.pth": (b"hello world", "not a checkpoint"),
        "noise.pth": (bytes(range(256)) * 8, "not a checkpoint"),
        "noise.safetensors": (bytes(range(256)) * 8, "damaged or truncated"),
        "half.safetensors": ((tmp_path / "whole.safetensors").read_bytes()[:500], "damaged or truncated"),
    }
    for name, (content, expected) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=expected) as caught:
            read_checkpoint(path)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "code to unpickle" not in str(caught.value)


def test_other_content(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "no_weights.pth")
    for name, expected in (("list.pth", "holds a list"), ("no_weights.pth", r"holds no weights \(epoch, lr\)")):
        with pytest.raises(CheckpointError, match=expected):
            load_checkpoint(build("enet", 19), tmp_path / name)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(build("enet", 19), tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_checkpoint(build("enet", 19), tmp_path)
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_checkpoint(build("enet", 19), {})


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    with pytest.raises(CheckpointError, match="cannot read"):
        sha256(tmp_path / "none")
