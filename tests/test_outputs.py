"""Files that results go to: checked before anything is measured, written whole, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench import files
from segbench.errors import BadOption, OutputError
from segbench.records import store
from segbench.records.record import Record
from tests.conftest import Answer

Cli = Callable[..., Answer]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="devices and FIFOs of Unix")

LONG = "n" * 300
COUNT = ("enet", "--res", "64x64", "--no-speed")


def device(folder: Path, minor: int) -> Path:
    """A node of /dev/null (3) or /dev/full (7) that a fault may spoil."""
    path = folder / f"device{minor}"
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, minor))
        path.write_bytes(b"")
    except OSError:
        pytest.skip("device nodes cannot be made here")
    return path


def refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, (answer.status, answer.out, answer.err)
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    for part in parts:
        assert part in answer.err


def test_a_device_is_written_through_to(tmp_path: Path) -> None:
    null, full = device(tmp_path, 3), device(tmp_path, 7)
    files.require_writable_file(null)
    files.write_text(null, "text")
    with pytest.raises(OutputError, match="No space left"):
        files.write_text(full, "text")
    assert null.is_char_device()
    assert full.is_char_device()


def test_a_fifo_is_written_through_to_its_reader(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()), daemon=True)
    reader.start()
    text = "x" * 1_000_000  # more than a FIFO holds
    while True:
        try:
            files.require_writable_file(fifo)  # as before a measurement
            break
        except OutputError:  # the reader has not begun
            pass
    files.write_text(fifo, text)
    reader.join(timeout=30)
    assert found == [text]


def test_a_fifo_without_a_reader_is_refused_and_not_waited_for(in_folder: Path, segbench_cli: Cli) -> None:
    os.mkfifo(in_folder / "fifo")
    refused(segbench_cli("profile", *COUNT, "--json", "fifo"), "fifo", "nobody reads")


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    link.symlink_to(target)
    for text in ("one", "two"):
        files.require_writable_file(link)
        files.write_text(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_links_to_each_other_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.symlink_to(two)
    two.symlink_to(one)
    for check in (files.require_writable_file, files.require_writable, lambda path: files.write_text(path, "")):
        with pytest.raises(OutputError, match="symbolic links"):
            check(one)


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (("profile", *COUNT, "--json", LONG), ("too long", "300 characters")),
        (("profile", *COUNT, "--json", f"new/{LONG}/x.json"), ("too long",)),
        (("profile", *COUNT, "--json", "file/x.json"), ("Not a directory",)),
        (("profile", *COUNT, "--json", "/proc/x/y.json"), ("/proc",)),
        (("profile", *COUNT, "--json", "."), ("folder",)),
        (("profile", *COUNT, "--layers", "--csv", LONG), ("too long",)),
        (("profile", *COUNT, "--layers", "--csv", "x", "--json", "./x"), ("--json and --csv are one file",)),
        (("profile", *COUNT, "--layers", "--csv", "-", "--json", "-"), ("--json and --csv",)),
        (("profile", *COUNT, "--csv", "-"), ("--layers",)),
        (("audit", "enet", "--json", "x", "--markdown", "x"), ("--json and --markdown",)),
        (
            ("check", "-b", "base.json", "--json", "base.json"),
            (
                "--json",
                "would replace what this call reads",
            ),
        ),
        (("check", "-b", "base.json", "--json", "x", "--junit", "x"), ("--json and --junit",)),
        (("compare", *COUNT, "--out", f"new/{LONG}"), ("too long",)),
        (("compare", *COUNT, "--out", "file"), ("file",)),
        (("compare", "nothing-like-it", "--no-speed", "--out", "new"), ("unknown network",)),
        (("compare", *COUNT, "--out", "new", "--json", "new/records.jsonl"), ("--out and --json",)),
        (("baseline", "save", "enet", "-b", LONG), ("too long",)),
        (("baseline", "save", "enet", "-b", "new/base.json", "--processes", "1"), ("--processes",)),
        (("report", "base.json", "--out", LONG), ("too long",)),
        (("eval", "enet", "--checkpoint", LONG, "--dataset", "camvid", "--root", "."), ("camvid",)),
    ],
)
def test_what_cannot_be_written_is_refused_first_and_leaves_nothing(
    in_folder: Path, call: tuple[str, ...], parts: tuple[str, ...], segbench_cli: Cli
) -> None:
    (in_folder / "file").write_text("kept")
    record = Record(model="enet", classes=19, resolution=(64, 64), params=1)
    (in_folder / "base.json").write_text(store.dumps([record]))
    refused(segbench_cli(*call), *parts)
    assert sorted(path.name for path in in_folder.iterdir()) == ["base.json", "file"]
    assert (in_folder / "file").read_text() == "kept"


def test_csv_goes_to_standard_output_alone(in_folder: Path, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", *COUNT, "--layers", "--csv", "-", "--json", "rows.json")
    assert answer.status == 0, answer.err
    heading, first, *_ = answer.out.splitlines()
    assert heading.count(",") == first.count(",") > 3
    assert json.loads((in_folder / "rows.json").read_text())[0]["model"] == "enet"
    assert not (in_folder / "-").exists()


def test_two_options_may_name_one_device_and_no_file(tmp_path: Path) -> None:
    null = device(tmp_path, 3)
    files.require_apart([("--json", null), ("--csv", null)])
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(BadOption, match="--json and --csv are one file"):
        files.require_apart([("--json", tmp_path / "link"), ("--csv", tmp_path / "file")])


def test_drafts_of_killed_processes_are_removed_and_others_are_not(tmp_path: Path) -> None:
    names = [f"{files.DRAFT}old", f"{files.REPORT}old", f"{files.OLD_REPORT}old", f"{files.DRAFT}young", "own"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").touch()
        if name != f"{files.DRAFT}young":
            os.utime(tmp_path / name, (0, 0))
    with files.draft_folder(tmp_path) as draft:
        os.utime(draft, (0, 0))  # as of a report that takes long
        files.write_text(tmp_path / "file", "text")
        assert draft.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{files.DRAFT}young", "file", "own"]


def test_a_folder_is_held_by_one_process_which_is_named(tmp_path: Path, segbench_cli: Cli) -> None:
    out = tmp_path / "out"
    code = "import sys, pathlib, segbench.files as f\nwith f.alone_in(pathlib.Path(sys.argv[1])): print(1); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()
    answer = segbench_cli("compare", *COUNT, "--out", out)
    refused(answer, "out is being written by", "wait")
    if Path("/proc/locks").exists():
        assert f"process {holder.pid}" in answer.err
    holder.communicate("\n", timeout=30)
    with files.alone_in(out):
        pass
    assert not out.exists()


def test_a_full_standard_output_is_one_line(tmp_path: Path) -> None:
    full = device(tmp_path, 7)
    for call in (["models"], ["env", "--json"], ["models", "--json"]):
        with full.open("w") as out:
            done = subprocess.run(
                [sys.executable, "-m", "segbench", *call], stdout=out, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 2
        assert done.stderr.strip() == "segbench: standard output cannot be written: No space left on device"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m segbench models --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "[\n"
    assert done.stderr == ""


def test_a_folder_that_stays_empty_is_not_left(tmp_path: Path) -> None:
    with files.alone_in(tmp_path / "deep" / "out"):
        assert (tmp_path / "deep" / "out").is_dir()
    assert list(tmp_path.iterdir()) == []
    with files.alone_in(tmp_path / "deep" / "out"):
        (tmp_path / "deep" / "records.jsonl").touch()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["records.jsonl"]


NET = "from torch import nn\ndef Net():\n    return nn.Conv2d(3, 19, 1)\n"


@pytest.mark.parametrize(
    "call",
    [
        ("profile", "./net.py:Net", "--res", "64x64", "--no-speed", "--json", "net.py"),
        ("profile", "net:Net", "--res", "64x64", "--no-speed", "--layers", "--csv", "net.py"),
        ("compare", "net:Net", "--res", "64x64", "--no-speed", "--out", "out", "--json", "net.py"),
        ("compare", "--config", "run.toml", "--no-speed", "--out", "out", "--json", "run.toml"),
        ("roof", "net:Net", "--gpu", "H200", "--json", "net.py"),
        ("eval", "enet", "--checkpoint", "a.pth", "--dataset", "camvid", "--root", "set", "--json", "a.pth"),
        ("eval", "enet", "--checkpoint", "a.pth", "--dataset", "camvid", "--root", "set", "--json", "set/a.png"),
        ("check", "-b", "a.json", "--current", "b.json", "--junit", "a.json"),
        ("check", "-b", "a.json", "--current", "b.json", "--comment", "b.json"),
        ("check", "-b", "a.json", "--current", "b.json", "--config", "run.toml", "--benchmark-json", "run.toml"),
        ("table", "a.json", "--format", "json", "--out", "a.json"),
        ("find", "runs", "--max-gmacs", "5", "--out", "runs/records.jsonl"),
        ("plot", "a.svg", "--out", "a.svg"),
        ("audit", "enet", "--records", "a.json", "--markdown", "a.json"),
        ("merge", "runs", "--out", "merged", "--json", "runs/records.jsonl"),
        ("history", "report", "runs", "--json", "runs/records.jsonl"),
        ("history", "plot", "runs", "--out", "runs/records.jsonl"),
    ],
)
def test_what_a_call_reads_is_never_written_over(in_folder: Path, segbench_cli: Cli, call: tuple[str, ...]) -> None:
    record = store.dumps([Record(model="enet", classes=19, resolution=(64, 64), params=360_422)])
    (in_folder / "set").mkdir()
    (in_folder / "runs").mkdir()
    contents = dict.fromkeys(("a.json", "b.json", "a.svg"), record) | {
        "net.py": NET,
        "run.toml": 'networks = ["enet"]\n',
    }
    contents |= {
        "a.pth": "weights",
        "set/a.png": "a label",
        "runs/records.jsonl": record.replace("\n", "")[1:-1] + "\n",
    }
    for name, content in contents.items():
        (in_folder / name).write_text(content)
    before = sorted(in_folder.rglob("*"))
    refused(segbench_cli(*call), "would replace what this call reads")
    assert {name: (in_folder / name).read_text() for name in contents} == contents
    assert sorted(in_folder.rglob("*")) == before


def test_a_new_file_in_a_folder_that_is_read_is_written(in_folder: Path, segbench_cli: Cli) -> None:
    (in_folder / "runs").mkdir()
    store.append(
        in_folder / "runs/records.jsonl", Record(model="enet", classes=19, resolution=(64, 64), params=360_422)
    )
    assert segbench_cli("table", "runs", "--no-published", "--format", "csv", "--out", "runs/table.csv").status == 0
