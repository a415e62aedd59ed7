"""The timing core: warm up, time rounds of frames, keep every sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from torch import nn

from segbench.measure.counters import Counters
from segbench.measure.device import Device, Timeline
from segbench.measure.enqueue import enqueue_ms
from segbench.measure.environment import load_average
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import MeasurementError, Prepare, device_failures, make_frame
from segbench.measure.trust import load_warnings, trust_warnings
from segbench.protocol import Protocol
from segbench.records.results import Latency, Speed, Telemetry
from segbench.statistics import blocks, coefficient_of_variation, fps_interval, spread

__all__ = ["MeasurementError", "Progress", "Timing", "measure_speed", "time_frames"]

Progress = Callable[[str, int, int], None]
"""Told the phase (``warm-up``, ``round``), how many are done and how many there are; never inside a timed region."""

# Of a time budget, the part that the warm-up may take, and the fewest frames that make a measurement.
WARMUP_SHARE = 0.25
LEAST_FRAMES = 3
# NVML's energy counter ticks in tens of ms, which is a good part of a shorter time.
LEAST_ENERGY_S = 1.0


@dataclass
class Timing:
    """Every reading of one run.

    Attributes:
        warmup_ms: latency of each warm-up pass, each synchronised.
        rounds_ms: latency of each frame, round by round.
        round_seconds: wall-clock time of each round.
        frames: frames per round.
        telemetry: state of the GPU before the warm-up and after each round.
        load_average: programs wanting the CPU in the minute before; None where the system does not tell.
        cpu_seconds: that this process computed during all rounds.
        energy_mj: energy within the rounds; None where no counter tells, and below a second.
        throttled_ms: by reason, time in each round for which the clocks were held down; empty where nothing tells.
        shortened: how a time budget shortened the protocol; None where it did not.
    """

    warmup_ms: list[float] = field(default_factory=list)
    rounds_ms: list[list[float]] = field(default_factory=list)
    round_seconds: list[float] = field(default_factory=list)
    frames: int = 0
    telemetry: list[Telemetry] = field(default_factory=list)
    energy_mj: float | None = None
    load_average: float | None = None
    cpu_seconds: float = 0.0
    throttled_ms: list[dict[str, float]] = field(default_factory=list)
    shortened: str | None = None


def measure_speed(
    net: nn.Module,
    *,
    resolution: tuple[int, int],
    protocol: Protocol,
    device: Device,
    budget_s: float | None = 20.0,
    gpu_budget_s: float | None = None,
    progress: Progress | None = None,
    prepare: Prepare | None = None,
) -> Speed:
    """Time a network under a protocol.

    Args:
        net: a fresh instance, ``(N, 3, H, W)`` to logits ``(N, classes, H, W)``; it is moved and cast in place, so the
            caller drops it afterwards.
        resolution: height and width of the input.
        protocol: what is timed and how.
        device: from `segbench.measure.device.open_device`.
        budget_s: on a CPU, seconds that warm-up and rounds may take together: passes, frames and rounds are cut to fit,
            and `shortened` says how. None for the whole protocol.
        gpu_budget_s: the same on a GPU, where the whole protocol runs by default.
        progress: see `Progress`.
        prepare: applied to the network in place on the device; see `segbench.measure.frame.make_frame`.

    Returns:
        Every sample beside the figures drawn from them. ``fps`` counts images, so with a batch above 1 it is the
        ``throughput``; ``latency_ms`` is of a pass; ``fps_ci95`` is None with a single frame, and ``fps_ci95_basis``
        says what it is about. ``gpu_busy_ms``, ``launches``, ``graph_fps`` and ``verdict`` are filled in by the
        analysis of what bounds a network.

    Raises:
        MeasurementError: out of memory, a CUDA error, or a network that fails at this size.
        DeviceError: a precision that the device does not have.
    """
    with measurement_flags(protocol), device_failures(resolution, protocol, device):
        frame = device.attach(make_frame(net, resolution, protocol, device, prepare))
        timing = time_frames(frame, protocol, device, budget_s if device.kind == "cpu" else gpu_budget_s, progress)
        enqueued = enqueue_ms(frame, protocol, device)
    return replace(speed_of(timing, protocol, device), enqueue_ms=enqueued)


def time_frames(
    frame: Callable[[], Any],
    protocol: Protocol,
    device: Device,
    budget_s: float | None = None,
    progress: Progress | None = None,
) -> Timing:
    """Warm up, then time rounds of a frame; knows nothing of networks.

    At least one warm-up pass and three frames are timed, whatever the budget.
    """
    tell = progress or (lambda phase, done, total: None)
    timing = Timing(load_average=load_average())
    _observe(timing, device)
    begin = device.clock()
    _warm_up(timing, frame, protocol, device, begin, budget_s, tell)
    rounds, frames = _plan(timing, protocol, begin, device.clock(), budget_s)
    timing.frames = frames
    timeline = device.timeline(frames)
    counters = Counters(device)
    for index in range(rounds):
        if index and budget_s is not None and device.clock() - begin >= budget_s:
            break
        computed = device.cpu_clock()
        run = _frame_by_frame if protocol.synchronise == "frame" else _round
        counters.before_round()
        seconds, samples = run(frame, frames, device, timeline)
        timing.cpu_seconds += device.cpu_clock() - computed
        counters.after_round()
        timing.round_seconds.append(seconds)
        timing.rounds_ms.append(samples)
        _observe(timing, device)
        tell("round", index + 1, rounds)
    if sum(timing.round_seconds) >= LEAST_ENERGY_S:
        timing.energy_mj = counters.energy_mj
    timing.throttled_ms = counters.throttled_ms
    timing.shortened = _shortened(timing, protocol, budget_s)
    return timing


def _round(frame: Callable[[], Any], frames: int, device: Device, timeline: Timeline) -> tuple[float, list[float]]:
    """Seconds and latencies of one round, synchronised before both clock readings."""
    mark = timeline.mark
    device.synchronise()
    start = device.clock()
    timeline.start()
    for _ in range(frames):
        frame()
        mark()
    device.synchronise()
    seconds = device.clock() - start
    return seconds, timeline.intervals_ms()


def _frame_by_frame(
    frame: Callable[[], Any], frames: int, device: Device, timeline: Timeline
) -> tuple[float, list[float]]:
    """The same with every frame synchronised and read by itself; what lies between frames is not counted."""
    samples = []
    for _ in range(frames):
        device.synchronise()
        start = device.clock()
        frame()
        device.synchronise()
        samples.append(1000 * (device.clock() - start))
    return sum(samples) / 1000, samples


def _warm_up(
    timing: Timing,
    frame: Callable[[], Any],
    protocol: Protocol,
    device: Device,
    begin: float,
    budget_s: float | None,
    tell: Progress,
) -> None:
    limit, least = (math.inf, 0) if budget_s is None else (WARMUP_SHARE * budget_s, 1)
    device.synchronise()
    now = device.clock()
    while len(timing.warmup_ms) < least or (
        now - begin < limit
        and (len(timing.warmup_ms) < protocol.warmup_passes or now - begin < protocol.warmup_seconds)
    ):
        start = device.clock()
        frame()
        device.synchronise()
        now = device.clock()
        timing.warmup_ms.append(1000 * (now - start))
        tell("warm-up", len(timing.warmup_ms), max(protocol.warmup_passes, len(timing.warmup_ms)))


def _plan(timing: Timing, protocol: Protocol, begin: float, now: float, budget_s: float | None) -> tuple[int, int]:
    """Rounds and frames per round: the protocol's, or what is left of the budget.

    Rounds are kept and frames cut first, since it is the rounds that the interval rests on.
    """
    rounds, frames = protocol.rounds, protocol.frames
    if not timing.warmup_ms:
        return rounds, frames
    # The later half: the first passes choose algorithms and fill caches.
    seconds = max(median(timing.warmup_ms[len(timing.warmup_ms) // 2 :]) / 1000, 1e-9)
    if protocol.round_seconds:
        frames = max(math.ceil(protocol.round_seconds / seconds), 1)
    if budget_s is None:
        return rounds, frames
    affordable = max(int((budget_s - (now - begin)) / seconds), LEAST_FRAMES)
    if affordable >= rounds * frames:
        return rounds, frames
    fewer = max(min(rounds, affordable // LEAST_FRAMES), 1)
    return fewer, min(frames, affordable // fewer)


def _shortened(timing: Timing, protocol: Protocol, budget_s: float | None) -> str | None:
    if budget_s is None:
        return None
    cuts = []
    passes, seconds = len(timing.warmup_ms), sum(timing.warmup_ms) / 1000
    if passes < protocol.warmup_passes:
        cuts.append(f"{passes} of {protocol.warmup_passes} warm-up passes")
    elif seconds < protocol.warmup_seconds * 0.99:
        cuts.append(f"{seconds:.2g} of {protocol.warmup_seconds:g} s of warm-up")
    rounds = len(timing.rounds_ms)
    if rounds < protocol.rounds:
        cuts.append(f"{rounds} of {protocol.rounds} rounds")
    if protocol.round_seconds:
        if sum(timing.round_seconds) < 0.5 * protocol.rounds * protocol.round_seconds:
            cuts.append(f"rounds of {timing.frames} frames instead of {protocol.round_seconds:g} s")
    elif timing.frames < protocol.frames:
        cuts.append(f"{timing.frames} of {protocol.frames} frames a round")
    return f"to keep a time budget of {budget_s:g} s: {', '.join(cuts)}" if cuts else None


def _observe(timing: Timing, device: Device) -> None:
    state = device.telemetry()
    if state is not None:
        timing.telemetry.append(state)


def speed_of(timing: Timing, protocol: Protocol, device: Device) -> Speed:
    """The readings of one run as a `Speed`; see `measure_speed`."""
    images = timing.frames * protocol.batch
    round_fps = [images / seconds for seconds in timing.round_seconds]
    samples = [sample for samples in timing.rounds_ms for sample in samples]
    fps = images * len(round_fps) / sum(timing.round_seconds)
    cpu_share = timing.cpu_seconds / sum(timing.round_seconds)
    warnings = trust_warnings(timing.rounds_ms, round_fps, timing.telemetry, timing.throttled_ms)
    if device.kind == "cpu":
        warnings += load_warnings(cpu_share, timing.load_average)
    interval = fps_interval([round_fps if len(round_fps) > 1 else _block_fps(timing.rounds_ms[0], protocol.batch)])
    frames_timed = len(samples) * protocol.batch
    return Speed(
        mode=protocol.mode,
        protocol=protocol.name,
        device=device.kind,
        device_name=device.name,
        precision=protocol.precision,
        batch=protocol.batch,
        fps=fps,
        fps_ci95=interval.ends(),
        fps_ci95_basis=interval.basis if len(round_fps) > 1 else "frames of one round",
        throughput=fps if protocol.batch > 1 else None,
        latency_ms=Latency.of(samples),
        cov=coefficient_of_variation(samples),
        round_spread=spread(round_fps),
        frames=timing.frames,
        rounds_ms=timing.rounds_ms,
        round_seconds=timing.round_seconds,
        round_fps=round_fps,
        warmup_ms=timing.warmup_ms,
        energy_mj=None if timing.energy_mj is None else timing.energy_mj / frames_timed,
        telemetry=timing.telemetry,
        round_throttled_ms=timing.throttled_ms or None,
        warnings=warnings,
        load_average=timing.load_average,
        cpu_share=cpu_share,
        shortened=timing.shortened,
    )


def _block_fps(samples_ms: Sequence[float], batch: int) -> list[float]:
    """FPS of runs of neighbouring frames, which stand for the rounds where there is only one."""
    return [1000 * batch / mean for mean in blocks(samples_ms, 10)]
