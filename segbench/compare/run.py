"""Compare many networks: isolated, resumable, in a fair order; every result on disk the moment it is measured."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from segbench.counting.tools import TOOLS
from segbench.errors import BadOption, SegbenchError
from segbench.job import Job
from segbench.measure.device import open_device
from segbench.measure.record import PRELOAD, check_settings, measure_job
from segbench.places.isolate import end_if_copy, run_isolated
from segbench.places.loop import Places
from segbench.records import store
from segbench.records.processes import combine
from segbench.records.record import Record
from segbench.records.results import Run, moment
from segbench.records.timing_conditions import TimingConditions, beside, headings
from segbench.version import __version__

RECORDS = "records.jsonl"
RATES = "rates.json"
ALONE = "alone.ndjson"
"""Records of one network alone on a GPU and beside others, see `compare.alone`; reports read ``*.jsonl`` alone."""


@dataclass(frozen=True)
class Progress:
    """What a progress display needs: told before and after each job."""

    job: Job
    done: int
    total: int
    record: Record | None


@dataclass(frozen=True)
class Kind:
    """A kind of place: timings at two places of one kind compare.

    Attributes:
        device: kind of device, ``cuda`` or ``cpu``.
        device_name: name of the chip.
        environment: as a Record made there has it; what does not bear on a timing is not compared.
    """

    device: str
    device_name: str
    environment: Mapping[str, Any] = field(compare=False)

    def conditions(self, job: Job) -> TimingConditions:
        """The conditions under which a job is timed there."""
        return self._here(job).conditions(self.device, self.device_name)

    def beside(self, job: Job) -> dict[str, str]:
        """What stands beside such a timing, see `timing_conditions.beside`."""
        return beside(self._here(job).blank())

    def _here(self, job: Job) -> Job:
        return replace(job, settings=replace(job.settings, environment=dict(self.environment)))


def this_machine(job: Job) -> Kind:
    """The kind of place that the device of a job is, on this machine."""
    device = open_device(job.settings.device)
    return Kind(device.kind, device.name, job.settings.environment)


def sweep(
    jobs: Sequence[Job],
    folder: Path,
    *,
    fresh: bool = False,
    timeout_s: float = 600.0,
    deadline: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    function: Callable[[Job], Record] | None = None,
    places: Places | None = None,
    kinds: Sequence[Kind] = (),
    before: Callable[[Sequence[Job]], object] | None = None,
    keep_refused: bool = False,
) -> list[Record]:
    """Measure every job in a process of its own and keep the Records in ``folder/records.jsonl``.

    Each process appends its Record before it ends, so that whatever happens to this one loses nothing; Records from
    another machine are appended as they come. Jobs that the file already answers are not measured again; failed ones
    are. `fresh` moves the old file aside.

    Args:
        jobs: from `plan`.
        folder: made where it does not exist.
        fresh: measure everything again.
        timeout_s: longest time for one process.
        deadline: on `time.monotonic`; jobs that are not done by then are left to a later call.
        on_progress: told before and after each job.
        function: `measure` or `measure_elsewhere`, or what a test puts in its place; importable by name.
        places: what takes the jobs, see `segbench.places.loop`; this machine by default, one process at a time where
            something is timed.
        kinds: of the places; that of the jobs' device here by default.
        before: called with the jobs that are to be measured, where there are any.
        keep_refused: keep a row for each network that takes no size near the one asked for, and a file where there is
            nothing to measure, as a part of a whole does.

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
        for name in (RATES, ALONE):
            (folder / name).unlink(missing_ok=True)
        if path.exists():
            _set_aside(path)
    here = places is None or places.share_files
    # The rates of a device are measured once for all processes.
    jobs = [replace(job, settings=replace(job.settings, rates=folder / RATES if here else None)) for job in jobs]
    found = answered([job for job in jobs if not job.refused], stored(folder), kinds)
    # A network that takes no size near the one asked for is a row with the reason, not a failure to try again.
    refused = {job: job.failed(job.refused) for job in jobs if job.refused}
    if keep_refused:
        # A part of which nothing is left to measure is a folder of Records all the same.
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
        known = {(record.model, record.resolution, record.failure) for record in stored(folder)}
        for record in refused.values():
            if (record.model, record.resolution, record.failure) not in known:
                store.append(path, record)
    found.update(refused)
    pending = [job for job in jobs if job not in found]
    say = on_progress or (lambda _: None)

    def started(job: Job) -> None:
        say(Progress(job, len(found), len(jobs), None))

    if before is not None and pending:
        before(pending)
    outcomes = run_isolated(
        partial(measure_and_keep, path if here else None, function or (measure if here else measure_elsewhere)),
        pending,
        workers=1 if any(job.settings.speed for job in pending) else max(1, min(os.cpu_count() or 1, 8)),
        timeout_s=timeout_s,
        deadline=deadline,
        preload=PRELOAD,
        on_start=started,
        places=places,
    )
    for outcome in outcomes:
        record = outcome.result or outcome.task.failed(outcome.failure or "")
        if not (here and outcome.result):
            store.append(path, record)
        found[outcome.task] = record
        say(Progress(outcome.task, len(found), len(jobs), record))
    return [found[job] for job in jobs if job in found]


