"""How long the host takes to launch a frame, which bounds a small network on a large GPU; needs no profiler.

trtexec reports the same as enqueue time, and warns where it exceeds 80 % of the GPU's compute time (NVIDIA TensorRT,
samples/common/sampleReporting.cpp).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from segbench.measure.device import Device
from segbench.protocol import Protocol

FRAMES = 20
SECONDS = 1.0
_WAITS = {"copy in", "copy out"}


def enqueue_ms(frame: Callable[[], Any], protocol: Protocol, device: Device) -> float | None:
    """Median time in ms in which a call of a frame returns, the GPU being idle before it.

    Of a network with more kernels than the GPU's queue holds (about a thousand) it is longer than the launches alone,
    for the host waits for the GPU.

    Args:
        frame: as it was timed, warm.
        protocol: the one under which it was timed.
        device: the same.

    Returns:
        None on a CPU, where the call returns when the work is done, and of a region with copies, where the host waits
        for them.
    """
    if device.kind != "cuda" or _WAITS & set(protocol.steps):
        return None
    samples: list[float] = []
    device.synchronise()
    begin = device.clock()
    while len(samples) < FRAMES and device.clock() - begin < SECONDS:
        start = device.clock()
        frame()
        samples.append(1000 * (device.clock() - start))
        device.synchronise()
    return median(samples)
