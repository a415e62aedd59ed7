"""Peak memory of one frame: weights, input, activations and workspaces."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import re
from pathlib import Path

import torch
from torch import nn

from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import device_failures, make_frame
from segbench.protocol import Protocol
from segbench.records.results import Memory

KINDS = {
    "cuda": "peak of torch's CUDA allocator over what was allocated before",
    "cpu": "weights, plus growth of the process's resident memory during one frame",
}
"""What a figure means on each kind of device; the two are never compared."""


def release(device: Device) -> None:
    """Give back what the last measurement left: compiled code and graphs keep their memory until they are collected."""
    if device.torch_device.type == "cuda":
        gc.collect()
        # After a CUDA error nothing can be freed, and what is measured next says so.
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()


def measure_memory(net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device) -> Memory:
    """The figure of `peak_memory` in MiB, and what it counts. Raises as that does."""
    return Memory(peak_mib=peak_memory(net, resolution, protocol, device), kind=KINDS[device.kind])


def peak_memory(net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device) -> float | None:
    """Peak memory of a frame in MiB; `KINDS` says what it counts on each kind of device.

    Args:
        net: a fresh instance; moved and cast in place.
        resolution: height and width.
        protocol: mode, batch and precision of the frame.
        device: where the network runs.

    Returns:
        MiB, or None where the operating system does not tell (a CPU other than under Linux).

    Raises:
        MeasurementError: out of memory, or a CUDA error.
        DeviceError: a precision that the device does not have.
    """
    with measurement_flags(protocol), device_failures(resolution, protocol, device):
        if device.torch_device.type == "cuda":
            return _cuda_peak(net, resolution, protocol, device)
        return _cpu_peak(net, resolution, protocol, device)


def _cuda_peak(net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device) -> float:
    index = device.torch_device
    # What waits for the collector would be freed during the frames and taken off their peak.
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(index)
    frame = make_frame(net, resolution, protocol, device)
    # The first pass may try out algorithms with workspaces that later passes do not need.
    for _ in range(2):
        frame()
    device.synchronise()
    torch.cuda.reset_peak_memory_stats(index)
    for _ in range(3):
        frame()
    device.synchronise()
    return (torch.cuda.max_memory_allocated(index) - before) / 2**20


def _cpu_peak(net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device) -> float | None:
    frame = make_frame(net, resolution, protocol, device)
    _return_free_memory()
    if not _reset_peak():
        return None
    before = _status_kib("VmRSS")
    frame()
    peak = _status_kib("VmHWM")
    if before is None or peak is None:
        return None
    weights = sum(item.numel() * item.element_size() for item in itertools.chain(net.parameters(), net.buffers()))
    return weights / 2**20 + max(peak - before, 0) / 1024


def _return_free_memory() -> None:
    # Memory that the C library keeps for itself is resident already, and its reuse would not show as growth.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    # proc(5): writing 5 sets the process's peak resident size to its present size.
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status_kib(key: str) -> int | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^{key}:\s*(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) if found else None
