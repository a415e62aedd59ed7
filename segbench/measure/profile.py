"""Profile one network at one resolution: costs, speed and memory in one Record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from typing import Protocol as TypingProtocol

import segbench
from segbench.counting.count import operation_counts, parameters
from segbench.counting.modules import modules
from segbench.counting.rules import RULES
from segbench.counting.tools import TOOLS, tool_counts
from segbench.counting.tracer import trace
from segbench.errors import BadOption, DeviceError, UnknownName
from segbench.measure.bounds import what_bounds
from segbench.measure.device import Device, open_device
from segbench.measure.environment import describe_environment
from segbench.measure.fast import optimized_speed
from segbench.measure.memory import memory_json
from segbench.measure.protocol import COMMON_MODES, PRESETS, Protocol, protocol_for
from segbench.measure.speed import MeasurementError, measure_speed
from segbench.measure.subject import Subject
from segbench.measure.waterfall import waterfall
from segbench.record import Record, down_to


class Stage(TypingProtocol):
    """Told what is being measured, how much of it is done, and of how much, where that is known."""

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Show it; never called while anything is timed."""


@dataclass(frozen=True)
class Settings:
    """What to measure and how; checked once, before anything is built.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; `auto` takes CUDA where there is one.
        mode: timed region, ``forward`` or ``swiftnet``; None for that of `preset`, or ``forward``.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        batch: images per forward.
        rounds: rounds of frames; None for the protocol's.
        budget_s: seconds that timing on a CPU may take.
        counters: counting rules to show, and tools (fvcore, thop) to run beside the trace.
        speed: measure speed and memory as well.
        module_levels: keep the costs of the modules down to this level in the Record; 0 for none, None for all.
        preset: how a family of papers measured, a key of `segbench.measure.protocol.PRESETS`.
        waterfall: measure the FPS as each switch of the protocol is applied.
        optimize: measure the fast mode beside the protocol's.
    """

    device: str = "auto"
    mode: str | None = None
    precision: str = "fp32"
    batch: int = 1
    rounds: int | None = None
    budget_s: float = 20.0
    counters: tuple[str, ...] = ()
    speed: bool = True
    module_levels: int | None = 0
    preset: str | None = None
    waterfall: bool = False
    optimize: bool = False
    environment: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def tools(self) -> tuple[str, ...]:
        """The counters that are packages rather than rules of the trace."""
        return tuple(name for name in self.counters if name in TOOLS)

    def protocol(self) -> Protocol:
        """The speed protocol that these settings name."""
        return protocol_for(self.preset or self.mode or "forward", self.precision, self.batch, self.rounds)

    def check(self) -> Settings:
        """The settings with the environment filled in.

        Raises:
            SegbenchError: an unknown counter, mode or preset, a device that is not there or lacks the precision, a
                batch or budget out of range, options that exclude each other.
        """
        for counter in self.counters:
            if counter not in RULES and counter not in TOOLS:
                raise UnknownName("counter", counter, dict.fromkeys((*RULES, *TOOLS)))
        if self.batch < 1:
            raise BadOption(f"batch must be 1 or more: {self.batch} given")
        if self.budget_s <= 0:
            raise BadOption(f"budget must be above 0 seconds: {self.budget_s:g} given")
        self._check_protocol()
        device = open_device(self.device)
        if self.speed:
            device.check_precision(self.precision)
        return replace(self, environment=self.environment or describe_environment())

    def _check_protocol(self) -> None:
        if self.preset is not None and self.mode is not None:
            raise BadOption(
                f"--protocol {self.preset} has a timed region of its own: give it without --mode {self.mode}"
            )
        if self.preset is not None and self.preset not in PRESETS:
            raise UnknownName("protocol", self.preset, PRESETS)
        if self.mode is not None and self.mode not in COMMON_MODES:
            hint = f"accepted: {', '.join(COMMON_MODES)}; --protocol has what families of papers timed"
            raise UnknownName("mode", self.mode, COMMON_MODES, hint)
        self.protocol()
        if not self.speed and (self.waterfall or self.optimize):
            raise BadOption("--waterfall and --optimize time the network: give them without --no-speed")


