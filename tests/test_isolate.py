"""One process per measurement: what happens to it costs one row and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segbench.places import isolate
from segbench.places.isolate import run_isolated


def act(task: str) -> str:
    """What a measurement might do; runs in the child."""
    if task == "raise":
        raise ValueError("two\nlines")
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "exit":
        os._exit(3)
    if task == "garble":
        assert isolate._connection is not None
        isolate._connection.send_bytes(b"no pickle")
    if task == "promise":
        assert isolate._connection is not None
        os.write(isolate._connection.fileno(), b"garbage of a length that never comes")
        time.sleep(15)
    if task == "hang":
        time.sleep(600)
    return f"{task} in {os.getpid()}"


UNTOUCHED = """
import torch

def touched(*_, **__):
    raise AssertionError("CUDA was asked for something at import")

for name in ("is_available", "device_count", "current_device", "init", "_lazy_init"):
    setattr(torch.cuda, name, touched)
import segbench.compare.run, segbench.regress.sampling
"""


def test_what_the_fork_server_imports_leaves_cuda_alone() -> None:
    """After so much as a count of the GPUs in the server, no process forked from it could use one."""
    done = subprocess.run([sys.executable, "-c", UNTOUCHED], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_each_task_ends_by_itself() -> None:
    tasks = ["one", "raise", "die", "exit", "garble", "two"]
    outcomes = {outcome.task: outcome for outcome in run_isolated(act, tasks, workers=2, timeout_s=60)}
    assert set(outcomes) == set(tasks)
    assert outcomes["one"].failure is None
    assert outcomes["one"].result != outcomes["two"].result.replace("two", "one")
    assert str(os.getpid()) not in outcomes["one"].result
    assert outcomes["raise"].failure == "ValueError: two lines"
    assert "SIGKILL" in (outcomes["die"].failure or "")
    assert "status 3" in (outcomes["exit"].failure or "")
    assert (outcomes["garble"].failure or "").startswith("crashed")


@pytest.mark.slow
def test_a_hanging_task_is_ended() -> None:
    (outcome,) = run_isolated(act, ["hang"], timeout_s=3)
    assert outcome.failure == "timed out after 3 s"
    assert outcome.seconds < 60


def test_a_task_that_writes_less_than_it_promises_is_ended() -> None:
    (outcome,) = run_isolated(act, ["promise"], timeout_s=3)
    assert outcome.failure == "timed out after 3 s"


@pytest.mark.slow
def test_leaving_early_ends_what_runs() -> None:
    started: list[str] = []
    outcomes = run_isolated(act, ["one", "hang", "hang"], timeout_s=60, on_start=started.append)
    assert next(outcomes).task == "one"
    outcomes.close()  # type: ignore[attr-defined]
    assert started[0] == "one"


@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
def test_ctrl_c_while_the_fork_server_imports_is_not_its_own_to_tell(tmp_path: Path) -> None:
    interrupted = "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    (tmp_path / "interrupted.py").write_text(interrupted + "os.kill(os.getpid(), signal.SIGINT)\n")
    code = "from segbench.places.isolate import run_isolated; "
    code += "print([outcome.result for outcome in run_isolated(abs, [-1], preload=['interrupted'])])"
    places = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": places},
    )
    assert (done.stdout, done.stderr) == ("[1]\n", "")
