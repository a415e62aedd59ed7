"""`segbench baseline`: saved once, updated on consent, never overwritten by accident."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from segbench.counting.modules import modules, operation_totals, settings
from segbench.counting.tracer import trace
from segbench.errors import RecordError
from segbench.measure.signature import SAMPLES, drawn, fill, image, sample_indices, signature
from segbench.measure.subject import resolve
from segbench.records import store
from segbench.records.processes import with_timings
from segbench.records.record import Record
from segbench.records.results import Latency, Memory, ModuleRow, Process, Speed
from segbench.regress.baseline import dumps
from segbench.regress.rows import collate
from tests import golden_recipe
from tests.conftest import Answer

Cli = Callable[..., Answer]


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


@pytest.fixture
def saved(in_folder: Path, segbench_cli: Cli) -> Path:
    """A baseline of one small network, counted only."""
    answer = segbench_cli("baseline", "save", "espnet", "--res", "64x128", "--no-speed", "-b", "base.json")
    assert answer.status == 0, answer.err
    return in_folder / "base.json"


def test_a_saved_baseline_holds_what_a_check_needs(saved: Path, segbench_cli: Cli) -> None:
    (found,) = store.read(saved)
    assert found.modules
    assert found.signature
    assert found.environment["torch"] == torch.__version__
    assert operation_totals(found.modules)["conv2d"] > 10
    text = saved.read_text()
    assert text.count('"path"') > 20
    assert all(line.count('"path"') <= 1 for line in text.splitlines()), "a module is a line, for reviewers"
    shown = segbench_cli("baseline", "show", "-b", "base.json")
    assert shown.status == 0
    assert "espnet" in shown.out
    assert "64x128" in shown.out


def test_save_overwrites_nothing(saved: Path, segbench_cli: Cli) -> None:
    before = saved.read_text()
    answer = segbench_cli("baseline", "save", "enet", "--res", "64x128", "--no-speed", "-b", "base.json")
    _refused(answer, "base.json exists", "baseline update")
    assert saved.read_text() == before


def test_save_with_a_network_that_fails_writes_nothing(in_folder: Path, segbench_cli: Cli) -> None:
    (in_folder / "broken.py").write_text("def build():\n    raise ValueError('no weights')\n")
    call = ("baseline", "save", "espnet", "broken:build", "--res", "64x128", "--no-speed", "-b", "base.json")
    _refused(segbench_cli(*call), "no weights", "no baseline is written")
    _refused(segbench_cli("baseline", "save", "espnett", "--no-speed", "-b", "base.json"), "espnet")
    assert not (in_folder / "base.json").exists()


def test_an_update_shows_the_difference_and_asks(
    saved: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = store.read(saved)
    assert found.params is not None
    old = dumps([Record.from_json({**found.to_json(), "params": found.params - 1})])
    saved.write_text(old)
    unasked = segbench_cli("baseline", "update", "-b", "base.json")
    assert f"parameters: {found.params - 1:,} -> {found.params:,}" in unasked.out
    _refused(unasked, "--yes")
    assert saved.read_text() == old

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda question: False)
    declined = segbench_cli("baseline", "update", "-b", "base.json")
    assert declined.status == 0
    assert "left as it was" in declined.out
    assert saved.read_text() == old

    monkeypatch.setattr("typer.confirm", lambda question: True)
    assert segbench_cli("baseline", "update", "-b", "base.json").status == 0
    assert store.read(saved)[0].params == found.params


def test_an_update_adds_networks_and_drops_those_that_are_gone(saved: Path, segbench_cli: Cli) -> None:
    gone = Record(model="gone-net", classes=19, resolution=(64, 128), params=1)
    saved.write_text(dumps([gone, *store.read(saved)]))
    call = ("baseline", "update", "contextnet", "gone-net", "--res", "64x128", "-b", "base.json", "--yes")
    answer = segbench_cli(*call)
    assert answer.status == 0, answer.err
    assert "gone-net 64x128: removed" in answer.out
    assert "contextnet 64x128: added" in answer.out
    assert [row.model for row in store.read(saved)] == ["espnet", "contextnet"]


def test_an_update_of_a_bad_baseline_changes_nothing(segbench_cli: Cli, in_folder: Path) -> None:
    path = in_folder / "base.json"
    for text in ("", "[{", '[{"schema": 99}]'):
        path.write_text(text)
        _refused(segbench_cli("baseline", "update", "-b", "base.json", "--yes"), "base.json")
        _refused(segbench_cli("baseline", "show", "-b", "base.json"), "base.json")
        assert path.read_text() == text
    _refused(segbench_cli("baseline", "update", "-b", "none.json", "--yes"), "none.json")


# Repeats.


def _timing(fps: float, **changes: Any) -> Record:
    speed = Speed(
        mode="forward",
        precision="fp32",
        batch=1,
        device="cuda",
        device_name="X",
        fps=fps,
        round_fps=[fps, fps],
        latency_ms=Latency(median=1000 / fps),
        rounds_ms=[[1000 / fps] * 3] * 2,
        launches=40,
    )
    base = {"model": "espnet", "classes": 19, "resolution": (64, 128), "speed": speed, "memory": Memory(peak_mib=100)}
    return Record(**{**base, **changes})


def test_processes_become_one_record_that_keeps_their_samples() -> None:
    counts = Record(model="espnet", classes=19, resolution=(64, 128), params=7)
    one = with_timings(counts, [_timing(100), _timing(110)])
    assert one.speed is not None
    assert one.memory is not None
    assert one.params == 7
    assert one.speed.process_fps == [100, pytest.approx(110)]
    assert one.speed.fps == pytest.approx(105)
    assert one.speed.process_latency_ms == [10, pytest.approx(1000 / 110)]
    assert one.memory.process_peak_mib == [100, 100]
    assert one.speed.launches == 40
    assert one.failure is None
    json.dumps(one.to_json())


def test_a_process_that_failed_fails_the_network() -> None:
    counts = Record(model="espnet", classes=19, resolution=(64, 128))
    one = with_timings(counts, [_timing(100), _timing(1, failure="out of memory", speed=None)])
    assert one.failure == "1 of 2 processes failed: out of memory"
    both = [_timing(1, failure="out of memory", speed=None)] * 2
    assert with_timings(counts, both).failure == "2 of 2 processes failed: out of memory"


def test_rows_are_told_from_duplicates_by_their_process() -> None:
    rows = [_timing(100, process=Process(index=index, of=3)) for index in range(3)]
    (one,) = collate(rows, "file").values()
    assert one.speed is not None
    assert one.speed.process_fps == [100, 100, 100]
    for bad in ([_timing(100)] * 2, [rows[0], rows[0]], []):
        with pytest.raises(RecordError, match="file"):
            collate(bad, "file")


def test_what_only_the_first_process_measured_is_in_the_row_wherever_it_stands() -> None:
    """`segbench compare` shuffles the processes, and counts modules in the first one alone."""
    rows = [_timing(100, process=Process(index=index, of=3)) for index in range(3)]
    rows[0].modules = [ModuleRow(path="", type="ESPNet", params=7, macs=9)]
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        (one,) = collate([rows[index] for index in order], "file").values()
        assert one.modules == rows[0].modules
        assert one.process is None


def test_rows_of_unlike_machines_are_no_processes_of_one_number() -> None:
    one, other = (_timing(100, process=Process(index=index, of=2)) for index in range(2))
    assert other.speed is not None
    other.speed = replace(other.speed, device_name="Y")
    with pytest.raises(RecordError, match=r"different conditions: .*device name X -> Y"):
        collate([one, other], "file")
    newer = _timing(100, process=Process(index=1, of=2), environment={"driver": "580"})
    with pytest.raises(RecordError, match=r"different conditions: .*driver none -> 580"):
        collate([one, newer], "file")


# Signature and structure.


def test_the_signature_follows_the_golden_recipe() -> None:
    """Two separate implementations draw the same values, image and places."""
    shapes = {
        "a.weight": [4, 3, 3, 3],
        "a.bias": [4],
        "n.weight": [4],
        "n.bias": [4],
        "n.running_mean": [4],
        "n.running_var": [4],
        "slope.weight": [4],
        "gamma": [4],
    }
    golden = {
        "golden": {"fill": {"conv_gain": 2.0, "salt": ""}},
        "state_dict": [[key, shape, "float32"] for key, shape in shapes.items()],
    }
    wanted = golden_recipe.state(golden)
    for key, shape in shapes.items():
        values = drawn(key, shape, shapes, 2.0).astype(np.float32).reshape(shape)
        assert np.array_equal(values, wanted[key].numpy()), key
    assert torch.equal(image((16, 24)), golden_recipe.image([1, 3, 16, 24]).float())
    assert sample_indices(1000) == golden_recipe.sample_indices(1000)


def test_the_signature_of_a_catalog_network_is_that_of_a_separate_fill() -> None:
    subject = resolve("espnet")
    sign = signature(subject, resolution=(64, 128), gain=1.0)
    net = subject.build()
    golden = {
        "golden": {"fill": {"conv_gain": 1.0, "salt": ""}},
        "state_dict": [[key, list(value.shape), str(value.dtype)] for key, value in net.state_dict().items()],
    }
    net.load_state_dict(golden_recipe.state(golden))
    with torch.no_grad():
        logits = net(image((64, 128))).flatten()
    std = sign.std
    assert isinstance(std, float)
    assert len(sign.samples) == SAMPLES
    samples = logits[golden_recipe.sample_indices(logits.numel())]
    assert torch.allclose(samples, torch.tensor(sign.samples), atol=1e-5 * std)
    assert std == pytest.approx(float(logits.std()), rel=1e-4)
    assert signature(subject, resolution=(64, 128), gain=1.0) == sign, "the same every time"


def test_a_signature_disturbs_nothing() -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    signature(resolve("espnet"))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, grad)


def test_the_signature_takes_a_size_that_the_network_takes() -> None:
    assert signature(resolve("pspnet-r50")).resolution == (129, 257)


class _Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("image_mean", torch.tensor([1.0, 2.0]))
        self.slope, self.path, self._hidden, self.sizes = 0.25, "/somewhere/else", 1, (1, 2.5)


def test_constants_in_buffers_are_kept_and_statistics_are_drawn() -> None:
    net = _Buffers()
    fill(net, 1.0)
    assert net.get_buffer("image_mean").tolist() == [1.0, 2.0]
    assert net.norm.running_var is not None
    assert not torch.equal(net.norm.running_var, torch.ones(2))
    assert net.norm.num_batches_tracked == 0


def test_settings_are_public_constants_and_no_paths() -> None:
    assert settings(_Buffers()) == {"slope": 0.25, "sizes": [1, 2.5]}
    assert settings(nn.Conv2d(3, 4, 5, dilation=2))["kernel_size"] == [5, 5]


def test_modules_with_settings_count_every_operation_once() -> None:
    net = resolve("espnet").build("meta")
    traced = trace(net, (1, 3, 64, 128))
    rows = modules(traced, net, with_settings=True)
    assert sum(operation_totals(rows).values()) == sum(not operation.inside for operation in traced.operations)
    assert [row.path for row in rows] == [path for path, _ in net.named_modules()]
