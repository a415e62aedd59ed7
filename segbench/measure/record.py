"""Measure a job into a Record: costs, speed and memory; the one place where a Record is made from a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol as TypingProtocol

from torch import nn

from segbench import limits
from segbench.counting.count import operation_counts, uncounted
from segbench.counting.modules import modules
from segbench.counting.prices import all_prices
from segbench.counting.rules import RULES
from segbench.counting.tools import TOOLS, tool_counts
from segbench.counting.trace import OPAQUE, Trace
from segbench.counting.tracer import trace_and_copy
from segbench.errors import BadOption, DeviceError, FactoryError, ForwardError, SegbenchError, UnknownName
from segbench.job import BOUNDS, Job, Settings
from segbench.measure.bounds import TRACED_FRAMES, busy_ms, launches, traced, what_bounds
from segbench.measure.cores import chosen_cores, kept_to
from segbench.measure.device import Device, open_device
from segbench.measure.environment import describe_environment
from segbench.measure.fast import optimized_speed
from segbench.measure.layers import time_layers, with_times
from segbench.measure.memory import measure_memory
from segbench.measure.signature import signature
from segbench.measure.speed import MeasurementError, measure_speed
from segbench.measure.subject import Subject, resolve
from segbench.measure.waterfall import waterfall
from segbench.models.own import shape_refused
from segbench.protocol import COMMON_MODES, PRESETS, Protocol
from segbench.records.record import NO_SIGNATURE, Record, down_to

PRELOAD = ("segbench.measure.warm",)
"""What a fork server imports before it starts the processes that measure jobs."""


class Stage(TypingProtocol):
    """Told what is being measured, how much of it is done, and of how much, where that is known."""

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Show it; never called while anything is timed."""


def check_settings(settings: Settings, *, here: bool = True) -> Settings:
    """The settings with the environment filled in.

    Args:
        settings: what was asked for.
        here: whether this machine measures; where another one does, its device is checked there.

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
    for budget in (settings.budget_s, settings.gpu_budget_s):
        limits.check("budget", budget, 0, limits.SECONDS, above=True, unit=" seconds")
    _check_protocol(settings)
    if not here:
        return settings
    device = open_device(settings.device)
    if settings.speed:
        device.check_precision(settings.precision)
    environment = settings.environment or describe_environment()
    cores = chosen_cores(device.kind) if settings.speed else None
    return replace(settings, environment={"pinned_cores": cores, **environment} if cores else environment)


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
        A Record. A measurement that failed (out of memory, a CUDA error, a forward that raises) stands in its
        `failure`; what was measured before it is kept.

    Raises:
        SegbenchError: the network cannot take this size, or a user's own network cannot be built, does not take its
            inputs, or returns no logits.
    """
    subject = subject or resolve(job.model, job.classes, job.inputs, job.output)
    subject.check_resolution(job.resolution)
    say = on_stage or (lambda what, done=0, total=None: None)
    result = job.blank(
        model=subject.spec, classes=subject.classes or job.classes or 0, options=dict(subject.options) or None
    )
    if job.settings.counts:
        say("counting")
        try:
            _count(result, subject, job, say)
        except ForwardError as error:
            result.failure = str(error)
            return result
    if job.settings.signature:
        say("signing")
        _sign(result, subject, job)
    if job.settings.speed:
        device = open_device(job.settings.device)
        with kept_to(job.settings.environment.get("pinned_cores") if device.kind == "cuda" else None):
            _time(result, subject, fresh or subject.build, job.settings, device, say)
    return result


def _count(result: Record, subject: Subject, job: Job, say: Stage) -> None:
    settings, size = job.settings, job.resolution
    prices = all_prices()
    inputs = None if subject.entry else subject.inputs
    traced, net = trace_and_copy(
        subject.counted(),
        (settings.batch, 3, *size),
        inputs=inputs,
        output=subject.output,
        whole=prices,
        build=subject.counted,
    )
    _check_runs(subject, traced)
    result.classes = _classes(subject, traced)
    result.params = traced.params
    result.live_params = traced.live_params if traced.returned else None
    result.operations = operation_counts(traced, prices)
    result.uncounted = uncounted(traced, prices)
    if settings.structure:
        result.modules = modules(traced, net, with_settings=True, prices=prices)
    elif settings.module_levels != 0:
        result.modules = down_to(modules(traced, net, prices=prices), settings.module_levels)
    result.notes.extend(_notes(traced, result))
    tools = tuple(name for name in settings.counters if name in TOOLS)
    if tools:
        say(f"counting with {', '.join(tools)}")
        result.tools, notes = tool_counts(subject.bare, size, tools, settings.batch, inputs)
        result.notes.extend(notes)


