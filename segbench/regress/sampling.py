"""Measure networks for a comparison: counts once, timings in many fresh processes, in an order that is fair."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import segbench
from segbench.counting.count import operation_counts, parameters
from segbench.counting.modules import modules
from segbench.counting.tracer import trace
from segbench.errors import SegbenchError, UnknownName
from segbench.isolate import run_isolated
from segbench.measure.bounds import TRACED_FRAMES, launches, traced
from segbench.measure.device import open_device
from segbench.measure.memory import memory_json
from segbench.measure.profile import Settings
from segbench.measure.signature import signature
from segbench.measure.speed import MeasurementError, measure_speed
from segbench.measure.subject import resolve
from segbench.protocol import PRESETS
from segbench.record import Record
from segbench.resolution import show

GROWTH_ONE = 2
"""Processes added to the current side of an unsettled network, as a multiple of the first look's: a stored baseline
cannot grow with it. With ten processes there, twenty here find a 5 % slowdown in 90 % of runs, thirty in 96 %."""

GROWTH_BOTH = 1
"""The same where both sides grow (`--against`): twenty and twenty find it in 99 %."""

Say = Callable[[str, int, int], None]
"""Told what is measured, how many measurements are done and how many there are."""


@dataclass(frozen=True)
class Task:
    """One network under one set of conditions.

    Attributes:
        model: catalog name, or ``package.module:factory``.
        classes: output channels; None for the network's own number.
        resolution: height and width.
        settings: from `Settings.check`.
        signature_at: height, width and weight scale of the signature to compare with; None to choose them.
    """

    model: str
    classes: int | None
    resolution: tuple[int, int]
    settings: Settings
    signature_at: tuple[int, int, float] | None = None

    @property
    def name(self) -> str:
        """Network and size in words."""
        return f"{self.model} {show(self.resolution)}"

    def to_json(self) -> dict[str, Any]:
        """For a process of another checkout, which may be of another version: plain types."""
        settings = self.settings
        return {
            "model": self.model,
            "classes": self.classes,
            "resolution": list(self.resolution),
            "signature_at": self.signature_at and list(self.signature_at),
            "settings": {
                name: getattr(settings, name)
                for name in ("device", "mode", "preset", "precision", "batch", "rounds", "budget_s", "speed")
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Task:
        """Read a task back; its settings are not checked yet."""
        at = content.get("signature_at")
        height, width = content["resolution"]
        settings = Settings(**content["settings"])
        return cls(content["model"], content["classes"], (height, width), settings, tuple(at) if at else None)


def task_for(before: Record, settings: Settings) -> Task:
    """What to measure to compare with a Record: its network, size, classes, device, mode, precision and batch."""
    sign = before.signature or {}
    at = (*sign["resolution"], sign["gain"]) if sign else None
    return Task(before.model, before.classes, before.resolution, conditions_of(before, settings), at)


def conditions_of(before: Record, settings: Settings) -> Settings:
    """Settings with the conditions of a Record's timing; `settings` where it has none."""
    if not before.speed:
        return replace(settings, batch=before.batch, speed=False)
    name = before.protocol.get("name")
    return replace(
        settings,
        device=str(before.speed.get("device") or "auto"),
        preset=name if name in PRESETS else None,
        mode=None if name in PRESETS else before.speed.get("mode"),
        precision=str(before.speed.get("precision") or "fp32"),
        batch=before.batch,
        rounds=before.protocol.get("rounds"),
    )