def stored(folder: Path) -> list[Record]:
    """The Records that a folder holds."""
    path = folder / RECORDS
    return store.read(path, tolerant=True) if path.exists() else []


def answered(jobs: Iterable[Job], known: Sequence[Record], kinds: Sequence[Kind] = ()) -> dict[Job, Record]:
    """Which jobs stored Records already answer: each Record one job, the latest first, that of its own process best."""
    unused: dict[tuple[str, tuple[int, int]], list[Record]] = {}
    for record in reversed(known):
        unused.setdefault((record.model, record.resolution), []).append(record)
    found = {}
    # Those that ask for more come first, or their Records would be used up by those that ask for less.
    for job in sorted(jobs, key=_asks_for_less):
        records = unused.get((job.model, job.resolution), [])
        answering = [record for record in records if answers(record, job, kinds)]
        if answering:
            index = job.process.index if job.process else None
            found[job] = min(answering, key=lambda record: (record.process.index if record.process else None) != index)
            # By identity: two processes may have left equal Records.
            unused[job.model, job.resolution] = [record for record in records if record is not found[job]]
    return found


def _asks_for_less(job: Job) -> tuple[bool, ...]:
    settings = job.settings
    return not settings.waterfall, not settings.optimize, settings.module_levels == 0, not settings.counts


def timed_otherwise(jobs: Iterable[Job], known: Iterable[Record], kinds: Sequence[Kind] = ()) -> list[Record]:
    """The stored timings under other conditions than the jobs'."""
    asked = {one for job in jobs if job.settings.speed for one in conditions_of(job, kinds)}
    return [record for record in known if asked and record.speed and TimingConditions.of(record) not in asked]


def require_unmixed(jobs: Sequence[Job], folder: Path, kinds: Sequence[Kind] = ()) -> None:
    """Refuse to put timings under unlike conditions into one folder, whose Records are ranked together.

    Raises:
        BadOption: says under which conditions the others were timed.
    """
    others = timed_otherwise(jobs, stored(folder), kinds)
    if others:
        asked = next(conditions_of(job, kinds)[0] for job in jobs if job.settings.speed)
        differing = dict.fromkeys(
            "; ".join(asked.differences(conditions)) for conditions in map(TimingConditions.of, others) if conditions
        )
        raise BadOption(
            f"{folder / RECORDS} holds timings under other conditions ({' or '.join(differing)}), and a ranking takes "
            "one: choose another --out, set them aside with --fresh, or show each apart with --allow-mixed"
        )


def ranking(
    jobs: Sequence[Job], records: Sequence[Record], folder: Path, allow_mixed: bool, kinds: Sequence[Kind] = ()
) -> list[Record]:
    """What tables and plots show: the processes of a network combined; when asked, the folder's other timings too."""
    others = timed_otherwise(jobs, stored(folder), kinds) if allow_mixed else []
    return combine([*records, *others])


def conditions_of(job: Job, kinds: Sequence[Kind] = ()) -> list[TimingConditions]:
    """The conditions under which a job may be timed: at places of some kinds, or on this machine."""
    return [kind.conditions(job) for kind in kinds or [this_machine(job)]]


def mixed(records: Iterable[Record]) -> list[str]:
    """The conditions of timings that do not compare, in words; empty where all are alike."""
    found = list(dict.fromkeys(filter(None, map(TimingConditions.of, records))))
    return (
        [f"{heading}: {conditions.describe()}" for heading, conditions in zip(headings(found), found, strict=True)]
        if len(found) > 1
        else []
    )


def measure_and_keep(path: Path | None, function: Callable[[Job], Record], job: Job) -> Record:
    """In the process of its own: measure, and put the Record on disk before anything else can happen to it."""
    started = time.time()
    record = function(job)
    end_if_copy()
    ended = moment(time.time())
    record.run = replace(job.run or Run(), asked=job.asked, started=moment(started), ended=ended)
    if job.warning and record.speed:
        record.speed = replace(record.speed, warnings=[*record.speed.warnings, job.warning])
    if path is not None:
        store.append(path, record)
    return record


def measure(job: Job) -> Record:
    """Measure one job in this process."""
    try:
        return measure_job(job)
    except SegbenchError as error:
        return job.failed(str(error))


def measure_elsewhere(job: Job) -> Record:
    """Measure one job in this process, on a machine of which the call that asked knows no device and no environment."""
    try:
        return measure(replace(job, settings=check_settings(job.settings)))
    except SegbenchError as error:
        return job.failed(str(error))


def answers(record: Record, job: Job, kinds: Sequence[Kind] = ()) -> bool:
    """Whether a stored Record already answers a job: same network, size, conditions, machine and segbench.

    Args:
        record: a stored one.
        job: with checked settings.
        kinds: of the places that would take the job; this machine by default.
    """
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
    conditions, versions = TimingConditions.of(record), beside(record)
    return (
        record.speed is not None
        and any(
            conditions == kind.conditions(job) and versions == kind.beside(job) for kind in kinds or [this_machine(job)]
        )
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
