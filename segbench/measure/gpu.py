"""What CUDA alone can do with a frame: replay it as a graph, and trace what the GPU did."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._autograd import DeviceType

# Passes before a capture: cuDNN and cuBLAS choose algorithms and allocate workspaces, which a capture forbids.
WARM_UP = 3


class GpuEvent(NamedTuple):
    """One thing that a GPU did, by its own clock.

    Attributes:
        name: of the kernel; ``Memcpy HtoD ...`` and ``Memset ...`` for copies and fills.
        start_us: when it began.
        end_us: when it ended.
    """

    name: str
    start_us: float
    end_us: float

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel, and not a copy or fill by a copy engine."""
        return not self.name.startswith(("Memcpy", "Memset"))


class Graphed:
    """A network as a CUDA graph: captured at its first call, replayed at every other.

    The input of the first call is the graph's; another tensor is copied into it. The result is overwritten by the
    next call.
    """

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        """Nothing is captured yet; see the class."""
        self._run = run
        self._graph: Any = None
        self._input = torch.empty(0)
        self._output = torch.empty(0)

    def __call__(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to logits, of one shape and layout for all calls."""
        if self._graph is None:
            self._capture(x)
        elif x is not self._input:
            self._input.copy_(x)
        self._graph.replay()
        return self._output

    def _capture(self, x: Tensor) -> None:
        graph: Any = torch.cuda.CUDAGraph()
        with torch.cuda.device(x.device):
            side = _side_stream(torch.cuda.current_device())
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self._run(x)
                with _no_synchronisation():
                    self._run(x)
            stream = torch.cuda.current_stream()
            stream.wait_stream(side)
            torch.cuda.synchronize()
            pool: Any = torch.cuda.graph_pool_handle()
            # The end of a failed capture fails as well, and says less than the failure in it.
            reason: Exception | None = None
            try:
                with torch.cuda.graph(graph, pool=pool):
                    try:
                        self._output = self._run(x)
                    except Exception as error:
                        reason = error
                        raise
            except Exception as error:
                _abandon(pool)
                raise reason or error from None
            finally:
                # A capture that fails would leave its own stream as the current one.
                torch.cuda.set_stream(stream)
                # With its traceback it would keep this frame and the tensors of the network's.
                reason = None
        self._input, self._graph = x, graph


@functools.cache
def _side_stream(device: int) -> Any:
    """One for all captures of a process: cuBLAS keeps a workspace of tens of MiB for each that it ever saw."""
    return torch.cuda.Stream()


@contextlib.contextmanager
def _no_synchronisation() -> Iterator[None]:
    """Let what waits for the GPU or copies to the host fail here: in a capture it would spoil torch's allocator."""
    before = torch.cuda.get_sync_debug_mode()
    with _without_advice():
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _abandon(pool: Any) -> None:
    """End the capture for the allocator too, where torch does not.

    Before pytorch/pytorch#180395 (torch 2.13) a capture that failed counted as underway for ever, and the next
    `torch.cuda.empty_cache`, that of the next capture among them, ended in an internal assertion.
    """
    end = getattr(torch._C, "_cuda_endAllocateToPool", getattr(torch._C, "_cuda_endAllocateCurrentStreamToPool", None))
    if end is not None:
        # Refused where the capture was ended already.
        with contextlib.suppress(RuntimeError):
            end(torch.cuda.current_device(), pool)
    # A graph releases its pool only where its capture ended well.
    release = getattr(torch._C, "_cuda_releasePool", None)
    if release is not None:
        with contextlib.suppress(RuntimeError):
            release(torch.cuda.current_device(), pool)


def trace(frame: Callable[[], Any], frames: int, device: torch.device) -> list[GpuEvent]:
    """Everything that the GPU did during `frames` passes, in order; empty where the driver lets nobody look.

    Times are the GPU's own, so the profiler's cost to the host does not lengthen them.
    """
    for _ in range(WARM_UP):
        frame()
    torch.cuda.synchronize(device)
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with _without_advice(), torch.profiler.profile(activities=activities) as profiler:
        for _ in range(frames):
            frame()
        torch.cuda.synchronize(device)
    with _without_advice():
        return gpu_events(profiler.events() or ())


def gpu_events(events: Any) -> list[GpuEvent]:
    """The device's events among those of a torch profiler, by their start."""
    found = [
        GpuEvent(str(event.name), float(event.time_range.start), float(event.time_range.end))
        for event in events
        if event.device_type == DeviceType.CUDA
        and not getattr(event, "is_user_annotation", False)
        # What waits for the GPU is listed as its own in some versions of torch.
        and getattr(event, "activity_type", None) not in ("cuda_sync", "cuda_event")
    ]
    return sorted(found, key=lambda event: event.start_us)


@contextlib.contextmanager
def _without_advice() -> Any:
    # The profiler warns of what does not matter here, such as events of a cycle that are not kept.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
