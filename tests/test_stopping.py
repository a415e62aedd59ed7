"""Calls that are stopped, killed or fail by segbench's own fault: one line, and nothing lost or left running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kills
from segbench import catalog, stopping
from segbench.accuracy.scenes import Scene, make_scene
from segbench.cli import run
from segbench.errors import BadOption
from segbench.job import Job
from segbench.measure.record import Stage, measure_job
from segbench.measure.subject import Subject
from segbench.records import store
from segbench.records.record import Record
from tests.conftest import Answer
from tests.processes import wait_for

Cli = Callable[..., Answer]


def test_an_unexpected_error_is_no_traceback_and_says_where_to_report_it(
    segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(patterns: object) -> None:
        raise KeyError("a key")

    monkeypatch.setattr(catalog, "match", fail)
    answer = segbench_cli("models")
    assert answer.status == 3
    assert answer.out == ""
    first, second = answer.err.splitlines()
    assert first.startswith("segbench: unexpected error: KeyError: 'a key' (test_stopping.py:")
    assert "report it" in second
    assert "Traceback" in segbench_cli("models", "--debug").err


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_call_in_one_line(
    segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(catalog, "match", lambda patterns: os.kill(os.getpid(), number))
    # A shell's background job, in which tests may run, ignores some of them.
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:
        answer = segbench_cli("models")
        assert signal.getsignal(number) is usual
    finally:
        signal.signal(number, before)
    assert answer.status == 128 + number
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert answer.err == f"segbench: stopped{by}; files are as they were before\n"


TWICE = """
import atexit, os, signal, sys
from segbench import catalog
from segbench.__main__ import main

def stop(patterns: object) -> None:
    try:
        os.kill(os.getpid(), signal.SIGHUP)
    except BaseException:  # swallowed by a library
        pass
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGHUP)

signal.signal(signal.SIGHUP, signal.SIG_DFL)
catalog.match = stop
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
sys.argv = ["segbench", "models"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_signals_after_the_first_change_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert done.stderr == "segbench: stopped by SIGTERM; files are as they were before\n"
    assert done.returncode == 143


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_a_signal_while_the_command_line_is_imported_is_one_line_too(in_folder: Path) -> None:
    (in_folder / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n")
    command = [sys.executable, "-m", "segbench", "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "segbench: stopped by SIGTERM; files are as they were before\n"
    assert done.returncode == 143


def test_little_is_imported_before_signals_are_handled() -> None:
    code = "import sys, segbench.__main__; print(sorted(name for name in sys.modules if name.startswith('segbench')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['segbench', 'segbench.__main__', 'segbench.stopping', 'segbench.version']\n"


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
@pytest.mark.parametrize("there", [False, True])
def test_half_a_data_set_is_not_left(
    in_folder: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    drawn = 0

    def draw(chance: np.random.Generator, height: int, width: int) -> Scene:
        nonlocal drawn
        drawn += 1
        if drawn == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return make_scene(chance, height, width)

    monkeypatch.setattr("segbench.accuracy.synthetic.make_scene", draw)
    if there:
        (in_folder / "drawn").mkdir()
    answer = segbench_cli("synthetic", "camvid", "drawn", "--images", "2", "--size", "64x96")
    assert answer.status == 143
    assert answer.err == "segbench: stopped by SIGTERM; files are as they were before\n"
    assert (in_folder / "drawn").exists() == there
    assert not list(in_folder.rglob("*.png"))


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_a_profile_that_is_stopped_says_what_it_kept(
    in_folder: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:

    def stop(job: Job, say: Stage, *, subject: Subject) -> Record:
        if job.model == "erfnet":
            os.kill(os.getpid(), signal.SIGTERM)
        return measure_job(job, say, subject=subject)

    monkeypatch.setattr("segbench.cli.isolated.measure_job", stop)
    call = ("profile", "enet", "erfnet", "--res", "64x64", "--no-speed", "--json", "rows.json")
    answer = segbench_cli(*call)
    assert answer.status == 143
    told = "segbench: stopped by SIGTERM; rows.json: 1 of 2 networks, those measured before\n"
    assert answer.err == told
    assert [record.model for record in store.read(in_folder / "rows.json")] == ["enet"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_what_nohup_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def refuse(patterns: object) -> None:
            os.kill(os.getpid(), signal.SIGHUP)
            raise BadOption("went on")

        monkeypatch.setattr(catalog, "match", refuse)
        assert run(["models"]) == 2
        assert "went on" in capsys.readouterr().err
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_is_kept_is_said_for_one_call_alone() -> None:
    with stopping.signals():
        stopping.keeps("all is well")
        assert stopping.in_words(signal.SIGTERM) == ("stopped by SIGTERM; all is well", 143)
    with stopping.signals():
        assert stopping.in_words() == (f"stopped; {stopping.NOTHING}", 130)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_a_comparison_that_is_stopped_says_how_it_goes_on(in_folder: Path) -> None:
    call = ["compare", "enet", "erfnet", "--res", "1024x2048", "--budget", "600", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "segbench", *call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for((in_folder / "segbench-out").exists)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert out == ""
    # The folder is made before the first network begins; how many are kept is known only then.
    assert re.fullmatch(
        "segbench: stopped by SIGTERM; (0 of 2|what was measured is) kept in segbench-out/records.jsonl; "
        "the same command goes on from there\n",
        err,
    )


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
def test_ten_kills_lose_nothing_and_leave_nothing_running(tmp_path: Path) -> None:
    assert len(list(kills.kill(10, tmp_path, networks=kills.NETWORKS[:2]))) == 10
