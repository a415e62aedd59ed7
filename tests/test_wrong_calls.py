"""A wrong call says what was meant, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.cli.options import complete_mode, complete_resolution
from tests.conftest import Answer

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("list",), "did you mean models?"),
        (("profil",), "did you mean profile"),
        (("baselin",), "did you mean baseline?"),
        (("zzz",), "see `segbench --help`"),
        (("models", "--jsn"), "did you mean --json?"),
        (("models", "--sort"), "see `--help`"),
    ],
)
def test_an_unknown_word_offers_what_was_meant(segbench_cli: Cli, call: tuple[str, ...], told: str) -> None:
    answer = segbench_cli(*call)
    assert answer.status == 2
    assert told in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_size_with_too_many_digits_is_told_so(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "mfpnet", "--res", "99999999x64", "--no-speed")
    assert answer.status == 2
    assert "too large" in answer.err and "HEIGHTxWIDTH" not in answer.err


def test_a_refused_call_leaves_no_folder(segbench_cli: Cli, in_folder: Path) -> None:
    assert segbench_cli("compare", "nosuchnet", "--no-speed", "--out", "deep/out").status == 2
    assert segbench_cli("profile", "enet", "--device", "tpu", "--json", "deep/r.json").status == 2
    assert segbench_cli("table", "--columns", "nothing", "--out", "deep/t.csv").status == 2
    assert segbench_cli("report", "none.jsonl", "--out", "deep/report").status == 2
    assert list(in_folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that somebody is in")
def test_a_current_folder_that_is_gone_is_said(
    segbench_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    answer = segbench_cli("profile", "enet", "--no-speed", "--json", "rows.json")
    assert answer.status == 2
    assert answer.err == "segbench: the current folder does not exist any more: change to one that does\n"


@pytest.mark.parametrize(
    "call",
    [
        ("compare", "enet", "--no-speed", "--out"),
        ("baseline", "save", "enet", "--no-speed", "-b"),
        ("table", "--out"),
        ("plot", "--out"),
        ("synthetic", "camvid"),
    ],
)
def test_no_file_or_folder_is_called_like_standard_output(
    segbench_cli: Cli, in_folder: Path, call: tuple[str, ...]
) -> None:
    answer = segbench_cli(*call, "-")
    assert answer.status == 2
    assert "-" in answer.err and len(answer.err.strip().splitlines()) <= 2
    assert list(in_folder.iterdir()) == []


def test_a_folder_whose_name_is_too_long_is_refused(segbench_cli: Cli, in_folder: Path) -> None:
    for call in (("synthetic", "camvid"), ("compare", "enet", "--no-speed", "--out")):
        answer = segbench_cli(*call, "n" * 300)
        assert answer.status == 2
        assert "File name too long" in answer.err and len(answer.err) < 250


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="a system without /dev/stdout")
def test_standard_output_by_its_path_is_written_after_what_was_printed(in_folder: Path) -> None:
    call = ["profile", "enet", "--res", "64x64", "--no-speed", "--json", "/dev/stdout"]
    with Path("both.txt").open("w") as file:
        file.write("before\n")
        file.flush()
        done = subprocess.run([sys.executable, "-m", "segbench", *call], stdout=file, check=False)
    assert done.returncode == 0
    first, *_, last = Path("both.txt").read_text().splitlines()
    assert (first, last) == ("before", "]")
    assert "parameters" in Path("both.txt").read_text()


def test_modes_and_sizes_complete() -> None:
    assert complete_mode("sw") == ["swiftnet"]
    assert "512x1024" in complete_resolution("512")
    assert all(size.startswith("360x") for size in complete_resolution("360x"))
