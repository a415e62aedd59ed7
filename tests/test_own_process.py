"""A user's network does what it likes in a process of its own: it costs its own row, and no other's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from segbench.records import store
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
    def forward(self, x): raise KeyError("not today")
class Nothing(Good):
    def forward(self, x): return super().forward(x)[:, :, :0]
class Undecodable(Good):
    def __init__(self):
        super().__init__()
        self.add_module(os.fsdecode(b"caf" + bytes([233])), nn.ReLU())
    def forward(self, x):
        raise RuntimeError("missing " + os.fsdecode(b"caf" + bytes([233])))
class Named(Undecodable):
    def forward(self, x):
        return Good.forward(self, list(self.children())[1](x))
class Huge(Good):
    def forward(self, x):
        return super().forward(x) + torch.ones(8 * 10**9)[0]
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
class Leaves(Good):
    def forward(self, x):
        os.chdir("/")
        torch.set_default_dtype(torch.float64)
        return super().forward(x)
class Closes(Good):
    def forward(self, x):
        os.close(1)
        return super().forward(x)
class Mutes(Good):
    def forward(self, x):
        sys.stdout = None
        return super().forward(x)
class Copies(Good):
    def forward(self, x):
        if os.fork():
            while not os.path.exists("copied"): time.sleep(0.01)
            time.sleep(1)
        else:
            open("copied", "w").close()
        return super().forward(x)
class Orphans(Good):
    def forward(self, x):
        os.kill(os.getppid(), signal.SIGKILL)
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
    (in_folder / "exits.py").write_text("import sys\nsys.exit(4)\nx = None\n")
    (in_folder / "dies.py").write_text("import os\nos._exit(9)\nx = None\n")
    (in_folder / "crashes.py").write_text("import ctypes\nctypes.string_at(0)\nx = None\n")
    yield in_folder


def _patience(name: str) -> str:
    """Seconds that a network may take: long enough on a machine that others use, where it does not loop."""
    return "10" if "loop" in name.lower() else "120"


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
        ("wild:build_loop", "timed out after 10 s"),
        ("wild:build_interrupt", "KeyboardInterrupt"),
    ],
)
def test_what_ends_an_import_or_a_build_is_refused(folder: Path, spec: str, part: str, segbench_cli: Cli) -> None:
    answer = profile(segbench_cli, "wild:Good", spec, "--timeout", _patience(spec), "--json", "rows.json")
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
        ("Loop", "timed out after 10 s"),
        ("Interrupt", "KeyboardInterrupt"),
        ("Raises", "KeyError: 'not today'"),
        ("Undecodable", "missing caf?"),
        ("Huge", "a tensor of 8,000,000,000 elements"),
    ],
)
def test_what_ends_a_forward_is_a_row_and_the_next_network_goes_on(
    folder: Path, name: str, part: str, segbench_cli: Cli
) -> None:
    answer = profile(segbench_cli, f"wild:{name}", "wild:Good", "enet", "--timeout", _patience(name), "--json", "-")
    assert answer.status == 1, answer.err
    first, *others = json.loads(answer.out)
    assert part in first["failure"]
    assert [row["model"] for row in others] == ["wild:Good", "enet"]
    assert [row["failure"] for row in others] == [None, None]


@pytest.mark.parametrize("speed", [("--no-speed",), ("--device", "cpu", "--budget", "0.2")])
def test_a_network_that_returns_no_pixels_is_refused_after_the_others(
    folder: Path, speed: tuple[str, ...], segbench_cli: Cli
) -> None:
    how = ("--res", "64x64", *speed, "--json", "rows.json")
    answer = segbench_cli("profile", "wild:Nothing", "wild:Good", *how)
    assert answer.status == 2
    assert "returned the shape" in answer.err
    assert len(answer.err.strip().splitlines()) <= 2
    rows = json.loads((folder / "rows.json").read_text())
    assert ["returned the shape" in (row["failure"] or "") for row in rows] == [True, False]


def test_a_module_named_by_undecodable_bytes_is_written_and_read_back(folder: Path, segbench_cli: Cli) -> None:
    answer = profile(segbench_cli, "wild:Named", "--layers", "--json", "rows.json")
    assert answer.status == 0, answer.err
    assert [row.path for row in store.read(Path("rows.json"))[0].modules or []] == ["", "head", "caf?"]


def test_standard_output_and_global_state_stay_segbenchs_own(folder: Path, segbench_cli: Cli) -> None:
    answer = profile(segbench_cli, "wild:Unruly", "wild:Closes", "wild:Without", "wild:Good", "--json", "-")
    assert answer.status == 0, answer.err
    rows = json.loads(answer.out)
    assert [row["params"] for row in rows] == [76, 76, 0, 76]
    assert [row["operations"]["macs"] for row in rows] == [64 * 64 * 57, 64 * 64 * 57, 0, 64 * 64 * 57]


def test_a_network_that_goes_to_another_folder_is_measured_and_kept_in_this_one(
    folder: Path, segbench_cli: Cli
) -> None:
    size = ("--res", "64x64", "--no-speed")
    assert segbench_cli("profile", "./wild.py:Leaves", *size).status == 0
    assert segbench_cli("compare", "wild:Leaves", *size, "--out", "out").status == 0
    (line,) = (folder / "out/records.jsonl").read_text().splitlines()
    assert json.loads(line)["model"] == "wild:Leaves"
    assert segbench_cli("baseline", "save", "wild:Leaves", *size, "-b", "base.json").status == 0
    assert json.loads((folder / "base.json").read_text())[0]["signature"] is not None
    assert segbench_cli("synthetic", "camvid", "drawn", "--images", "2", "--size", "64x96").status == 0
    torch.save({"head.weight": torch.zeros(11, 3, 1, 1), "head.bias": torch.zeros(11)}, "zero.pth")
    data = ("--dataset", "camvid", "--root", "drawn", "--workers", "0", "--no-speed")
    call = ("eval", "wild:Leaves", "--checkpoint", "zero.pth", *data, "--overlay", "drawings", "--json", "-")
    answer = segbench_cli(*call)
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)[0]["accuracy"]["images"] == 2
    assert len(list((folder / "drawings").iterdir())) == 2


@pytest.mark.parametrize(
    ("command", "name", "part"),
    [
        ("compare", "build_os_exit", "crashed: the process ended with status 0"),
        ("compare", "OsExit", "crashed: the process ended with status 0"),
        ("eval", "OsExit", "crashed: the process ended with status 0"),
        ("eval", "Raises", "KeyError: 'not today'"),
        ("roof", "build_os_exit", "crashed: the process ended with status 0"),
        ("roof", "Raises", "KeyError: 'not today'"),
    ],
)
def test_compare_eval_and_roof_outlive_it_too(
    folder: Path, command: str, name: str, part: str, segbench_cli: Cli
) -> None:
    call = {
        "compare": ["--res", "64x64", "--no-speed", "--out", "out", "--json", "rows.json"],
        "eval": ["--checkpoint", "zero.pth", "--dataset", "camvid", "--root", "drawn", "--json", "rows.json"],
        "roof": ["--res", "64x64", "--gpu", "V100 (PCIe)"],
    }
    if command == "eval":
        assert segbench_cli("synthetic", "camvid", "drawn", "--images", "2", "--size", "64x96").status == 0
        torch.save({"head.weight": torch.zeros(11, 3, 1, 1), "head.bias": torch.zeros(11)}, "zero.pth")
    answer = segbench_cli(command, f"wild:{name}", *call[command])
    rows = folder / "rows.json"
    assert answer.status == (2 if name.startswith("build") else 1), answer.err
    assert rows.exists() == (answer.status == 1 and command != "roof")
    assert part in answer.err + (rows.read_text() if rows.exists() else "")


def test_what_a_network_prints_goes_to_standard_error(folder: Path) -> None:
    call = ["profile", "wild:Unruly", "--res", "64x64", "--no-speed", "--json", "-"]
    done = subprocess.run([sys.executable, "-m", "segbench", *call], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["model"] == "wild:Unruly"
    assert done.stderr.count("NOISE") >= 3


@pytest.mark.parametrize("closed", ["<&- 2>&-", "<&- >&- 2>&-", ">&-"])
def test_closed_streams_are_nobodys_business(folder: Path, closed: str) -> None:
    call = f"profile wild:Good --res 64x64 --no-speed --json rows.json {closed}"
    done = subprocess.run(f"{sys.executable} -m segbench {call}", shell=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads((folder / "rows.json").read_text())[0]["failure"] is None
    assert b"Traceback" not in done.stderr


def test_a_network_without_standard_output_ends_quietly(folder: Path) -> None:
    call = ["profile", "wild:Mutes", "--res", "64x64", "--no-speed"]
    done = subprocess.run([sys.executable, "-m", "segbench", *call], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_what_a_network_starts_ends_with_it(folder: Path, segbench_cli: Cli) -> None:
    assert profile(segbench_cli, "wild:Forks").status == 0
    child = int((folder / "child").read_text())
    wait_for(lambda: not alive(child))


def test_a_copy_that_a_network_forks_keeps_nothing(folder: Path, segbench_cli: Cli) -> None:
    call = ("compare", "wild:Copies", "--res", "64x64", "--no-speed", "--out", "out")
    assert segbench_cli(*call).status == 0
    (line,) = (folder / "out/records.jsonl").read_text().splitlines()
    assert json.loads(line)["failure"] is None


def test_a_network_that_ends_the_process_that_starts_the_others_costs_its_own_row(
    folder: Path, segbench_cli: Cli
) -> None:
    answer = profile(segbench_cli, "wild:Orphans", "wild:Good", "--json", "-")
    assert answer.status in (0, 1), answer.err
    orphaned, good = json.loads(answer.out)
    assert orphaned["failure"] is None or orphaned["failure"].startswith("crashed")
    assert good["failure"] is None


def test_a_baseline_holds_what_could_be_measured(folder: Path, segbench_cli: Cli) -> None:
    sizes = ("--res", "64x64", "--no-speed", "-b", "base.json")
    answer = segbench_cli("baseline", "save", "wild:Good", "wild:build_os_exit", *sizes)
    assert answer.status == 2
    assert "wild:build_os_exit cannot be built: crashed: the process ended with status 0" in answer.err
    answer = segbench_cli("baseline", "save", "wild:Interrupt", *sizes)
    assert answer.status == 1
    assert "no baseline is written" in answer.out
    assert not (folder / "base.json").exists()
    answer = segbench_cli("baseline", "save", "wild:Interrupt", "wild:Good", "wild:Raises", *sizes)
    assert answer.status == 1
    first, second, last = answer.out.splitlines()
    assert first == "wild:Interrupt 64x64 failed: KeyboardInterrupt"
    assert "KeyError: 'not today'" in second
    assert last.startswith("1 network saved in base.json") and "baseline update" in last
    (row,) = json.loads((folder / "base.json").read_text())
    assert row["model"] == "wild:Good"


def test_an_update_keeps_the_row_of_what_fails(folder: Path, segbench_cli: Cli) -> None:
    sizes = ("--res", "64x64", "--no-speed", "-b", "base.json")
    assert segbench_cli("baseline", "save", "wild:Good", "wild:Without", *sizes).status == 0
    before = json.loads((folder / "base.json").read_text())
    text = NETWORKS.replace("return self.head(x)", "sys.exit(0)", 1).replace("[:, :19]", "[:, 2:21]")
    (folder / "wild.py").write_text(text)
    answer = segbench_cli("baseline", "update", "-b", "base.json", "--yes")
    assert answer.status == 1
    assert "wild:Good 64x64 failed: sys.exit(0) was called" in answer.out
    good, without = json.loads((folder / "base.json").read_text())
    assert good == before[0]
    assert without["signature"]["samples"] != before[1]["signature"]["samples"]


@pytest.mark.parametrize(
    ("change", "status", "part"),
    [
        (("return self.head(x)", "sys.exit(0)"), 1, "sys.exit(0) was called"),
        (("self.head = nn.Conv2d(3, num_classes, 1)", "os._exit(0)"), 2, "cannot be built: crashed"),
        (("import torch", "raise OSError('no such library')"), 2, "cannot import wild: OSError: no such library"),
    ],
)
def test_a_check_judges_the_other_networks(
    folder: Path, change: tuple[str, str], status: int, part: str, segbench_cli: Cli
) -> None:
    (folder / "calm.py").write_text("from torch import nn\ndef build(): return nn.Conv2d(3, 19, 1)\n")
    call = ("baseline", "save", "wild:Good", "calm:build", "--res", "64x64", "--no-speed", "-b", "base.json")
    assert segbench_cli(*call).status == 0
    (folder / "wild.py").write_text(NETWORKS.replace(*change, 1))
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == status
    assert part in answer.out
    assert "calm:build 64x64: unchanged" in answer.out
    assert part in answer.err or status == 1
    assert len(answer.err.splitlines()) <= 1


def test_children_import_nothing_from_the_current_folder(in_folder: Path) -> None:
    """The `segbench` command itself does not look there; nor may the processes that it starts."""
    for name in ("random", "selectors", "signal", "struct", "tempfile"):
        (in_folder / f"{name}.py").write_text("raise SystemExit('imported from the current folder')\n")
    code = "import sys; from segbench.__main__ import main; main()"
    places = [place for place in sys.path if place not in ("", str(in_folder))]
    # Without the current folder, as the installed command is started.
    start = [sys.executable, "-c", f"import sys; sys.path.remove(''); {code}"]
    call = ["compare", "enet", "--res", "64x64", "--no-speed", "--out", "out"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run([*start, *call], capture_output=True, text=True, check=False, timeout=120, env=variables)
    assert done.returncode == 0, done.stderr
    assert "current folder" not in done.stdout + done.stderr
