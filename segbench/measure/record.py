"""Measure a job into a Record: costs, speed and memory; the one place where a Record is made from a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol as TypingProtocol

from torch import nn

from segbench import limits
from segbench.counting.count import operation_counts, parameters
from segbench.counting.modules import modules
from segbench.counting.rules import RULES
from segbench.counting.tools import TOOLS, tool_counts
from segbench.counting.tracer import trace
from segbench.errors import BadOption, DeviceError, SegbenchError, UnknownName
from segbench.job import BOUNDS, Job, Settings
from segbench.measure.bounds import TRACED_FRAMES, launches, traced, what_bounds
from segbench.measure.device import Device, open_device
from segbench.measure.environment import describe_environment
from segbench.measure.fast import optimized_speed
from segbench.measure.layers import time_layers, with_times
from segbench.measure.memory import measure_memory
from segbench.measure.signature import signature
from segbench.measure.speed import MeasurementError, measure_speed
from segbench.measure.subject import Subject, resolve
from segbench.measure.waterfall import waterfall
from segbench.protocol import COMMON_MODES, PRESETS, Protocol
from segbench.record import Record, down_to

PRELOAD = ("segbench.measure.warm",)
"""What a fork server imports before it starts the processes that measure jobs."""


class Stage(TypingProtocol):
    """Told what is being measured, how much of it is done, and of how much, where that is known."""

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Show it; never called while anything is timed."""


def check_settings(settings: Settings) -> Settings:
    """The settings with the environment filled in.

    Raises:
        SegbenchError: an unknown counter, mode or preset, a device that is not there or lacks the precision, a batch or
            budget out of range, options that exclude each other.
    """
    for counter in settings.counters:
        if counter not in RULES and counter not in TOOLS:
            raise UnknownName("counter", counter, dict.fromkeys((*RULES, *TOOLS)))
    if settings.bounds not in BOUNDS:
        raise UnknownName("bounds", settings.bounds, BOUNDS)
    limits.check("batch", settings.batch, 1, limits.BATCH)
    limits.check("rounds", settings.rounds, 1, limits.ROUNDS)
    limits.check("budget", settings.budget_s, 0, limits.SECONDS, above=True, unit=" seconds")
    _check_protocol(settings)
    device = open_device(settings.device)
    if settings.speed:
        device.check_precision(settings.precision)
    return replace(settings, environment=settings.environment or describe_environment())


def _check_protocol(settings: Settings) -> None:
    preset, mode = settings.preset, settings.mode
    if preset is not None and mode is not None:
        raise BadOption(f"--protocol {preset} has a timed region of its own: give it without --mode {mode}")
    if preset is not None and preset not in PRESETS:
        raise UnknownName("protocol", preset, PRESETS)
    if mode is not None and mode not in COMMON_MODES:
        hint = f"accepted: {', '.join(COMMON_MODES)}; --protocol has what families of papers timed"
        raise UnknownName("mode", mode, COMMON_MODES, hint)
    settings.protocol()
    if not settings.speed and (settings.waterfall or settings.optimize):
        raise BadOption("--waterfall and --optimize time the network: give them without --no-speed")
    if settings.layer_times and (not settings.speed or settings.module_levels is not None):
        raise BadOption("--time belongs to --layers and times the network: give it with --layers, without --no-speed")


def measure_job(
    job: Job,
    on_stage: Stage | None = None,
    *,
    subject: Subject | None = None,
    fresh: Callable[[], nn.Module] | None = None,
) -> Record:
    """Measure a network; each metric works on a fresh instance.

    Args:
        job: the network, its size, and what to measure; its settings are checked ones.
        on_stage: told what is being done, for a progress display.
        subject: the network, where it is resolved already.
        fresh: builds the network that is timed, such as one with a checkpoint's weights; that of `subject` by default.

    Returns:
        A Record. A measurement that failed (out of memory, a CUDA error) stands in its `failure`; what was measured
        before it is kept.

    Raises:
        SegbenchError: the network cannot take this size, or a user's own network cannot be built or run.
    """
    subject = subject or resolve(job.model, job.classes)
    subject.check_resolution(job.resolution)
    say = on_stage or (lambda what, done=0, total=None: None)
    result = job.blank(model=subject.spec, classes=subject.classes or job.classes or 0)
    if job.settings.counts:
        say("counting")
        _count(result, subject, job, say)
    if job.settings.signature:
        say("signing")
        _sign(result, subject, job)
    if job.settings.speed:
        _time(result, subject, fresh or subject.build, job.settings, open_device(job.settings.device), say)
    return result


