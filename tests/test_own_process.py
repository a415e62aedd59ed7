"""A user's network does what it likes in a process of its own: it costs its own row, and no other's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Answer
from tests.processes import alive, wait_for

Cli = Callable[..., Answer]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes of Unix")

NETWORKS = """
import ctypes, os, signal, sys, time
import torch
from torch import nn

class Good(nn.Module):
    def __init__(self, num_classes=19):
        super().__init__()
        self.head = nn.Conv2d(3, num_classes, 1)
    def forward(self, x):
        return self.head(x)

def build_exit(): sys.exit(0)
def build_os_exit(): os._exit(0)
def build_segfault(): ctypes.string_at(0)
def build_loop():
    while True: time.sleep(0.1)
def build_interrupt(): raise KeyboardInterrupt

class Exit(Good):
    def forward(self, x): sys.exit(0)
class OsExit(Good):
    def forward(self, x): os._exit(0)
class Segfault(Good):
    def forward(self, x): ctypes.string_at(0)
class Loop(Good):
    def forward(self, x):
        while True: time.sleep(0.1)
class Interrupt(Good):
    def forward(self, x): raise KeyboardInterrupt
class Raises(Good):
    def forward(self, x): raise ValueError("not today")
class Nothing(Good):
    def forward(self, x): return super().forward(x)[:, :, :0]
class Without(nn.Module):
    def forward(self, x): return x.repeat(1, 7, 1, 1)[:, :19]
class Unruly(Good):
    def forward(self, x):
        print("NOISE")
        os.system("echo NOISE")
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        os.environ.clear()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return super().forward(x)
class Closes(Good):
    def forward(self, x):
        os.close(1)
        return super().forward(x)
class Forks(Good):
    def forward(self, x):
        if not os.fork():
            open("child", "w").write(str(os.getpid()))
            time.sleep(600)
        while not os.path.exists("child") or not os.path.getsize("child"): time.sleep(0.01)
        return super().forward(x)
print("NOISE")
"""


@pytest.fixture
def folder(in_folder: Path) -> Iterator[Path]:
    (in_folder / "wild.py").write_text(NETWORKS)
    (in_folder / "exits.py").write_text("import sys\nsys.exit(4)\n")
    (in_folder / "dies.py").write_text("import os\nos._exit(9)\n")
    (in_folder / "crashes.py").write_text("import ctypes\nctypes.string_at(0)\n")
    yield in_folder


def profile(cli: Cli, *arguments: str) -> Answer:
    return cli("profile", *arguments, "--res", "64x64", "--no-speed")


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("exits:x", "sys.exit(4)"),
        ("dies:x", "status 9"),
        ("crashes:x", "SIGSEGV"),
        ("wild:build_exit", "sys.exit(0)"),
        ("wild:build_os_exit", "status 0"),
        ("wild:build_segfault", "SIGSEGV"),
        ("wild:build_loop", "timed out after 2 s"),
        ("wild:build_interrupt", "KeyboardInterrupt"),
    ],
)
def test_what_ends_an_import_or_a_build_is_refused(folder: Path, spec: str, part: str, segbench_cli: Cli) -> None:
    answer = profile(segbench_cli, "wild:Good", spec, "--timeout", "2", "--json", "rows.json")
    assert answer.status == 2, answer.out
    assert answer.out == ""
    (line,) = answer.err.strip().splitlines()
    assert spec in line
    assert part in line
    assert not (folder / "rows.json").exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Exit", "sys.exit(0)"),
        ("OsExit", "status 0"),
        ("Segfault", "SIGSEGV"),
        ("Loop", "timed out after 3 s"),
        ("Interrupt", "KeyboardInterrupt"),
    ],
)
def test_what_ends_a_forward_is_a_row_and_the_next_network_goes_on(
    folder: Path, name: str, part: str, segbench_cli: Cli
) -> None:
    answer = profile(segbench_cli, f"wild:{name}", "wild:Good", "enet", "--timeout", "3", "--json", "-")
    assert answer.status == 1, answer.err
    first, *others = json.loads(answer.out)
    assert part in first["failure"]
    assert [row["model"] for row in others] == ["wild:Good", "enet"]
    assert [row["failure"] for row in others] == [None, None]


@pytest.mark.parametrize(("name", "part"), [("Raises", "not today"), ("Nothing", "returned the shape")])
def test_a_network_that_cannot_serve_is_refused_after_the_others(
    folder: Path, name: str, part: str, segbench_cli: Cli
) -> None:
    answer = profile(segbench_cli, f"wild:{name}", "wild:Good", "--json", "rows.json")
    assert answer.status == 2
    assert part in answer.err
    assert len(answer.err.strip().splitlines()) <= 2
    rows = json.loads((folder / "rows.json").read_text())
    assert [part in (row["failure"] or "") for row in rows] == [True, False]


def test_standard_output_and_global_state_stay_segbenchs_own(folder: Path, segbench_cli: Cli) -> None:
    answer = profile(segbench_cli, "wild:Unruly", "wild:Closes", "wild:Without", "wild:Good", "--json", "-")
    assert answer.status == 0, answer.err
    rows = json.loads(answer.out)
    assert [row["params"] for row in rows] == [76, 76, 0, 76]
    assert [row["operations"]["macs"] for row in rows] == [64 * 64 * 57, 64 * 64 * 57, 0, 64 * 64 * 57]


def test_what_a_network_prints_goes_to_standard_error(folder: Path) -> None:
    call = ["profile", "wild:Unruly", "--res", "64x64", "--no-speed", "--json", "-"]
    done = subprocess.run([sys.executable, "-m", "segbench", *call], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["model"] == "wild:Unruly"
    assert done.stderr.count("NOISE") >= 3


def test_what_a_network_starts_ends_with_it(folder: Path, segbench_cli: Cli) -> None:
    assert profile(segbench_cli, "wild:Forks").status == 0
    child = int((folder / "child").read_text())
    wait_for(lambda: not alive(child))


def test_a_check_and_a_baseline_outlive_it(folder: Path, segbench_cli: Cli) -> None:
    sizes = ("--res", "64x64", "--no-speed", "-b", "base.json")
    answer = segbench_cli("baseline", "save", "wild:Good", "wild:Interrupt", *sizes)
    assert answer.status == 2
    assert "KeyboardInterrupt" in answer.err
    assert not (folder / "base.json").exists()
    assert segbench_cli("baseline", "save", "wild:Good", *sizes).status == 0
    (folder / "wild.py").write_text(NETWORKS.replace("return self.head(x)", "sys.exit(0)", 1))
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 1
    assert "sys.exit(0)" in answer.out


def test_children_import_nothing_from_the_current_folder(in_folder: Path) -> None:
    """The `segbench` command itself does not look there; nor may the processes that it starts."""
    for name in ("random", "selectors", "signal", "struct", "tempfile"):
        (in_folder / f"{name}.py").write_text("raise SystemExit('imported from the current folder')\n")
    code = "import sys; from segbench.cli import main; main()"
    places = [place for place in sys.path if place not in ("", str(in_folder))]
    # Without the current folder, as the installed command is started.
    start = [sys.executable, "-c", f"import sys; sys.path.remove(''); {code}"]
    call = ["compare", "enet", "--res", "64x64", "--no-speed", "--out", "out"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run([*start, *call], capture_output=True, text=True, check=False, timeout=120, env=variables)
    assert done.returncode == 0, done.stderr
    assert "current folder" not in done.stdout + done.stderr