def profile(subject: Subject, resolution: tuple[int, int], settings: Settings, on_stage: Stage | None = None) -> Record:
    """Measure a network; each metric works on a fresh instance.

    Args:
        subject: the network.
        resolution: height and width of the input.
        settings: from `Settings.check`.
        on_stage: told what is being done, for a progress display.

    Returns:
        A Record. A measurement that failed (out of memory, a CUDA error) stands in its `failure`; what was measured
        before it is kept.

    Raises:
        SegbenchError: the network cannot take this size, or a user's own network cannot be run.
    """
    subject.check_resolution(resolution)
    say = on_stage or (lambda what, done=0, total=None: None)
    say("counting")
    net = subject.build("meta") if subject.entry else subject.build()
    traced = trace(net, (settings.batch, 3, *resolution))
    result = Record(
        model=subject.spec,
        fidelity=subject.fidelity,
        classes=subject.classes or traced.output_shape[1],
        resolution=resolution,
        batch=settings.batch,
        params=parameters(net),
        live_params=traced.live_params,
        operations=operation_counts(traced),
        modules=down_to(modules(traced, net), settings.module_levels) if settings.module_levels != 0 else None,
        environment=settings.environment,
        segbench=segbench.__version__,
    )
    if traced.device != "meta":
        result.notes.append(f"counted on {traced.device}")
    if settings.tools:
        say(f"counting with {', '.join(settings.tools)}")
        result.tools, notes = tool_counts(subject.build, resolution, settings.tools, settings.batch)
        result.notes.extend(notes)
    if settings.speed:
        del net, traced
        _time(result, subject, settings, open_device(settings.device), say)
    return result


def _time(result: Record, subject: Subject, settings: Settings, device: Device, say: Stage) -> None:
    protocol = settings.protocol()
    result.protocol = protocol.to_json()
    size = result.resolution
    # Each network may fall short of a device in its own way; what was measured before that is kept.
    try:
        if device.traced:
            # Measured at 10 to 20 % by others (pytorch/pytorch#144455, pull request 146604).
            result.notes.append(
                "timed after a trace in the same process, which slows launches by up to a fifth: "
                "`segbench compare` gives each network a process of its own"
            )
        say("timing")
        speed = measure_speed(
            subject.build(),
            resolution=size,
            protocol=protocol,
            device=device,
            budget_s=settings.budget_s,
            progress=lambda phase, done, total: say(f"timing, {phase}", done, total),
        )
        result.speed = speed
        say("measuring memory")
        result.memory = memory_json(subject.build(), size, protocol, device)
        budget = settings.budget_s if device.kind == "cpu" else None
        if settings.optimize:
            speed["optimized"] = _optimized(result, subject, protocol, device, budget, say)
        if settings.waterfall:
            result.waterfall = waterfall(
                subject, size, device, protocol, budget, lambda switch: say(f"waterfall: {switch}")
            )
        # After all that is timed: it ends with a trace of the GPU, see `Device.traced`.
        say("finding what bounds it")
        speed.update(what_bounds(subject, size, protocol, device, speed))
        result.notes.extend(speed.pop("notes"))
    except (MeasurementError, DeviceError) as error:
        result.failure = str(error)


def _optimized(
    result: Record, subject: Subject, protocol: Protocol, device: Device, budget_s: float | None, say: Stage
) -> dict[str, Any] | None:
    """The fast mode; where it does not run, a note, since the protocol's figures stand without it."""
    try:
        return optimized_speed(
            subject, result.resolution, protocol, device, budget_s, lambda engine: say(f"fast mode: {engine}")
        )
    except MeasurementError as error:
        result.notes.append(str(error))
        return None
