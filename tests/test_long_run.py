"""A long run tells what it does: a line as each network ends, the time left, and what Ctrl-C leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.cli.long_run import LongRun
from segbench.records.record import Record
from tests.conftest import Answer

Cli = Callable[..., Answer]
ENET = Record(model="enet", classes=19, resolution=(512, 1024), params=360_422, operations={"macs": 4_121_296_896})


def test_a_line_says_which_of_how_many_what_was_found_and_the_time_left() -> None:
    now = iter([0.0, 10.0, 50.0])
    run = LongRun(lambda: next(now))
    # One was measured before this run; ten seconds a network leave 20 for two.
    run.started(1, 4)
    assert run.ended(ENET, 2) == "2 of 4: enet 512x1024: 360.4 k parameters, 4.121 GMACs; about 20 s left"
    assert run.ended(ENET, 3).endswith("; about 25 s left")
    assert run.ended(Record(model="erfnet", classes=19, resolution=(64, 64), failure="out of memory"), 4) == (
        "4 of 4: erfnet 64x64: out of memory"
    )


def test_a_stop_says_what_is_kept(tmp_path: Path) -> None:
    run = LongRun()
    run.started(66, 124)
    run.ended(ENET, 67)
    assert run.kept(tmp_path) == f"67 of 124 kept in {tmp_path}; the same command goes on from there"


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(segbench_cli: Cli, tmp_path: Path) -> None:
    wanted = ["compare", "enet", "efrnet", "edanet", "erfnet", "--res", "128x256", "--no-speed", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "segbench", *wanted]
    # A shell's background job ignores Ctrl-C, and what it starts does.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stderr is not None
        first = process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert first.startswith("1 of 4: ")
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    last = rest.strip().splitlines()[-1]
    assert last.startswith("segbench: stopped; ") and last.endswith("the same command goes on from there")
    answer = segbench_cli(*wanted)
    assert answer.status == 0
    assert "4 of 4: " in answer.err or "4 of 4" in last
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 4
