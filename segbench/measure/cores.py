"""Keep a process that times a GPU to fixed cores: moving between cores makes the launches of kernels jitter.

Only where the system lets a process choose (Linux), and never for a timing on a CPU, where it would change what is
timed. The Record says which cores (`environment.pinned_cores`), and two timings with other cores are unlike.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

CORES = 2
"""One for the thread that launches kernels, one for the driver's."""


def chosen_cores(kind: str) -> str | None:
    """The cores that timings on a kind of device are kept to, as in ``0,1``; None where there is no choice."""
    if kind != "cuda" or not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, allowed[:CORES])) if len(allowed) > CORES else None


@contextlib.contextmanager
def kept_to(cores: str | None) -> Iterator[None]:
    """Keep this thread, and the threads that it starts, to cores; put it back on leaving. Nothing for None."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _numbers(cores))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _numbers(cores: str) -> Sequence[int]:
    return [int(core) for core in cores.split(",")]
