"""What bounds a network's speed: the host that launches its kernels, the device's arithmetic, or its memory.

At batch 1 a large GPU may finish each kernel of a small network before the host has launched the next. Then eager FPS
ranks networks by their number of kernels and says nothing of their work. Three figures show it: the time of a frame in
which the GPU is busy, the kernels launched, and the FPS of the same network as a CUDA graph, which one call launches.

The verdict, from these and the roofline (`segbench.measure.roofline`):

| verdict | when |
|---|---|
| launch-bound | the GPU is busy for less than 80 % of the frame |
| | without a trace: the CUDA graph is 1.25x as fast; without a graph: the host launches for over 80 % of the frame |
| compute-bound | else, and half of the roofline's time or more is in operations whose arithmetic takes longest |
| memory-bound | else |

80 % is the limit at which trtexec warns that launching bounds the throughput (NVIDIA TensorRT,
samples/common/sampleReporting.cpp). Compute- and memory-bound name the nearer roof, and `share` says how near it is: a
network at 10 % of its roof is held back by its kernels, on whichever side of the roofline they lie. On a CPU host and
device are one, so that launch-bound is not a verdict there. In mode ``swiftnet`` the host launches nothing while it
waits for its labels, so that launch-bound includes that wait; the copies are busy time of the GPU and no part of the
roofline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from segbench.counting.trace import Trace
from segbench.counting.tracer import trace
from segbench.errors import SegbenchError
from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import DTYPES, Frame, Region, device_failures, make_frame, region
from segbench.measure.gpu import GpuEvent
from segbench.measure.roofline import Roofline, rates_of, roofline
from segbench.measure.speed import measure_speed
from segbench.measure.subject import Subject
from segbench.measure.trust import of_the_host
from segbench.models.samples import inputs_of
from segbench.protocol import Protocol
from segbench.records.results import Speed

BUSY_LIMIT = 0.8
COMPUTE_LIMIT = 0.5
TRACED_FRAMES = 10
GRAPH_ROUNDS = 2
MOST_LAUNCHES = 10
"""Kernels for each convolution above which a note names the commonest."""


def busy_ms(events: Iterable[GpuEvent], frames: int) -> float:
    """Milliseconds of a frame in which at least one kernel or copy ran; what overlaps counts once."""
    busy = end = 0.0
    first = True
    for event in sorted(events, key=lambda event: event.start_us):
        if first or event.start_us > end:
            busy += event.end_us - event.start_us
            end, first = event.end_us, False
        elif event.end_us > end:
            busy += event.end_us - end
            end = event.end_us
    return busy / 1000 / frames


def launches(events: Iterable[GpuEvent], frames: int) -> int:
    """Kernels of a frame, without copies and fills by the copy engines."""
    return round(sum(event.is_kernel for event in events) / frames)


def crowded(events: Iterable[GpuEvent], frames: int, convolutions: int) -> list[str]:
    """A sentence where a frame has far more kernels than convolutions, with the commonest of them; else nothing.

    A library then splits its work into many kernels, and the FPS speaks of its choice rather than of the network.

    Args:
        events: of a trace.
        frames: that were traced.
        convolutions: of a frame.
    """
    kernels = Counter(event.name for event in events if event.is_kernel)
    each = sum(kernels.values()) / frames
    if not convolutions or each <= MOST_LAUNCHES * convolutions:
        return []
    common = ", ".join(f"{name[:60]} ({count / frames:.0f})" for name, count in kernels.most_common(3))
    return [
        f"{each:,.0f} kernels a frame, {each / convolutions:.0f} for each of {convolutions} convolutions: the "
        f"library's choice of algorithms decides this FPS; the commonest are {common}"
    ]


def _convolutions(subject: Subject, resolution: tuple[int, int], protocol: Protocol) -> int:
    operations = region_trace(subject, resolution, protocol).operations
    return sum(operation.kind.startswith("conv") for operation in operations)


def verdict(
    frame_ms: float,
    busy: float | None = None,
    speed_up: float | None = None,
    roof: Roofline | None = None,
    enqueue: float | None = None,
) -> str | None:
    """What bounds a frame, by the table in this module's docstring.

    Args:
        frame_ms: wall-clock time of a frame.
        busy: milliseconds of it in which the GPU was busy; None where nothing tells.
        speed_up: FPS of the CUDA graph over that of eager execution; None where there is none.
        roof: the roofline; None where it could not be drawn.
        enqueue: milliseconds that launching a frame takes the host; None where it was not measured.
    """
    if busy is not None:
        launch_bound = busy < BUSY_LIMIT * frame_ms
    elif speed_up is not None:
        launch_bound = speed_up > 1 / BUSY_LIMIT
    else:
        launch_bound = enqueue is not None and enqueue > BUSY_LIMIT * frame_ms
    if launch_bound:
        return "launch-bound"
    if roof is None or not roof.fastest_s:
        return None
    return "compute-bound" if roof.compute_bound_s >= COMPUTE_LIMIT * roof.fastest_s else "memory-bound"


def what_bounds(
    subject: Subject,
    resolution: tuple[int, int],
    protocol: Protocol,
    device: Device,
    speed: Speed,
    kept: Path | None = None,
) -> tuple[Speed, list[str]]:
    """Fill in the figures and the verdict of a timing.

    Args:
        subject: the network, built afresh for each figure.
        resolution: height and width.
        protocol: the one under which `speed` was measured.
        device: the same.
        speed: from `segbench.measure.speed.measure_speed`.
        kept: file that keeps the device's rates for other processes; see `segbench.measure.roofline.rates_of`.

    Returns:
        `speed` with ``gpu_busy_ms``, ``launches``, ``graph_fps``, ``verdict`` and ``roofline``, None where one could
        not be measured; and a sentence for each of these.
    """
    notes: list[str] = []
    frame_ms = 1000 * protocol.batch / speed.fps
    if device.kind == "cuda":
        try:
            speed = replace(speed, graph_fps=graph_fps(subject.build(), resolution, protocol, device))
        except SegbenchError as error:
            notes.append(f"no CUDA graph: {error}")
    roof = None
    try:
        with device_failures(resolution, protocol, device):
            rates = rates_of(protocol, device, kept)
            roof = roofline(region_trace(subject, resolution, protocol), rates, DTYPES[protocol.precision].itemsize)
        speed = replace(speed, roofline=roof.reached(rates, frame_ms / 1000))
    except SegbenchError as error:
        notes.append(f"no roofline: {error}")
    if device.kind == "cuda":
        # Last: CUPTI stays attached and slows the launches of everything that the process times after it.
        try:
            events = traced(subject.build(), resolution, protocol, device)
            if events:
                busy, kernels = busy_ms(events, TRACED_FRAMES), launches(events, TRACED_FRAMES)
                speed = replace(speed, gpu_busy_ms=busy, launches=kernels)
                notes += crowded(events, TRACED_FRAMES, _convolutions(subject, resolution, protocol))
            else:
                notes.append("the profiler saw no kernel: the driver may allow no one to trace the GPU")
        except SegbenchError as error:
            notes.append(f"the GPU could not be traced: {error}")
    speed_up = speed.graph_fps / speed.fps if speed.graph_fps else None
    found = verdict(frame_ms, speed.gpu_busy_ms, speed_up, roof, speed.enqueue_ms)
    warnings = list(map(of_the_host, speed.warnings)) if found == "launch-bound" else speed.warnings
    return replace(speed, verdict=found, warnings=warnings), notes


def traced(
    net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device, frames: int = TRACED_FRAMES
) -> list[GpuEvent]:
    """What the GPU did during some frames of a fresh network; empty where nothing tells.

    Raises:
        MeasurementError: the network fails on the device.
    """
    with measurement_flags(protocol), device_failures(resolution, protocol, device):
        frame: Frame = make_frame(net, resolution, replace(protocol, bn_folding=False), device)
        return device.trace(frame, frames) or []


def graph_fps(net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device) -> float:
    """FPS of the same frame with the network as a CUDA graph.

    Raises:
        DeviceError: the device has no CUDA graphs.
        MeasurementError: the network cannot be captured, as where it synchronises or copies to the host.
    """
    # Autograd's bookkeeping is no part of a graph, and a few rounds tell what a verdict needs.
    quick = replace(protocol, rounds=min(protocol.rounds, GRAPH_ROUNDS), round_seconds=0.0, grad="inference")

    def prepare(net: nn.Module) -> Any:
        return device.graph(region(net, protocol.mode))

    speed = measure_speed(net, resolution=resolution, protocol=quick, device=device, prepare=prepare)
    return speed.fps


def region_trace(subject: Subject, resolution: tuple[int, int], protocol: Protocol) -> Trace:
    """The operations of the protocol's timed region; the copies between host and device are no operations in it."""
    net = subject.build("meta") if subject.entry else subject.build()
    inputs = inputs_of(net)[:1]

    def build() -> nn.Module:
        return Region(subject.build(), protocol.mode)

    return trace(
        Region(net, protocol.mode),
        (protocol.batch, 3, *resolution),
        inputs=inputs,
        build=lambda: Region(subject.build(), protocol.mode),
    )
