"""The GPUs of this machine as places that time networks, one at a time on each.

Each GPU has a process that sees it alone (``CUDA_VISIBLE_DEVICES``, set before torch is imported there), and cores of
the host that the others do not use. The Record says which GPU, which cores, and how many others could be at work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from segbench.compare.run import Kind
from segbench.errors import BadOption
from segbench.job import Job, Settings
from segbench.measure.cores import chosen_cores, physical_cores, shared_out
from segbench.measure.device import open_device
from segbench.measure.record import PRELOAD
from segbench.places.hosts import Host, HostPlace
from segbench.places.loop import Places
from segbench.records.results import Run


def chosen_gpus(numbers: Sequence[int]) -> list[int]:
    """Some of this machine's GPUs, as CUDA numbers them here; all of them where none is named.

    Raises:
        BadOption: one is named twice, or is not there.
        DeviceError: no CUDA device.
    """
    open_device("cuda")  # says why there is none
    count = torch.cuda.device_count()
    twice = [number for number in numbers if list(numbers).count(number) > 1]
    if twice:
        raise BadOption(f"--gpus names GPU {twice[0]} twice")
    if max(numbers, default=0) >= count:
        raise BadOption(f"--gpus {','.join(map(str, numbers))}: this machine has GPU 0 to {count - 1}, {count} in all")
    return list(numbers) or list(range(count))


class GpuPlaces(Places):
    """Some GPUs of this machine.

    Attributes:
        cores: of the host, for each GPU; None where there are too few to keep the processes apart.
        warning: why no timing here can be trusted, which every further Record carries; empty where nothing is known.
    """

    def __init__(self, gpus: Sequence[int], settings: Settings, preload: Sequence[str] = PRELOAD) -> None:
        """Start nothing yet.

        Args:
            gpus: as CUDA numbers them here.
            settings: of the jobs.
            preload: modules that each GPU's process imports once for all jobs.
        """
        self.gpus, self.warning = list(gpus), ""
        self.cores: Sequence[str | None] = (
            [chosen_cores("cuda")]
            if len(gpus) == 1
            else shared_out(physical_cores(), len(gpus)) or [None for _ in gpus]
        )
        self._environment = {name: value for name, value in settings.environment.items() if name != "pinned_cores"}
        self._hosts = [Host({"CUDA_VISIBLE_DEVICES": _visible(gpu)}, preload) for gpu in gpus]
        super().__init__(
            [
                HostPlace(f"GPU {gpu}", host, _Adapter(self, place))
                for place, (gpu, host) in enumerate(zip(gpus, self._hosts, strict=True))
            ]
        )

    def adapted(self, job: Job, place: int) -> Job:
        """A job as it is run on one of the GPUs, the only one that its process sees."""
        settings = replace(job.settings, device="cuda", environment=self.environment(place))
        run = job.run or Run(place=f"GPU {self.gpus[place]}", beside=len(self.gpus) - 1)
        return replace(job, settings=settings, run=run, warning=self.warning)

    def environment(self, place: int) -> dict[str, object]:
        """What Records of one of the GPUs say of the machine."""
        cores = self.cores[place]
        return {"pinned_cores": cores, **self._environment} if cores else dict(self._environment)

    def kinds(self) -> list[Kind]:
        """The kinds of the GPUs, each once."""
        found = []
        for place, gpu in enumerate(self.gpus):
            device = open_device(f"cuda:{gpu}")
            found.append(Kind(device.kind, device.name, self.environment(place)))
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """End the processes."""
        for host in self._hosts:
            host.close()


class _Adapter:
    """Makes what runs on one of the GPUs from a job."""

    def __init__(self, places: GpuPlaces, place: int) -> None:
        self._places, self._place = places, place

    def __call__(self, job: Job) -> Job:
        return self._places.adapted(job, self._place)


def _visible(gpu: int) -> str:
    """What the process of a GPU gets as ``CUDA_VISIBLE_DEVICES``: its number among those that this process sees."""
    given = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return given[gpu] if gpu < len(given) else str(gpu)
