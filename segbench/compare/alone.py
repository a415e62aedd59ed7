"""Whether timings on several GPUs at once disturb one another: one network alone, then beside itself on all of them.

The lightest network of a comparison waits most for the host that all GPUs share. It is timed in three processes on the
first GPU while the others are idle, and in three more while every other GPU times it too. Where the two 95 % intervals
do not meet, no timing of the comparison is that of a GPU alone, and every Record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from segbench.compare.gpu_places import GpuPlaces
from segbench.compare.run import ALONE, answers, measure, measure_and_keep
from segbench.compare.sharding import predicted_cost
from segbench.job import Job
from segbench.places.loop import run_at
from segbench.records import store
from segbench.records.processes import one_number
from segbench.records.record import Record
from segbench.records.results import Process, Run
from segbench.resolution import show

PROCESSES = 3


def check_alone(
    jobs: Sequence[Job],
    places: GpuPlaces,
    folder: Path,
    timeout_s: float,
    function: Callable[[Job], Record] = measure,
) -> str:
    """Time the lightest network alone and beside others; the samples are kept in ``folder/alone.ndjson``.

    Args:
        jobs: what is to be timed.
        places: at least two GPUs. `places.warning` becomes what is returned.
        folder: of the comparison. What an earlier call found there, with as many GPUs, is not found again.
        timeout_s: longest time for a process.
        function: `measure`, or what a test puts in its place.

    Returns:
        One line where they disagree, or where the network could not be timed; empty where they agree.
    """
    path = folder / ALONE
    lightest = min(jobs, key=predicted_cost)
    settings = replace(lightest.settings, counts=False, waterfall=False, optimize=False, module_levels=0, bounds="none")
    lightest = replace(lightest, settings=settings)
    first, others = places.now()[0], len(places.now()) - 1
    samples = {}
    # What a process imports first would load the host while another is timed.
    list(run_at(places, _nothing, [lightest] * len(places.now()), timeout_s=timeout_s))
    for beside, taken in ((0, places.only(first)), (others, places)):
        here = Run(place=first.name, beside=beside)
        found = _kept(path, lightest, here, places)
        wanted = range(len(found), PROCESSES)
        tasks = [
            replace(lightest, process=Process(index=index, of=PROCESSES), run=None if beside else here)
            for index in wanted
            for _ in range(beside + 1)
        ]
        keep = partial(measure_and_keep, path, function)
        outcomes = list(run_at(taken, keep, tasks, timeout_s=timeout_s))
        failures = [
            str(outcome.failure or outcome.result.failure)
            for outcome in outcomes
            if outcome.failure or outcome.result.failure
        ]
        samples[beside] = _kept(path, lightest, here, places)
        if len(samples[beside]) < 2:
            reason = failures[0] if failures else "too few processes ended well"
            places.warning = f"whether timings beside others are those of a GPU alone is not known: {reason}"
            return places.warning
    places.warning = _judge(samples[0], samples[others], lightest, others)
    return places.warning


def _nothing(job: Job) -> None:
    """Starts the process of a place."""


def _kept(path: Path, job: Job, run: Run, places: GpuPlaces) -> list[Record]:
    """The samples of a file that were taken on the first GPU beside so many others."""
    known: Iterable[Record] = store.read(path, tolerant=True) if path.exists() else ()
    kinds = places.kinds()
    return [
        record
        for record in known
        if record.run
        and (record.run.place, record.run.beside) == (run.place, run.beside)
        and answers(record, job, kinds)
    ]


def _judge(alone: Sequence[Record], beside: Sequence[Record], job: Job, others: int) -> str:
    both = [one_number(records).speed for records in (alone, beside)]
    one, other = both
    assert one is not None and other is not None
    if one.fps_ci95 is None or other.fps_ci95 is None:
        return ""
    if one.fps_ci95[0] <= other.fps_ci95[1] and other.fps_ci95[0] <= one.fps_ci95[1]:
        return ""
    texts = [
        f"{speed.fps:.4g} FPS ({speed.fps_ci95[0]:.4g} to {speed.fps_ci95[1]:.4g})"
        for speed in (one, other)
        if speed.fps_ci95
    ]
    return (
        f"GPUs disturb one another: {job.model} {show(job.resolution)} has {texts[0]} alone and {texts[1]} beside "
        f"{others} other GPU{'s' * (others > 1)}: time fewer at once"
    )
