"""Measure networks for a comparison: counts once, timings in many fresh processes, in an order that is fair."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from segbench.errors import FactoryError, SegbenchError, UnknownName
from segbench.job import Job, Settings
from segbench.measure.cores import chosen_cores
from segbench.measure.record import PRELOAD, measure_job
from segbench.places.isolate import run_isolated, tell
from segbench.records.record import Record
from segbench.spec import is_own

Item = TypeVar("Item")

Say = Callable[[str, int, int], None]
"""Told what is measured, how many measurements are done and how many there are."""


def job_for(before: Record, settings: Settings, device: str | None = None) -> Job:
    """What to measure to compare with a Record: its network, size, classes, mode, precision and batch, on its device.

    Args:
        before: the Record.
        settings: everything else.
        device: which device of the same kind.

    Raises:
        BadOption: `device` is of another kind.
    """
    sign = before.signature
    return Job(
        model=before.model,
        classes=before.classes or None,
        resolution=before.resolution,
        settings=_on_cores(settings.under_conditions_of(before, device), before),
        signature_at=(*sign.resolution, sign.gain) if sign else None,
        inputs=tuple(before.inputs),
        output=before.output,
    )


def _on_cores(settings: Settings, before: Record) -> Settings:
    """Kept to cores where the Record's timing was: a check's settings are made for counting, which is not."""
    cores = chosen_cores(settings.device.partition(":")[0])
    if not settings.speed or not cores or not before.environment.get("pinned_cores"):
        return settings
    return replace(settings, environment={**settings.environment, "pinned_cores": cores})


def describe(job: Job) -> Record:
    """Everything deterministic about a network: counts, modules with settings, signature.

    Raises:
        SegbenchError: there is no such network, or it cannot be built or run.
    """
    return measure_job(
        replace(job, settings=replace(job.settings, speed=False, counts=True, structure=True, signature=True)),
        lambda what, *_: tell(what),
    )


def time_once(job: Job) -> Record:
    """Speed, memory and kernel launches in this process.

    Raises:
        SegbenchError: the network cannot be built, or the device lacks the precision.
    """
    return measure_job(
        replace(job, settings=replace(job.settings, counts=False, structure=False, signature=False, bounds="launches"))
    )


@dataclass(frozen=True)
class Counts:
    """What was counted.

    Attributes:
        records: by job; a failure is kept in its Record.
        unknown: jobs whose network does not exist (any more).
        refused: what is wrong with a network of the user's own that cannot be imported or built.
    """

    records: dict[Job, Record]
    unknown: frozenset[Job]
    refused: dict[Job, SegbenchError]


def describe_all(
    jobs: Sequence[Job], say: Say, timeout_s: float = 600.0, spent: dict[Job, float] | None = None
) -> Counts:
    """Counts, modules and signature of every job, each in a process of its own; `spent` gets the seconds it took."""
    found: dict[Job, Record] = {}
    unknown, built = set(), set()
    refused: dict[Job, SegbenchError] = {}
    workers = max(1, min(os.cpu_count() or 1, 8))
    for outcome in run_isolated(
        describe,
        jobs,
        workers=workers,
        timeout_s=timeout_s,
        preload=PRELOAD,
        # The first that is told is the stage after the network was built.
        on_news=lambda job, _: built.add(job),
    ):
        job = outcome.task
        if spent is not None:
            spent[job] = spent.get(job, 0.0) + outcome.seconds
        reason = outcome.refusal
        if outcome.failure is not None and is_own(job.model) and job not in built:
            reason = refused[job] = reason or FactoryError(f"{job.model} cannot be built: {outcome.failure}")
        found[job] = outcome.result or job.failed(str(reason or outcome.failure))
        if outcome.error is UnknownName:
            unknown.add(job)
        say(f"counting {job.title}", len(found), len(jobs))
    return Counts({job: found[job] for job in jobs}, frozenset(unknown), refused)


def time_all(
    processes: Mapping[Job, int],
    say: Say,
    seed: int = 0,
    timeout_s: float = 600.0,
    spent: dict[Job, float] | None = None,
) -> dict[Job, list[Record]]:
    """Time every job in as many fresh processes as it is to have, one at a time.

    Each round takes every network once, in an order of its own: a clock that drifts slows all of them alike, and no
    network always follows the same other.

    Args:
        processes: how many, by job.
        say: told of progress.
        seed: of the order.
        timeout_s: longest time of one process.
        spent: gets the seconds that each job took.
    """
    chance = random.Random(seed)
    order = [job for jobs in turns(processes) for job in chance.sample(jobs, len(jobs))]
    found: dict[Job, list[Record]] = {job: [] for job in processes}
    for done, outcome in enumerate(run_isolated(time_once, order, timeout_s=timeout_s, preload=PRELOAD), 1):
        job = outcome.task
        if spent is not None:
            spent[job] = spent.get(job, 0.0) + outcome.seconds
        found[job].append(outcome.result or job.failed(outcome.failure or ""))
        say(f"timing {job.title}", done, len(order))
    return found


def turns(processes: Mapping[Item, int]) -> list[list[Item]]:
    """What takes part in each round where each takes part in a number of its own."""
    rounds = max(processes.values(), default=0)
    return [[item for item, count in processes.items() if count > done] for done in range(rounds)]
