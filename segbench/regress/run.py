"""A check against a stored baseline: with given Records, or measured now under the baseline's conditions."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segbench import store
from segbench.conditions import TimingConditions, beside
from segbench.errors import RecordError, SegbenchError
from segbench.job import Job, Settings
from segbench.measure.device import open_device
from segbench.measure.record import check_settings
from segbench.record import Record
from segbench.regress import sampling
from segbench.regress.judge import Outcome, compare_records
from segbench.regress.measuring import Options, Sides, measure_twice
from segbench.regress.rows import Key, collate, differing, label
from segbench.regress.sampling import Say, job_for


def read_baseline(path: Path) -> dict[Key, Record]:
    """The rows of a baseline.

    Raises:
        RecordError: missing, empty, truncated, of a newer schema, or with duplicate rows.
    """
    if not path.exists():
        raise RecordError(
            f"there is no baseline {path}: `segbench baseline save MODEL... --baseline {path}` writes one"
        )
    return collate(store.read(path), str(path))


def check_records(baseline: Mapping[Key, Record], current: Path, options: Options, patterns: Sequence[str]) -> Outcome:
    """Compare given Records with a baseline; nothing is measured, so there is one look.

    Raises:
        RecordError: `current` cannot be read, or the two have no network in common.
    """
    found = collate(store.read(current), str(current))
    chosen, _ = choose(baseline, patterns)
    outcome = compare_records(
        chosen,
        {name: record for name, record in found.items() if _wanted(record, patterns)},
        min_effect=options.min_effect,
        force=options.force,
        strict=options.strict,
        speed=options.speed,
        accuracy=True,
    )
    if not outcome.networks:
        raise RecordError(
            f"nothing to compare: the baseline has {_listed(outcome.removed)}, {current} has {_listed(outcome.added)}"
        )
    return outcome


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def _wanted(record: Record, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(record.model, pattern) for pattern in patterns)


def choose(baseline: Mapping[Key, Record], patterns: Sequence[str]) -> tuple[dict[Key, Record], list[str]]:
    """The rows of a baseline that patterns name, and the patterns that name none."""
    chosen = {name: record for name, record in baseline.items() if _wanted(record, patterns)}
    models = {record.model for record in baseline.values()}
    return chosen, [pattern for pattern in patterns if not fnmatch.filter(models, pattern)]


def check_now(baseline: Mapping[Key, Record], options: Options, patterns: Sequence[str], say: Say) -> Outcome:
    """Measure the networks of a baseline now and compare them with it.

    Resolution, classes, device, mode, precision and batch are the baseline's. A row whose network does not exist any
    more is listed as removed, a name that the baseline does not have as added.

    Raises:
        RecordError: no row of the baseline was asked for, or none of its networks exists.
        DeviceError: `force` asks for a device that this machine does not have.
        BadOption: a device of another kind than the baseline's is asked for.
    """
    chosen, added = choose(baseline, patterns)
    if not chosen:
        names = sorted({record.model for record in baseline.values()})
        raise RecordError(f"the baseline has none of {', '.join(patterns)}: it has {_listed(names)}")
    settings = check_settings(
        Settings(device="cpu", budget_s=options.budget_s, gpu_budget_s=options.gpu_budget_s, speed=False)
    )
    jobs = {name: job_for(record, settings, options.device) for name, record in chosen.items()}
    counts = sampling.describe_all(list(jobs.values()), say, options.timeout_s)
    found = {name: counts.records[job] for name, job in jobs.items()}
    removed = [name for name, job in jobs.items() if job in counts.unknown]
    if len(removed) == len(found):
        raise RecordError(f"no network of the baseline exists any more: {_listed([label(chosen[n]) for n in removed])}")
    there = {name: record for name, record in chosen.items() if name not in removed}
    refused = _refused(there, jobs, options)
    timed = [
        name
        for name in there
        if options.speed and there[name].speed and name not in refused and not found[name].failure
    ]

    def measure(names: Sequence[Key], look: int) -> Sides:
        wanted = options.processes * (sampling.GROWTH_ONE if look else 1)
        timings = sampling.time_all([jobs[name] for name in names], wanted, say, look, options.timeout_s)
        return {}, {name: timings[jobs[name]] for name in names}

    outcome = measure_twice(there, {name: found[name] for name in there}, timed, measure, options)
    for network in outcome.networks:
        if network.name in refused and not network.failure:
            network.not_judged = refused[network.name]
    outcome.removed += [label(chosen[name]) for name in removed]
    outcome.added += added
    outcome.refused += counts.refused.values()
    return outcome


def _refused(there: Mapping[Key, Record], jobs: Mapping[Key, Job], options: Options) -> dict[Key, str]:
    """Rows whose timings cannot be judged on this machine, with the reason; found out before anything is timed."""
    refused: dict[Key, str] = {}
    for name, record in there.items():
        if not record.speed or not options.speed:
            continue
        settings = jobs[name].settings
        try:
            device = open_device(settings.device)
        except SegbenchError as error:
            if options.force:
                raise
            refused[name] = f"speed is not judged: the baseline's was measured on {record.speed.device}; {error}"
            continue
        then = TimingConditions.of(record)
        here = jobs[name].conditions(device.kind, device.name)
        assert then is not None
        differ = differing(then, beside(record), here, beside(jobs[name].blank()))
        if differ and not options.force:
            refused[name] = (
                f"speed is not judged under other conditions than the baseline's ({'; '.join(differ)}); "
                "--force judges all the same"
            )
    return refused


def jobs_of(
    baseline: Mapping[Key, Record], patterns: Sequence[str], settings: Settings, device: str | None = None
) -> list[Job]:
    """What a baseline measures, for a comparison that does not use its numbers; on `device` where its kind is the same.

    Raises:
        RecordError: the patterns name no row.
        DeviceError: this machine lacks the device of a row.
    """
    chosen, unknown = choose(baseline, patterns)
    if unknown or not chosen:
        names = sorted({record.model for record in baseline.values()})
        raise RecordError(f"the baseline has none of {', '.join(unknown)}: it has {_listed(names)}")
    plain = check_settings(replace(settings, device="cpu"))
    return [
        replace(job, settings=check_settings(replace(job.settings, speed=job.settings.speed and settings.speed)))
        for job in (job_for(record, plain, device) for record in chosen.values())
    ]
