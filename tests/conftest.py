"""Fixtures that several test files share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from segbench.cli import run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the base checks run on all variants of a network, and on networks that take long to trace."""
    parser.addoption("--every-variant", action="store_true", help="check every variant of every network, which is slow")


def pytest_configure(config: pytest.Config) -> None:
    """Where tests run side by side, each worker computes in one thread: more would fight over the processors."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip CUDA tests where there is no device."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="no CUDA device")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output goes to a pipe, which has no width, whatever the terminal is that tests are started in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@dataclass(frozen=True)
class Answer:
    """What one call of the command line left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def segbench_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run the command line in this process: ``segbench_cli("models", "--json")``."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(status, captured.out, captured.err)

    return call


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder; modules that are imported from it are forgotten, or later tests would find them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if isinstance(spec, ModuleSpec):
            places = (spec.origin, *(spec.submodule_search_locations or ()))
            if any(str(place).startswith(str(tmp_path)) for place in places):
                del sys.modules[name]
