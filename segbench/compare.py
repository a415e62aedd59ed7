"""Compare many networks: isolated, resumable, in a fair order; every result on disk the moment it is measured."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import segbench
from segbench import catalog, store
from segbench.errors import BadOption, SegbenchError, UnknownName
from segbench.isolate import run_isolated
from segbench.measure.combine import combine, conditions
from segbench.measure.device import open_device
from segbench.measure.profile import Settings, profile
from segbench.measure.subject import resolve
from segbench.record import Record
from segbench.resolution import nearest

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Job:
    """One network at one resolution in one process, and how to measure it.

    Attributes:
        model: catalog name.
        classes: output channels.
        resolution: height and width.
        settings: from `Settings.check`.
        process: which of `processes` this is, from 0.
        processes: fresh processes that the network is measured in.
        seed: what the order of all processes was shuffled by.
    """

    model: str
    classes: int
    resolution: tuple[int, int]
    settings: Settings
    process: int = 0
    processes: int = 1
    seed: int = 0

    @property
    def place(self) -> tuple[str, int, tuple[int, int]]:
        """The network, its classes and its size."""
        return self.model, self.classes, self.resolution


@dataclass(frozen=True)
class Progress:
    """What a progress display needs: told before and after each job."""

    job: Job
    done: int
    total: int
    record: Record | None


def choose(patterns: Sequence[str], everything: bool, paper: str | None) -> list[str]:
    """The catalog networks that a comparison takes: by pattern, all, or those in a paper's tables.

    Raises:
        BadOption: nothing was chosen, or too much.
        UnknownName: no such network or paper.
    """
    from segbench.claims import PAPERS, load_claims

    if sum((bool(patterns), everything, paper is not None)) != 1:
        raise BadOption("compare takes either networks (names or patterns), or --all, or --paper KEY")
    if everything:
        return catalog.list_models()
    if paper is None:
        return catalog.match(patterns)
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    claimed = {claim.model for claim in load_claims(paper=paper)}
    return [name for name in catalog.list_models() if name in claimed]


def plan(
    names: Iterable[str],
    resolutions: Sequence[tuple[int, int]],
    classes: int | None,
    settings: Settings,
    seed: int = 0,
    paper: str | None = None,
    processes: int = 1,
) -> list[Job]:
    """The jobs of a comparison: each network at the sizes asked for, or at those of its paper, in its processes.

    Without `resolutions` a network is measured at its first catalog size; with `paper`, at every size at which that
    paper's tables print it. Without `classes` it has those of the data set that the papers use at that size.
    With timings the order of all processes of all networks is shuffled by `seed`, so that a drifting clock does not
    fall on one network or family. Waterfall and fast mode are measured in the first process of a network.

    Raises:
        SegbenchError: a resolution that a network cannot take, or a number of processes below 1.
    """
    if processes < 1:
        raise BadOption(f"processes must be 1 or more: {processes} given")
    if processes > 1 and not settings.speed:
        raise BadOption("--processes repeats timings: give it without --no-speed")
    repeats = replace(settings, waterfall=False, optimize=False)
    jobs: dict[Job, None] = {}
    for name in names:
        subject = resolve(name, classes)
        for size, trained in _conditions(name, resolutions, paper):
            subject.check_resolution(size)
            for process in range(processes):
                how = repeats if process else settings
                jobs[Job(name, classes or trained, size, how, process, processes, seed)] = None
    order = list(jobs)
    if settings.speed:
        random.Random(seed).shuffle(order)
    return order


def _conditions(
    name: str, resolutions: Sequence[tuple[int, int]], paper: str | None
) -> Iterator[tuple[tuple[int, int], int]]:
    """Sizes and class counts at which a network is measured."""
    from segbench.claims import load_claims

    entry = catalog.find(name)
    printed = [claim for claim in load_claims(paper=paper, model=name) if claim.dataset]
    claims = [claim for claim in printed if claim.size]
    if paper and not resolutions and printed:
        for claim in claims:
            assert claim.size is not None
            yield nearest(claim.size, entry.size_multiple, entry.size_offset), _classes(entry, {claim.dataset})
        # Rows without a size, of a data set that the paper prints at none, take the catalog's first one.
        for dataset in dict.fromkeys(claim.dataset for claim in printed):
            if all(claim.dataset != dataset for claim in claims):
                yield entry.resolutions[0], _classes(entry, {dataset})
        return
    for size in resolutions or [entry.resolutions[0]]:
        yield size, _classes(entry, {claim.dataset for claim in claims if claim.size == size})


def _classes(entry: catalog.Entry, datasets: set[str]) -> int:
    """The class count for the data sets claimed at a size; the catalog's unless all of them have another one."""
    from segbench.claims import DATASET_CLASSES

    counts = {DATASET_CLASSES[dataset] for dataset in datasets}
    # Released networks may carry an unlabelled class beside Cityscapes' 19; the catalog's count stands for both.
    return counts.pop() if len(counts) == 1 and not counts & {19} else entry.classes


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
