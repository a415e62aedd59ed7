"""Places that take jobs: none idle while a job waits, none with two, and a lost job is tried once more elsewhere."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from segbench.catalog import list_models
from segbench.compare import run as comparison
from segbench.compare.alone import check_alone
from segbench.compare.gpu_places import chosen_gpus
from segbench.compare.planning import plan
from segbench.job import Job, Settings
from segbench.measure import cores
from segbench.measure.cores import shared_out
from segbench.measure.simulated import Behaviour
from segbench.places.hosts import Host, HostPlace
from segbench.places.isolate import run_isolated
from segbench.places.loop import News, Outcome, Place, Places, Running, Task, run_at
from segbench.records import store
from segbench.records.record import Record
from segbench.report.gather import read_all
from tests.conftest import Answer
from tests.hosted import act
from tests.processes import alive, wait_for
from tests.simulated_places import ENVIRONMENT, SimulatedGpus

SETTINGS = Settings(device="cuda", environment=ENVIRONMENT)


def seconds(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def swept(gpus: SimulatedGpus, jobs: Sequence[Job], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """A sweep on simulated GPUs, whose Records are stamped by the simulated clock."""
    monkeypatch.setattr(comparison, "time", gpus)
    return comparison.sweep(
        jobs,
        folder,
        function=gpus.measure,
        places=gpus,
        kinds=gpus.kinds(),
        before=lambda pending: check_alone(pending, gpus, folder, 600.0, gpus.measure),  # type: ignore[arg-type]
    )


# Eight simulated GPUs.


def test_no_device_is_idle_while_a_job_waits_and_none_has_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    lengths = {name: chance.uniform(1.0, 60.0) for name in list_models()[:40]}
    gpus = SimulatedGpus(8, lambda job, others: Behaviour(frame_ms=lengths[job.model]))
    monkeypatch.setattr(comparison, "time", gpus)
    jobs = plan(list(lengths), [], 19, SETTINGS, nearest=True)
    records = comparison.sweep(jobs, tmp_path, function=gpus.measure, places=gpus, kinds=gpus.kinds())
    assert sorted(record.model for record in records) == sorted(lengths)
    assert [record.failure for record in records] == [None] * 40

    runs: dict[str, list[tuple[float, float]]] = {}
    for record in store.read(tmp_path / comparison.RECORDS):
        assert record.run is not None and record.run.place is not None and record.run.beside == 7
        runs.setdefault(record.run.place, []).append((seconds(record.run.started), seconds(record.run.ended)))
    assert sorted(runs) == [f"GPU {number}" for number in range(8)]
    begin = min(start for place in runs.values() for start, _ in place)
    last_start = max(start for place in runs.values() for start, _ in place)
    for place in map(sorted, runs.values()):
        assert place[0][0] == begin
        # One begins in the millisecond in which the one before it ends: neither idle nor two at once.
        assert all(before[1] == after[0] for before, after in pairwise(place))
        assert place[-1][1] >= last_start
    assert len({round(end - start, 3) for place in runs.values() for start, end in place}) > 30
    # A call that follows measures nothing.
    again = comparison.sweep(jobs, tmp_path, function=gpus.measure, places=gpus, kinds=gpus.kinds())
    assert again == records


@pytest.mark.parametrize(("slower", "warned"), [(1.0, False), (1.2, True)])
def test_a_network_is_timed_alone_and_beside_others_once(
    slower: float, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def behaviour(job: Job, others: int) -> Behaviour:
        return Behaviour(frame_ms=5.0 * (slower if others else 1.0), process_noise=0.01, frame_noise=0.01)

    gpus = SimulatedGpus(4, behaviour)
    jobs = plan(["erfnet", "enet", "efrnet"], [(64, 128)], 19, SETTINGS)
    records = swept(gpus, jobs, tmp_path, monkeypatch)
    samples = store.read(tmp_path / comparison.ALONE)
    assert len({record.model for record in samples}) == 1
    on_first = [record.run.beside for record in samples if record.run and record.run.place == "GPU 0"]
    assert on_first.count(0) == 3 and on_first.count(3) >= 2
    warnings = [warning for record in records if record.speed for warning in record.speed.warnings]
    told = [warning for warning in warnings if warning.startswith("GPUs disturb one another: ")]
    assert len(told) == (len(jobs) if warned else 0)
    assert bool(gpus.warning) is warned
    # They are no result: a report of the folder leaves them out.
    assert len(read_all([tmp_path])) == len(jobs)
    # A later call takes the samples that there are.
    (tmp_path / comparison.RECORDS).unlink()
    swept(SimulatedGpus(4, behaviour), jobs, tmp_path, monkeypatch)
    assert store.read(tmp_path / comparison.ALONE) == samples


def test_cores_are_shared_out_and_no_two_processes_have_one_core_where_there_are_enough() -> None:
    threads = [(core, core + 8) for core in range(8)]
    assert shared_out(threads, 4) == ["0,1", "2,3", "4,5", "6,7"]
    # Both threads of a core of its own.
    assert shared_out(threads, 8) == ["0,8", "1,9", "2,10", "3,11", "4,12", "5,13", "6,14", "7,15"]
    assert shared_out(threads, 9) is None
    assert shared_out([], 2) is None


def test_threads_of_one_core_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 8, 9}, raising=False)
    monkeypatch.setattr(cores, "_siblings", lambda thread: {thread % 8, thread % 8 + 8})
    assert cores.physical_cores() == [(0, 8), (1, 9), (2,)]


# Places that vanish.


class Vanishing(Places):
    """Places of which some vanish with their tasks; its clock moves only where the loop waits."""

    def __init__(self, *names: str) -> None:
        super().__init__([Unsteady(name) for name in names])
        self._now = 0.0
        self.there = list(names)

    def now(self) -> Sequence[Place]:
        return [place for place in self._places if place.name in self.there]

    def clock(self) -> float:
        return self._now

    def wait(self, running: Sequence[Running[Any]], seconds: float) -> None:
        self._now += min(seconds, 1.0)

    def why_none(self) -> str:
        return "nobody is there"


class Unsteady(Place):
    """Loses every task if its name says so."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, function: Callable[[Task], Any], task: Task, timeout_s: float) -> Running[Task]:
        if self.name == "broken":
            raise OSError("no room")
        return Ended(task, function(task), "lost" in self.name)


