"""Run each measurement in a process of its own, so that a crash, a hang or a full GPU costs one row.

Processes come from a `forkserver` that has torch imported and no CUDA context: 0.4 s each instead of 2.5 s. What they
print goes to standard error: standard output is for results.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from segbench.errors import SegbenchError, one_line
from segbench.places.loop import News, Outcome, Place, Places, Running, Task, run_at

_ENDING_S = 0.5

__all__ = ["Outcome", "Slot", "run_isolated", "tell"]


def run_isolated(
    function: Callable[[Task], Any],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    timeout_s: float = 600.0,
    deadline: float | None = None,
    preload: Sequence[str] = (),
    on_start: Callable[[Task], None] | None = None,
    on_news: News[Task] | None = None,
    may_have_children: bool = False,
    places: Places | None = None,
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
        places: where to run them, see `segbench.places.loop`; `workers` slots of this machine by default.
    """
    if places is None:
        places = Places([Slot(preload, may_have_children=may_have_children) for _ in range(workers)])
    return run_at(places, function, tasks, timeout_s=timeout_s, deadline=deadline, on_start=on_start, on_news=on_news)


class Slot(Place):
    """A place of this machine: a process for each task, forked where the `preload` is imported."""

    def __init__(self, preload: Sequence[str] = (), *, may_have_children: bool = False) -> None:
        """Start nothing yet.

        Args:
            preload: modules that the fork server imports once for all.
            may_have_children: let tasks start processes of `multiprocessing`.
        """
        self._preload, self._daemon = list(preload), not may_have_children

    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        """Fork a process for the task."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self._preload)
        _start_server()
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(theirs, function, task), daemon=self._daemon)
        try:
            try:
                process.start()
            except (ConnectionError, EOFError):
                # The fork server was killed a moment ago; another is started once that one has ended.
                time.sleep(_ENDING_S)
                _start_server()
                process.start()
        finally:
            theirs.close()
        return _Forked(task, process, ours, timeout_s)


def _start_server() -> None:
    """Start the fork server where no module of the current folder can stand in for one of Python's."""
    here, before = Path.cwd(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    os.chdir(Path(os.__file__).parent)
    try:
        # Its own start unblocks signals.
        resource_tracker.ensure_running()
        # Ctrl-C reaches the server too, which ignores it only once the preload is imported.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()
    finally:
        os.chdir(here)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
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
    # A user's code may have put anything in their place, None too.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
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


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
        return f"crashed: the process was ended by {name}{hint}"
    if exitcode is None:
        return "crashed: the process broke its connection to segbench"
    return f"crashed: the process ended with status {exitcode}"


class _Forked(Running[Task]):
    """A task in a process of its own."""

    def __init__(self, task: Task, process: BaseProcess, connection: Connection, timeout_s: float) -> None:
        self.task, self.connection = task, connection
        self._process, self._timeout_s = process, timeout_s
        self._started = time.monotonic()
        self.until = self._started + timeout_s
        self._unread = bytearray()

    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        """What the process said; a time limit that passed is an outcome."""
        for kind, content in self._heard():
            heard = time.monotonic()
            self.until = heard + self._timeout_s
            if kind == "done":
                self._end(patience_s=1.0)
                result, failure, error = content
                return Outcome(self.task, result, failure, heard - self._started, error)
            if on_news is not None:
                on_news(self.task, content)
        if time.monotonic() >= self.until:
            seconds = time.monotonic() - self._started
            self.end()
            return Outcome(self.task, None, f"timed out after {self._timeout_s:g} s", seconds)
        return None

    def _heard(self) -> Iterator[tuple[str, Any]]:
        """What has come whole; `recv` would wait for ever for the rest of what a user's code writes here by mistake."""
        if not self.connection.poll():
            return
        try:
            part = os.read(self.connection.fileno(), 1 << 20)
            if not part:
                raise EOFError
            self._unread += part
            # As `Connection.send` writes it: four bytes that say how long the pickle is, and the pickle.
            while len(self._unread) >= 4 + (length := int.from_bytes(self._unread[:4], "big")):
                message = self._unread[4 : 4 + length]
                del self._unread[: 4 + length]
                kind, content = pickle.loads(message)
                yield kind, content
        except Exception:  # ended, or what came is nothing that was sent
            self._process.join(timeout=5)
            yield "done", (None, _death(self._process.exitcode), None)

    def end(self) -> None:
        """Kill it and whatever it started."""
        self._end(patience_s=0.0)

    def _end(self, patience_s: float) -> None:
        self.connection.close()
        self._process.join(timeout=patience_s)
        group = self._process.pid
        if self._process.is_alive():
            self._process.kill()
        with contextlib.suppress(OSError):
            if group is not None:
                os.killpg(group, signal.SIGKILL)
        self._process.join()
        self._process.close()