def describe(task: Task) -> dict[str, Any]:
    """Everything deterministic about a network, as a Record's JSON: counts, modules with settings, signature.

    Raises:
        SegbenchError: there is no such network, or it cannot be built or run.
    """
    subject = resolve(task.model, task.classes)
    subject.check_resolution(task.resolution)
    net = subject.build("meta") if subject.entry else subject.build()
    traced = trace(net, (task.settings.batch, 3, *task.resolution))
    result = Record(
        model=subject.spec,
        fidelity=subject.fidelity,
        classes=subject.classes or traced.output_shape[1],
        resolution=task.resolution,
        batch=task.settings.batch,
        params=parameters(net),
        live_params=traced.live_params,
        operations=operation_counts(traced),
        modules=modules(traced, net, with_settings=True),
        environment=task.settings.environment,
        segbench=segbench.__version__,
    )
    at = task.signature_at
    try:
        result.signature = (
            signature(subject, task.resolution)
            if at is None
            else signature(subject, resolution=(at[0], at[1]), gain=at[2])
        )
    except SegbenchError as error:
        result.notes.append(f"no signature: {error}")
    return result.to_json()


def time_once(task: Task) -> dict[str, Any]:
    """Speed, memory and kernel launches in this process, as a Record's JSON.

    Raises:
        SegbenchError: the network cannot be built, or the device lacks the precision.
    """
    subject, settings = resolve(task.model, task.classes), task.settings
    device, protocol = open_device(settings.device), settings.protocol()
    result = Record(
        model=subject.spec,
        classes=subject.classes or 0,
        resolution=task.resolution,
        batch=settings.batch,
        protocol=protocol.to_json(),
        environment=settings.environment,
        segbench=segbench.__version__,
    )
    try:
        result.speed = measure_speed(
            subject.build(), resolution=task.resolution, protocol=protocol, device=device, budget_s=settings.budget_s
        )
        result.memory = memory_json(subject.build(), task.resolution, protocol, device)
    except MeasurementError as error:
        result.failure = str(error)
    if device.kind == "cuda" and result.speed and not result.failure:
        try:
            events = traced(subject.build(), task.resolution, protocol, device)
            result.speed["launches"] = launches(events, TRACED_FRAMES) if events else None
        except SegbenchError as error:
            result.notes.append(f"the GPU could not be traced: {error}")
    return result.to_json()


def failed(task: Task, reason: str) -> Record:
    """The Record of a measurement that could not be made."""
    return Record(
        model=task.model,
        classes=task.classes or 0,
        resolution=task.resolution,
        batch=task.settings.batch,
        failure=reason,
        environment=task.settings.environment,
        segbench=segbench.__version__,
    )


def unknown(failure: str | None) -> bool:
    """Whether a failure says that there is no such network (any more)."""
    return bool(failure) and str(failure).startswith(UnknownName.__name__)


def describe_all(tasks: Sequence[Task], say: Say, timeout_s: float = 600.0) -> list[Record]:
    """Counts, modules and signature of every task, each in a process of its own; a failure is kept in its Record."""
    found: dict[Task, Record] = {}
    outcomes = run_isolated(
        describe,
        tasks,
        workers=max(1, min(os.cpu_count() or 1, 8)),
        timeout_s=timeout_s,
        preload=(__name__,),
    )
    for outcome in outcomes:
        task = outcome.task
        found[task] = Record.from_json(outcome.result) if outcome.result else failed(task, outcome.failure or "")
        say(f"counting {task.name}", len(found), len(tasks))
    return [found[task] for task in tasks]


def time_all(
    tasks: Sequence[Task], processes: int, say: Say, seed: int = 0, timeout_s: float = 600.0
) -> dict[Task, list[Record]]:
    """Time every task in `processes` fresh processes, one at a time.

    Each round takes every network once, in an order of its own: a clock that drifts slows all of them alike, and no
    network always follows the same other.
    """
    chance = random.Random(seed)
    order = [task for _ in range(processes) for task in chance.sample(list(tasks), len(tasks))]
    found: dict[Task, list[Record]] = {task: [] for task in tasks}
    outcomes = run_isolated(time_once, order, workers=1, timeout_s=timeout_s, preload=(__name__,))
    for done, outcome in enumerate(outcomes, 1):
        task = outcome.task
        found[task].append(Record.from_json(outcome.result) if outcome.result else failed(task, outcome.failure or ""))
        say(f"timing {task.name}", done, len(order))
    return found
