"""The workers of a Dask cluster as places that measure networks, one at a time on each.

Dask brings workers of every kind (SLURM, SSH, Kubernetes) to one address and tells which are there; which job goes to
which worker is decided by `segbench.places.loop`, as anywhere else. A job is a Dask task that is bound to one worker.
Where that worker vanishes, the task is taken back and the loop tries it elsewhere. Records come back to the call that
asked, which alone writes.

Before a worker times anything it says what it times on (`segbench.measure.survey`): workers of unlike kinds are never
mixed without being asked to, and those that are not of the kind asked for take no job.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from segbench.compare.run import Kind
from segbench.compare.scheduler import ClusterError, matches
from segbench.compare.worker_place import WorkerPlace
from segbench.errors import BadOption, UnknownName, first_line
from segbench.job import Job, Settings
from segbench.measure.cores import CORES, shared_out
from segbench.measure.record import PRELOAD
from segbench.measure.survey import Facts, survey
from segbench.places.cluster_worker import VERSION, in_host, leave
from segbench.places.cluster_worker import survey as ask_worker
from segbench.places.hosts import pickled
from segbench.places.loop import Place, Places, Running
from segbench.records.results import Run
from segbench.version import __version__

GPU = "GPU"
"""The resource that a worker with a GPU of its own declares."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Worker:
    """A worker, and what is known of it."""

    place: WorkerPlace
    asked: Any = None
    facts: Facts | None = None
    resources: Mapping[str, float] | None = None
    refused: str = ""


