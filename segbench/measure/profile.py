"""Profile one network at one resolution: costs, speed and memory in one Record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import segbench
from segbench.errors import BadOption, UnknownName
from segbench.measure.counting import module_costs, operation_counts, tool_counts
from segbench.measure.device import Device, open_device
from segbench.measure.environment import describe_environment
from segbench.measure.memory import peak_memory
from segbench.measure.operations import RULES, record
from segbench.measure.parameters import live_parameters, parameters
from segbench.measure.protocol import Protocol, protocol_for
from segbench.measure.speed import MeasurementError, measure_speed
from segbench.measure.subject import Subject
from segbench.measure.tools import TOOLS
from segbench.record import Record

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """What to measure and how; checked once, before anything is built.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; `auto` takes CUDA where there is one.
        mode: timed region, ``forward`` or ``swiftnet``.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        batch: images per forward.
        rounds: rounds of frames; None for the protocol's.
        budget_s: seconds that timing on a CPU may take.
        counters: counting rules to show, and tools (fvcore, thop) to run beside the ledger.
        speed: measure speed and memory as well.
        modules: keep the per-module costs in the Record.
    """

    device: str = "auto"
    mode: str = "forward"
    precision: str = "fp32"
    batch: int = 1
    rounds: int | None = None
    budget_s: float = 20.0
    counters: tuple[str, ...] = ()
    speed: bool = True
    modules: bool = False
    environment: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def tools(self) -> tuple[str, ...]:
        """The counters that are packages rather than rules of the ledger."""
        return tuple(name for name in self.counters if name in TOOLS)

    def protocol(self) -> Protocol:
        """The speed protocol that these settings name."""
        return protocol_for(self.mode, self.precision, self.batch, self.rounds)

    def check(self) -> Settings:
        """The settings with the environment filled in.

        Raises:
            SegbenchError: an unknown counter, a device that is not there, a batch or budget out of range.
        """
        for counter in self.counters:
            if counter not in RULES and counter not in TOOLS:
                raise UnknownName("counter", counter, dict.fromkeys((*RULES, *TOOLS)))
        if self.batch < 1:
            raise BadOption(f"batch must be 1 or more: {self.batch} given")
        if self.budget_s <= 0:
            raise BadOption(f"budget must be above 0 seconds: {self.budget_s:g} given")
        self.protocol()
        open_device(self.device)
        return replace(self, environment=self.environment or describe_environment())


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
    say = on_stage or (lambda _: None)
    say("counting")
    net = subject.build("meta") if subject.entry else subject.build()
    ledger = record(net, (settings.batch, 3, *resolution))
    result = Record(
        model=subject.spec,
        fidelity=subject.fidelity,
        classes=subject.classes or ledger.output_shape[1],
        resolution=resolution,
        batch=settings.batch,
        params=parameters(net),
        live_params=live_parameters(net, ledger),
        operations=operation_counts(ledger),
        modules=module_costs(ledger, net) if settings.modules else None,
        environment=settings.environment,
        segbench=segbench.__version__,
    )
    if ledger.device != "meta":
        result.notes.append(f"counted on {ledger.device}")
    if settings.tools:
        say(f"counting with {', '.join(settings.tools)}")
        result.tools, notes = tool_counts(subject, resolution, settings.tools, settings.batch)
        result.notes.extend(notes)
    if settings.speed:
        del net, ledger
        _time(result, subject, settings, open_device(settings.device), say)
    return result


def _time(result: Record, subject: Subject, settings: Settings, device: Device, say: Stage) -> None:
    protocol = settings.protocol()
    result.protocol = protocol.to_json()
    try:
        say("timing")
        result.speed = measure_speed(
            subject.build(), resolution=result.resolution, protocol=protocol, device=device, budget_s=settings.budget_s
        )
        say("measuring memory")
        result.memory = {"peak_mib": peak_memory(subject.build(), result.resolution, protocol, device)}
    except MeasurementError as error:
        result.failure = str(error)
