"""The workflow files: linted, and the GPU workflow's steps run here with a CPU baseline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from segbench.regress.comment import MARKER

yaml = pytest.importorskip("yaml", reason="PyYAML reads the workflows: pip install yamllint")
linter = pytest.importorskip("yamllint.linter", reason="yamllint lints the workflows: pip install yamllint")

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RULES = """
extends: default
rules:
  document-start: disable
  line-length: {max: 120}
  # GitHub's own key `on` is a boolean in YAML 1.1.
  truthy: {check-keys: false}
"""


def test_there_are_workflows() -> None:
    assert {path.name for path in WORKFLOWS} >= {"ci.yml", "gpu.yml"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_passes_the_linter(path: Path) -> None:
    rules = pytest.importorskip("yamllint.config").YamlLintConfig(RULES)
    problems = list(linter.run(path.read_text(), rules, path.name))
    assert not problems, [f"{path.name}:{problem.line}: {problem.desc}" for problem in problems]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_what_github_asks_for(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert {"name", True, "permissions", "jobs"} <= workflow.keys()
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@v\d+", step["uses"]), "actions are pinned to a major version"
            else:
                subprocess.run(["bash", "-n"], input=_expanded(step["run"]), text=True, check=True)


def _gpu_steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "gpu.yml").read_text())
    steps: list[dict[str, Any]] = workflow["jobs"]["check"]["steps"]
    return steps


def _expanded(script: str) -> str:
    return re.sub(r"\$\{\{.*?\}\}", "expression", script)


NETWORK = """
from torch import nn

def build(num_classes=19):
    return nn.Sequential(nn.Conv2d(3, 8, {kernel}, 2, {padding}), nn.ReLU(), nn.Conv2d(8, num_classes, 1))
"""


def _run_steps(folder: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Every step that is a script, as the runner does: bash -eo pipefail, one after another, until one fails.

    `install` is left out: what it would install is what runs this test.
    """
    outputs = {name: folder / name.lower() for name in ("GITHUB_STEP_SUMMARY", "GITHUB_PATH")}
    for path in outputs.values():
        path.touch()
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{scripts}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_ACTIONS": "true",
        "BASELINE": "results/baseline.json",
        "OUT": "segbench-out/check",
        "OPTIONS": "",
        "CLOCK": "",
        **{name: str(path) for name, path in outputs.items()},
    }
    (folder / "bin").mkdir(exist_ok=True)
    command = folder / "bin" / "segbench"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m segbench "$@"\n')
    command.chmod(0o755)
    statuses, printed = {}, {}
    for step in _gpu_steps():
        if "run" not in step or step["name"] == "install":
            continue
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        statuses[step["name"]], printed[step["name"]] = done.returncode, done.stdout + done.stderr
        if done.returncode:
            break
    return statuses, printed


@pytest.mark.slow
def test_the_steps_of_the_gpu_workflow_run_with_a_cpu_baseline(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK.format(kernel=3, padding=1))
    save = ["baseline", "save", "mine:build", "--res", "64x128", "--no-speed"]
    subprocess.run([sys.executable, "-m", "segbench", *save], cwd=tmp_path, check=True, capture_output=True)
    statuses, printed = _run_steps(tmp_path)
    assert statuses == {"state of the machine": 0, "lock the clocks": 0, "check": 0, "free the clocks": 0}, printed
    out = tmp_path / "segbench-out" / "check"
    kept = {"environment.json", "junit.xml", "records.json", "benchmark.json", "comment.md"}
    assert {path.name for path in out.iterdir()} == kept
    assert "| mine:build 64x128 | unchanged |" in (tmp_path / "github_step_summary").read_text()
    assert json.loads((out / "environment.json").read_text())["environment"]["python"]
    assert ElementTree.parse(out / "junit.xml").getroot().get("failures") == "0"

    (tmp_path / "mine.py").write_text(NETWORK.format(kernel=5, padding=2) + "\n# a changed kernel size\n")
    statuses, printed = _run_steps(tmp_path)
    assert statuses["check"] == 1, printed
    assert "::error title=" in printed["check"]
    assert "kernel_size [3, 3] -> [5, 5]" in printed["check"]
    assert ElementTree.parse(out / "junit.xml").getroot().get("failures") == "1"


def test_both_workflows_find_the_comment_by_its_marker_and_run_alone_on_the_gpu() -> None:
    guide = (ROOT / "docs" / "ci.md").read_text()
    (shown,) = (text for text in re.findall(r"```yaml\n(.*?)```", guide, flags=re.DOTALL) if "self-hosted" in text)
    for text in (shown, (ROOT / ".github" / "workflows" / "gpu.yml").read_text()):
        workflow = yaml.safe_load(text)
        assert workflow["concurrency"] == {"group": "gpu", "cancel-in-progress": False}
        assert workflow["jobs"]["check"]["runs-on"] == ["self-hosted", "gpu"]
        assert "--lock-gpu-clocks" in text and "--reset-gpu-clocks" in text and "--comment" in text
        comment = workflow["jobs"]["comment"]
        assert comment["permissions"] == {"pull-requests": "write"}
        assert "permissions" not in workflow["jobs"]["check"], "the pull request's code may write nothing"
        assert f"startsWith('{MARKER}')" in comment["steps"][-1]["with"]["script"]


def test_the_guide_shows_the_workflow_and_its_commands_exist() -> None:
    """docs/ci.md names options of commands: each of them is in the command's help."""
    guide = (ROOT / "docs" / "ci.md").read_text()
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    for name in ("check", "baseline save", "baseline update"):
        lines = [line for line in guide.splitlines() if f"segbench {name}" in line]
        assert lines, name
        asked = [sys.executable, "-m", "segbench", *name.split(), "--help"]
        shown = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment).stdout
        for option in {option for line in lines for option in re.findall(r"--[a-z][a-z-]+", line)}:
            assert option in shown, f"segbench {name} has no {option}"
