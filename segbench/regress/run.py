"""A check against a stored baseline: with given Records, or measured now under the baseline's conditions."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.errors import RecordError, SegbenchError
from segbench.job import Job, Settings
from segbench.measure.device import open_device
from segbench.measure.record import check_settings
from segbench.records import store
from segbench.records.processes import with_timings
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, beside
from segbench.regress import sampling
from segbench.regress.judge import Outcome, compare_records
from segbench.regress.options import Options
from segbench.regress.rows import Key, collate, differing, key, label, mismatch
from segbench.regress.sampling import Say, job_for
from segbench.regress.scores import read_accuracies, require_used, with_accuracy
from segbench.regress.sizing import plan_processes
from segbench.regress.stored import Baseline


def check_records(baseline: Baseline, current: Path, options: Options, patterns: Sequence[str]) -> Outcome:
    """Compare given Records with a baseline; nothing is measured.

    Raises:
        RecordError: `current` cannot be read, or the two have no network in common.
    """
    found = collate(store.read(current), str(current))
    by_network: dict[Key, list[Record]] = {}
    for name, record in found.items():
        by_network.setdefault(name[:4], []).append(record)

    def distance(before: Record) -> int:
        return min((len(mismatch(before, after)) for after in by_network.get(key(before)[:4], [])), default=0)

    chosen, unnamed = choose(baseline.nearest(distance), patterns)
    outcome = compare_records(
        chosen,
        {name: record for name, record in found.items() if _wanted(record, patterns)},
        options,
        accuracy=True,
    )
    if not outcome.networks:
        raise RecordError(
            f"nothing to compare: the baseline has {_listed(outcome.removed)}, {current} has {_listed(outcome.added)}"
        )
    nowhere = [pattern for pattern in unnamed if not any(_wanted(record, [pattern]) for record in found.values())]
    outcome.warnings += [f"{pattern}: neither in the baseline nor in {current}" for pattern in nowhere]
    for network in outcome.networks:
        network.not_judged += _elsewhere(baseline, network.name) if network.not_judged else ""
    outcome.baseline = baseline.describe(network.before for network in outcome.networks)
    return outcome


def _elsewhere(baseline: Baseline, name: Key) -> str:
    """What machines a baseline has a network of, where it has several and none is this one."""
    machines = baseline.machines(name)
    return f"; the baseline has {', '.join(machines)}" if len(machines) > 1 else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def _wanted(record: Record, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(record.model, pattern) for pattern in patterns)


def choose(baseline: Mapping[Key, Record], patterns: Sequence[str]) -> tuple[dict[Key, Record], list[str]]:
    """The rows of a baseline that patterns name, and the patterns that name none."""
    chosen = {name: record for name, record in baseline.items() if _wanted(record, patterns)}
    models = {record.model for record in baseline.values()}
    return chosen, [pattern for pattern in patterns if not fnmatch.filter(models, pattern)]


_NOT_HERE = 1000
"""Distance of a row whose device this machine lacks: more than there are conditions."""


@dataclass(frozen=True)
class Row:
    """A row of a baseline as it is measured here.

    Attributes:
        before: the Record of this machine, or of the one that differs least.
        job: what to measure.
        refused: why its timing cannot be judged here; empty where it can, or where it has none.
    """

    before: Record
    job: Job
    refused: str


def rows_here(baseline: Baseline, options: Options, patterns: Sequence[str] = ()) -> dict[Key, Row]:
    """Of each network of a baseline the row under the conditions of this machine, found before anything is timed.

    Raises:
        BadOption: a device of another kind than the baseline's is asked for.
        DeviceError: `options.force` asks for a device that this machine does not have.
    """
    settings = check_settings(
        Settings(device="cpu", budget_s=options.budget_s, gpu_budget_s=options.gpu_budget_s, speed=False)
    )
    wanted = Baseline(
        baseline.path, {name: rows for name, rows in baseline.rows.items() if _wanted(rows[0].record, patterns)}
    )
    chosen = wanted.nearest(lambda record: _distance(record, settings, options))
    rows = {}
    for name, before in chosen.items():
        job = job_for(before, settings, options.device)
        refused = _refused(before, job, options)
        rows[name] = Row(before, job, refused + _elsewhere(baseline, name) if refused else "")
    return rows


def check_now(
    baseline: Baseline, options: Options, patterns: Sequence[str], say: Say, accuracies: Path | None = None
) -> Outcome:
    """Measure the networks of a baseline now and compare them with it.

    Resolution, classes, device, mode, precision and batch are the baseline's. A row whose network does not exist any
    more is listed as removed, a name that the baseline does not have as added.

    Args:
        baseline: what to compare with.
        options: how to judge.
        patterns: names and patterns of networks; all by default.
        say: told of progress.
        accuracies: Records of evaluations, whose mIoUs are compared too.

    Raises:
        RecordError: no row of the baseline was asked for, or none of its networks exists.
        DeviceError: `force` asks for a device that this machine does not have.
        BadOption: a device of another kind than the baseline's is asked for.
    """
    _, added = choose(baseline.newest(), patterns)
    rows = rows_here(baseline, options, patterns)
    if not rows:
        raise RecordError(f"the baseline has none of {', '.join(patterns)}: it has {_listed(baseline.models())}")
    spent: dict[Job, float] = {}
    counts = sampling.describe_all([row.job for row in rows.values()], say, options.timeout_s, spent)
    there = {name: row for name, row in rows.items() if row.job not in counts.unknown}
    removed = [label(row.before) for name, row in rows.items() if name not in there]
    if not there:
        raise RecordError(f"no network of the baseline exists any more: {_listed(removed)}")
    current = {name: counts.records[row.job] for name, row in there.items()}
    timed = [
        name
        for name, row in there.items()
        if options.speed and row.before.speed and not row.refused and not current[name].failure
    ]
    plan = plan_processes({name: [there[name].before] for name in timed}, options, stored=True)
    wanted = {there[name].job: plan.processes[name] for name in timed}
    timings = sampling.time_all(wanted, say, timeout_s=options.timeout_s, spent=spent)
    current.update({name: with_timings(current[name], timings[there[name].job]) for name in timed})
    if accuracies is not None:
        evaluated = read_accuracies(accuracies)
        require_used(evaluated, current.values(), accuracies)
        current = {name: with_accuracy(record, evaluated, there[name].before) for name, record in current.items()}
    outcome = compare_records(
        {name: row.before for name, row in there.items()},
        current,
        replace(options, speed=bool(timed)),
        accuracy=accuracies is not None,
    )
    for network in outcome.networks:
        network.seconds = spent.get(there[network.name].job, 0.0)
        refused = there[network.name].refused
        if refused and not network.failure:
            network.not_judged = refused
    outcome.baseline = baseline.describe(row.before for row in rows.values())
    outcome.warnings += plan.warnings
    outcome.removed += removed
    outcome.added += added
    outcome.refused += counts.refused.values()
    return outcome


def _distance(record: Record, settings: Settings, options: Options) -> int:
    """In how many conditions a Record's timing differs from one made here."""
    if not record.speed or not options.speed:
        return 0
    try:
        return len(differences_here(record, job_for(record, settings, options.device)))
    except SegbenchError:
        return _NOT_HERE


