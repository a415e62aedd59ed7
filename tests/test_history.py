"""`segbench history` as a team meets it: Records by commit, what changed, and where, in the terminal and on a page."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segbench.history.changes import find_changes
from segbench.history.commits import Commit
from segbench.history.entries import Entry, add
from segbench.history.series import series_of
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Accuracy, Memory
from tests import toy_project
from tests.conditions_records import timed
from tests.conftest import Answer

Cli = Callable[..., Answer]


def _commit(number: int, subject: str = "") -> Commit:
    return Commit(
        commit=f"{number:040x}",
        number=number,
        date=f"2026-11-{1 + number // 24:02d}T{number % 24:02d}:00:00Z",
        subject=subject,
    )


def _counted(params: int = 1000, **content: Any) -> Record:
    values = {"model": "net", "classes": 19, "resolution": (64, 64), "params": params, "operations": {"macs": 10**9}}
    return Record(**{**values, "created": "2026-11-21T10:00:00Z", **content})


def _processes(fps: Sequence[float], **environment: Any) -> Record:
    """A Record of several processes."""
    record = timed("net")
    assert record.speed is not None
    busy = [600 / value for value in fps]
    speed = replace(
        record.speed,
        fps=float(np.mean(fps)),
        process_fps=list(fps),
        process_latency_ms=[1000 / value for value in fps],
        process_gpu_busy_ms=busy,
    )
    memory = Memory(peak_mib=100.0, process_peak_mib=[100.0] * len(fps))
    return replace(record, speed=speed, memory=memory, environment={**record.environment, **environment})


def _noisy(chance: np.random.Generator, fps: float) -> list[float]:
    """2 % noise between the ten processes of a commit, 0.5 % between commits."""
    day = 0.005 * chance.standard_normal()
    found: list[float] = (fps * np.exp(day + 0.02 * chance.standard_normal(10))).tolist()
    return found


def _timed_history(folder: Path, levels: Sequence[float], seed: int = 0, **environment: Any) -> None:
    chance = np.random.default_rng(seed)
    for number, fps in enumerate(levels, 1):
        add([_processes(_noisy(chance, fps), **environment)], folder, _commit(number))


def _counted_history(folder: Path, params: Sequence[int]) -> None:
    for number, count in enumerate(params, 1):
        add([_counted(count)], folder, _commit(number, f"Change number {number}"))


def _reported(cli: Cli, *arguments: object) -> list[dict[str, Any]]:
    answer = cli("history", "report", *arguments, "--json", "-")
    assert answer.status == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)
    return found


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


# What is planted is found.


@pytest.mark.slow
def test_every_planted_change_of_60_commits_is_found_and_no_other(in_folder: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    commits = toy_project.make(in_folder)
    for number, commit in enumerate(commits, 1):
        text = toy_project.source(number)
        record = toy_project.timed(
            toy_project.counted(toy_project.untimed(text)), text, range(10 * number, 10 * number + 10)
        )
        Path("records.json").write_text(store.dumps([record]))
        answer = segbench_cli("history", "add", "records.json", "--to", "history", "--commit", commit)
        assert answer.status == 0, answer.err
        assert f"Commit number {number} added to history" in answer.out
    exact: dict[int, set[str]] = {}
    shifts: list[tuple[int, str]] = []
    for change in _reported(segbench_cli, "history"):
        first, last = (commits.index(change[name]) + 1 for name in ("first_commit", "last_commit"))
        if change["exact"]:
            assert change["commits"] == last - first == 1
            exact.setdefault(last, set()).add(change["quantity"])
        else:
            planted = [number for number in toy_project.SLOWER if first < number <= last]
            assert len(planted) == 1, change
            shifts.append((planted[0], change["quantity"]))
    assert exact.keys() == toy_project.CHANGED.keys()
    assert {"parameters", "macs", "logits"} <= exact[toy_project.WIDER]
    assert "parameters" in exact[toy_project.ONE_MORE_NORM] and "macs" not in exact[toy_project.ONE_MORE_NORM]
    assert "macs" in exact[toy_project.SMALLER_STRIDE] and "parameters" not in exact[toy_project.SMALLER_STRIDE]
    assert sorted(shifts) == [(number, name) for number in toy_project.SLOWER for name in ("FPS", "latency")]


@pytest.mark.slow
def test_100_histories_without_a_change_have_at_most_one(tmp_path: Path) -> None:
    pytest.importorskip("ruptures")
    false = 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        entries = [
            Entry(_commit(number), f"runner {machine}", _processes(_noisy(chance, 111.0)))
            for number in range(1, 61)
            for machine in (1, 2)
        ]
        searched = find_changes(series_of(entries))
        assert sum(not series.exact for series, _ in searched) == 8
        false += sum(len(found) for _, found in searched)
    assert false <= 1


def test_the_range_is_wider_where_commits_were_not_measured(tmp_path: Path, segbench_cli: Cli) -> None:
    for number in (1, 4, 9):
        add([_counted(1000 if number < 5 else 2000)], tmp_path / "h", _commit(number))
    (change,) = _reported(segbench_cli, tmp_path / "h")
    assert (change["first_commit"], change["last_commit"]) == (_commit(4).commit, _commit(9).commit)
    assert change["commits"] == 5
    assert (change["quantity"], change["before"], change["after"]) == ("parameters", 1000, 2000)


def test_a_shift_has_its_values_in_the_units_of_the_quantity(tmp_path: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    _timed_history(tmp_path / "h", [100.0] * 12 + [90.0] * 8)
    found = {change["quantity"]: change for change in _reported(segbench_cli, tmp_path / "h")}
    assert found.keys() == {"FPS", "latency", "GPU busy"}
    assert found["FPS"]["before"] == pytest.approx(100, rel=0.01)
    assert found["FPS"]["after"] == pytest.approx(90, rel=0.01)
    assert found["FPS"]["unit"] == "images/s"
    assert found["latency"]["after"] == pytest.approx(1000 / 90, rel=0.01)
    assert found["latency"]["unit"] == "ms"
    for change in found.values():
        assert change["first_commit"] <= _commit(12).commit < _commit(13).commit <= change["last_commit"]


def test_commits_of_few_and_of_many_processes_weigh_as_they_should(tmp_path: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    chance = np.random.default_rng(0)
    for name, after in (("slower", 94.0), ("same", 100.0)):
        for number in range(1, 41):
            fps = _noisy(chance, 100.0 if number <= 20 else after)
            add([_processes(fps if number % 2 else fps[:2])], tmp_path / name, _commit(number))
    assert _reported(segbench_cli, tmp_path / "same") == []
    (change,) = (one for one in _reported(segbench_cli, tmp_path / "slower") if one["quantity"] == "FPS")
    assert change["first_commit"] <= _commit(20).commit < _commit(21).commit <= change["last_commit"]
    assert change["after"] == pytest.approx(94, rel=0.01)


def test_one_or_two_disturbed_commits_are_no_change(tmp_path: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    _timed_history(tmp_path / "h", [100.0] * 10 + [70.0] + [100.0] * 8 + [80.0, 70.0] + [100.0] * 9 + [60.0])
    assert _reported(segbench_cli, tmp_path / "h") == []


def test_a_series_whose_conditions_change_is_cut_and_never_joined(tmp_path: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    chance = np.random.default_rng(0)
    for number in range(1, 31):
        torch, fps = ("2.13.0", 100.0) if number < 16 else ("2.14.0", 70.0)
        add([_processes(_noisy(chance, fps), torch=torch)], tmp_path / "h", _commit(number))
    assert _reported(segbench_cli, tmp_path / "h") == []
    shown = segbench_cli("history", "show", tmp_path / "h").out
    assert len(re.findall(r"^net 512x1024 +FPS ", shown, flags=re.MULTILINE)) == 2
    cut = f"begins at {_commit(16).short}, not joined to what was before: torch 2.13.0 -> 2.14.0"
    assert cut in " ".join(shown.split())


def test_two_machines_are_two_series_of_timings_and_one_of_counts(tmp_path: Path, segbench_cli: Cli) -> None:
    for machine, number in (("old", 1), ("new", 2)):
        record = replace(_processes([100.0, 101.0]), params=number)
        add([record], tmp_path / "h", _commit(number), machine)
    shown = segbench_cli("history", "show", tmp_path / "h").out
    assert len(re.findall(r"^net 512x1024 +FPS ", shown, flags=re.MULTILINE)) == 2
    assert "1 of the 10 commits from which on changes are looked for" in shown
    assert [change["quantity"] for change in _reported(segbench_cli, tmp_path / "h")] == ["parameters"]


def test_an_miou_changes_by_more_than_its_tolerance(tmp_path: Path, segbench_cli: Cli) -> None:
    for number, miou in enumerate((0.7000, 0.70004, 0.7010), 1):
        record = _counted(accuracy=Accuracy(dataset="CamVid", split="val", miou=miou))
        add([record], tmp_path / "h", _commit(number))
    (change,) = _reported(segbench_cli, tmp_path / "h")
    assert (change["quantity"], change["unit"], change["last_commit"]) == ("mIoU", "%", _commit(3).commit)
    assert "+0.096 points" in segbench_cli("history", "report", tmp_path / "h").out


# How it is kept.


def test_the_same_records_are_added_once(in_folder: Path, segbench_cli: Cli) -> None:
    toy_project.make(in_folder, 2)
    Path("records.json").write_text(store.dumps([_counted()]))
    assert "1 Record of" in segbench_cli("history", "add", "records.json", "--to", "h").out
    answer = segbench_cli("history", "add", "records.json", "--to", "h")
    assert (answer.status, "0 Records of" in answer.out, "1 already there" in answer.out) == (0, True, True)
    (path,) = Path("h").glob("*/*.jsonl")
    (line,) = path.read_text().splitlines()
    content = json.loads(line)
    assert path.stem == content["commit"] == toy_project.git(in_folder, "rev-parse", "HEAD")
    assert (content["schema"], content["number"], content["subject"]) == (1, 2, "Commit number 2")
    assert content["date"] == "2023-11-15T00:13:20Z"


def test_branches_that_add_merge_without_a_conflict(in_folder: Path, segbench_cli: Cli) -> None:
    first, second = toy_project.make(in_folder, 2)
    for branch, params in (("one", 1), ("other", 2)):
        toy_project.git(in_folder, "checkout", "-q", "-b", branch, "main")
        for commit, count in ((first, 0), (second, params)):
            Path("records.json").write_text(store.dumps([_counted(count, created=f"2026-11-2{count}T10:00:00Z")]))
            assert segbench_cli("history", "add", "records.json", "--to", "h", "--commit", commit).status == 0
        toy_project.git(in_folder, "add", "h")
        toy_project.git(in_folder, "commit", "-q", "-m", "Measure")
    toy_project.git(in_folder, "merge", "-q", "-m", "Merge", "one")
    lines = [line for path in Path("h").glob("*/*.jsonl") for line in path.read_text().splitlines()]
    assert sorted({json.loads(line)["record"]["params"] for line in lines}) == [0, 1, 2]
    assert segbench_cli("history", "show", "h").status == 0


def test_commits_are_in_their_order_whenever_and_wherever_they_are_added(tmp_path: Path, segbench_cli: Cli) -> None:
    for number in (3, 1, 2):
        # Rebased commits may be dated backwards.
        commit = replace(_commit(number), date=f"2026-11-2{9 - number}T00:00:00Z")
        add([_counted(number)], tmp_path / "h", commit)
    assert [(change["before"], change["after"]) for change in _reported(segbench_cli, tmp_path / "h")] == [
        (2, 3),
        (1, 2),
    ]


def test_a_file_that_lost_its_last_newline_is_added_to(in_folder: Path, segbench_cli: Cli) -> None:
    add([_counted()], Path("h"), _commit(1))
    (kept,) = Path("h").rglob("*.jsonl")
    kept.write_text(kept.read_text().rstrip("\n"))
    add([replace(_counted(), model="mine:Other")], Path("h"), _commit(1))
    assert len(kept.read_text().splitlines()) == 2
    assert segbench_cli("history", "show", "h").status == 0


def test_without_git_a_commit_takes_a_date(in_folder: Path, segbench_cli: Cli) -> None:
    Path("records.json").write_text(store.dumps([_counted()]))
    call = ("history", "add", "records.json", "--to", "h", "--commit")
    _refused(segbench_cli(*call, "abcdef0123"), "no revision 'abcdef0123'", "--date")
    _refused(segbench_cli(*call, "abcdef0123", "--date", "yesterday"), "--date", "yesterday")
    _refused(segbench_cli(*call, "v1.0", "--date", "2026-11-21"), "--commit", "v1.0")
    _refused(segbench_cli(*call, "abcdef0123", "--date", "9999-12-31T23:59:59-23:00"), "--date", "9999")
    assert not Path("h").exists()
    assert segbench_cli(*call, "abcdef0123", "--date", "2026-11-21").status == 0
    Path("records.json").write_text(store.dumps([_counted(2000)]))
    assert segbench_cli(*call, "0123456789", "--date", "2026-11-20T12:00:00+02:00").status == 0
    (change,) = _reported(segbench_cli, "h")
    assert (change["first_commit"], change["last_commit"]) == ("0123456789", "abcdef0123")
    assert change["commits"] is None


def test_a_shallow_clone_does_not_number_its_commits(
    in_folder: Path, segbench_cli: Cli, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_project.make(in_folder, 3)
    clone = tmp_path_factory.mktemp("shallow")
    toy_project.git(clone, "clone", "-q", "--depth", "1", in_folder.as_uri(), ".")
    monkeypatch.chdir(clone)
    Path("records.json").write_text(store.dumps([_counted()]))
    assert segbench_cli("history", "add", "records.json", "--to", "h").status == 0
    (path,) = Path("h").glob("*/*.jsonl")
    content = json.loads(path.read_text())
    assert (content["number"], content["date"]) == (None, "2023-11-15T01:13:20Z")


def test_a_history_of_two_branches_is_noted(tmp_path: Path, segbench_cli: Cli) -> None:
    for digit in "ab":
        add([_counted()], tmp_path / "h", replace(_commit(7), commit=digit * 40))
    answer = segbench_cli("history", "show", tmp_path / "h")
    assert answer.status == 0
    assert "are both number 7 of their branches" in answer.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"schema": 2}, "schema 2"),
        ({"record": {"schema": 9, "model": "x"}}, "schema 9"),
        ({"commit": "main"}, "commit"),
        ({"number": -1}, "number"),
        ({"machine": 3}, "machine"),
        ({"record": None}, "Record"),
    ],
)
def test_a_line_of_another_schema_is_refused_by_file_and_line(
    tmp_path: Path, segbench_cli: Cli, line: dict[str, Any], said: str
) -> None:
    _counted_history(tmp_path / "h", [1000])
    (path,) = (tmp_path / "h").glob("*/*.jsonl")
    content = {**json.loads(path.read_text()), **line}
    path.write_text(path.read_text() + json.dumps(content) + "\n")
    for command in ("show", "report", "plot"):
        _refused(segbench_cli("history", command, tmp_path / "h"), path.name, "line 2", said)


def test_what_is_no_history_is_refused(tmp_path: Path, segbench_cli: Cli) -> None:
    _refused(segbench_cli("history", "show", tmp_path / "nothing"), "there is no history", "history add")
    _refused(segbench_cli("history", "show", tmp_path), "holds no history")
    _counted_history(tmp_path / "h", [1000])
    (path,) = (tmp_path / "h").glob("*/*.jsonl")
    _refused(segbench_cli("history", "show", tmp_path / "h", "--network", "other*"), "other*", "net 64x64")
    _refused(segbench_cli("history", "report", tmp_path / "h", "--min-effect", "200%"), "--min-effect")
    path.write_text(path.read_text()[:50])
    _refused(segbench_cli("history", "show", tmp_path / "h"), path.name, "line 1", "not JSON")


# How it is shown.


def test_the_page_of_the_docs_has_every_field_of_a_change_and_no_others(tmp_path: Path, segbench_cli: Cli) -> None:
    _counted_history(tmp_path / "h", [1000, 2000])
    (change,) = _reported(segbench_cli, tmp_path / "h")
    text = (Path(__file__).parent.parent / "docs/history.md").read_text(encoding="utf-8")
    table = text.partition("| field | meaning |\n")[2].partition("\n\n")[0]
    assert {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])} == change.keys()


def test_a_missing_library_is_one_sentence_and_counts_need_none(
    tmp_path: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    _counted_history(tmp_path / "counts", [1000] * 11 + [2000])
    assert len(_reported(segbench_cli, tmp_path / "counts")) == 1
    _timed_history(tmp_path / "timed", [100.0] * 10)
    _refused(segbench_cli("history", "report", tmp_path / "timed"), "ruptures", "pip install 'segbench[history]'")


@pytest.mark.parametrize("columns", [40, 80, 160, None])
def test_tables_fit_and_break_no_figure(
    tmp_path: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int | None
) -> None:
    monkeypatch.setenv("COLUMNS", "" if columns is None else str(columns))
    _counted_history(tmp_path / "h", [1_234_567] * 3 + [2_345_678] * 2)
    shown = segbench_cli("history", "show", tmp_path / "h").out
    reported = segbench_cli("history", "report", tmp_path / "h").out
    for text in (shown, reported):
        assert all(columns is None or len(line) <= columns for line in text.splitlines())
        for figure in ("1,234,567", "2,345,678", "+90.0%"):
            assert figure in text
    assert _commit(3).short in reported and _commit(4).short in reported
    assert "Change number 4" in " ".join(reported.split())
    assert f"{_commit(3).short}..{_commit(4).short} (1 commit)" in re.sub(r"\s+", " ", shown)


def test_a_cpu_timing_is_called_one_wherever_it_stands(tmp_path: Path, segbench_cli: Cli) -> None:
    pytest.importorskip("ruptures")
    chance = np.random.default_rng(0)
    for number in range(1, 16):
        record = _processes(_noisy(chance, 100.0 if number < 8 else 80.0))
        assert record.speed is not None
        record.speed = replace(record.speed, device="cpu", device_name="Host")
        add([record], tmp_path / "h", _commit(number))
    for command in ("show", "report"):
        assert "FPS (CPU)" in segbench_cli("history", command, tmp_path / "h").out
    assert all(change["conditions"].startswith("CPU Host") for change in _reported(segbench_cli, tmp_path / "h"))
    segbench_cli("history", "plot", tmp_path / "h", "--out", tmp_path / "page.html")
    assert "FPS (CPU)" in (tmp_path / "page.html").read_text()


def test_the_page_shows_each_series_and_loads_nothing(tmp_path: Path, segbench_cli: Cli) -> None:
    for number, count in enumerate((1000, 1000, 2000), 1):
        add([_counted(count)], tmp_path / "h", _commit(number, "<script>alert(1)</script>"))
    out = tmp_path / "page.html"
    answer = segbench_cli("history", "plot", tmp_path / "h", "--out", out)
    assert answer.status == 0, answer.err
    text = out.read_text()
    assert text.count("<img ") == 2, "parameters and MACs"
    assert "<script" not in text and "&lt;script&gt;" in text
    assert set(re.findall(r'(?:src|href)="([^:"]*)', text)) == {"data"}
    assert f"{_commit(2).short}..{_commit(3).short}" in text
    segbench_cli("history", "plot", tmp_path / "h", "--out", out)
    assert out.read_text() == text, "the same history gives the same bytes"
    _refused(segbench_cli("history", "plot", tmp_path / "h", "--out", tmp_path), "is a folder")
