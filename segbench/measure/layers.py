"""Time by layer: where a frame's time goes, module by module, by marks that hooks set around every forward.

A mark is what the device's timeline sets: a reading of the clock on a CPU, an event in the stream on CUDA. The time
between two marks belongs to the innermost module that was running, so the times of all modules add up to the frame.
Hooks and marks take time of their own, which is measured on a module that does nothing and taken off; the frame without
hooks, timed beside it, says how well that went.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import device_failures, make_frame, region
from segbench.protocol import Protocol
from segbench.records.results import LayerTiming, ModuleRow

FRAMES = 10
WARMUP = 5
CALIBRATION_CALLS = 200


def time_layers(
    fresh: Callable[[], nn.Module],
    resolution: tuple[int, int],
    protocol: Protocol,
    device: Device,
    frames: int = FRAMES,
) -> tuple[LayerTiming, dict[str, float]]:
    """Time every module of a network in some frames of a protocol.

    Args:
        fresh: builds the network.
        resolution: height and width.
        protocol: what a frame is.
        device: where it runs.
        frames: over which times are averaged.

    Returns:
        The timing as a whole, and for each module's path the ms of a frame that were its own, without those of modules
        inside it; the empty path has what ran outside of the modules: the network's own forward, copies, argmax.

    Raises:
        MeasurementError: the network fails on the device.
    """
    with measurement_flags(protocol), device_failures(resolution, protocol, device):
        plain = _frame_ms(make_frame(fresh(), resolution, protocol, device), device, frames)
        watch = _Watch()

        def prepare(net: nn.Module) -> Callable[[Tensor], Tensor]:
            watch.attach(net)
            return region(net, protocol.mode)

        frame = device.attach(make_frame(fresh(), resolution, protocol, device, prepare))
        for _ in range(WARMUP):
            frame()
        mark = _mark_ms(device)
        timeline = device.timeline(2 * frames * (len(watch.owners) // WARMUP + 2))
        watch.start(timeline.mark)
        device.synchronise()
        timeline.start()
        for _ in range(frames):
            frame()
            watch.end_frame()
        device.synchronise()
        marked: defaultdict[str, float] = defaultdict(float)
        for path, interval in zip(watch.owners, timeline.intervals_ms(), strict=True):
            marked[path] += interval / frames
    marks = {path: count / frames for path, count in Counter(watch.owners).items()}
    # Where a device works while the host sets marks, they cost less than alone, and never more than they added.
    mark = min(mark, max(sum(marked.values()) - plain, 0.0) / sum(marks.values()))
    own = {path: max(time - mark * marks[path], 0.0) for path, time in marked.items()}
    total = sum(own.values())
    return (
        LayerTiming(
            frames=frames,
            frame_ms=total,
            plain_ms=plain,
            hooks_ms=max(sum(marked.values()) - total, 0.0),
            between_modules_ms=sum(time for path, time in own.items() if path not in watch.leaves),
        ),
        own,
    )


def _mark_ms(device: Device) -> float:
    """Ms that a hook and its mark take, on a module that does nothing: a call with both, less one without."""
    net, image = nn.Sequential(nn.Identity()), torch.zeros(1, device=device.torch_device)

    def calls() -> None:
        for _ in range(CALIBRATION_CALLS):
            net(image)

    plain = _frame_ms(calls, device, FRAMES)
    watch = _Watch()
    watch.attach(net)
    timeline = device.timeline(2 * CALIBRATION_CALLS)

    def marked() -> None:
        watch.start(timeline.mark)
        timeline.start()
        calls()

    return max(_frame_ms(marked, device, FRAMES) - plain, 0.0) / (2 * CALIBRATION_CALLS)


def with_times(rows: Sequence[ModuleRow], own: dict[str, float]) -> list[ModuleRow]:
    """Rows of a Record's modules with the ms of a frame that each took with everything inside it, and its share."""
    inside: defaultdict[str, float] = defaultdict(float)
    for path, time in own.items():
        inside[""] += time
        parts = path.split(".") if path else []
        for depth in range(1, len(parts) + 1):
            inside[".".join(parts[:depth])] += time
    total = inside[""]
    return [
        replace(row, time_ms=inside[row.path], time_share=inside[row.path] / total if total else 0.0) for row in rows
    ]


def _frame_ms(frame: Callable[[], Any], device: Device, frames: int) -> float:
    """Median ms of a frame, each synchronised, after a warm-up."""
    samples = []
    for _ in range(frames + WARMUP):
        device.synchronise()
        start = device.clock()
        frame()
        device.synchronise()
        samples.append(1000 * (device.clock() - start))
    return median(samples[WARMUP:])


@dataclass
class _Watch:
    """Hooks that set a mark wherever another module begins to run, and say whose the time before it was.

    Attributes:
        owners: whose each interval was, as paths.
        leaves: modules without modules in them.
    """

    owners: list[str] = field(default_factory=list)
    leaves: set[str] = field(default_factory=set)
    _running: list[str] = field(default_factory=lambda: [""])
    _mark: Callable[[], None] = lambda: None

    def attach(self, net: nn.Module) -> None:
        for path, module in net.named_modules():
            if path:
                if next(module.children(), None) is None:
                    self.leaves.add(path)
                module.register_forward_pre_hook(lambda *_, path=path: self._begin(path))
                module.register_forward_hook(lambda *_: self._end(), always_call=True)

    def start(self, mark: Callable[[], None]) -> None:
        self.owners.clear()
        self._mark = mark

    def end_frame(self) -> None:
        self.owners.append("")
        self._mark()

    def _begin(self, path: str) -> None:
        self.owners.append(self._running[-1])
        self._mark()
        self._running.append(path)

    def _end(self) -> None:
        self.owners.append(self._running.pop())
        self._mark()
