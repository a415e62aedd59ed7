"""``segbench checkpoints``: released weights of every network, or where they were looked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import pytest

from segbench.catalog import CATALOG
from segbench.checkpoints import recognise, released
from segbench.datasets import DATASETS
from tests.conftest import Answer


@pytest.mark.parametrize("name", list(CATALOG))
def test_every_network_has_weights_or_says_where_they_were_looked_for(name: str) -> None:
    entry = CATALOG[name]
    assert bool(entry.checkpoints) != bool(entry.searched)
    for weights in entry.checkpoints:
        assert weights.where
        assert weights.classes > 1
        assert re.fullmatch(r"|\d\d(\.\d+)?( .*)?", weights.claimed_miou_percent)
        assert weights.void_output is None or weights.void_output < weights.classes


def test_hashes_are_of_one_file_each() -> None:
    hashes = [item.checkpoint.sha256 for item in released() if item.checkpoint.sha256]
    assert len(hashes) == len(set(hashes)) >= 7
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    found = recognise(CATALOG["espnet"].checkpoints[1].sha256)
    assert found is not None
    assert found.of(DATASETS["camvid"])
    assert not found.of(DATASETS["cityscapes"])
    assert recognise("") is None
    assert recognise("0" * 64) is None


def test_the_list_for_people(segbench_cli: Callable[..., Answer]) -> None:
    answer = segbench_cli("checkpoints", "espnet", "mfpnet")
    assert answer.status == 0
    assert "CamVid, 12 outputs; claimed 55.64 % (test), README of sacmehta/ESPNet; licence MIT" in answer.out
    assert "none known; searched:" in answer.out
    assert "unknown network" in segbench_cli("checkpoints", "espnett").err


def test_the_list_for_programs(segbench_cli: Callable[..., Answer]) -> None:
    listed = json.loads(segbench_cli("checkpoints", "--json").out)
    assert {item["model"] for item in listed} == set(CATALOG)
    camvid = next(item for item in listed if item["model"] == "espnet" and item["dataset"] == "CamVid")
    assert (camvid["void_output"], camvid["claimed_miou_percent"], camvid["split"]) == (11, "55.64", "test")
    assert camvid["preprocessing"]["channels"] == "bgr"
    assert all(item.get("searched") or item["licence"] for item in listed)


def test_listing_needs_no_torch() -> None:
    import subprocess

    code = "import sys; from segbench.cli import run; run(['checkpoints', 'espnet']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
