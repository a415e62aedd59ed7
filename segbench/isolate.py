"""Run each measurement in a process of its own, so that a crash, a hang or a full GPU costs one row.

Processes come from a `forkserver` that has torch imported and no CUDA context: 0.4 s each instead of 2.5 s. What they
print goes to standard error: standard output is for results.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from segbench.errors import SegbenchError, one_line

Task = TypeVar("Task")


@dataclass(frozen=True)
class Outcome(Generic[Task]):
    """How one task ended: with a result, or with the reason why there is none (one line) and the error's type."""

    task: Task
    result: Any
    failure: str | None
    seconds: float
    error: type[BaseException] | None = None

    @property
    def refusal(self) -> SegbenchError | None:
        """What the process found to be wrong with the task, as it was raised there; None where nothing was."""
        if self.error is None or self.failure is None or not issubclass(self.error, SegbenchError):
            return None
        refusal = SegbenchError.__new__(self.error)
        Exception.__init__(refusal, self.failure.removeprefix(f"{self.error.__name__}: "))
        return refusal


@dataclass
class _Running(Generic[Task]):
    task: Task
    process: BaseProcess
    connection: Connection
    started: float
    heard: float


def run_isolated(
    function: Callable[[Task], Any],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    timeout_s: float = 600.0,
    deadline: float | None = None,
    preload: Sequence[str] = (),
    on_start: Callable[[Task], None] | None = None,
    on_news: Callable[[Task, Any], None] | None = None,
    may_have_children: bool = False,
) -> Iterator[Outcome[Task]]:
    """Call ``function(task)`` for each task in a fresh process and yield the outcomes as they come.

    Args:
        function: importable by name; its result must pickle.
        tasks: what to call it with, in this order.
        workers: processes at a time; 1 where timings must not disturb each other.
        timeout_s: seconds without a word from a process (`tell`) after which it is killed and its task failed.
        deadline: on `time.monotonic`; then no task is started any more, those that run are ended, and none of them has
            an outcome.
        preload: modules that the fork server imports once for all.
        on_start: told of each task as it starts.
        on_news: told what a task tells while it runs.
        may_have_children: let `function` start processes of `multiprocessing`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    if tasks:
        _start_server()
    waiting = deque(tasks)
    running: list[_Running[Task]] = []
    try:
        while waiting or running:
            if deadline is not None and time.monotonic() >= deadline:
                return
            while waiting and len(running) < workers:
                task = waiting.popleft()
                if on_start:
                    on_start(task)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_call, args=(theirs, function, task), daemon=not may_have_children)
                try:
                    process.start()
                except (OSError, EOFError) as error:
                    # The fork server was killed; the next process starts another.
                    yield Outcome(task, None, f"no process could be started: {error or type(error).__name__}", 0.0)
                    continue
                finally:
                    theirs.close()
                now = time.monotonic()
                running.append(_Running(task, process, ours, now, now))
            if not running:
                continue
            first = min(min(item.heard for item in running) + timeout_s, deadline or math.inf)
            wait([item.connection for item in running], timeout=max(first - time.monotonic(), 0.0))
            for item in list(running):
                outcome = _collect(item, timeout_s, on_news)
                if outcome is not None:
                    running.remove(item)
                    yield outcome
    finally:
        for item in running:
            _end(item, patience_s=0.0)


def _start_server() -> None:
    """Start the fork server where no module of the current folder can stand in for one of Python's."""
    here = Path.cwd()
    os.chdir(Path(os.__file__).parent)
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(here)


def tell(news: Any) -> None:
    """In a process of `run_isolated`: say how far the task is; nothing elsewhere."""
    if _connection is not None:
        end_if_copy()
        _connection.send(("news", news))


def come_home() -> None:
    """In a process of `run_isolated`: back to the folder that it was started in; nothing elsewhere."""
    if _home is not None:
        os.chdir(_home)


def end_if_copy() -> None:
    """End a copy of a process of `run_isolated` that a user's code forked and lets go on: the original has the task."""
    if _number is not None and os.getpid() != _number:
        os._exit(0)


_connection: Connection | None = None
_home: Path | None = None
_number: int | None = None


def _call(connection: Connection, function: Callable[[Any], Any], task: Any) -> None:
    global _connection, _home, _number
    _connection, _home, _number = connection, Path.cwd(), os.getpid()
    # The parent decides what ends; what the task starts, ends with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # A parent that is gone hears no more.
    with contextlib.suppress(OSError):
        try:
            result = function(task)
            end_if_copy()
            connection.send(("done", (result, None, None)))
        except BaseException as error:
            end_if_copy()
            connection.send(("done", (None, _reason(error), _importable(error))))
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Not as Python ends: what a user's code left behind to be done at the end is not waited for.
    os._exit(0)


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)[:80]}) was called"
    # What segbench says itself is said whole.
    return one_line(error, most=None if isinstance(error, SegbenchError) else 300)


def _importable(error: BaseException) -> type[BaseException] | None:
    """The error's type, where the parent has it too: a user's module may not be there."""
    return type(error) if type(error).__module__.partition(".")[0] in ("segbench", "builtins") else None


def _end_with_parent() -> None:
    """End this process when its parent is gone, killed perhaps: an orphan would disturb the next run's timings.

    The thread sleeps in the kernel until then and costs a timing nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def _collect(
    item: _Running[Task], timeout_s: float, on_news: Callable[[Task, Any], None] | None
) -> Outcome[Task] | None:
    while item.connection.poll():
        item.heard = time.monotonic()
        seconds = item.heard - item.started
        try:
            kind, content = item.connection.recv()
        except Exception:  # ended, or what came is nothing that was sent
            item.process.join(timeout=5)
            kind, content = "done", (None, _death(item.process.exitcode), None)
        if kind == "done":
            _end(item)
            result, failure, error = content
            return Outcome(item.task, result, failure, seconds, error)
        if on_news is not None:
            on_news(item.task, content)
    if time.monotonic() - item.heard >= timeout_s:
        seconds = time.monotonic() - item.started
        _end(item, patience_s=0.0)
        return Outcome(item.task, None, f"timed out after {timeout_s:g} s", seconds)
    return None


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return f"crashed: the process was ended by {name}{hint}"
    if exitcode is None:
        return "crashed: the process broke its connection to segbench"
    return f"crashed: the process ended with status {exitcode}"


def _end(item: _Running[Any], patience_s: float = 1.0) -> None:
    """End a process and whatever it started."""
    item.connection.close()
    item.process.join(timeout=patience_s)
    group = item.process.pid
    if item.process.is_alive():
        item.process.kill()
    with contextlib.suppress(OSError):
        if group is not None:
            os.killpg(group, signal.SIGKILL)
    item.process.join()
    item.process.close()
