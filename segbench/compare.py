"""Compare many networks: isolated, resumable, in a fair order; every result on disk the moment it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import segbench
from segbench import catalog, store
from segbench.errors import BadOption, SegbenchError
from segbench.isolate import run_isolated
from segbench.measure.combine import combine, conditions
from segbench.measure.device import open_device
from segbench.measure.profile import Settings, profile
from segbench.measure.subject import resolve
from segbench.planning import Job
from segbench.record import Record

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Progress:
    """What a progress display needs: told before and after each job."""

    job: Job
    done: int
    total: int
    record: Record | None


def sweep(
    jobs: Sequence[Job],
    folder: Path,
    *,
    fresh: bool = False,
    timeout_s: float = 600.0,
    on_progress: Callable[[Progress], None] | None = None,
    function: Callable[[Job], Record] | None = None,
) -> list[Record]:
    """Measure every job in a process of its own and keep the Records in ``folder/records.jsonl``.

    Each process appends its Record before it ends, so that whatever happens to this one loses nothing. Jobs that the
    file already answers are not measured again; failed ones are. `fresh` moves the old file aside.

    Args:
        jobs: from `plan`.
        folder: made where it does not exist.
        fresh: measure everything again.
        timeout_s: longest time for one process.
        on_progress: told before and after each job.
        function: `measure`, or what a test puts in its place; importable by name.

    Returns:
        One Record per job, in the jobs' order; a job that failed has a `failure`.

    Raises:
        OutputError: the folder cannot be written.
    """
    store.require_writable(folder)
    path = folder / RECORDS
    if fresh and path.exists():
        _set_aside(path)
    found = answered(jobs, stored(folder))
    pending = [job for job in jobs if job not in found]
    say = on_progress or (lambda _: None)

    def started(job: Job) -> None:
        say(Progress(job, len(found), len(jobs), None))

    outcomes = run_isolated(
        partial(_measure_and_keep, path, function or measure),
        pending,
        workers=1 if any(job.settings.speed for job in pending) else max(1, min(os.cpu_count() or 1, 8)),
        timeout_s=timeout_s,
        preload=("segbench.compare",),
        on_start=started,
    )
    for outcome in outcomes:
        if outcome.result:
            record = Record.from_json(outcome.result)
        else:
            record = failed(outcome.task, outcome.failure or "")
            store.append(path, record)
        found[outcome.task] = record
        say(Progress(outcome.task, len(found), len(jobs), record))
    return [found[job] for job in jobs]


def stored(folder: Path) -> list[Record]:
    """The Records that a folder holds; a line that a killed process left unfinished is skipped."""
    path = folder / RECORDS
    return store.read(path, tolerant=True) if path.exists() else []


def answered(jobs: Iterable[Job], known: Sequence[Record]) -> dict[Job, Record]:
    """Which jobs stored Records already answer: each Record one job, the latest first, that of its own process best."""
    unused: dict[tuple[str, int, tuple[int, int]], list[Record]] = {}
    for record in reversed(known):
        unused.setdefault((record.model, record.classes, record.resolution), []).append(record)
    found = {}
    # Those that ask for more come first, or their Records would be used up by those that ask for less.
    for job in sorted(jobs, key=lambda job: (not job.settings.waterfall, not job.settings.optimize)):
        records = unused.get(job.place, [])
        serving = [record for record in records if serves(record, job)]
        if serving:
            found[job] = min(
                serving, key=lambda record: (record.extra.get("process") or {}).get("index") != job.process
            )
            # By identity: two processes may have left equal Records.
            unused[job.place] = [record for record in records if record is not found[job]]
    return found


def unlike(jobs: Iterable[Job], known: Iterable[Record]) -> list[Record]:
    """The stored timings under other conditions than the jobs': another device, region, precision or batch."""
    asked = {_conditions_of(job.settings) for job in jobs if job.settings.speed}
    return [record for record in known if asked and record.speed and _timed_under(record) not in asked]


def require_unmixed(jobs: Sequence[Job], folder: Path) -> None:
    """Refuse to put timings of several devices or modes into one folder, whose Records are ranked together.

    Raises:
        BadOption: says under which conditions the others were timed.
    """
    others = unlike(jobs, stored(folder))
    if others:
        raise BadOption(
            f"{folder / RECORDS} holds timings under other conditions ({'; '.join(conditions(others))}), and a ranking "
            "takes one: choose another --out, set them aside with --fresh, or rank them together with --allow-mixed"
        )


def ranking(jobs: Sequence[Job], records: Sequence[Record], folder: Path, allow_mixed: bool) -> list[Record]:
    """What tables and plots show: the processes of a network combined; when asked, the folder's other timings too."""
    others = unlike(jobs, stored(folder)) if allow_mixed else []
    return combine([*records, *others])


def _conditions_of(settings: Settings) -> tuple[object, ...]:
    protocol, device = settings.protocol(), open_device(settings.device)
    return device.kind, device.name, protocol.mode, protocol.name, protocol.precision, protocol.batch


def _timed_under(record: Record) -> tuple[object, ...]:
    speed = record.speed or {}
    return (*(speed.get(key) for key in ("device", "device_name", "mode", "protocol", "precision")), record.batch)


def _measure_and_keep(path: Path, function: Callable[[Job], Record], job: Job) -> dict[str, object]:
    """In the process of its own: measure, and put the Record on disk before anything else can happen to it."""
    record = function(job)
    store.append(path, record)
    return record.to_json()


def measure(job: Job) -> Record:
    """Profile one job in this process."""
    try:
        record = profile(resolve(job.model, job.classes), job.resolution, job.settings)
    except SegbenchError as error:
        return failed(job, str(error))
    return _stamped(record, job)


def failed(job: Job, reason: str) -> Record:
    """The Record of a measurement that could not be made."""
    record = Record(
        model=job.model,
        fidelity=catalog.find(job.model).fidelity,
        classes=job.classes,
        resolution=job.resolution,
        batch=job.settings.batch,
        failure=reason,
        protocol=job.settings.protocol().to_json() if job.settings.speed else {},
        environment=job.settings.environment,
        segbench=segbench.__version__,
    )
    return _stamped(record, job)


def _stamped(record: Record, job: Job) -> Record:
    """The Record with the process that it comes from; a count of operations is the same in every process."""
    if job.settings.speed:
        record.extra["process"] = {"index": job.process, "of": job.processes, "seed": job.seed}
    return record


def serves(record: Record, job: Job) -> bool:
    """Whether a stored Record already answers a job: same network, size, conditions, device and segbench."""
    settings = job.settings
    same = (
        record.failure is None
        and (record.model, record.classes, record.resolution) == job.place
        and record.batch == settings.batch
        and record.segbench == segbench.__version__
        and set(settings.tools) <= set(record.tools)
    )
    if not same or not settings.speed:
        return same
    return (
        record.speed is not None
        and _machine(record.environment) == _machine(settings.environment)
        and record.protocol == settings.protocol().to_json()
        and (not settings.waterfall or record.waterfall is not None)
        and (not settings.optimize or "optimized" in record.speed)
    )


def _machine(environment: Mapping[str, Any]) -> tuple[object, ...]:
    gpus = environment.get("gpus") or {}
    names = tuple(sorted(str(gpu.get("name")) for gpu in gpus.values()))
    return names, environment.get("cpu"), environment.get("torch"), environment.get("driver")


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    path.rename(aside)
