"""Simulated GPUs as places: jobs are run in this process on simulated devices, and only the simulated clock moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from segbench.compare.run import Kind
from segbench.job import Job
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import speed_of, time_frames
from segbench.places.loop import News, Outcome, Place, Places, Running, Task
from segbench.records.record import Record
from segbench.records.results import Run

ENVIRONMENT: dict[str, Any] = {"torch": "2", "cpu": "test", "driver": None, "gpus": {}}


class SimulatedGpus(Places):
    """Some simulated GPUs, and the clock of all of them; stands in for `segbench.compare.gpu_places.GpuPlaces`."""

    def __init__(self, count: int, behaviour: Callable[[Job, int], Behaviour]) -> None:
        """Make the devices.

        Args:
            count: how many there are.
            behaviour: how a device behaves while it times a job, and with how many others at work.
        """
        super().__init__([SimulatedGpu(self, number) for number in range(count)])
        self.behaviour, self.warning = behaviour, ""
        self._now = 0.0
        self._timing: tuple[float, SimulatedDevice] | None = None
        self._processes = 0

    def clock(self) -> float:
        """Simulated seconds."""
        return self._now

    def time(self) -> float:
        """Stands in for `time.time` while a job is measured."""
        if self._timing is None:
            return self._now
        begin, device = self._timing
        return begin + device.clock()

    def wait(self, running: Sequence[Running[Any]], seconds: float) -> None:
        """Let time pass until the first job ends."""
        ends = [task.ends for task in running if isinstance(task, _Simulated)]
        self._now = min([*ends, self._now + seconds])

    def kinds(self) -> list[Kind]:
        """All are alike."""
        return [Kind("cuda", "simulated", ENVIRONMENT)]

    def measure(self, job: Job) -> Record:
        """What a process on a simulated GPU would have measured."""
        self._processes += 1
        device = SimulatedDevice(self.behaviour(job, job.run.beside if job.run else 0), self._processes)
        self._timing = self._now, device
        protocol = replace(job.settings.protocol(), rounds=3, frames=20, warmup_passes=1, warmup_seconds=0.0)
        return job.blank(params=7, speed=speed_of(time_frames(device.launch, protocol, device), protocol, device))

    def run(self, function: Callable[[Task], Any], task: Task) -> tuple[Any, float]:
        """What a task gives, and when it ends."""
        result = function(task)
        ends, self._timing = self.time(), None
        return result, ends


class SimulatedGpu(Place):
    """One of them."""

    def __init__(self, gpus: SimulatedGpus, number: int) -> None:
        self.name = f"GPU {number}"
        self._gpus = gpus

    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        """Run the job at once; it is told at the simulated end."""
        if isinstance(task, Job):
            run = task.run or Run(place=self.name, beside=len(self._gpus.now()) - 1)
            settings = replace(task.settings, environment=ENVIRONMENT)
            here: Any = replace(task, run=run, settings=settings, warning=self._gpus.warning)
            return _Simulated(self._gpus, task, *self._gpus.run(function, here))
        return _Simulated(self._gpus, task, *self._gpus.run(function, task))


class _Simulated(Running[Task]):
    def __init__(self, gpus: SimulatedGpus, task: Task, result: Any, ends: float) -> None:
        self.task, self.until, self.ends = task, math.inf, ends
        self._gpus, self._result, self._began = gpus, result, gpus.clock()

    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        if self._gpus.clock() < self.ends:
            return None
        return Outcome(self.task, self._result, None, self.ends - self._began)

    def end(self) -> None:
        """Nothing runs."""
