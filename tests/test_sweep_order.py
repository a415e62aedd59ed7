"""The order of a sweep, and what it leaves when it is cut: as many processes of each network, plus or minus one."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from segbench.compare import run as compare
from segbench.compare.planning import plan
from segbench.compare.run import RECORDS, answered, answers
from segbench.job import Job, Settings
from segbench.measure.device import open_device
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import speed_of, time_frames
from segbench.places.isolate import run_isolated
from segbench.records import store
from segbench.records.record import Record

SETTINGS = Settings(device="cpu", rounds=2, environment={"torch": "2", "cpu": "test"}, module_levels=2)
NAMES = ["efrnet", "enet", "erfnet", "fpenet", "mfpnet"]
PROCESSES = 4


def jobs_of(processes: int = PROCESSES, **changes: Any) -> list[Job]:
    return plan(NAMES, [(64, 128)], 19, replace(SETTINGS, **changes), seed=3, processes=processes)


def simulated(job: Job, kind: str = "cpu") -> Record:
    """What a process on a simulated device would have measured."""
    device = SimulatedDevice(Behaviour(frame_noise=0.01), job.process.index if job.process else 0, kind=kind)
    device.name = open_device("cpu").name
    protocol = replace(job.settings.protocol(), frames=3)
    speed = speed_of(time_frames(device.launch, protocol, device), protocol, device)
    return job.blank(
        speed=speed,
        params=7 if job.settings.counts else None,
        modules=[] if job.settings.module_levels else None,
    )


def test_each_round_takes_every_network_once_in_an_order_of_its_own() -> None:
    jobs = jobs_of()
    rounds = [jobs[start : start + len(NAMES)] for start in range(0, len(jobs), len(NAMES))]
    for index, of_round in enumerate(rounds):
        assert sorted(job.model for job in of_round) == NAMES
        assert {job.process and job.process.index for job in of_round} == {index}
    assert len({tuple(job.model for job in of_round) for of_round in rounds}) > 1
    assert plan(NAMES, [(64, 128)], 19, SETTINGS, seed=4, processes=PROCESSES) != jobs


def test_a_sweep_cut_anywhere_leaves_equal_samples() -> None:
    jobs = jobs_of()
    for cut in range(len(jobs) + 1):
        counts = [Counter(job.model for job in jobs[:cut])[name] for name in NAMES]
        assert max(counts) - min(counts) <= 1


def test_the_first_process_alone_counts_and_finds_what_bounds_a_network() -> None:
    for job in jobs_of():
        assert job.process is not None
        first = job.process.index == 0
        assert (job.settings.counts, job.settings.bounds) == (first, "all" if first else "none")


def test_networks_that_are_only_counted_keep_their_order() -> None:
    assert [job.model for job in jobs_of(1, speed=False)] == NAMES


def test_a_repeat_answers_no_first_process() -> None:
    jobs = jobs_of(2)
    repeats = [simulated(job) for job in jobs if job.process and job.process.index == 1]
    found = answered(jobs, repeats)
    assert {job.process.index for job in found if job.process} == {1}
    assert len(found) == len(NAMES)


def test_what_a_budget_shortened_on_a_gpu_answers_only_where_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs_of(1)[0]
    whole = simulated(job, "cuda")
    assert whole.speed is not None
    device = SimulatedDevice()
    device.name = str(whole.speed.device_name)
    monkeypatch.setattr(compare, "open_device", lambda spec: device)
    short = replace(whole, speed=replace(whole.speed, shortened="to keep a time budget of 5 s"))
    budgeted = replace(job, settings=replace(job.settings, gpu_budget_s=5.0))
    assert [answers(record, asked) for asked in (job, budgeted) for record in (whole, short)] == [
        True,
        False,
        True,
        True,
    ]


def test_a_patch_of_the_driver_is_no_other_machine_and_a_branch_is() -> None:
    def at(driver: str) -> Job:
        job = jobs_of(1)[0]
        return replace(job, settings=replace(job.settings, environment={"driver": driver}))

    record = simulated(at("580.159.03"))
    assert answers(record, at("580.159.04"))
    assert not answers(record, at("580.160.03"))


def test_measuring_afresh_measures_the_device_s_rates_again(tmp_path: Path) -> None:
    (tmp_path / compare.RATES).write_text("{}")
    compare.sweep([], tmp_path)
    assert (tmp_path / compare.RATES).exists()
    compare.sweep([], tmp_path, fresh=True)
    assert not (tmp_path / compare.RATES).exists()


# Killed, and at a deadline.


def slowly(path: Path, job: Job) -> Record:
    time.sleep(0.01)
    record = simulated(job)
    store.append(path, record)
    return record


def sweep_in_this_process(folder: Path) -> None:
    """A sweep without the processes of its own, which are not what is killed here."""
    jobs = jobs_of()
    found = answered(jobs, compare.stored(folder))
    for job in jobs:
        if job not in found:
            slowly(folder / RECORDS, job)


@pytest.mark.slow
def test_a_sweep_killed_at_20_random_moments_leaves_equal_samples_and_ends_complete(tmp_path: Path) -> None:
    chance = random.Random(0)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            sweep_in_this_process(tmp_path)
            os._exit(0)
        time.sleep(chance.uniform(0.0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = answered(jobs_of(), compare.stored(tmp_path))
        counts = [Counter(job.model for job in found)[name] for name in NAMES]
        assert max(counts) - min(counts) <= 1
    sweep_in_this_process(tmp_path)
    assert len(store.read(tmp_path / RECORDS, tolerant=True)) == len(jobs_of())


def test_at_a_deadline_what_runs_is_ended_and_the_rest_is_not_started() -> None:
    started: list[float] = []
    begin = time.monotonic()
    # The first task starts the fork server, which takes longer than the task.
    outcomes = list(run_isolated(time.sleep, [0.0], on_start=started.append))
    outcomes += run_isolated(time.sleep, [0.01, 60.0, 0.02], deadline=time.monotonic() + 2.0, on_start=started.append)
    assert [outcome.task for outcome in outcomes] == [0.0, 0.01]
    assert started == [0.0, 0.01, 60.0]
    assert time.monotonic() - begin < 30


def test_a_sweep_past_its_deadline_measures_nothing_and_returns_what_there_is(tmp_path: Path) -> None:
    jobs = jobs_of(1)
    done = slowly(tmp_path / RECORDS, jobs[2])
    measured = compare.sweep(
        jobs, tmp_path, deadline=time.monotonic(), function=partial(slowly, tmp_path / "not-called.jsonl")
    )
    assert [record.model for record in measured] == [done.model]
    assert not (tmp_path / "not-called.jsonl").exists()