def _check_runs(subject: Subject, traced: Trace) -> None:
    """On meta a tensor of any size or of none costs nothing: what no device could run would count like a network."""
    if 0 in traced.output_shape[2:]:
        raise FactoryError(f"{subject.spec} returned the shape {traced.output_shape}: an image without pixels")
    most = max(limits.ELEMENTS, limits.TIMES_THE_INPUT * math.prod(traced.input_shape))
    # A view, such as that of `expand`, writes nothing.
    made = max((math.prod(shape) for op in traced.operations if op.writes for shape in op.outputs), default=0)
    if made > most:
        raise ForwardError(f"{subject.spec} makes a tensor of {made:,} elements; at most {most:,} are taken")


def _classes(subject: Subject, traced: Trace) -> int:
    """Output channels: the catalog's, or those that came out; 0 where no classes did.

    Raises:
        FactoryError: not those that the user insists on.
    """
    if subject.entry:
        return subject.classes or traced.output_shape[1]
    shape = traced.output_shape
    if subject.asked is not None and (len(shape) != 4 or 0 in shape or shape[1] != subject.asked):
        raise FactoryError(shape_refused(subject.spec, shape, traced.input_shape, subject.asked))
    return shape[1] if len(shape) > 1 and 0 not in shape else 0


def _notes(traced: Trace, result: Record) -> Iterator[str]:
    """What to know of a count before using it."""
    if traced.device != "meta":
        yield f"counted on {traced.device}"
    if traced.steered_by:
        kinds = ", ".join(traced.steered_by)
        yield f"what runs depends on values ({kinds}): counted with the weights and the noise image that are timed"
    for kind, times in result.uncounted.items():
        yield f"not counted: {kind}, {times} times"
    if result.uncounted:
        yield "the counts are lower bounds, for what is not counted"
    if OPAQUE in result.uncounted:
        yield "what an opaque kernel reads is unknown: nothing before it is called dead"
    flops = result.operations.get("fft-flops")
    if flops:
        yield f"not counted as MACs: fft, {flops:,} operations as 5 N log2 N, which `fft-flops` has"
    if not traced.returned:
        yield "the network returned no tensor: live MACs and live parameters, which reach an output, are not known"
    if traced.unregistered:
        total = sum(traced.unregistered.values())
        names = ", ".join(traced.unregistered)
        yield f"{total:,} weights run that no module registers as parameters, and that are not counted as such: {names}"
    if traced.taken:
        yield traced.taken


def _sign(result: Record, subject: Subject, job: Job) -> None:
    try:
        if job.signature_at is None:
            result.signature = signature(subject, job.resolution)
        else:
            height, width, gain = job.signature_at
            result.signature = signature(subject, resolution=(height, width), gain=gain)
    except SegbenchError as error:
        result.notes.append(f"{NO_SIGNATURE}{error}")


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
            gpu_budget_s=settings.gpu_budget_s,
            progress=lambda phase, done, total: say(f"timing, {phase}", done, total),
        )
        say("measuring memory")
        result.memory = measure_memory(fresh(), size, protocol, device)
        budget = settings.budget_on(device.kind)
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
            result.speed, notes = what_bounds(subject, size, protocol, device, result.speed, settings.rates)
            result.notes.extend(notes)
        elif settings.bounds == "launches" and device.kind == "cuda":
            _count_launches(result, subject, protocol, device)
    except (MeasurementError, DeviceError) as error:
        result.failure = str(error)


def _count_launches(result: Record, subject: Subject, protocol: Protocol, device: Device) -> None:
    assert result.speed is not None
    try:
        events = traced(subject.build(), result.resolution, protocol, device)
    except SegbenchError as error:
        result.notes.append(f"the GPU could not be traced: {error}")
        return
    if events:
        busy, kernels = busy_ms(events, TRACED_FRAMES), launches(events, TRACED_FRAMES)
        result.speed = replace(result.speed, gpu_busy_ms=busy, launches=kernels)


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
