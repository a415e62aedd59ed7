"""The machine that a number was measured on, and what about it may spoil a timing. Nothing is ever changed."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import segbench
from segbench.measure import nvml
from segbench.version import __version__

HOT_C = 83
BUSY = 0.5


def describe_environment() -> dict[str, Any]:
    """Everything about software and hardware that a speed depends on, as JSON types.

    A value that this machine does not tell is None. No host name, user name or serial number is in it.
    """
    gpus = nvml.gpus()
    return {
        "segbench": __version__,
        "git_revision": git_revision(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": cudnn_version(),
        "cuda_architectures": torch.cuda.get_arch_list(),
        "driver": nvml.driver_version(),
        "nvml": nvml.unavailable() or "available",
        "os": operating_system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cpu_cores": physical_cores(),
        "cpu_threads": os.cpu_count(),
        "cpu_quota": cpu_quota(),
        "torch_threads": torch.get_num_threads(),
        "memory_mib": memory_mib(),
        "cpu_governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_average": load_average(),
        "gpus": {str(index): gpu.describe() for index, gpu in enumerate(gpus)},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


VARIABLES = (
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Environment variables that change a speed; they are stored where they are set."""


def environment_warnings(environment: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
    """What may spoil a timing on this machine.

    Args:
        environment: from `describe_environment`; taken now by default.

    Returns:
        For each finding ``seen`` (what was found), ``meaning`` (what it does to a number) and ``advice``.
    """
    found = dict(describe_environment() if environment is None else environment)
    return [*_machine_warnings(found), *_variable_warnings(found.get("variables") or {}), *_gpu_warnings(found)]


def _warning(seen: str, meaning: str, advice: str) -> dict[str, str]:
    return {"seen": seen, "meaning": meaning, "advice": advice}


def _machine_warnings(found: Mapping[str, Any]) -> list[dict[str, str]]:
    warnings = []
    if found.get("cuda") is None:
        warnings.append(
            _warning(
                f"This torch ({found.get('torch')}) was built without CUDA.",
                "Speed is measured on the CPU; it says nothing about a GPU and never stands in a CUDA column.",
                "For GPU timings install a CUDA build of torch (pytorch.org/get-started).",
            )
        )
    elif not torch.cuda.is_available():
        warnings.append(
            _warning(
                "Torch was built with CUDA and sees no GPU.",
                "Speed is measured on the CPU.",
                "Check that `nvidia-smi` works, and that CUDA_VISIBLE_DEVICES is not empty.",
            )
        )
    if found.get("cuda") is not None and found.get("nvml") != "available":
        warnings.append(
            _warning(
                f"GPU state cannot be read: {found.get('nvml')}.",
                "Clocks, throttling, energy and other users of the GPU stay unknown.",
                "Install nvidia-ml-py; in a container, pass the driver's utility libraries through.",
            )
        )
    threads, load = found.get("cpu_threads"), found.get("load_average")
    if threads and load is not None and load > BUSY * threads:
        warnings.append(
            _warning(
                f"The load average is {load:.2f} on {threads} hardware threads.",
                "Other programs compete for the CPU: CPU timings, and GPU timings of small networks, come out slow.",
                "Stop them, or measure again when the machine is idle.",
            )
        )
    quota = found.get("cpu_quota")
    if quota is not None and threads and quota < threads:
        warnings.append(
            _warning(
                f"A container limit allows {quota:g} of {threads} hardware threads.",
                "Threads are suspended when the limit is used up, which shows as stalls of up to 100 ms.",
                "Lift the limit, or set OMP_NUM_THREADS to the whole number below it.",
            )
        )
    governor = found.get("cpu_governor")
    if governor not in (None, "performance"):
        warnings.append(
            _warning(
                f"The CPU frequency governor is {governor}.",
                "The clock rises and falls with the load, so the first frames are slower.",
                "`cpupower frequency-set -g performance` (as root) keeps it up.",
            )
        )
    return warnings


def _variable_warnings(variables: Mapping[str, str]) -> list[dict[str, str]]:
    warnings = []
    if variables.get("CUDA_LAUNCH_BLOCKING", "0") not in ("", "0"):
        warnings.append(
            _warning(
                "CUDA_LAUNCH_BLOCKING is set.",
                "Every kernel is waited for: FPS is far below what the network reaches.",
                "Unset it.",
            )
        )
    if variables.get("PYTORCH_NO_CUDA_MEMORY_CACHING", "0") not in ("", "0"):
        warnings.append(
            _warning(
                "PYTORCH_NO_CUDA_MEMORY_CACHING is set.",
                "Every tensor is allocated from the driver: FPS is far below what the network reaches.",
                "Unset it.",
            )
        )
    for name in ("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"):
        if name in variables:
            warnings.append(
                _warning(
                    f"{name}={variables[name]} is set.",
                    "It overrules the precision that the protocol asks for: fp32 may be TF32, or TF32 fp32.",
                    "Unset it.",
                )
            )
    return warnings


def _gpu_warnings(found: Mapping[str, Any]) -> list[dict[str, str]]:
    warnings = []
    for index, gpu in (found.get("gpus") or {}).items():
        name = f"GPU {index} ({gpu.get('name')})"
        capability, architectures = gpu.get("capability"), found.get("cuda_architectures")
        if capability and architectures and not runs_on(architectures, capability):
            warnings.append(
                _warning(
                    f"{name} has compute capability {capability}, and this torch ({found.get('torch')}) is built for "
                    f"{', '.join(architectures)}.",
                    'Every network fails with "no kernel image is available".',
                    "Install a build for it: torch's cu126 build has Maxwell, Pascal and Volta (5.0 to 7.0), newer "
                    "ones leave them out (pytorch.org/get-started).",
                )
            )
        if gpu.get("other_processes"):
            warnings.append(
                _warning(
                    f"{name} is in use by {gpu['other_processes']} other process(es).",
                    "They share its time, clocks and memory: FPS comes out low and varies.",
                    "Stop them, or measure on another GPU (--device cuda:1).",
                )
            )
        if gpu.get("slowdowns"):
            warnings.append(
                _warning(
                    f"{name} holds its clocks down: {', '.join(gpu['slowdowns'])}.",
                    "FPS is that of a slower card.",
                    "Let it cool, check its power supply and limit, and measure again.",
                )
            )
        if (gpu.get("temperature_c") or 0) >= HOT_C:
            warnings.append(
                _warning(
                    f"{name} is at {gpu['temperature_c']} °C.",
                    "Near its limit a GPU lowers its clocks during the run.",
                    "Let it cool first.",
                )
            )
        limit, default = gpu.get("power_limit_w"), gpu.get("power_limit_default_w")
        if limit is not None and default is not None and limit < 0.99 * default:
            warnings.append(
                _warning(
                    f"{name} is limited to {limit:g} W, {default:g} W by default.",
                    "Its clocks fall under load: published figures of this GPU are not reached.",
                    "Ask whoever set the limit (`nvidia-smi -q -d POWER` shows it).",
                )
            )
        if gpu.get("mig"):
            warnings.append(
                _warning(
                    f"{name} is partitioned (MIG).",
                    "A part of a GPU is timed; FPS is not that of the whole card.",
                    "Say so beside the number, or measure on a whole GPU.",
                )
            )
        if gpu.get("persistence") is False:
            warnings.append(
                _warning(
                    f"{name} is not in persistence mode.",
                    "The driver unloads between processes: each one starts slowly and with cold clocks.",
                    "`nvidia-smi -pm 1` (as root) keeps it loaded.",
                )
            )
    return warnings


def runs_on(architectures: Sequence[str], capability: str) -> bool:
    """Whether code for some architectures runs on a GPU.

    Args:
        architectures: as torch lists them: ``sm_86`` runs on 8.6 and newer of the same major number; ``compute_80``,
            which the driver compiles further, on 8.0 and everything newer.
        capability: compute capability of the GPU, such as ``7.0``.
    """
    major, minor = (int(part) for part in capability.split("."))
    for name in architectures:
        kind, _, digits = name.partition("_")
        number = re.match(r"\d+", digits)
        if number is None:
            continue
        for_major, for_minor = divmod(int(number[0]), 10)
        same = for_major == major and for_minor <= minor
        if same if kind == "sm" else (for_major, for_minor) <= (major, minor):
            return True
    return False


def cudnn_version() -> int | None:
    """Version of cuDNN; None without one, and where torch refuses the one that it finds: the network's run says why."""
    try:
        return torch.backends.cudnn.version()
    except RuntimeError:
        return None


@functools.cache
def cpu_model() -> str:
    """The processor's name."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo") or "", flags=re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine() or "unknown CPU"


def physical_cores() -> int | None:
    """Cores, not counting the second thread of each; None where /proc does not tell."""
    text = _read("/proc/cpuinfo") or ""
    packages = re.findall(r"^physical id\s*:\s*(\d+)$", text, flags=re.MULTILINE)
    cores = re.findall(r"^core id\s*:\s*(\d+)$", text, flags=re.MULTILINE)
    return len(set(zip(packages, cores, strict=True))) or None if len(packages) == len(cores) else None


def cpu_quota() -> float | None:
    """Hardware threads that a container's limit allows (cgroup v2); None without a limit."""
    parts = (_read("/sys/fs/cgroup/cpu.max") or "max").split()
    return None if parts[0] == "max" or len(parts) != 2 else int(parts[0]) / int(parts[1])


def memory_mib() -> int | None:
    """Main memory in MiB; None where /proc does not tell."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", _read("/proc/meminfo") or "", flags=re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def load_average() -> float | None:
    """Programs wanting the CPU, averaged over the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def operating_system() -> str:
    """Name and version of the operating system, such as ``Ubuntu 24.04.1 LTS``."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', _read("/etc/os-release") or "", flags=re.MULTILINE)
    return found[1] if found else f"{platform.system()} {platform.release()}"


@functools.cache
def git_revision() -> str | None:
    """Commit of the checkout that segbench runs from, ``-dirty`` with changes in it; None for an installed wheel."""
    root = Path(segbench.__file__).resolve().parent.parent
    # A wheel may be installed inside another project's checkout, whose commit would be the wrong one.
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
