"""Compare many networks: isolated, resumable, in a fair order; every result on disk the moment it is measured."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segbench
from segbench import catalog, store
from segbench.errors import BadOption, SegbenchError, UnknownName
from segbench.isolate import run_isolated
from segbench.measure.profile import Settings, profile
from segbench.measure.subject import resolve
from segbench.record import Record
from segbench.resolution import nearest

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Job:
    """One network at one resolution, and how to measure it."""

    model: str
    classes: int
    resolution: tuple[int, int]
    settings: Settings


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
) -> list[Job]:
    """The jobs of a comparison: each network at the sizes asked for, or at those of its paper.

    Without `resolutions` a network is measured at its first catalog size; with `paper`, at every size at which that
    paper's tables print it. Without `classes` it has those of the data set that the papers use at that size.
    With timings the order is shuffled by `seed`, so that a drifting clock does not fall on one family.

    Raises:
        SegbenchError: a resolution that a network cannot take.
    """
    jobs: dict[Job, None] = {}
    for name in names:
        subject = resolve(name, classes)
        for size, trained in _conditions(name, resolutions, paper):
            subject.check_resolution(size)
            jobs[Job(name, classes or trained, size, settings)] = None
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
    claims = [claim for claim in load_claims(paper=paper, model=name) if claim.size and claim.dataset]
    if paper and not resolutions and claims:
        for claim in claims:
            assert claim.size is not None
            yield nearest(claim.size, entry.size_multiple, entry.size_offset), _classes(entry, {claim.dataset})
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
) -> list[Record]:
    """Measure every job in a process of its own and keep the Records in ``folder/records.jsonl``.

    Jobs that the file already holds are not measured again; failed ones are. `fresh` moves the old file aside.

    Returns:
        One Record per job, in the jobs' order; a job that failed has a `failure`.

    Raises:
        OutputError: the folder cannot be written.
    """
    store.require_writable(folder)
    path = folder / RECORDS
    if fresh and path.exists():
        _set_aside(path)
    known = store.read(path, tolerant=True) if path.exists() else []
    found = {job: record for job in jobs for record in known if serves(record, job)}
    pending = [job for job in jobs if job not in found]
    say = on_progress or (lambda _: None)

    def started(job: Job) -> None:
        say(Progress(job, len(found), len(jobs), None))

    outcomes = run_isolated(
        measure,
        pending,
        workers=1 if any(job.settings.speed for job in pending) else max(1, min(os.cpu_count() or 1, 8)),
        timeout_s=timeout_s,
        preload=("segbench.compare",),
        on_start=started,
    )
    for outcome in outcomes:
        record = Record.from_json(outcome.result) if outcome.result else failed(outcome.task, outcome.failure or "")
        store.append(path, record)
        found[outcome.task] = record
        say(Progress(outcome.task, len(found), len(jobs), record))
    return [found[job] for job in jobs]


def measure(job: Job) -> dict[str, object]:
    """Profile one job in this process; the Record as JSON."""
    try:
        return profile(resolve(job.model, job.classes), job.resolution, job.settings).to_json()
    except SegbenchError as error:
        return failed(job, str(error)).to_json()


def failed(job: Job, reason: str) -> Record:
    """The Record of a measurement that could not be made."""
    return Record(
        model=job.model,
        fidelity=catalog.find(job.model).fidelity,
        classes=job.classes,
        resolution=job.resolution,
        batch=job.settings.batch,
        failure=reason,
        environment=job.settings.environment,
        segbench=segbench.__version__,
    )


def serves(record: Record, job: Job) -> bool:
    """Whether a stored Record already answers a job: same network, size, conditions, device and segbench."""
    settings = job.settings
    same = (
        record.failure is None
        and record.model == job.model
        and record.classes == job.classes
        and record.resolution == job.resolution
        and record.batch == settings.batch
        and record.segbench == segbench.__version__
        and set(settings.tools) <= set(record.tools)
    )
    if not same or not settings.speed:
        return same
    return (
        record.speed is not None
        and _machine(record.environment) == _machine(settings.environment)
        and ({**record.protocol} == settings.protocol().to_json())
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
