"""What a worker of a Dask cluster does for `segbench.compare.cluster`: it hands tasks to hosts. Imports no torch.

Dask's own processes are daemonic and may have no children of `multiprocessing`; a host (`segbench.places.hosts`), which
the worker starts by `subprocess`, may.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from segbench.places.hosts import Host
from segbench.places.loop import Outcome

Answer = tuple[Any, str | None, float, bool]
"""Result, failure, seconds, and whether the process that ran it is gone."""

VERSION = "__import__('segbench.version', fromlist=['version']).__version__"
"""For `eval` on a worker that may have another segbench, or none."""

_hosts: dict[str, Host] = {}
_lock = threading.Lock()


def in_host(slot: str, message: bytes, timeout_s: float, preload: Sequence[str]) -> Answer:
    """Run a task in the host of this name, started where there is none.

    Args:
        slot: name of the host.
        message: as `hosts.pickled` makes it: neither this process nor the host needs what the task needs.
        timeout_s: seconds after which it has failed.
        preload: modules that the host imports once for all tasks.
    """
    with _lock:
        host = _hosts.setdefault(slot, Host(preload=preload))
    try:
        host.ask_pickled(message, timeout_s)
        outcome: Outcome[str] = host.answer(slot)
    except OSError as error:
        return None, f"no process could be started: {error}", 0.0, False
    return outcome.result, outcome.failure, outcome.seconds, outcome.lost


def survey(slot: str, message: bytes, timeout_s: float, preload: Sequence[str]) -> tuple[Answer, dict[str, float]]:
    """What a task of `in_host` tells of this worker, and the resources that the worker declares."""
    from distributed import get_worker

    return in_host(slot, message, timeout_s, preload), dict(get_worker().state.total_resources)


def leave(slot: str) -> None:
    """End a host and what it runs, at once: nobody waits for it any more."""
    with _lock:
        host = _hosts.pop(slot, None)
    if host is not None:
        host.kill()
