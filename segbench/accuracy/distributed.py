"""One evaluation over several processes, started by ``torchrun``: shares of the images, exact sums, one voice.

Process 0 speaks and writes. The control messages go over gloo; confusion matrices are summed where they are, over nccl
on GPUs and gloo on CPUs. An error in one process ends all of them, so that none waits for another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from segbench.errors import DeviceError, SegbenchError
from segbench.measure.frame import MeasurementError


@dataclass(frozen=True)
class Group:
    """The processes of one evaluation; alone, every method is trivial.

    Attributes:
        rank: this process, from 0.
        size: processes in all.
        local_rank: this process among those of its machine, which is its GPU's number.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def main(self) -> bool:
        """Whether this process speaks and writes."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` images this process scores: every image is in exactly one share."""
        return range(self.rank, count, self.size)

    def device(self, spec: str) -> str:
        """The ``--device`` of this process: its own GPU where CUDA is asked for or chosen.

        Raises:
            DeviceError: more processes than GPUs, or one GPU named for several processes.
        """
        if self.size == 1 or spec == "cpu" or (spec == "auto" and not torch.cuda.is_available()):
            return spec
        if ":" in spec:
            raise DeviceError(f"device {spec!r} is one GPU, and there are {self.size} processes: cuda is accepted")
        count = torch.cuda.device_count()
        if torch.cuda.is_available() and self.local_rank >= count:
            raise DeviceError(f"process {self.local_rank} of this machine has no GPU of its own: there are {count}")
        return f"cuda:{self.local_rank}"

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, exact for integers, in every process."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def gather(self, item: Any) -> list[Any]:
        """The items of all processes, in the order of their ranks, in every process."""
        if self.size == 1:
            return [item]
        items: list[Any] = [None] * self.size
        dist.all_gather_object(items, item)
        return items

    def agree(self, error: SegbenchError | None) -> None:
        """Raise in every process what was raised in one.

        Raises:
            SegbenchError: this process's own error, or the first of another's; a MeasurementError stays one.
        """
        errors = self.gather(error and (isinstance(error, MeasurementError), str(error)))
        if error is not None:
            raise error
        for rank, other in enumerate(errors):
            if other is not None:
                failed, message = other
                raise (MeasurementError if failed else SegbenchError)(f"process {rank} of {self.size}: {message}")


@contextlib.contextmanager
def process_group(device: str = "auto") -> Iterator[Group]:
    """The group that ``torchrun`` started this process in, or a group of one.

    Args:
        device: the ``--device`` option: decides whether matrices are summed over nccl or gloo.

    Raises:
        DeviceError: see `Group.device`.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        yield Group()
        return
    group = Group(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    chosen = group.device(device)
    backend = "gloo"
    if chosen.startswith("cuda") and torch.cuda.is_available():
        torch.cuda.set_device(torch.device(chosen))
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend)
    try:
        yield group
    finally:
        dist.destroy_process_group()
