"""Compare many networks: isolated, resumable, in a fair order; every result on disk the moment it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from segbench import store
from segbench.conditions import TimingConditions, beside, headings
from segbench.counting.tools import TOOLS
from segbench.errors import BadOption, SegbenchError
from segbench.isolate import end_if_copy, run_isolated
from segbench.job import Job
from segbench.measure.device import open_device
from segbench.measure.record import PRELOAD, measure_job
from segbench.processes import combine
from segbench.record import Record
from segbench.version import __version__

RECORDS = "records.jsonl"
RATES = "rates.json"


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
    deadline: float | None = None,
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
        deadline: on `time.monotonic`; jobs that are not done by then are left to a later call.
        on_progress: told before and after each job.
        function: `measure`, or what a test puts in its place; importable by name.

    Returns:
        One Record per job, in the jobs' order; a job that failed has a `failure`. With a `deadline` those done.

    Raises:
        OutputError: the folder cannot be written.
    """
    store.require_writable(folder)
    # A process whose network goes to another folder keeps its Record here all the same.
    folder = folder.absolute()
    path = folder / RECORDS
    if fresh:
        (folder / RATES).unlink(missing_ok=True)
        if path.exists():
            _set_aside(path)
    # The rates of a device are measured once for all processes.
    jobs = [replace(job, settings=replace(job.settings, rates=folder / RATES)) for job in jobs]
    found = answered([job for job in jobs if not job.refused], stored(folder))
    # A network that takes no size near the one asked for is a row with the reason, not a failure to try again.
    found.update({job: job.failed(job.refused) for job in jobs if job.refused})
    pending = [job for job in jobs if job not in found]
    say = on_progress or (lambda _: None)

    def started(job: Job) -> None:
        say(Progress(job, len(found), len(jobs), None))

    outcomes = run_isolated(
        partial(_measure_and_keep, path, function or measure),
        pending,
        workers=1 if any(job.settings.speed for job in pending) else max(1, min(os.cpu_count() or 1, 8)),
        timeout_s=timeout_s,
        deadline=deadline,
        preload=PRELOAD,
        on_start=started,
    )
    for outcome in outcomes:
        if outcome.result:
            record = outcome.result
        else:
            record = outcome.task.failed(outcome.failure or "")
            store.append(path, record)
        found[outcome.task] = record
        say(Progress(outcome.task, len(found), len(jobs), record))
    return [found[job] for job in jobs if job in found]


def stored(folder: Path) -> list[Record]:
    """The Records that a folder holds."""
    path = folder / RECORDS
    return store.read(path, tolerant=True) if path.exists() else []


def answered(jobs: Iterable[Job], known: Sequence[Record]) -> dict[Job, Record]:
    """Which jobs stored Records already answer: each Record one job, the latest first, that of its own process best."""
    unused: dict[tuple[str, tuple[int, int]], list[Record]] = {}
    for record in reversed(known):
        unused.setdefault((record.model, record.resolution), []).append(record)
    found = {}
    # Those that ask for more come first, or their Records would be used up by those that ask for less.
    for job in sorted(jobs, key=_asks_for_less):
        records = unused.get((job.model, job.resolution), [])
        answering = [record for record in records if answers(record, job)]
        if answering:
            index = job.process.index if job.process else None
            found[job] = min(answering, key=lambda record: (record.process.index if record.process else None) != index)
            # By identity: two processes may have left equal Records.
            unused[job.model, job.resolution] = [record for record in records if record is not found[job]]
    return found


def _asks_for_less(job: Job) -> tuple[bool, ...]:
    settings = job.settings
    return not settings.waterfall, not settings.optimize, settings.module_levels == 0, not settings.counts


def timed_otherwise(jobs: Iterable[Job], known: Iterable[Record]) -> list[Record]:
    """The stored timings under other conditions than the jobs'."""
    asked = {conditions_of(job) for job in jobs if job.settings.speed}
    return [record for record in known if asked and record.speed and TimingConditions.of(record) not in asked]


def require_unmixed(jobs: Sequence[Job], folder: Path) -> None:
    """Refuse to put timings under unlike conditions into one folder, whose Records are ranked together.

    Raises:
        BadOption: says under which conditions the others were timed.
    """
    others = timed_otherwise(jobs, stored(folder))
    if others:
        asked = next(conditions_of(job) for job in jobs if job.settings.speed)
        differing = dict.fromkeys(
            "; ".join(asked.differences(conditions)) for conditions in map(TimingConditions.of, others) if conditions
        )
        raise BadOption(
            f"{folder / RECORDS} holds timings under other conditions ({' or '.join(differing)}), and a ranking takes "
            "one: choose another --out, set them aside with --fresh, or show each apart with --allow-mixed"
        )


def ranking(jobs: Sequence[Job], records: Sequence[Record], folder: Path, allow_mixed: bool) -> list[Record]:
    """What tables and plots show: the processes of a network combined; when asked, the folder's other timings too."""
    others = timed_otherwise(jobs, stored(folder)) if allow_mixed else []
    return combine([*records, *others])


def conditions_of(job: Job) -> TimingConditions:
    """The conditions under which a job is timed on this machine."""
    device = open_device(job.settings.device)
    return job.conditions(device.kind, device.name)


def mixed(records: Iterable[Record]) -> list[str]:
    """The conditions of timings that do not compare, in words; empty where all are alike."""
    found = list(dict.fromkeys(filter(None, map(TimingConditions.of, records))))
    return (
        [f"{heading}: {conditions.describe()}" for heading, conditions in zip(headings(found), found, strict=True)]
        if len(found) > 1
        else []
    )


def _measure_and_keep(path: Path, function: Callable[[Job], Record], job: Job) -> Record:
    """In the process of its own: measure, and put the Record on disk before anything else can happen to it."""
    record = function(job)
    end_if_copy()
    store.append(path, record)
    return record


def measure(job: Job) -> Record:
    """Measure one job in this process."""
    try:
        return measure_job(job)
    except SegbenchError as error:
        return job.failed(str(error))


def answers(record: Record, job: Job) -> bool:
    """Whether a stored Record already answers a job: same network, size, conditions, machine and segbench."""
    settings = job.settings
    same = (
        record.failure is None
        and (record.model, record.resolution) == (job.model, job.resolution)
        # A network of the user's own has the classes that come out, which nobody knows before.
        and job.classes in (None, record.classes)
        and (tuple(record.inputs), record.output) == (job.inputs, job.output)
        and record.batch == settings.batch
        and record.segbench == __version__
        and {name for name in settings.counters if name in TOOLS} <= set(record.tools)
        and (settings.module_levels == 0 or record.modules is not None)
    )
    if not same or not settings.speed:
        return same
    asked = job.blank()
    return (
        record.speed is not None
        and TimingConditions.of(record) == conditions_of(job)
        and beside(record) == beside(asked)
        # A repeat of a timing has neither counts nor what bounds the network.
        and (not settings.counts or record.params is not None)
        # Asked for the whole protocol, what a budget shortened on a GPU is no answer.
        and (record.speed.device == "cpu" or record.speed.shortened is None or settings.gpu_budget_s is not None)
        and (not settings.waterfall or record.waterfall is not None)
        and (not settings.optimize or record.speed.optimized is not None)
    )


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    path.rename(aside)