class Ended(Running[Task]):
    """Has ended as soon as it began."""

    def __init__(self, task: Task, result: Any, lost: bool) -> None:
        self.task, self._result, self._lost = task, result, lost

    def collect(self, on_news: News[Task] | None) -> Outcome[Task] | None:
        reason = "it is gone" if self._lost else None
        return Outcome(self.task, None if self._lost else self._result, reason, 0.0, lost=self._lost)

    def end(self) -> None:
        raise AssertionError("nothing runs any more")


def test_a_lost_task_is_tried_once_more_elsewhere() -> None:
    outcomes = list(run_at(Vanishing("lost one", "two"), str, [1, 2, 3]))
    assert sorted(str(outcome.result) for outcome in outcomes) == ["1", "2", "3"]
    assert [outcome.failure for outcome in outcomes] == [None] * 3


def test_a_task_that_is_lost_twice_has_failed() -> None:
    (outcome,) = run_at(Vanishing("lost one", "lost two", "lost three"), str, [1])
    assert outcome.failure == "lost twice, with lost one and lost two: it is gone"


def test_what_no_place_takes_has_failed_after_the_time_limit() -> None:
    places = Vanishing("one")
    places.there = []
    assert [outcome.failure for outcome in run_at(places, str, [1, 2], timeout_s=30)] == ["nobody is there"] * 2
    assert places.clock() == pytest.approx(30)
    # Nor does the only place that is left get what it has lost.
    (outcome,) = run_at(Vanishing("lost one"), str, [1], timeout_s=30)
    assert outcome.failure == "nobody is there"


def test_a_place_where_no_process_starts_fails_its_tasks_at_once() -> None:
    places = Vanishing("broken")
    assert [outcome.failure for outcome in run_at(places, str, [1, 2])] == ["no process could be started: no room"] * 2
    assert places.clock() == 0


# Hosts: processes that see one GPU.


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    found = [Host({"CUDA_VISIBLE_DEVICES": number}) for number in "35"]
    yield found
    for host in found:
        host.close()


@pytest.mark.slow
def test_each_host_sees_its_gpu_and_what_happens_to_a_task_is_its_row(hosts: list[Host]) -> None:
    places = Places([HostPlace(f"GPU {number}", host) for number, host in zip("35", hosts, strict=True)])
    outcomes = {
        outcome.task: outcome
        for outcome in run_isolated(act, ["a", "b", "die", "hang", "c"], places=places, timeout_s=2)
    }
    assert {outcomes[name].result[0] for name in "abc"} == {"3", "5"}
    assert "SIGKILL" in str(outcomes["die"].failure)
    assert outcomes["hang"].failure == "timed out after 2 s"
    # The process of a GPU outlives what it starts.
    assert len({outcomes[name].result for name in "abc"}) == 2


@pytest.mark.slow
def test_a_host_that_is_killed_twice_costs_the_task_and_no_other(hosts: list[Host]) -> None:
    places = Places([HostPlace(f"GPU {number}", host) for number, host in zip("35", hosts, strict=True)])
    outcomes = {outcome.task: outcome for outcome in run_isolated(act, ["kill host", "a", "b"], places=places)}
    assert str(outcomes["kill host"].failure).startswith("lost twice, with GPU ")
    assert {outcomes[name].failure for name in "ab"} == {None}


@pytest.mark.slow
def test_what_a_host_runs_ends_with_it(hosts: list[Host], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    hosts[0].ask(act, str(pid_file), 60)
    wait_for(lambda: pid_file.exists() and bool(pid_file.read_text()))
    hosts[0].close()
    wait_for(lambda: not alive(int(pid_file.read_text())))


# The command line.


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--gpus", "0,1"), "is not available"),
        (("--gpus", "0,x"), "--gpus takes all, or numbers as in 0,1,2,3: 0,x given"),
        (("--gpus", "1,,2"), "--gpus takes all, or numbers as in 0,1,2,3: 1,,2 given"),
        (("--gpus", "all", "--no-speed"), "--gpus times networks: give it without --no-speed"),
        (("--gpus", "all", "--device", "cpu"), "--gpus takes the place of --device: give it without --device cpu"),
    ],
)
def test_bad_gpus_are_refused(
    segbench_cli: Callable[..., Answer], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    answer = segbench_cli("compare", "enet", *arguments, "--out", tmp_path / "out")
    assert answer.status == 2
    assert told in answer.err
    assert len(answer.err.strip().splitlines()) <= 2
    assert not (tmp_path / "out").exists()


def test_gpus_that_this_machine_lacks_or_that_are_named_twice_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.compare.gpu_places.open_device", lambda spec: None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert chosen_gpus([]) == [0, 1, 2, 3]
    assert chosen_gpus([2, 0]) == [2, 0]
    for numbers, told in (([0, 4], "GPU 0 to 3, 4 in all"), ([1, 1], "names GPU 1 twice")):
        with pytest.raises(ValueError, match=told):
            chosen_gpus(numbers)