class ClusterPlaces(Places):
    """The workers of a cluster that take the jobs of a comparison, as they come and go."""

    poll_s = 1.0
    share_files = False

    def __init__(
        self, client: Any, settings: Settings, require: Mapping[str, str] | None = None, *, allow_mixed: bool = False
    ) -> None:
        """Ask nobody anything yet.

        Args:
            client: from `connect`.
            settings: of the jobs.
            require: what a worker must tell of itself, by name, see `parse_require`.
            allow_mixed: take workers of several kinds for timings.
        """
        super().__init__()
        self._client, self._settings, self._require = client, settings, dict(require or {})
        self._allow_mixed = allow_mixed
        self._sample = Job(model="enet", classes=None, resolution=(64, 64), settings=settings)
        self._workers: dict[str, _Worker] = {}
        self._kind: object = None
        self._seen, self._looked = 0, float("-inf")
        self._bell = threading.Event()
        self._noted: set[str] = set()

    # What the loop asks.

    def now(self) -> Sequence[Place]:
        """The workers that take jobs."""
        if time.monotonic() - self._looked >= self.poll_s / 2:
            self._look(first=False)
        usable = self._usable()
        if self._kind is None and self._settings.speed and not self._allow_mixed:
            # Nobody was there before: the first worker decides.
            self._kind = next(map(self._kind_of, usable), None)
            usable = self._usable()
        return [worker.place for worker in usable]

    def wait(self, running: Sequence[Running[Any]], seconds: float) -> None:
        """Wait until a worker says something."""
        self._bell.wait(seconds)
        self._bell.clear()

    def why_none(self) -> str:
        """What is there, and why it does not serve."""
        said = Counter(
            "has not said yet what it is" if worker.asked is not None else worker.refused or "took none"
            for worker in self._workers.values()
        )
        reasons = [f"{count} worker{'s' * (count > 1)}: {reason}" for reason, count in said.items()]
        asked = " and ".join(f"{name}={value}" for name, value in self._require.items())
        wanted = f"no worker with {asked}" if asked else "no worker"
        return f"{wanted} took it within --timeout: {'; '.join(reasons) or 'there is none'}"

    def close(self) -> None:
        """End what runs for this call on the workers, and the connection."""
        with suppress(Exception):  # workers and scheduler may be gone
            for worker in self._workers.values():
                self._client.run(leave, worker.place.slot, workers=[worker.place.address], on_error="ignore")
        with suppress(Exception):
            self._client.close(timeout=5)

    # Before the first job.

    def ready(self, timeout_s: float) -> None:
        """Wait for the workers that are there to tell what they are, and for the first that takes jobs.

        Raises:
            BadOption: another version of segbench on a worker, or workers of several kinds that are not to be mixed.
            ClusterError: the scheduler is gone.
        """
        began = time.monotonic()
        while True:
            self._look(first=True)
            asking = [worker for worker in self._workers.values() if worker.asked is not None]
            waited = time.monotonic() - began
            if (not asking and (self._usable() or not self._needs_facts())) or waited >= timeout_s:
                break
            self.wait((), min(self.poll_s, timeout_s - waited))
        self.waited_s = 0.0 if self._usable() else waited
        kinds = Counter(
            worker.facts.device_name if worker.facts.device == "cuda" else f"CPU {worker.facts.device_name}"
            for worker in self._usable()
            if worker.facts
        )
        unlike = {self._kind_of(worker) for worker in self._usable()}
        if self._settings.speed and not self._allow_mixed and len(unlike) > 1:
            told = ", ".join(f"{count} with {name}" for name, count in kinds.items())
            raise BadOption(
                f"workers are of several kinds ({told}{self._unlike()}), and a ranking takes one: choose with "
                '--require "device_name=NAME", or show each apart with --allow-mixed'
            )

    def kinds(self) -> list[Kind]:
        """The kinds of the workers that take jobs."""
        return [self._kind_at(worker) for worker in self._usable() if worker.facts]

    # Workers.

    def has(self, place: WorkerPlace) -> bool:
        """Whether a worker is still there."""
        known = self._workers.get(place.address)
        return known is not None and known.place is place

    def adapted(self, job: Any, place: WorkerPlace) -> Any:
        """A job as it is run by a worker."""
        worker = self._workers[place.address]
        neighbours = self._neighbours(worker)
        environment = dict(self._kind_at(worker).environment) if worker.facts else {}
        run = Run(place=place.name, beside=len(neighbours) - 1)
        return replace(job, settings=replace(job.settings, environment=environment), run=run)

    def submit(self, place: WorkerPlace, function: Callable[..., Any], *arguments: Any) -> Any:
        """A Dask task that is bound to a worker, and rings the bell as it ends."""
        worker = self._workers[place.address]
        on_gpu = function is in_host and self._settings.speed and worker.facts and worker.facts.device == "cuda"
        try:
            future = self._client.submit(
                function,
                *arguments,
                key=f"segbench-{uuid.uuid4().hex}",
                workers=[place.address],
                allow_other_workers=False,
                pure=False,
                resources={GPU: 1} if on_gpu else None,
            )
        except Exception as error:
            raise self._gone(error) from error
        future.add_done_callback(lambda _: self._bell.set())
        return future

    def _needs_facts(self) -> bool:
        return self._settings.speed or bool(self._require)

    def _look(self, *, first: bool) -> None:
        self._looked = time.monotonic()
        try:
            addresses = list(self._client.nthreads())
        except Exception as error:
            raise self._gone(error) from error
        for address in [address for address in self._workers if address not in addresses]:
            gone = self._workers.pop(address)
            self._note(f"{gone.place.name} ({address}) is gone")
        self._take_in([address for address in addresses if address not in self._workers], first=first)
        for worker in self._workers.values():
            if worker.asked is not None and worker.asked.done():
                self._told(worker)

    def _take_in(self, addresses: Sequence[str], *, first: bool) -> None:
        if not addresses:
            return
        try:
            versions = self._client.run(eval, VERSION, workers=list(addresses), on_error="return")
        except Exception as error:
            raise self._gone(error) from error
        for address in addresses:
            version = versions.get(address)
            if not isinstance(version, (str, ImportError)):  # it left in between, or does not answer yet
                continue
            self._seen += 1
            worker = _Worker(WorkerPlace(self, f"worker {self._seen}", address))
            self._workers[address] = worker
            if version != __version__:
                has = f"segbench {version}" if isinstance(version, str) else f"no segbench ({first_line(version)})"
                if first:
                    raise BadOption(
                        f"segbench {__version__} is here and {has} on {address}: install one version on both"
                    )
                self._refuse(worker, f"{has}, not {__version__}")
            elif self._needs_facts():
                message = pickled(survey, self._settings.device)
                worker.asked = self.submit(worker.place, ask_worker, worker.place.slot, message, 120.0, PRELOAD)

    def _told(self, worker: _Worker) -> None:
        future, worker.asked = worker.asked, None
        try:
            (facts, failure, _, _), worker.resources = future.result(timeout=10)
        except (Exception, CancelledError) as error:
            self._refuse(worker, first_line(error))
            return
        if not isinstance(facts, Facts):
            self._refuse(worker, str(failure).partition(": ")[2] or str(failure))
            return
        worker.facts = facts
        told = facts.told()
        for name, value in self._require.items():
            if name not in told:
                raise UnknownName("name of --require", name, told)
            if not matches(told[name], value):
                self._refuse(worker, f"{name} {told[name]}")
        if self._settings.speed and facts.device == "cuda" and not (worker.resources or {}).get(GPU):
            self._refuse(worker, f"no resource {GPU} is declared: start it with --resources {GPU}=1")

    def _usable(self) -> list[_Worker]:
        found: list[_Worker] = []
        for worker in self._workers.values():
            if worker.refused or worker.asked is not None:
                continue
            if self._settings.speed and worker.facts is not None:
                if self._kind is not None and self._kind_of(worker) != self._kind:
                    self._note(f"{worker.place.name} ({worker.place.address}) is of another kind and takes no job")
                    continue
                # Two timings on one processor would disturb each other.
                if worker.facts.device == "cpu" and any(other.place.host == worker.place.host for other in found):
                    continue
            found.append(worker)
        return found

    def _neighbours(self, worker: _Worker) -> list[_Worker]:
        """The workers that take jobs on the same machine, this one among them."""
        return [
            other for other in self._workers.values() if not other.refused and other.place.host == worker.place.host
        ]

    def _kind_at(self, worker: _Worker) -> Kind:
        """The kind of a worker, with the cores that it keeps to beside its neighbours."""
        facts = worker.facts
        assert facts is not None
        cores: str | None = None
        if self._settings.speed and facts.device == "cuda":
            # Those that may use the same cores share them out; a batch system may have done so already.
            alike = [one for one in self._neighbours(worker) if one.facts and one.facts.cores == facts.cores]
            shared = shared_out(facts.cores, len(alike))
            threads = sum(map(len, facts.cores))
            if shared is not None and (len(alike) > 1 or threads > CORES):
                cores = shared[alike.index(worker)]
        return Kind(facts.device, facts.device_name, {**facts.environment, "pinned_cores": cores})

    def _kind_of(self, worker: _Worker) -> object:
        if worker.facts is None:
            return None
        kind = replace(self._kind_at(worker), environment=worker.facts.environment)
        return kind.conditions(self._sample), tuple(kind.beside(self._sample).items())

    def _unlike(self) -> str:
        """In what else they differ, where it is not the chip."""
        besides = [self._kind_at(worker).beside(self._sample) for worker in self._usable() if worker.facts is not None]
        names = {name for one in besides for name in one if len({other.get(name) for other in besides}) > 1}
        return f"; they differ in {', '.join(sorted(names))}" if names else ""

    def _refuse(self, worker: _Worker, reason: str) -> None:
        if not worker.refused:
            worker.refused = reason
            self._note(f"{worker.place.name} ({worker.place.address}) takes no job: {reason}")

    def _note(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            _LOG.warning("%s", text)

    def _gone(self, error: Exception) -> ClusterError:
        at = getattr(getattr(self._client, "scheduler", None), "address", "that address")
        return ClusterError(
            f"the scheduler at {at} does not answer any more ({first_line(error)}); what was measured is kept, and the "
            "same command goes on from there"
        )
