"""The device that a network is timed on, behind a small interface, so that tests can put a simulated one there."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from segbench import limits
from segbench.errors import DeviceError, first_line
from segbench.measure import gpu, nvml
from segbench.measure.environment import cpu_model
from segbench.records.results import Telemetry

Module = TypeVar("Module", bound=nn.Module)


class Timeline(ABC):
    """Marks set between frames, and the time between neighbouring marks."""

    @abstractmethod
    def start(self) -> None:
        """Forget all marks and set the first."""

    @abstractmethod
    def mark(self) -> None:
        """Set the next mark."""

    @abstractmethod
    def intervals_ms(self) -> list[float]:
        """Milliseconds between neighbouring marks; the device must have been synchronised."""


class Device(ABC):
    """Where a network is timed.

    Attributes:
        kind: ``"cpu"`` or ``"cuda"``: the column in which a result may stand.
        name: the processor's or GPU's name.
        torch_device: where tensors live.
        traced: whether this process has traced the device, which slows its launches down from then on.
    """

    kind: str
    name: str
    torch_device: torch.device
    traced: ClassVar[bool] = False

    @abstractmethod
    def clock(self) -> float:
        """Seconds on a monotonic wall clock."""

    def cpu_clock(self) -> float:
        """Seconds that this process has computed, on all cores together."""
        return time.process_time()

    @abstractmethod
    def synchronise(self) -> None:
        """Wait until everything queued on the device is done."""

    @abstractmethod
    def timeline(self, frames: int) -> Timeline:
        """Marks for rounds of this many frames."""

    @abstractmethod
    def check_precision(self, precision: str) -> None:
        """Refuse a precision that the device does not have.

        Raises:
            DeviceError: says which ones it has.
        """

    def move(self, module: Module) -> Module:
        """Put a module's weights onto the device."""
        return module.to(self.torch_device)

    def attach(self, frame: Callable[[], Any]) -> Callable[[], Any]:
        """What runs a frame on this device: the frame itself, except where a device is simulated."""
        return frame

    def telemetry(self) -> Telemetry | None:
        """Clocks, temperature and slowdowns now; None where nothing tells."""
        return None

    def energy_mj(self) -> float | None:
        """Reading of an energy counter in mJ; None where there is none."""
        return None

    def throttled_ms(self) -> dict[str, float] | None:
        """Time for which the clocks were held down so far, by reason, in ms; None where no counter tells."""
        return None

    def trace(self, frame: Callable[[], Any], frames: int) -> list[gpu.GpuEvent] | None:
        """What the device did by itself during some frames; None where the host and the device are one."""
        return None

    def graph(self, run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The same network, launched by one call instead of one for each kernel.

        Raises:
            DeviceError: the device has no such thing.
        """
        raise DeviceError(f"CUDA graphs need a CUDA device: {self.name} has none")


class ClockTimeline(Timeline):
    """Marks read from a clock: right where a frame is done when its call returns, as on a CPU."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: list[float] = []

    def start(self) -> None:
        """Forget all marks and set the first."""
        self._marks = [self._clock()]

    def mark(self) -> None:
        """Set the next mark."""
        self._marks.append(self._clock())

    def intervals_ms(self) -> list[float]:
        """Milliseconds between neighbouring marks."""
        return [1000 * (after - before) for before, after in itertools.pairwise(self._marks)]


class CpuDevice(Device):
    """The processor that runs this program."""

    kind = "cpu"

    def __init__(self) -> None:
        self.name = cpu_model()
        self.torch_device = torch.device("cpu")

    def clock(self) -> float:
        """Seconds on a monotonic wall clock."""
        return time.perf_counter()

    def synchronise(self) -> None:
        """Nothing to wait for: a call on a CPU returns when its work is done."""

    def timeline(self, frames: int) -> Timeline:
        """Marks read from the clock."""
        return ClockTimeline(self.clock)

    def check_precision(self, precision: str) -> None:
        """Refuse TF32, which is a format of NVIDIA GPUs."""
        if precision == "tf32":
            raise DeviceError("precision tf32 exists on NVIDIA GPUs only: a CPU takes fp32, bf16 and fp16")


class CudaTimeline(Timeline):
    """CUDA events, made once and recorded anew in every round: making one inside a round would be timed."""

    def __init__(self, stream: torch.cuda.Stream, frames: int) -> None:
        self._stream = stream
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(frames + 1)]
        for event in self._events:
            event.record(stream)
        self._next = 0

    def start(self) -> None:
        """Forget all marks and set the first."""
        self._next = 0
        self.mark()

    def mark(self) -> None:
        """Set the next mark."""
        self._events[self._next].record(self._stream)
        self._next += 1

    def intervals_ms(self) -> list[float]:
        """Milliseconds between neighbouring events, by the GPU's clock."""
        used = self._events[: self._next]
        return [before.elapsed_time(after) for before, after in itertools.pairwise(used)]


