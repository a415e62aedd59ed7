"""Run each measurement in a process of its own, so that a crash, a hang or a full GPU costs one row.

Processes come from a `forkserver` that has torch imported and no CUDA context: 0.4 s each instead of 2.5 s.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")


@dataclass(frozen=True)
class Outcome(Generic[Task]):
    """How one task ended: with a result, or with the reason why there is none (one line) and the error's type."""

    task: Task
    result: Any
    failure: str | None
    seconds: float
    error: type[BaseException] | None = None


@dataclass
class _Running(Generic[Task]):
    task: Task
    process: BaseProcess
    connection: Connection
    started: float


def run_isolated(
    function: Callable[[Task], Any],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    timeout_s: float = 600.0,
    deadline: float | None = None,
    preload: Sequence[str] = (),
    on_start: Callable[[Task], None] | None = None,
) -> Iterator[Outcome[Task]]:
    """Call ``function(task)`` for each task in a fresh process and yield the outcomes as they come.

    Args:
        function: importable by name; its result must pickle.
        tasks: what to call it with, in this order.
        workers: processes at a time; 1 where timings must not disturb each other.
        timeout_s: seconds after which a process is killed and its task failed.
        deadline: on `time.monotonic`; then no task is started any more, those that run are ended, and none of them has
            an outcome.
        preload: modules that the fork server imports once for all.
        on_start: told of each task as it starts.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
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
                process = context.Process(target=_call, args=(theirs, function, task), daemon=True)
                process.start()
                theirs.close()
                running.append(_Running(task, process, ours, time.monotonic()))
            first = min(min(item.started for item in running) + timeout_s, deadline or math.inf)
            wait([item.connection for item in running], timeout=max(first - time.monotonic(), 0.0))
            for item in list(running):
                outcome = _collect(item, timeout_s)
                if outcome is not None:
                    running.remove(item)
                    yield outcome
    finally:
        for item in running:
            _end(item)


def _call(connection: Connection, function: Callable[[Any], Any], task: Any) -> None:
    # Ctrl-C reaches the whole process group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer: tuple[Any, str | None, type[BaseException] | None] = (function(task), None, None)
    except Exception as error:
        text = " ".join(str(error).split())
        answer = None, f"{type(error).__name__}: {text}" if text else type(error).__name__, _importable(error)
    try:
        # A parent that was told to stop no longer listens.
        with contextlib.suppress(BrokenPipeError):
            connection.send(answer)
    except Exception as error:
        # A result that cannot travel.
        connection.send((None, f"{type(error).__name__}: {error}", _importable(error)))
    finally:
        connection.close()


def _importable(error: Exception) -> type[BaseException] | None:
    """The error's type, where the parent has it too: a user's module may not be there."""
    return type(error) if type(error).__module__.partition(".")[0] in ("segbench", "builtins") else None


def _end_with_parent() -> None:
    """End this process when its parent is gone, killed perhaps: an orphan would disturb the next run's timings.

    The thread sleeps in the kernel until then and costs a timing nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _collect(item: _Running[Task], timeout_s: float) -> Outcome[Task] | None:
    seconds = time.monotonic() - item.started
    if item.connection.poll():
        try:
            result, failure, error = item.connection.recv()
        except EOFError:
            item.process.join(timeout=5)
            result, failure, error = None, _death(item.process.exitcode), None
        _end(item)
        return Outcome(item.task, result, failure, seconds, error)
    if seconds >= timeout_s:
        _end(item)
        return Outcome(item.task, None, f"timed out after {timeout_s:g} s", seconds)
    return None


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return f"crashed: the process was ended by {name}{hint}"
    return f"crashed: the process ended with status {exitcode}"


def _end(item: _Running[Any]) -> None:
    item.connection.close()
    item.process.join(timeout=1)
    if item.process.is_alive():
        item.process.kill()
        item.process.join()
    item.process.close()
