"""The fastest that this device could run a network: its own matrix rate and copy bandwidth against the trace.

An operation can finish no sooner than its multiply-accumulates take at the highest rate that this device shows on a
matrix product in the same precision, and no sooner than its inputs and outputs take to move once at the bandwidth that
it shows on a copy of that size. The later of the two, summed over the operations, is the roof of operation-by-operation
execution: what eager PyTorch could reach with perfect kernels. The share of it that is reached says how much is left
to gain by better kernels; what fusing operations or a lower precision gain lies beyond it.

Two ways to exceed it are known: cuDNN's Winograd convolutions multiply less than the trace counts, and compilers that
fuse operations move less than it counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch

from segbench.counting.rules import MACS
from segbench.counting.trace import Operation, Trace
from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import DTYPES
from segbench.protocol import Protocol
from segbench.records import results, store

# Bytes that a measured copy moves, read and written: from what any cache holds to what none does.
COPY_BYTES = tuple(mib * 2**20 for mib in (2, 16, 64, 256))
SMALLEST_MATRIX = 1024
LARGEST_MATRIX = {"cpu": 2048}
LARGEST_MATRIX_ON_A_GPU = 16384
LONG_ENOUGH_S = 0.005
# Copies between two readings of the clock, at most.
MOST_COPIES = 500
REPEATS = 10
SECONDS = 0.3


@dataclass(frozen=True)
class Rates:
    """What a device reached, at best.

    Attributes:
        macs_per_s: multiply-accumulates a second of a square matrix product.
        bytes_per_s: for each size of `COPY_BYTES` the bytes read and written a second by a copy.
    """

    macs_per_s: float
    bytes_per_s: tuple[tuple[int, float], ...]

    def bandwidth(self, size: int) -> float:
        """Bytes a second for an operation that moves `size` bytes.

        The best of the copies at least as large: a small one is slow for its launch alone, a larger one for leaving
        the cache.
        """
        return max((rate for at, rate in self.bytes_per_s if at >= size), default=self.bytes_per_s[-1][1])


@dataclass(frozen=True)
class Roofline:
    """The least time of a frame, in seconds.

    Attributes:
        compute_s: all multiply-accumulates at the matrix rate.
        memory_s: all bytes at the copy bandwidths.
        fastest_s: the sum over operations of the later of the two.
        compute_bound_s: the part of `fastest_s` in operations whose arithmetic is the later.
        macs: multiply-accumulates.
        bytes: bytes moved.
    """

    compute_s: float
    memory_s: float
    fastest_s: float
    compute_bound_s: float
    macs: int
    bytes: int

    def reached(self, rates: Rates, frame_s: float | None) -> results.Roofline:
        """For a Record, with the share of the roofline that a frame of `frame_s` seconds reached."""
        return results.Roofline(
            tmacs_per_s=rates.macs_per_s / 1e12,
            gb_per_s=rates.bytes_per_s[-1][1] / 1e9,
            cached_gb_per_s=max(rate for _, rate in rates.bytes_per_s) / 1e9,
            macs=self.macs,
            bytes=self.bytes,
            compute_ms=1000 * self.compute_s,
            memory_ms=1000 * self.memory_s,
            fastest_ms=1000 * self.fastest_s,
            share=self.fastest_s / frame_s if frame_s else None,
        )


def roofline(traced: Trace, rates: Rates, itemsize: int) -> Roofline:
    """Time every operation by arithmetic and by bytes.

    Args:
        traced: of one frame.
        rates: of the device, in the same precision.
        itemsize: bytes of a value in that precision; labels and indices are taken to have the same.
    """
    compute = memory = fastest = bound = 0.0
    macs = moved = 0
    for operation in traced.operations:
        if operation.divided:
            continue
        counter = MACS.get(operation.kind)
        work, size = counter(operation) if counter else 0, bytes_moved(operation, itemsize)
        arithmetic, traffic = work / rates.macs_per_s, size / rates.bandwidth(size)
        compute, memory, macs, moved = compute + arithmetic, memory + traffic, macs + work, moved + size
        fastest += max(arithmetic, traffic)
        bound += arithmetic if arithmetic > traffic else 0.0
    return Roofline(compute, memory, fastest, bound, macs, moved)


def bytes_moved(operation: Operation, itemsize: int) -> int:
    """Every input read once and every output written once; nothing for a view."""
    if not operation.writes:
        return 0
    return itemsize * sum(prod(shape) for shape in (*operation.inputs, *operation.outputs))


def measure_rates(protocol: Protocol, device: Device) -> Rates:
    """Time matrix products and copies in the protocol's precision; about a second on a CPU.

    Raises:
        DeviceError: a precision that the device does not have.
    """
    device.check_precision(protocol.precision)
    dtype = DTYPES[protocol.precision]
    with measurement_flags(protocol):
        return Rates(_matrix_rate(dtype, device), tuple((size, _copy_rate(size, device)) for size in COPY_BYTES))


def rates_of(protocol: Protocol, device: Device, kept: Path | None = None) -> Rates:
    """The rates of a device: those that another process of a sweep has measured, or measured now and kept for others.

    Args:
        protocol: its precision counts.
        device: what is measured.
        kept: the file; rates of another device, precision or torch in it are left alone. None to measure anew.

    Raises:
        DeviceError: a precision that the device does not have.
    """
    if kept is None:
        return measure_rates(protocol, device)
    key = f"{device.kind}, {device.name}, {protocol.precision}, torch {torch.__version__}"
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if key in known:
        macs_per_s, copies = known[key]
        return Rates(macs_per_s, tuple((size, rate) for size, rate in copies))
    rates = measure_rates(protocol, device)
    store.write_text(kept, json.dumps({**known, key: [rates.macs_per_s, rates.bytes_per_s]}) + "\n")
    return rates


def _matrix_rate(dtype: torch.dtype, device: Device) -> float:
    """Multiply-accumulates a second, on the smallest matrix that keeps the device busy for 5 ms."""
    largest = LARGEST_MATRIX.get(device.torch_device.type, LARGEST_MATRIX_ON_A_GPU)
    side = SMALLEST_MATRIX
    # Of its own: a CUDA graph whose capture failed leaves torch's default one unusable.
    generator = torch.Generator(device.torch_device)
    while True:
        left, right = (
            torch.randn(side, side, device=device.torch_device, dtype=dtype, generator=generator) for _ in range(2)
        )
        out = torch.empty_like(left)
        multiply = device.attach(partial(torch.mm, left, right, out=out))
        once = _fastest(multiply, device, repeats=2)
        if once >= LONG_ENOUGH_S or 2 * side > largest:
            return float(side**3 / min(once, _fastest(multiply, device)))
        side *= 2


def _copy_rate(size: int, device: Device) -> float:
    source = torch.zeros(size // 2, dtype=torch.uint8, device=device.torch_device)
    target = torch.empty_like(source)
    copy = device.attach(lambda: target.copy_(source))
    # Waiting for a GPU takes as long as a copy of some megabytes: enough of them that it does not count.
    times = min(max(math.ceil(LONG_ENOUGH_S / _fastest(copy, device, repeats=2)), 1), MOST_COPIES)

    def copies() -> None:
        for _ in range(times):
            copy()

    return times * size / _fastest(copies, device)


def _fastest(run: Callable[[], Any], device: Device, repeats: int = REPEATS) -> float:
    """Seconds of the fastest pass after the first: a roof is what the device can do, not what it does on average."""
    run()
    device.synchronise()
    begin = device.clock()
    best = float("inf")
    for index in range(repeats):
        start = device.clock()
        run()
        device.synchronise()
        end = device.clock()
        best = min(best, end - start)
        if index and end - begin > SECONDS:
            break
    return max(best, 1e-9)