def _count(result: Record, subject: Subject, job: Job, say: Stage) -> None:
    settings, size = job.settings, job.resolution
    net = subject.build("meta") if subject.entry else subject.build()
    traced = trace(net, (settings.batch, 3, *size))
    result.classes = subject.classes or traced.output_shape[1]
    result.params = parameters(net)
    result.live_params = traced.live_params
    result.operations = operation_counts(traced)
    if settings.structure:
        result.modules = modules(traced, net, with_settings=True)
    elif settings.module_levels != 0:
        result.modules = down_to(modules(traced, net), settings.module_levels)
    if traced.device != "meta":
        result.notes.append(f"counted on {traced.device}")
    tools = tuple(name for name in settings.counters if name in TOOLS)
    if tools:
        say(f"counting with {', '.join(tools)}")
        result.tools, notes = tool_counts(subject.build, size, tools, settings.batch)
        result.notes.extend(notes)


def _sign(result: Record, subject: Subject, job: Job) -> None:
    try:
        if job.signature_at is None:
            result.signature = signature(subject, job.resolution)
        else:
            height, width, gain = job.signature_at
            result.signature = signature(subject, resolution=(height, width), gain=gain)
    except SegbenchError as error:
        result.notes.append(f"no signature: {error}")


def _time(
    result: Record, subject: Subject, fresh: Callable[[], nn.Module], settings: Settings, device: Device, say: Stage
) -> None:
    protocol, size = settings.protocol(), result.resolution
    # Each network may fall short of a device in its own way; what was measured before that is kept.
    try:
        if device.traced:
            # Measured at 10 to 20 % by others (pytorch/pytorch#144455, pull request 146604).
            result.notes.append(
                "timed after a trace in the same process, which slows launches by up to a fifth: "
                "`segbench compare` gives each network a process of its own"
            )
        say("timing")
        result.speed = measure_speed(
            fresh(),
            resolution=size,
            protocol=protocol,
            device=device,
            budget_s=settings.budget_s,
            progress=lambda phase, done, total: say(f"timing, {phase}", done, total),
        )
        say("measuring memory")
        result.memory = measure_memory(fresh(), size, protocol, device)
        budget = settings.budget_s if device.kind == "cpu" else None
        if settings.optimize:
            _optimize(result, subject, protocol, device, budget, say)
        if settings.waterfall:
            result.waterfall = waterfall(
                subject, size, device, protocol, budget, lambda switch: say(f"waterfall: {switch}")
            )
        if settings.layer_times:
            say("timing by layer")
            timing, own = time_layers(fresh, size, protocol, device)
            result.speed = replace(result.speed, layer_timing=timing)
            result.modules = with_times(result.modules or [], own)
        # After all that is timed: it ends with a trace of the GPU, see `Device.traced`.
        if settings.bounds == "all":
            say("finding what bounds it")
            result.speed, notes = what_bounds(subject, size, protocol, device, result.speed)
            result.notes.extend(notes)
        elif settings.bounds == "launches" and device.kind == "cuda":
            _count_launches(result, subject, protocol, device)
    except (MeasurementError, DeviceError) as error:
        result.failure = str(error)


def _count_launches(result: Record, subject: Subject, protocol: Protocol, device: Device) -> None:
    assert result.speed is not None
    try:
        events = traced(subject.build(), result.resolution, protocol, device)
        result.speed = replace(result.speed, launches=launches(events, TRACED_FRAMES) if events else None)
    except SegbenchError as error:
        result.notes.append(f"the GPU could not be traced: {error}")


def _optimize(
    result: Record, subject: Subject, protocol: Protocol, device: Device, budget_s: float | None, say: Stage
) -> None:
    """The fast mode; where it does not run, a note, since the protocol's figures stand without it."""
    assert result.speed is not None
    try:
        optimized = optimized_speed(
            subject, result.resolution, protocol, device, budget_s, lambda engine: say(f"fast mode: {engine}")
        )
    except MeasurementError as error:
        result.notes.append(str(error))
        return
    result.speed = replace(result.speed, optimized=optimized)
