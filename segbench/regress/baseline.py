"""Baselines: Records that are kept in the repository and reviewed like code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from segbench import files, store
from segbench.catalog import match
from segbench.errors import BadOption, FactoryError
from segbench.job import Job, Settings
from segbench.measure.record import check_settings
from segbench.measure.subject import resolve
from segbench.processes import with_timings, without_frames
from segbench.record import Record
from segbench.regress import sampling
from segbench.regress.judge import Outcome, compare_records, costs
from segbench.regress.measuring import Options
from segbench.regress.render import sentence, where
from segbench.regress.rows import Key, collate, label
from segbench.regress.run import choose
from segbench.regress.sampling import Say, job_for
from segbench.regress.verdicts import SAME, noise_floor
from segbench.resolution import show
from segbench.results import Telemetry
from segbench.spec import OWN_SIZE, is_own

TRANSIENT = {
    "load_average",
    "git_revision",
    *(item.name for item in fields(Telemetry) if item.name != "extra"),
}
"""What of an environment is of one moment: load, clocks, temperature, power."""


def jobs_for(
    models: Sequence[str], resolutions: Sequence[tuple[int, int]], classes: int | None, settings: Settings
) -> list[Job]:
    """What to measure for networks that a user names: at the sizes given, or at the first of their paper.

    Raises:
        UnknownName: no such catalog network.
        BadResolution: a size that a catalog network cannot take.
    """
    jobs: dict[Job, None] = {}
    for name in (name for spec in models for name in ([spec] if is_own(spec) else match([spec]))):
        # A user's own network is imported only in the processes that measure it, which may be of another revision.
        subject = None if is_own(name) else resolve(name, classes)
        for size in resolutions or [subject.default_resolution if subject else OWN_SIZE]:
            if subject:
                subject.check_resolution(size)
            count = subject.classes if subject else classes
            jobs[Job(model=name, classes=count, resolution=size, settings=settings)] = None
    return list(jobs)


def measure(
    jobs: Sequence[Job], options: Options, say: Say, counted: sampling.Counts | None = None
) -> dict[Job, Record]:
    """Counts, modules and signature of every job, and speed and memory over processes where its settings ask.

    Args:
        jobs: what to measure.
        options: how many processes, and their time limit.
        say: told of progress.
        counted: the Records without timings, where there are some already.

    Returns:
        A Record of each job; of a network that fails when it runs, one with a `failure`.

    Raises:
        FactoryError: a network of the user's own cannot be imported or built.
    """
    counts = counted or sampling.describe_all(jobs, say, options.timeout_s)
    for job in jobs:
        if job in counts.refused:
            raise FactoryError(f"no baseline is written: {counts.refused[job]}")
    records = {job: counts.records[job] for job in jobs}
    timed = [job for job in jobs if job.settings.speed and not records[job].failure]
    if timed:
        timings = sampling.time_all(timed, options.processes, say, timeout_s=options.timeout_s)
        records.update({job: with_timings(records[job], timings[job]) for job in timed})
    return records


def failures(records: Iterable[Record]) -> list[str]:
    """Which networks could not be measured, and why: a line each."""
    return [f"{label(record)} failed: {record.failure}" for record in records if record.failure]


def require_new(path: Path) -> None:
    """Refuse to save over a baseline, before anything is measured.

    Raises:
        BadOption: the file exists.
        OutputError: its folder cannot be written.
    """
    files.require_writable_file(path)
    if path.exists():
        raise BadOption(f"{path} exists: `segbench baseline update` shows what would change and asks; or name another")


@dataclass(frozen=True)
class Change:
    """What an update would write.

    Attributes:
        records: all rows of the new baseline; of what could not be measured, the old one's.
        lines: the difference from the old one, one line each.
        failed: what could not be measured, one line each.
    """

    records: list[Record]
    lines: list[str]
    failed: list[str]


def prepare_update(
    old: Mapping[Key, Record],
    models: Sequence[str],
    conditions: tuple[Sequence[tuple[int, int]], int | None],
    options: Options,
    say: Say,
) -> Change:
    """Measure rows of a baseline again, and networks that it does not have yet.

    Args:
        old: the baseline.
        models: names and patterns; all rows by default. What names no row is a new network.
        conditions: sizes and classes of new networks; device, mode, precision and batch are those of the first row.
        options: how many processes, and their time limit.
        say: told of progress.

    Raises:
        FactoryError: a network of the user's own cannot be imported or built.
        DeviceError: this machine lacks the device that the baseline was timed on.
    """
    chosen, new = choose(old, models)
    plain = check_settings(
        Settings(device="cpu", budget_s=options.budget_s, gpu_budget_s=options.gpu_budget_s, speed=False)
    )
    jobs = {name: job_for(record, plain) for name, record in chosen.items()}
    jobs = {name: replace(job, settings=check_settings(job.settings)) for name, job in jobs.items()}
    first = check_settings(plain.under_conditions_of(next(iter(old.values()))))
    further = jobs_for(new, *conditions, first) if new else []
    counts = sampling.describe_all([*jobs.values(), *further], say, options.timeout_s)
    gone = [name for name, job in jobs.items() if job in counts.unknown]
    there = {name: job for name, job in jobs.items() if name not in gone}
    measured = measure([*there.values(), *further], options, say, counts)
    current = {name: measured[job] for name, job in there.items() if not measured[job].failure}
    added = [measured[job] for job in further if not measured[job].failure]
    outcome = compare_records({name: chosen[name] for name in (*current, *gone)}, current, force=True)
    rows = {name: current.get(name, record) for name, record in old.items() if name not in gone}
    records = list(collate([*rows.values(), *added], "the new baseline").values())
    lines = [*_difference(outcome), *(f"{label(record)}: added" for record in added)]
    return Change(records, lines, failures(measured.values()))


def _difference(outcome: Outcome) -> list[str]:
    lines = [f"{name}: removed" for name in outcome.removed]
    for network in outcome.networks:
        texts = [*map(str, network.findings), *network.modules, *network.notes]
        texts += [sentence(item) for item in network.comparisons if item.verdict.verdict != SAME]
        lines += [f"{network.title}: {text}" for text in texts]
    return lines


@dataclass(frozen=True)
class Row:
    """One row of a baseline for a table; None or empty where it has none."""

    model: str
    size: str
    params: int | None
    macs: int | None
    fps: float | None
    processes: int
    noise_floor: float | None
    where: str
    signature: bool
    created: str


def rows(baseline: Mapping[Key, Record]) -> list[Row]:
    """A baseline for a table."""
    found = []
    for record in baseline.values():
        samples = costs(record).get("FPS", [])
        found.append(
            Row(
                model=record.model,
                size=show(record.resolution),
                params=record.params,
                macs=record.operations.get("macs"),
                fps=record.speed.fps if record.speed else None,
                processes=len(samples),
                noise_floor=noise_floor(samples) if samples else None,
                where=where(record).removeprefix("on ") if record.speed else "counted only",
                signature=bool(record.signature),
                created=record.created,
            )
        )
    return found


def dumps(records: Iterable[Record]) -> str:
    """A baseline as text: a JSON list of Records in which every module, operation and process is a line.

    A change of one module is a change of one line, which a reviewer can read.
    """
    return _show([_lean(record).to_json() for record in records], 0) + "\n"


def _lean(record: Record) -> Record:
    """Without what differs in every run and is no condition, lest each update change every row."""
    environment = {name: value for name, value in record.environment.items() if name not in TRANSIENT}
    gpus = {
        index: {name: value for name, value in gpu.items() if name not in TRANSIENT}
        for index, gpu in (environment.get("gpus") or {}).items()
    }
    speed = without_frames(record.speed) if record.speed else None
    return replace(record, environment={**environment, "gpus": gpus}, speed=speed)


def _show(value: Any, depth: int) -> str:
    pad, open_pad = " " * depth, " " * (depth + 1)
    if isinstance(value, dict) and value and depth < 3:
        rows = [f"{open_pad}{json.dumps(name)}: {_show(item, depth + 1)}" for name, item in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{pad}}}"
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)) and depth < 4:
        return "[\n" + ",\n".join(f"{open_pad}{_show(item, depth + 1)}" for item in value) + f"\n{pad}]"
    return json.dumps(value, ensure_ascii=False)


def write(path: Path, records: Iterable[Record]) -> None:
    """Write a baseline whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    store.write_text(path, dumps(records))
