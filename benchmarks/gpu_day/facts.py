"""Facts about a device and its software, for ``facts.json``: `python -m benchmarks.gpu_day.facts PATH`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from segbench.measure import nvml
from segbench.measure.device import open_device
from segbench.measure.environment import describe_environment, environment_warnings
from segbench.records import store


def facts() -> dict[str, Any]:
    """The environment, its warnings, and whether asking for a GPU's name makes a context on it.

    A context in the process that starts the others would show in every Record as another process on the GPU.
    """
    device = open_device("cuda")
    state = device.telemetry()
    handle = nvml.ask("nvmlDeviceGetHandleByIndex", 0) if nvml.unavailable() is None else None
    running = nvml.ask("nvmlDeviceGetComputeRunningProcesses", handle) if handle else None
    return {
        "name": device.name,
        "nvml": nvml.unavailable() or "available",
        "contexts": None if running is None else len(running),
        "context of this process": None if running is None else os.getpid() in {process.pid for process in running},
        "other processes": state.other_processes if state else None,
        "energy counter": device.energy_mj() is not None,
        "throttle counters": device.throttled_ms(),
        "architectures": torch.cuda.get_arch_list(),
        "environment": describe_environment(),
        "warnings": environment_warnings(),
    }


if __name__ == "__main__":
    found = facts()
    store.write_text(Path(sys.argv[1]), json.dumps(found, indent=1) + "\n")
    print(f"{found['name']}; {found['contexts']} contexts; revision {found['environment']['git_revision']}")
