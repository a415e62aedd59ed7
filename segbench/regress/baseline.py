"""Baselines: Records that are kept in the repository and reviewed like code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from segbench import files
from segbench.catalog import match
from segbench.errors import BadOption, FactoryError, RecordError
from segbench.job import Job, Settings
from segbench.measure.record import check_settings
from segbench.measure.subject import resolve
from segbench.records import store
from segbench.records.processes import with_timings, without_frames
from segbench.records.record import Record
from segbench.records.results import Telemetry
from segbench.regress import sampling
from segbench.regress.acceptance import Failing
from segbench.regress.difference import unsigned
from segbench.regress.judge import Outcome, compare_records, costs
from segbench.regress.options import Options
from segbench.regress.render import sentence, where
from segbench.regress.rows import by_machine, label
from segbench.regress.run import choose, differences_here, rows_here
from segbench.regress.sampling import Say
from segbench.regress.scores import read_accuracies, require_used, with_accuracy, with_tolerance
from segbench.regress.sizing import plan_processes
from segbench.regress.stored import Baseline
from segbench.regress.verdicts import SAME, noise_floor
from segbench.resolution import show
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
        timings = sampling.time_all(dict.fromkeys(timed, options.processes), say, timeout_s=options.timeout_s)
        first = {job: with_timings(records[job], timings[job]) for job in timed}
        steady = [job for job in timed if not first[job].failure]
        plan = plan_processes({(job,): [first[job]] for job in steady}, options, stored=False)
        more = {job: plan.processes[job,] - options.processes for job in steady}
        for job, further in sampling.time_all(more, say, 1, options.timeout_s).items():
            timings[job] += further
        records.update({job: with_timings(records[job], timings[job]) for job in timed})
    return records


def unsigned_in(records: Iterable[Record]) -> list[str]:
    """Networks of which no signature could be taken, a line each, with the reason."""
    return [f"{label(record)}: no logits to compare later: {why}" for record in records if (why := unsigned(record))]


def failures(records: Iterable[Record]) -> list[str]:
    """Which networks could not be measured, and why: a line each."""
    return [f"{label(record)} failed: {record.failure}" for record in records if record.failure]


def require_absent(path: Path, jobs: Sequence[Job]) -> None:
    """Refuse to add rows that a baseline's file has, before anything is measured.

    Raises:
        BadOption: it has a network of the same size on this machine.
        RecordError: it cannot be read.
    """
    for record in store.read(path):
        for job in jobs:
            same = (record.model, record.resolution, record.batch) == (job.model, job.resolution, job.settings.batch)
            if not same or job.classes not in (None, record.classes) or bool(record.speed) != job.settings.speed:
                continue
            if not record.speed or not differences_here(record, job):
                raise BadOption(
                    f"{path} has {label(record)} of this machine: `segbench baseline update` measures it again"
                )


def require_new(path: Path) -> None:
    """Refuse to save over a baseline, before anything is measured.

    Raises:
        BadOption: the file exists.
        OutputError: its folder cannot be written.
    """
    files.require_writable_file(path)
    if path.exists():
        raise BadOption(
            f"{path} exists: `segbench baseline update` shows what would change and asks; --add adds to its rows; or "
            "name another"
        )


def from_records(path: Path) -> list[Record]:
    """Records of a file as rows of a baseline, each mIoU with the change of it that is none.

    Raises:
        RecordError: the file cannot be read, has one network twice under the same conditions, or a failed measurement.
    """
    records = _of_all_machines(store.read(path), str(path))
    if failed := failures(records):
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise RecordError(f"no baseline is written: {failed[0]}{more}")
    return [with_tolerance(record) for record in records]


def with_scores(records: Sequence[Record], path: Path) -> list[Record]:
    """Measured Records with the mIoUs of evaluations.

    Raises:
        RecordError: the evaluations cannot be read, or are of none of these networks.
    """
    evaluated = read_accuracies(path)
    require_used(evaluated, records, path)
    return [with_tolerance(with_accuracy(record, evaluated)) for record in records]


def added_to(path: Path, records: Sequence[Record]) -> list[Record]:
    """All rows of a baseline's file with new ones: of other networks, conditions or machines.

    Raises:
        RecordError: the file has one of them already.
    """
    return _of_all_machines([*store.read(path), *records], f"{path} with what is added")


def _of_all_machines(records: Iterable[Record], where: str) -> list[Record]:
    """Each row once, its processes one number; errors as `by_machine`."""
    return [record for group in by_machine(records, where).values() for record in group]


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
    old: Baseline,
    models: Sequence[str],
    conditions: tuple[Sequence[tuple[int, int]], int | None],
    options: Options,
    say: Say,
) -> Change:
    """Measure rows of a baseline again, and networks that it does not have yet.

    Of a network with rows of several machines the one of this machine is measured, or the one that differs least.

    Args:
        old: the baseline.
        models: names and patterns; all rows by default. What names no row is a new network.
        conditions: sizes and classes of new networks; device, mode, precision and batch are those of the first row.
        options: how many processes, and their time limit.
        say: told of progress.

    Raises:
        BadOption: the baseline is a folder.
        FactoryError: a network of the user's own cannot be imported or built.
        DeviceError: this machine lacks the device that the baseline was timed on.
    """
    if old.path.is_dir():
        raise BadOption(f"{old.path} is a folder of baselines: name the file to update")
    _, new = choose(old.newest(), models)
    rows = {} if models and len(new) == len(models) else rows_here(old, options, models)
    jobs = {name: replace(row.job, settings=check_settings(row.job.settings)) for name, row in rows.items()}
    plain = check_settings(
        Settings(device="cpu", budget_s=options.budget_s, gpu_budget_s=options.gpu_budget_s, speed=False)
    )
    first = check_settings(plain.under_conditions_of(next(iter(old.newest().values()))))
    further = jobs_for(new, *conditions, first) if new else []
    counts = sampling.describe_all([*jobs.values(), *further], say, options.timeout_s)
    gone = [name for name, job in jobs.items() if job in counts.unknown]
    there = {name: job for name, job in jobs.items() if name not in gone}
    measured = measure([*there.values(), *further], options, say, counts)
    current = {name: measured[job] for name, job in there.items() if not measured[job].failure}
    added = [measured[job] for job in further if not measured[job].failure]
    before = {name: row.before for name, row in rows.items() if name in current or name in gone}
    outcome = compare_records(before, current, replace(options, force=True))
    replaced = {id(record): current.get(name) for name, record in before.items()}
    kept = (replaced.get(id(record), record) for record in old.records())
    records = _of_all_machines(filter(None, (*kept, *added)), "the new baseline")
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


def rows(baseline: Baseline) -> list[Row]:
    """A baseline for a table."""
    found = []
    for record in baseline.records():
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


def write_accepted(baseline: Baseline, accepted: Iterable[Failing]) -> list[Path]:
    """Write the files of a baseline of which rows have new acceptances.

    Returns:
        The files.

    Raises:
        BadOption: a file holds more than a baseline keeps, which would be lost.
        OutputError: a file cannot be written.
    """
    changed = {id(item.network.before) for item in accepted}
    rows = [row for group in baseline.rows.values() for row in group]
    paths = list(dict.fromkeys(row.file for row in rows if id(row.record) in changed))
    for row in rows:
        if row.file in paths and row.record.speed and row.record.speed.rounds_ms:
            raise BadOption(
                f"{row.file} holds single frames, which a baseline does not keep: "
                f"`segbench baseline save --from {row.file} -b FILE` writes one that can say what is accepted"
            )
    for path in paths:
        write(path, [row.record for row in rows if row.file == path])
    return paths