def differences_here(record: Record, job: Job) -> list[str]:
    """How the conditions of a Record's timing differ from those that a job will have on this machine.

    Raises:
        DeviceError: this machine lacks the job's device.
    """
    device = open_device(job.settings.device)
    then = TimingConditions.of(record)
    assert then is not None
    return differing(then, beside(record), job.conditions(device.kind, device.name), beside(job.blank()))


def _refused(record: Record, job: Job, options: Options) -> str:
    """Why a row's timing cannot be judged on this machine; empty where it can."""
    if not record.speed or not options.speed:
        return ""
    try:
        differ = differences_here(record, job)
    except SegbenchError as error:
        if options.force:
            raise
        return f"speed is not judged: the baseline's was measured on {record.speed.device}; {error}"
    if not differ or options.force:
        return ""
    return (
        f"speed is not judged under other conditions than the baseline's ({'; '.join(differ)}); --force judges all the "
        "same"
    )


def jobs_of(baseline: Baseline, patterns: Sequence[str], settings: Settings, device: str | None = None) -> list[Job]:
    """What a baseline measures, for a comparison that does not use its numbers; on `device` where its kind is the same.

    Raises:
        RecordError: the patterns name no row.
        DeviceError: this machine lacks the device of a row.
    """
    chosen, unknown = choose(baseline.newest(), patterns)
    if unknown or not chosen:
        raise RecordError(f"the baseline has none of {', '.join(unknown)}: it has {_listed(baseline.models())}")
    plain = check_settings(replace(settings, device="cpu"))
    return [
        replace(job, settings=check_settings(replace(job.settings, speed=job.settings.speed and settings.speed)))
        for job in (job_for(record, plain, device) for record in chosen.values())
    ]