class CudaDevice(Device):
    """An NVIDIA GPU."""

    kind = "cuda"

    def __init__(self, index: int = 0) -> None:
        properties: Any = torch.cuda.get_device_properties(index)
        self.index = index
        self.name = str(properties.name)
        self.capability = (int(properties.major), int(properties.minor))
        self.memory_mib = int(properties.total_memory) // 2**20
        self.torch_device = torch.device("cuda", index)
        uuid = getattr(properties, "uuid", None)
        self._gpu = nvml.gpu_of(str(uuid) if uuid is not None else None, index)

    def clock(self) -> float:
        """Seconds on a monotonic wall clock."""
        return time.perf_counter()

    def synchronise(self) -> None:
        """Wait until every kernel and copy queued on the GPU is done."""
        torch.cuda.synchronize(self.torch_device)

    def timeline(self, frames: int) -> Timeline:
        """CUDA events on the current stream."""
        return CudaTimeline(torch.cuda.current_stream(self.torch_device), frames)

    def check_precision(self, precision: str) -> None:
        """Refuse TF32 and bfloat16 before Ampere, which emulates neither."""
        if precision in ("tf32", "bf16") and self.capability < (8, 0):
            raise DeviceError(
                f"{self.name} (compute capability {self.capability[0]}.{self.capability[1]}) has no {precision}, which "
                "needs 8.0 or newer: it takes fp32 and fp16"
            )

    def telemetry(self) -> Telemetry | None:
        """Clocks, temperature, power, slowdowns and other processes, from NVML."""
        return self._gpu.telemetry() if self._gpu else None

    def energy_mj(self) -> float | None:
        """NVML's energy counter."""
        return self._gpu.energy_mj() if self._gpu else None

    def throttled_ms(self) -> dict[str, float] | None:
        """NVML's throttle counters."""
        return self._gpu.throttled_ms() if self._gpu else None

    def trace(self, frame: Callable[[], Any], frames: int) -> list[gpu.GpuEvent] | None:
        """Kernels and copies, as CUPTI tells torch's profiler, which stays attached to the process."""
        CudaDevice.traced = True
        return gpu.trace(frame, frames, self.torch_device)

    def graph(self, run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """A CUDA graph, captured at the first call."""
        return gpu.Graphed(run)


def open_device(spec: str = "auto") -> Device:
    """The device of a ``--device`` option.

    Args:
        spec: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for CUDA where there is one and the CPU otherwise.

    Raises:
        DeviceError: not a device, or one that this machine does not have.
    """
    found = limits.DEVICE.fullmatch(limits.check_device(spec))
    assert found is not None
    kind = found[0].split(":")[0]
    if kind == "cpu" or (kind == "auto" and not torch.cuda.is_available()):
        return CpuDevice()
    if not torch.cuda.is_available():
        why = (
            f"this torch ({torch.__version__}) was built without CUDA"
            if torch.version.cuda is None
            else f"torch {torch.__version__} sees no CUDA device (is the NVIDIA driver loaded?)"
        )
        raise DeviceError(f"device {spec!r} is not available: {why}; accepted here: auto, cpu")
    index, count = int(found[1] or 0), torch.cuda.device_count()
    if index >= count:
        raise DeviceError(f"device {spec!r} does not exist: this machine has cuda:0 to cuda:{count - 1}")
    try:
        return CudaDevice(index)
    except Exception as error:  # torch raises classes of several kinds where CUDA cannot be initialised
        raise DeviceError(f"device {spec!r} does not start: {first_line(error)}; accepted here: cpu") from error
