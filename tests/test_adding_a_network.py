"""The guide "Into the catalog" adds a network to a copy of the repository, and all of segbench knows it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests import golden_recipe
from tests.test_docs import DOCS, ROOT, Block, blocks, in_a_copy, named_file, reason_not_to_run

PAGE = DOCS / "adding-a-network.md"
COPIED = ("segbench", "tests", "results", "docs")


def guide() -> list[Block]:
    return [block for block in blocks(PAGE) if block.line > in_a_copy(PAGE)]


NAME = Path(str(named_file(guide()[0]))).stem


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "plots"))
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    program = {"segbench": [sys.executable, "-m", "segbench"], "python": [sys.executable]}[words[0]]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTEST_ADDOPTS": "", "COLUMNS": "200"}
    command = [*program, *words[1:]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_guide_adds_a_network_that_all_of_segbench_knows(checkout: Path) -> None:
    told: dict[str, str] = {}
    untouched = (checkout / "results" / "costs.jsonl").read_text(encoding="utf-8").splitlines()
    before = run(f"python -m segbench.catalog check {NAME}", checkout)
    assert (before.returncode, before.stdout) == (2, "")
    for block in guide():
        if block.language == "python":
            path = named_file(block)
            assert path is not None, f"line {block.line} names no file"
            (checkout / path).write_text(block.text, encoding="utf-8")
            continue
        for line in block.commands:
            if reason_not_to_run(line) is None:
                answer = run(line, checkout)
                assert answer.returncode == 0, f"line {block.line}: {line}\n{answer.stdout}\n{answer.stderr}"
                told[line] = answer.stdout

    checked = told[f"python -m segbench.catalog check {NAME}"].splitlines()
    assert checked[-1] == "nothing missing"
    assert {line.split(": ")[1] for line in checked[:-1]} == {"ok", "later"}
    assert any(" passed" in text for line, text in told.items() if "pytest" in line)
    assert NAME in told[f"segbench models {NAME}"]
    assert "787" in told[f"segbench profile {NAME} --no-speed"]
    assert "FPS" in next(text for line, text in told.items() if "--budget" in line)
    assert f"| {NAME} |" in (checkout / "runs" / "table.md").read_text(encoding="utf-8")
    assert NAME in (checkout / "page" / "index.html").read_text(encoding="utf-8")

    lines = (checkout / "results" / "costs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if json.loads(line)["model"] != NAME] == untouched
    assert [json.loads(line)["params"] for line in lines if json.loads(line)["model"] == NAME] == [787]


class Reference(nn.Module):
    """Authors' code with a head for training and a shared convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.same = self.stem[0]
        self.head = nn.Conv2d(8, 19, 1)
        self.auxiliary = nn.Conv2d(8, 19, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.stem(x)
        return {"out": self.head(y), "features": y}


def test_a_golden_file_is_written_of_what_the_reference_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_recipe, "FOLDER", tmp_path)
    golden_recipe.write("toy", Reference(), num_classes=19)
    golden = golden_recipe.load("toy")
    used = 3 * 9 * 8 + 2 * 8 + 8 * 19 + 19
    assert golden["params_total"] == {
        "all_trainable": used + 8 * 19 + 19,
        "inference_graph_without_aux": used,
        "not_reached_by_eval_output": ["auxiliary.weight", "auxiliary.bias"],
    }
    assert golden["shared_parameters"] == [["stem.0.weight", "same.weight"]]
    assert golden["fvcore_by_operator_gmacs"]["512x1024"]["conv"] == (3 * 9 * 8 + 8 * 19) * 128 * 256 / 1e9

    theirs = Reference().eval()
    theirs.load_state_dict(golden_recipe.state(golden))
    for case in golden["golden"]["cases"]:
        flat = theirs.double()(golden_recipe.image(case["input_shape"]))["out"].flatten()
        samples = torch.tensor(case["float64"]["samples"], dtype=torch.float64)
        torch.testing.assert_close(flat[torch.tensor(case["sample_indices"])], samples, rtol=0, atol=0)
        assert case["float64"]["shape"] == [1, 19, case["input_shape"][2] // 4, case["input_shape"][3] // 4]


def test_a_reference_whose_output_ignores_the_image_is_refused() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

    with pytest.raises(ValueError, match="constant"):
        golden_recipe.describe(Constant(), num_classes=3)
