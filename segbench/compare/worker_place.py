"""One worker of a Dask cluster as a place, and a task that it runs."""

from __future__ import annotations

import re
import time
import uuid
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from segbench.errors import first_line
from segbench.measure.record import PRELOAD
from segbench.places.cluster_worker import in_host
from segbench.places.hosts import pickled
from segbench.places.loop import News, Outcome, Place, Running, Task

if TYPE_CHECKING:
    from segbench.compare.cluster import ClusterPlaces


class WorkerPlace(Place):
    """One worker.

    Attributes:
        address: of the worker.
        host: of its machine.
        slot: name of what the worker keeps for this call.
    """

    def __init__(self, cluster: ClusterPlaces, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.host = re.sub(r":\d+$", "", address)
        self.slot = f"segbench-{uuid.uuid4().hex}"
        self._cluster = cluster

    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        """Send the task to the worker."""
        message = pickled(function, self._cluster.adapted(task, self))
        future = self._cluster.submit(self, in_host, self.slot, message, timeout_s, PRELOAD)
        return _Remote(task, self, self._cluster, future)


class _Remote(Running[Task]):
    """A task at a worker, which sees to its time limit."""

    def __init__(self, task: Task, place: WorkerPlace, cluster: ClusterPlaces, future: Any) -> None:
        self.task, self._place, self._cluster, self._future = task, place, cluster, future
        self._began = time.monotonic()

    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        """What came back; lost with its worker."""
        if not self._cluster.has(self._place):
            self.end()
            return self._lost("the worker is gone")
        if not self._future.done():
            return None
        try:
            result, failure, seconds, lost = self._future.result(timeout=10)
        except (Exception, CancelledError) as error:  # the worker vanished, or what it has of segbench changed
            return self._lost(first_line(error))
        return Outcome(self.task, result, failure, seconds, lost=lost)

    def end(self) -> None:
        """Take the task back; `ClusterPlaces.close` ends what runs."""
        with suppress(Exception):
            self._future.cancel()

    def _lost(self, reason: str) -> Outcome[Task]:
        return Outcome(self.task, None, reason, time.monotonic() - self._began, lost=True)
