"""One scheduling loop over places that take tasks, one at a time each. Imports no torch.

Everything that measures several networks goes through `run_at`: it keeps a queue of tasks and a set of places, gives
the next task to whichever place is free, and yields each `Outcome` as it comes. A place says only how a task is started
there and how its end is told:

- a slot of this machine (`isolate.Slot`): a process forked for one task, as for every `compare` on one device;
- a GPU of this machine (`hosts.HostPlace`): the same, forked by a process that sees that GPU alone;
- a worker of a Dask cluster (`worker_place.WorkerPlace`): the same, forked by a process that the worker started.

So crash, hang, deadline and time limit mean the same everywhere. What is new with places that may vanish is that a task
can be `lost` through no fault of its own: it is tried once more elsewhere, then it has failed. Nobody but the caller
keeps results, and whatever happens to a place, the other tasks go on.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from segbench.errors import SegbenchError

Task = TypeVar("Task")
News = Callable[[Task, Any], None]


@dataclass(frozen=True)
class Outcome(Generic[Task]):
    """How one task ended: with a result, or with the reason why there is none (one line) and the error's type.

    Attributes:
        lost: the place vanished with the task, which may do well at another.
    """

    task: Task
    result: Any
    failure: str | None
    seconds: float
    error: type[BaseException] | None = None
    lost: bool = False

    @property
    def refusal(self) -> SegbenchError | None:
        """What the process found to be wrong with the task, as it was raised there; None where nothing was."""
        if self.error is None or self.failure is None or not issubclass(self.error, SegbenchError):
            return None
        refusal = SegbenchError.__new__(self.error)
        Exception.__init__(refusal, self.failure.removeprefix(f"{self.error.__name__}: "))
        return refusal


class Running(ABC, Generic[Task]):
    """A task at a place.

    Attributes:
        task: what was started.
        until: on the places' clock, when it has failed without a word; infinite where the place sees to that.
        connection: readable when there is something to `collect`; for `Places.wait`.
    """

    task: Task
    until: float = math.inf
    connection: Any = None

    @abstractmethod
    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        """What it has said so far; its outcome once it has ended."""

    @abstractmethod
    def end(self) -> None:
        """Stop the task, and whatever it started, if it still runs."""


class Place(ABC):
    """What takes one task at a time."""

    name: str = "this machine"

    @abstractmethod
    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        """Begin a task.

        Args:
            function: importable by name; its result must pickle.
            task: what to call it with.
            timeout_s: seconds without a word after which it has failed.

        Raises:
            OSError, EOFError: no process could be started.
        """


class Places:
    """All places of a run; these are the same from its beginning to its end.

    Attributes:
        poll_s: longest time between two looks at which places there are.
        share_files: whether tasks see the files of this machine.
        waited_s: for how long a place was waited for already, in vain.
    """

    poll_s: float = math.inf
    share_files: bool = True
    waited_s: float = 0.0

    def __init__(self, places: Sequence[Place] = ()) -> None:
        """Take places.

        Args:
            places: in the order in which they are preferred.
        """
        self._places = tuple(places)

    def now(self) -> Sequence[Place]:
        """The places that there are at this moment, the same object for the same place."""
        return self._places

    def clock(self) -> float:
        """Seconds on a monotonic clock."""
        return time.monotonic()

    def wait(self, running: Sequence[Running[Any]], seconds: float) -> None:
        """Wait until a running task says something, at most some seconds."""
        wait([item.connection for item in running], timeout=None if math.isinf(seconds) else seconds)

    def why_none(self) -> str:
        """Why no place takes the tasks, for their failures."""
        return "there is no place to run it"

    def only(self, *places: Place) -> Places:
        """Some of these places, by the same clock."""
        return _Only(self, places)

    def close(self) -> None:
        """End what the places kept for further tasks."""


class _Only(Places):
    def __init__(self, all_of_them: Places, places: Sequence[Place]) -> None:
        super().__init__(places)
        self.clock, self.wait = all_of_them.clock, all_of_them.wait  # type: ignore[method-assign]


@dataclass
class _Waiting(Generic[Task]):
    """A task in the queue, and the places that it was lost with."""

    task: Task
    lost_at: list[Place] = field(default_factory=list)


def run_at(
    places: Places,
    function: Callable[[Task], Any],
    tasks: Sequence[Task],
    *,
    timeout_s: float = 600.0,
    deadline: float | None = None,
    on_start: Callable[[Task], None] | None = None,
    on_news: News[Task] | None = None,
) -> Iterator[Outcome[Task]]:
    """Call ``function(task)`` for each task at a place of its own while it runs, and yield the outcomes as they come.

    Args:
        places: where; none is idle while a task waits that it may take.
        function: importable by name; its result must pickle.
        tasks: what to call it with, begun in this order.
        timeout_s: seconds without a word after which a task has failed; also for which the tasks wait while there is
            no place that takes them.
        deadline: on the places' clock; then no task is started any more, those that run are ended, and none of them has
            an outcome.
        on_start: told of each task as it starts.
        on_news: told what a task tells while it runs.
    """
    loop = _Loop(places, function, tasks, timeout_s)
    try:
        while loop.waiting or loop.running:
            if deadline is not None and places.clock() >= deadline:
                return
            yield from loop.start(on_start)
            yield from loop.give_up()
            if loop.waiting or loop.running:
                loop.wait(deadline)
                yield from loop.collect(on_news)
    finally:
        for _, _, task in loop.running:
            task.end()


class _Loop(Generic[Task]):
    """The queue and what runs, for `run_at`."""

    def __init__(
        self, places: Places, function: Callable[[Task], Any], tasks: Sequence[Task], timeout_s: float
    ) -> None:
        self.waiting = [_Waiting(task) for task in tasks]
        self.running: list[tuple[_Waiting[Task], Place, Running[Task]]] = []
        self._places, self._function, self._timeout_s = places, function, timeout_s
        self._stuck_since: float | None = None

    def start(self, on_start: Callable[[Task], None] | None) -> Iterator[Outcome[Task]]:
        """Give every free place its next task; the outcomes of those that cannot be started."""
        for place in self._places.now():
            if any(place is busy for _, busy, _ in self.running):
                continue
            while (item := self._next_for(place)) is not None:
                self.waiting.remove(item)
                if on_start:
                    on_start(item.task)
                try:
                    self.running.append((item, place, place.start(self._function, item.task, self._timeout_s)))
                    break
                except (OSError, EOFError) as error:
                    reason = f"no process could be started: {error or type(error).__name__}"
                    yield Outcome(item.task, None, reason, 0.0)

    def _next_for(self, place: Place) -> _Waiting[Task] | None:
        return next((item for item in self.waiting if all(place is not lost for lost in item.lost_at)), None)

    def give_up(self) -> Iterator[Outcome[Task]]:
        """The outcomes of all that waits, where no place has taken any of it for the time limit."""
        if self.running or not self.waiting:
            self._stuck_since = None
            return
        now = self._places.clock()
        if self._stuck_since is None:
            self._stuck_since = now - self._places.waited_s
        if now - self._stuck_since >= self._timeout_s:
            yield from (Outcome(item.task, None, self._places.why_none(), 0.0) for item in self.waiting)
            self.waiting.clear()

    def wait(self, deadline: float | None) -> None:
        """Wait until something is to be done."""
        moments = [task.until for _, _, task in self.running]
        if self._stuck_since is not None:
            moments.append(self._stuck_since + self._timeout_s)
        if deadline is not None:
            moments.append(deadline)
        rest = max(min(moments) - self._places.clock(), 0.0)
        self._places.wait([task for _, _, task in self.running], min(rest, self._places.poll_s))

    def collect(self, on_news: News[Task] | None) -> Iterator[Outcome[Task]]:
        """The outcomes of what has ended; what was lost for the first time waits again."""
        for entry in list(self.running):
            item, place, task = entry
            outcome = task.collect(on_news)
            if outcome is None:
                continue
            self.running.remove(entry)
            if outcome.lost:
                item.lost_at.append(place)
                if len(item.lost_at) == 1:
                    self.waiting.insert(0, item)
                    continue
                names = " and ".join(lost.name for lost in item.lost_at)
                outcome = replace(outcome, failure=f"lost twice, with {names}: {outcome.failure}")
            yield outcome
