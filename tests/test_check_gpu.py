"""A real A/A run and a real slowdown on a GPU, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.records import store
from tests.conftest import Answer

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

Cli = Callable[..., Answer]

# Large enough that the GPU and not the host sets the pace; `EXTRA` layers are a slowdown of that size.
NETWORK = """
from torch import nn

EXTRA = {extra}

def build(num_classes=19):
    layers = [nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(True)) for _ in range(20 + EXTRA)]
    return nn.Sequential(nn.Conv2d(3, 64, 3, stride=2, padding=1), *layers, nn.Conv2d(64, num_classes, 1))
"""


# The fewest are 6: of 924 orders of 6 and 6 processes one has all slow ones last, and three metrics share 1 %.
PROCESSES = ("--processes", 7)

_saved: dict[int, str] = {}


def _save(cli: Cli, folder: Path, extra: int, name: str) -> None:
    # A module of its own for each version: processes of the fork server import it afresh either way.
    (folder / "timed.py").write_text(NETWORK.format(extra=extra))
    # Each version is measured once for all tests: a process takes seconds.
    if extra not in _saved:
        how = ("--res", "512x1024", "--device", "cuda", "--rounds", 2, *PROCESSES)
        answer = cli("baseline", "save", "timed:build", *how, "-b", name)
        assert answer.status == 0, answer.err
        _saved[extra] = (folder / name).read_text()
    (folder / name).write_text(_saved[extra])


def test_a_real_a_a_run_passes(in_folder: Path, segbench_cli: Cli) -> None:
    _save(segbench_cli, in_folder, 0, "base.json")
    answer = segbench_cli("check", "-b", "base.json", "--json", "now.json", *PROCESSES)
    assert answer.status == 0, answer.out + answer.err
    assert "SLOWER" not in answer.out
    (record,) = store.read(in_folder / "now.json")
    assert record.speed is not None
    assert record.speed.device == "cuda"
    assert len(record.speed.process_fps or []) >= 7
    assert record.speed.launches


def test_a_real_slowdown_fails(in_folder: Path, segbench_cli: Cli) -> None:
    """Two more layers of twenty are about 10 % slower; only the timings are held against each other."""
    _save(segbench_cli, in_folder, 0, "base.json")
    _save(segbench_cli, in_folder, 2, "slow.json")
    slow = json.loads((in_folder / "slow.json").read_text())
    base = json.loads((in_folder / "base.json").read_text())
    for name in ("params", "live_params", "operations", "modules", "signature"):
        slow[0][name] = base[0][name]
    slow[0]["speed"]["launches"] = base[0]["speed"]["launches"]
    (in_folder / "slow.json").write_text(json.dumps(slow))
    answer = segbench_cli("check", "-b", "base.json", "--current", "slow.json")
    assert answer.status == 1, answer.out
    assert "SLOWER FPS" in answer.out
    assert "unchanged" in answer.out
