"""Keep a process that times a GPU to fixed cores: moving between cores makes the launches of kernels jitter.

Only where the system lets a process choose (Linux), and never for a timing on a CPU, where it would change what is
timed. The Record says which cores (`environment.pinned_cores`); two timings with another number of them are unlike.

Where several GPUs are timed at once, each has cores of its own (`shared_out`): launches of one network would otherwise
wait for those of another.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

CORES = 2
"""One for the thread that launches kernels, one for the driver's."""


def chosen_cores(kind: str) -> str | None:
    """The cores that timings on a kind of device are kept to, as in ``0,1``; None where there is no choice."""
    if kind != "cuda" or not hasattr(os, "sched_getaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, allowed[:CORES])) if len(allowed) > CORES else None


def physical_cores() -> list[tuple[int, ...]]:
    """The hardware threads that this process may use, those of one core together; empty where there is no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = os.sched_getaffinity(0)
    return sorted({tuple(sorted(_siblings(core) & allowed)) for core in allowed})


def _siblings(thread: int) -> set[int]:
    """The hardware threads of the same core."""
    path = Path(f"/sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list")
    try:
        parts = [part.partition("-") for part in path.read_text(encoding="ascii").strip().split(",")]
        return {core for first, _, last in parts for core in range(int(first), int(last or first) + 1)} | {thread}
    except (OSError, ValueError):
        return {thread}


def shared_out(physical: Sequence[Sequence[int]], processes: int) -> list[str] | None:
    """Cores for processes that time GPUs at the same time, no hardware thread twice.

    Args:
        physical: hardware threads, those of one core together; see `physical_cores`.
        processes: how many there are.

    Returns:
        For each process `CORES` hardware threads, of cores of its own where there are enough of them; else both threads
        of one core. None where there are not enough: then nobody is kept to any.
    """
    first = [threads[0] for threads in physical]
    all_threads = [thread for threads in physical for thread in threads]
    for threads in (first, all_threads):
        if len(threads) >= processes * CORES:
            return [",".join(map(str, threads[at : at + CORES])) for at in range(0, processes * CORES, CORES)]
    return None


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
