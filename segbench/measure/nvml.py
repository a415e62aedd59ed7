"""What NVIDIA's management library tells about a GPU. Read only: no setting is ever changed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from segbench.records import reading
from segbench.records.results import Telemetry

# Bits of nvmlClocksEventReasons that mean "slower than it could be". Idle (0x1) and clocks set by the user (0x2,
# 0x100) are choices, not slowdowns.
SLOWDOWNS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown (software)",
    0x40: "thermal slowdown (hardware)",
    0x80: "power brake",
}


# nvmlPerfPolicyType_t: for each a counter of the time in which the clocks were below what was asked for.
POLICIES = {0: "power cap", 1: "thermal slowdown", 3: "board limit", 5: "reliability"}


@functools.cache
def unavailable() -> str | None:
    """Why NVML cannot be used here, in one line; None where it can."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return "the package nvidia-ml-py is not installed"
    except Exception as error:  # pynvml raises classes of its own, made at import
        return f"NVML does not answer: {error}"
    return None


def driver_version() -> str | None:
    """Version of the NVIDIA driver."""
    return None if unavailable() else _text(ask("nvmlSystemGetDriverVersion"))


def gpus() -> list[Gpu]:
    """Every GPU that NVML sees, in its own order (that of the PCI bus)."""
    if unavailable():
        return []
    count = ask("nvmlDeviceGetCount") or 0
    return [Gpu(handle) for handle in (ask("nvmlDeviceGetHandleByIndex", index) for index in range(count)) if handle]


def gpu_of(uuid: str | None, index: int) -> Gpu | None:
    """The GPU that CUDA numbers `index`: by its UUID or that of its MIG instance, or as the only one there is."""
    if unavailable():
        return None
    handle = ask("nvmlDeviceGetHandleByUUID", f"GPU-{uuid}") if uuid else None
    instance = None
    if handle is None and uuid:
        # CUDA gives a MIG instance the UUID of the instance. Clocks and power are those of the GPU around it.
        instance = ask("nvmlDeviceGetHandleByUUID", f"MIG-{uuid}")
        handle = None if instance is None else ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", instance)
    if handle is None and index == 0 and ask("nvmlDeviceGetCount") == 1:
        handle = ask("nvmlDeviceGetHandleByIndex", 0)
    return Gpu(handle, instance) if handle is not None else None


def ask(function: str, *arguments: Any) -> Any:
    """Call one NVML function by name; None where this driver or GPU does not support it."""
    import pynvml

    call: Callable[..., Any] | None = getattr(pynvml, function, None)
    if call is None:
        return None
    # An older driver than the package expects raises the second, which is no NVMLError.
    refusals = (pynvml.NVMLError, getattr(pynvml, "NVMLLibraryMismatchError", pynvml.NVMLError))
    try:
        return call(*arguments)
    except (*refusals, TypeError, ValueError):
        return None


class Gpu:
    """One GPU, read through NVML; with `instance`, as a process sees it that has one MIG instance of it."""

    def __init__(self, handle: Any, instance: Any = None) -> None:
        self._handle = handle
        self._instance = instance

    def telemetry(self) -> Telemetry:
        """Clocks, temperature, power, slowdowns and other processes at this moment."""
        power = self._ask("nvmlDeviceGetPowerUsage")
        return Telemetry(
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", 1),
            memory_clock_mhz=self._ask("nvmlDeviceGetClockInfo", 2),
            temperature_c=self._ask("nvmlDeviceGetTemperature", 0),
            power_w=None if power is None else power / 1000,
            slowdowns=self.slowdowns(),
            other_processes=self.other_processes(),
        )

    def energy_mj(self) -> int | None:
        """Energy drawn since the driver was loaded, in mJ; None of a partitioned GPU: its instances share a counter."""
        mig = self._ask("nvmlDeviceGetMigMode")
        return None if mig and mig[0] else self._ask("nvmlDeviceGetTotalEnergyConsumption")

    def slowdowns(self) -> tuple[str, ...]:
        """Why the clocks are held down; empty where they are not, or where the driver does not tell."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0
        return tuple(name for bit, name in SLOWDOWNS.items() if bits & bit)

    def throttled_ms(self) -> dict[str, float] | None:
        """Time for which the clocks were held down since the driver was loaded, by reason, in ms."""
        found = {name: self._ask("nvmlDeviceGetViolationStatus", policy) for policy, name in POLICIES.items()}
        # The counters are in ns.
        return {name: status.violationTime / 1e6 for name, status in found.items() if status is not None} or None

    def other_processes(self) -> int | None:
        """Processes computing on the GPU beside this one.

        In a container the process numbers may be the host's, where ours cannot be recognised: then one process is
        taken to be ours if torch has a CUDA context.
        """
        running = ask("nvmlDeviceGetComputeRunningProcesses", self._instance or self._handle)
        if running is None:
            return None
        pids = {process.pid for process in running}
        ours = os.getpid() in pids or _has_context()
        return max(len(pids) - int(ours), 0)

    def describe(self) -> dict[str, Any]:
        """Name, memory, clocks and their maxima, power limits, ECC, MIG and persistence mode."""
        memory = self._ask("nvmlDeviceGetMemoryInfo")
        ecc = self._ask("nvmlDeviceGetEccMode")
        mig = self._ask("nvmlDeviceGetMigMode")
        persistence = self._ask("nvmlDeviceGetPersistenceMode")
        capability = self._ask("nvmlDeviceGetCudaComputeCapability")
        return {
            "name": _text(self._ask("nvmlDeviceGetName")),
            "memory_mib": None if memory is None else memory.total // 2**20,
            "capability": None if capability is None else ".".join(str(part) for part in capability),
            "sm_clock_max_mhz": self._ask("nvmlDeviceGetMaxClockInfo", 1),
            "memory_clock_max_mhz": self._ask("nvmlDeviceGetMaxClockInfo", 2),
            "power_limit_w": _watts(self._ask("nvmlDeviceGetEnforcedPowerLimit")),
            "power_limit_default_w": _watts(self._ask("nvmlDeviceGetPowerManagementDefaultLimit")),
            "ecc": None if ecc is None else bool(ecc[0]),
            "mig": None if mig is None else bool(mig[0]),
            "persistence": None if persistence is None else bool(persistence),
            **reading.plain(self.telemetry()),
        }

    def _ask(self, function: str, *arguments: Any) -> Any:
        return ask(function, self._handle, *arguments)


def _has_context() -> bool:
    """Whether torch has a CUDA context: it comes with the first memory, and not with asking for a GPU's name."""
    import torch

    return torch.cuda.is_initialized() and any(
        torch.cuda.max_memory_reserved(index) for index in range(torch.cuda.device_count())
    )


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
