"""A process that measures for another, where the environment must be set before torch is imported. Imports no torch.

A host is started by `subprocess` with variables of its own, such as ``CUDA_VISIBLE_DEVICES``. It takes one task after
another and runs each in a process of its own, as `isolate` does anywhere: what happens to a task does not touch the
host, and a host that is killed loses one task, which `segbench.places.loop` tries elsewhere. It ends with the process
that started it, killed or not, and by itself where nothing is asked of it for a while.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from segbench.places.isolate import run_isolated
from segbench.places.loop import News, Outcome, Place, Running, Task

# The current folder is no place to import from; what the parent imports from is told first.
_CODE = """
import sys
sys.path[:] = [place for place in sys.path if place]
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from segbench.places.hosts import serve
serve(connection)
"""
IDLE_S = 120.0
"""A host that nobody asks for anything for so long ends; the next task starts another."""


class Host:
    """One such process; started when it is first asked for something."""

    def __init__(self, variables: Mapping[str, str] | None = None, preload: Sequence[str] = ()) -> None:
        """Start nothing yet.

        Args:
            variables: of its environment, beside those of this process.
            preload: modules that it imports once for all tasks.
        """
        self._variables, self._preload = dict(variables or {}), tuple(preload)
        self._process: subprocess.Popen[bytes] | None = None
        self.connection: Connection | None = None

    def ask(self, function: Callable[[Any], Any], task: Any, timeout_s: float) -> None:
        """Give it a task; `answer` has what comes of it.

        Raises:
            OSError: it could not be started.
        """
        self.ask_pickled(pickled(function, task), timeout_s)

    def ask_pickled(self, call: bytes, timeout_s: float) -> None:
        """Give it a task that is `pickled` already, see `ask`."""
        message = pickle.dumps((call, timeout_s, self._preload))
        for last in (False, True):
            if self._process is None or self._process.poll() is not None or last:
                self.close()
                self._open()
            assert self.connection is not None
            try:
                self.connection.send_bytes(message)
                return
            except OSError:  # it ended by itself just now
                if last:
                    raise

    def answer(self, task: Task) -> Outcome[Task]:
        """Wait for the outcome of the task that it was given last."""
        started = time.monotonic()
        assert self.connection is not None
        try:
            result, failure, seconds, kind = self.connection.recv()
        except (EOFError, OSError):
            self.close()
            return Outcome(task, None, "the process that ran it is gone", time.monotonic() - started, lost=True)
        except Exception as error:  # what does not unpickle here, such as a result of a class that only it has
            return Outcome(task, None, f"{type(error).__name__}: {error}", time.monotonic() - started)
        return Outcome(task, result, failure, seconds, kind)

    def kill(self) -> None:
        """End it and the task that it runs from any thread; one that waits for an answer finds it gone."""
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End it and the task that it runs."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self._process is not None:
            self.kill()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def _open(self) -> None:
        ours, theirs = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, str(theirs.fileno())],
                env={**os.environ, **self._variables},
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.connection = ours
        ours.send([place for place in sys.path if place])


def pickled(function: Callable[[Any], Any], task: Any) -> bytes:
    """A task for a host, to be unpickled where it runs and nowhere before."""
    return pickle.dumps((function, task))


def _call(message: bytes) -> Any:
    function, task = pickle.loads(message)
    return function(task)


class HostPlace(Place):
    """A place whose tasks a host runs."""

    def __init__(self, name: str, host: Host, adapt: Callable[[Any], Any] = lambda task: task) -> None:
        """Take a host.

        Args:
            name: such as ``GPU 3``.
            host: for this place alone.
            adapt: makes what is run here from a task, such as its device.
        """
        self.name = name
        self._host, self._adapt = host, adapt

    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        """Give the task to the host."""
        self._host.ask(function, self._adapt(task), timeout_s)
        return _Hosted(task, self._host)

    def close(self) -> None:
        """End the host."""
        self._host.close()


class _Hosted(Running[Task]):
    """A task that a host runs; the host sees to its time limit."""

    def __init__(self, task: Task, host: Host) -> None:
        self.task, self.connection, self._host = task, host.connection, host

    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        """What the host answered."""
        return self._host.answer(self.task) if self.connection.poll() else None

    def end(self) -> None:
        """End the host with its task."""
        self._host.close()


def serve(connection: Connection) -> None:
    """Be a host: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while connection.poll(IDLE_S):
            message = connection.recv_bytes()
            try:
                call, timeout_s, preload = pickle.loads(message)
                (outcome,) = run_isolated(_call, [call], timeout_s=timeout_s, preload=preload)
                answer = outcome.result, outcome.failure, outcome.seconds, outcome.error
            except Exception as error:  # such as a result of a class that is not here
                answer = None, f"{type(error).__name__}: {error}", 0.0, None
            connection.send(answer)


def _end_with_parent() -> None:
    """End when nobody holds the other end of standard input any more; what the tasks started ends with this process."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)
