"""Baselines of several machines and runs, comments for pull requests, JUnit, and revisions that only a remote has."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from segbench.errors import SegbenchError
from segbench.records import store
from segbench.regress.against import revisions
from segbench.regress.comment import MARKER
from tests.check_records import lines, made, put
from tests.conftest import Answer

Cli = Callable[..., Answer]

CHECK = ("check", "-b", "base.json", "--current", "now.json")


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


def test_of_several_machines_that_of_the_run_is_compared_and_named(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(2.0, device_name="NVIDIA B"), made(device_name="NVIDIA A"))
    put("now.json", made(seed=1))
    answer = segbench_cli(*CHECK)
    assert answer.status == 0, answer.out
    assert "SAME FPS" in answer.out
    assert "against base.json [NVIDIA A (torch 2.5.1), 2026-11-01]" in answer.out
    put("now.json", made(2.2, seed=1, device_name="NVIDIA B"))
    assert "SLOWER FPS" in segbench_cli(*CHECK).out
    shown = segbench_cli("baseline", "show", "-b", "base.json").out
    assert "NVIDIA A" in shown and "NVIDIA B" in shown


def test_where_no_machine_fits_those_that_are_there_are_named(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(device_name="NVIDIA B"), made(device_name="NVIDIA A"))
    put("now.json", made(3.0, seed=1, device_name="NVIDIA C", params=1001))
    answer = segbench_cli(*CHECK)
    assert answer.status == 1, "counts are compared all the same"
    assert "parameters: 1,000 -> 1,001" in answer.out
    assert "the baseline has NVIDIA B (torch 2.5.1), NVIDIA A (torch 2.5.1)" in answer.out
    assert "SLOWER" not in answer.out


def test_of_a_folder_the_newest_run_of_the_machine_counts(segbench_cli: Cli, in_folder: Path) -> None:
    put("runs/a.json", made(created="2026-11-02T00:00:00Z"))
    put("runs/b.json", made(0.8, created="2026-11-01T00:00:00Z"))
    lines("runs/c.jsonl", [made(0.5, device_name="NVIDIA B", created="2026-11-03T00:00:00Z")])
    (in_folder / "runs" / "notes.txt").write_text("no Records")
    put("now.json", made(seed=1))
    answer = segbench_cli("check", "-b", "runs", "--current", "now.json")
    assert answer.status == 0, answer.out
    assert "against runs [a.json, NVIDIA A (torch 2.5.1), 2026-11-02]" in answer.out
    put("runs/d.json", made(0.9, created="2026-11-04T00:00:00Z"))
    assert segbench_cli("check", "-b", "runs", "--current", "now.json").status == 1


def test_a_folder_that_is_no_baseline_is_refused(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "runs" / "empty").mkdir(parents=True)
    put("now.json", made())
    _refused(segbench_cli("check", "-b", "runs/empty", "--current", "now.json"), "runs/empty holds no file of Records")
    _refused(segbench_cli("check", "-b", "runs/main", "--current", "now.json"), "runs/main", "runs has empty")
    put("runs/main/a.json", made())
    (in_folder / "runs" / "main" / "b.json").write_text("{}")
    _refused(segbench_cli("check", "-b", "runs/main", "--current", "now.json"), "b.json", "schema")
    (in_folder / "runs" / "main" / "b.json").unlink()
    _refused(segbench_cli("baseline", "update", "-b", "runs/main", "--yes"), "folder", "name the file")


def test_one_machine_twice_in_a_file_is_not_guessed_at(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made(), made(seed=1))
    put("now.json", made())
    _refused(segbench_cli(*CHECK), "2 times under the same conditions")
    put("base.json", made())
    put("now.json", made(), made(device_name="NVIDIA B"))
    _refused(segbench_cli(*CHECK), "now.json", "NVIDIA A (torch 2.5.1); NVIDIA B (torch 2.5.1)")


def test_records_are_saved_as_a_baseline_and_added_to_one(segbench_cli: Cli, in_folder: Path) -> None:
    put("a.json", made())
    put("b.json", made(device_name="NVIDIA B"))
    assert segbench_cli("baseline", "save", "--from", "a.json", "-b", "base.json").status == 0
    _refused(segbench_cli("baseline", "save", "--from", "b.json", "-b", "base.json"), "--add")
    assert segbench_cli("baseline", "save", "--from", "b.json", "-b", "base.json", "--add").status == 0
    names = [record.speed and record.speed.device_name for record in store.read(Path("base.json"))]
    assert names == ["NVIDIA A", "NVIDIA B"]
    text = Path("base.json").read_text()
    _refused(segbench_cli("baseline", "save", "--from", "b.json", "-b", "base.json", "--add"), "2 times")
    assert Path("base.json").read_text() == text
    _refused(segbench_cli("baseline", "save", "-b", "c.json"), "--from")
    _refused(segbench_cli("baseline", "save", "x", "--from", "a.json", "-b", "c.json"), "--from")
    put("failed.json", made(speed=False, failure="out of memory"))
    _refused(segbench_cli("baseline", "save", "--from", "failed.json", "-b", "c.json"), "out of memory")


def test_a_comment_has_a_marker_the_worst_first_and_a_link(segbench_cli: Cli, in_folder: Path) -> None:
    names = ("same", "slower", "failed", "changed", "accepted")
    put("base.json", *(made(model=f"{name}:net") for name in names))
    put(
        "now.json",
        made(seed=1, model="same:net"),
        made(1.2, seed=1, model="slower:net"),
        made(speed=False, failure="no weights", model="failed:net"),
        made(seed=1, params=1001, model="changed:net"),
        made(seed=1, params=1002, model="accepted:net"),
    )
    accept = ("accept", "accepted:net 64x128: parameters", "--reason", "meant", "-b", "base.json")
    assert segbench_cli(*accept, "--current", "now.json").status == 0
    call = (*CHECK, "--comment", "comment.md", "--page-url", "https://example.org/report")
    assert segbench_cli(*call).status == 1
    text = Path("comment.md").read_text()
    assert text.startswith(f"{MARKER}\n### segbench check: failed\n")
    rows = re.findall(r"^\| (\w+):net", text, flags=re.MULTILINE)
    assert rows == ["failed", "changed", "slower", "accepted", "same"]
    assert "](https://example.org/report)" in text
    assert "segbench accept 'slower:net 64x128: QUANTITY'" in text
    assert "- accepted:net 64x128: accepted: parameters" in text


def test_a_comment_stays_within_what_github_takes(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", *(made(speed=False, model=f"net{index}:{'x' * 200}") for index in range(300)))
    put("now.json", *(made(speed=False, params=1, model=f"net{index}:{'x' * 200}") for index in range(300)))
    assert segbench_cli(*CHECK, "--comment", "comment.md", "--page-url", "https://example.org").status == 1
    text = Path("comment.md").read_text()
    assert 50_000 < len(text) < 65_536
    assert "lines more" in text
    assert "](https://example.org)" in text, "the link is not cut off"


def test_junit_says_when_where_and_how_long(segbench_cli: Cli, in_folder: Path) -> None:
    put("base.json", made())
    put("now.json", made(seed=1))
    assert segbench_cli(*CHECK, "--junit", "junit.xml").status == 0
    root = ElementTree.parse("junit.xml").getroot()
    (suite,) = root
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", str(suite.get("timestamp")))
    assert suite.get("hostname") == socket.gethostname()
    for element in (root, suite, *suite):
        assert float(str(element.get("time"))) == 0.0, "nothing was measured"


# Revisions.


def _git(*arguments: str, at: Path) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=at, check=True, capture_output=True)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A repository with a branch main of two commits, and one more on a branch of a pull request."""
    folder = tmp_path / "remote"
    folder.mkdir()
    _git("init", "-q", "-b", "main", at=folder)
    for branch in ("main", "main", "change"):
        if branch == "change":
            _git("checkout", "-q", "-b", "change", at=folder)
        _git("commit", "-q", "--allow-empty", "-m", branch, at=folder)
    return folder


def test_main_is_found_at_the_remote(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git("clone", "-q", "--branch", "change", str(remote), "checkout", at=tmp_path)
    monkeypatch.chdir(tmp_path / "checkout")
    with revisions("main") as (base, head):
        assert base.name == "origin/main"
        assert base.commit != head.commit
    with pytest.raises(SegbenchError, match="no revision 'nowhere', and no origin/nowhere"), revisions("nowhere"):
        pass


def test_a_shallow_clone_is_named(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git("clone", "-q", "--depth", "1", "--branch", "change", f"file://{remote}", "checkout", at=tmp_path)
    monkeypatch.chdir(tmp_path / "checkout")
    for name in ("main", "HEAD~1"):
        with pytest.raises(SegbenchError, match=r"shallow clone.*fetch-depth: 0"), revisions(name):
            pass
