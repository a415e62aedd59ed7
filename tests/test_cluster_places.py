"""The workers of a cluster, told apart and chosen; a stand-in for Dask's client keeps them in this process."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.compare import run as comparison
from segbench.compare import scheduler
from segbench.compare.cluster import ClusterPlaces
from segbench.compare.planning import plan
from segbench.compare.scheduler import ClusterError, connect, matches, parse_require
from segbench.errors import BadOption, UnknownName
from segbench.job import Job, Settings
from segbench.measure.survey import Facts, survey
from segbench.places.cluster_worker import in_host, leave
from segbench.places.loop import run_at
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import ModuleRow, Speed
from segbench.version import __version__
from tests.conftest import Answer

Cli = Callable[..., Answer]
H100, A100 = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"
ENVIRONMENT: dict[str, Any] = {"torch": "2.13.0+cu130", "cuda": "13.0", "driver": "580.159.03", "cpu": "Xeon"}
CORES: list[tuple[int, ...]] = [(core, core + 8) for core in range(8)]


def facts(name: str = H100, **environment: Any) -> Facts:
    return Facts("cpu" if "CPU" in name else "cuda", name, {**ENVIRONMENT, **environment}, CORES)


class Future:
    """What a task gives; nothing before it is set."""

    def __init__(
        self, key: str, worker: str, arguments: tuple[Any, ...], resources: Mapping[str, float] | None
    ) -> None:
        self.key, self.worker, self.arguments, self.resources = key, worker, arguments, resources
        self.cancelled = False
        self._value: Any = None
        self._done = threading.Event()

    def set(self, value: Any) -> None:
        self._value = value
        self._done.set()

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """The loop looks by itself too."""

    def done(self) -> bool:
        return self._done.is_set()

    def result(self, timeout: float) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value

    def cancel(self) -> None:
        self.cancelled = True


class Client:
    """The part of Dask's client that segbench uses.

    Attributes:
        workers: what each address says of itself.
        measured: the jobs that were run, by address.
        on_job: called as a job is to be run on a worker; what it returns is the answer, None for that of a measurement.
    """

    def __init__(self, **workers: Facts) -> None:
        self.workers = {address(name): facts for name, facts in workers.items()}
        self.versions = dict.fromkeys(self.workers, __version__)
        self.resources: dict[str, dict[str, float]] = {}
        self.measured: list[tuple[str, Job, Mapping[str, float] | None]] = []
        self.left: list[str] = []
        self.futures: list[Future] = []
        self.on_job: Callable[[Future, Job], Any] = lambda future, job: None
        self.closed = False

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def run(self, function: Callable[..., Any], *arguments: Any, workers: Sequence[str], on_error: str) -> Any:
        if function is eval:
            return {worker: self.versions.get(worker, __version__) for worker in workers}
        assert function is leave
        self.left += workers
        return {}

    def submit(self, function: Any, *arguments: Any, workers: Sequence[str], **how: Any) -> Future:
        assert how["allow_other_workers"] is False and how["pure"] is False
        (worker,) = workers
        future = Future(how["key"], worker, arguments, how["resources"])
        self.futures.append(future)
        called, task = pickle.loads(arguments[1])
        if called is survey:
            told = self.workers[worker]
            future.set(((told, None, 0.1, False), self.resources.get(worker, {"GPU": 1.0})))
            return future
        assert function is in_host
        # Nothing is written there, and the device is checked there.
        assert called is str or called.args == (None, comparison.measure_elsewhere)
        self.measured.append((worker, task, how["resources"]))
        answer = self.on_job(future, task)
        if answer is None:
            answer = measured(task, self.workers[worker]), None, 0.1, False
        if answer != "never":
            future.set(answer)
        return future

    def close(self, timeout: float) -> None:
        self.closed = True


def address(name: str) -> str:
    """``a1`` is the first worker on machine a."""
    return f"tcp://{name[0]}:{name[1:]}"


def measured(job: Job, told: Facts) -> Record:
    speed = Speed(mode="forward", device=told.device, device_name=told.device_name, precision="fp32", batch=1, fps=50.0)
    modules: list[ModuleRow] | None = [] if job.settings.module_levels else None
    return job.blank(params=7, speed=speed if job.settings.speed else None, modules=modules, run=job.run)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ClusterPlaces, "poll_s", 0.01)
    yield


NAMES = ["efrnet", "enet", "erfnet", "mfpnet"]


def jobs_of(**settings: Any) -> list[Job]:
    return plan(NAMES, [(64, 128)], 19, Settings(**{"device": "cuda", **settings}))


def places_of(
    client: Client, require: Sequence[str] = (), *, allow_mixed: bool = False, **settings: Any
) -> ClusterPlaces:
    wanted = parse_require(require)
    return ClusterPlaces(client, Settings(**{"device": "cuda", **settings}), wanted, allow_mixed=allow_mixed)


def swept(client: Client, folder: Path, require: Sequence[str] = (), **settings: Any) -> list[Record]:
    places = places_of(client, require, **settings)
    places.ready(5)
    return comparison.sweep(jobs_of(**settings), folder, places=places, kinds=places.kinds(), timeout_s=0.2)


def test_every_network_is_measured_once_and_written_here(tmp_path: Path) -> None:
    client = Client(a1=facts(), a2=facts(), b1=facts())
    records = swept(client, tmp_path)
    assert sorted(record.model for record in records) == sorted(NAMES)
    stored = store.read(tmp_path / comparison.RECORDS)
    assert sorted(record.model for record in stored) == sorted(NAMES)
    assert len(client.measured) == 4
    # No address is in a Record.
    assert {record.run.place for record in stored if record.run} <= {"worker 1", "worker 2", "worker 3"}
    assert "tcp://" not in (tmp_path / comparison.RECORDS).read_text()
    # A call that follows measures nothing.
    assert swept(client, tmp_path) == records
    assert len(client.measured) == 4


def test_gpus_are_asked_for_only_where_something_is_timed_on_them(tmp_path: Path) -> None:
    timing, counting, on_cpu = Client(a1=facts()), Client(a1=facts()), Client(a1=facts("CPU"), a2=facts("CPU"))
    swept(timing, tmp_path / "timing")
    swept(counting, tmp_path / "counting", speed=False)
    swept(on_cpu, tmp_path / "cpu", device="cpu")
    assert {str(resources) for _, _, resources in timing.measured} == {"{'GPU': 1}"}
    assert {resources for _, _, resources in counting.measured} == {None}
    assert {resources for _, _, resources in on_cpu.measured} == {None}
    # Two timings on one processor would disturb each other.
    assert len({worker for worker, _, _ in on_cpu.measured}) == 1


def test_workers_of_one_machine_keep_to_cores_of_their_own(tmp_path: Path) -> None:
    client = Client(a1=facts(), a2=facts(), b1=facts())
    swept(client, tmp_path)
    kept = {worker: job.settings.environment["pinned_cores"] for worker, job, _ in client.measured}
    assert kept == {"tcp://a:1": "0,1", "tcp://a:2": "2,3", "tcp://b:1": "0,1"}
    assert {worker: job.run and job.run.beside for worker, job, _ in client.measured} == {
        "tcp://a:1": 1,
        "tcp://a:2": 1,
        "tcp://b:1": 0,
    }


def test_workers_of_unlike_kinds_are_refused_chosen_or_told_apart(tmp_path: Path) -> None:
    client = Client(a1=facts(), b1=facts(A100), c1=facts(torch="2.12.0"))
    with pytest.raises(BadOption, match=r"several kinds \(2 with NVIDIA H100.*they differ in torch\).*--require"):
        places_of(client).ready(5)
    swept(client, tmp_path / "chosen", ["device_name=NVIDIA H100", "torch=2.13"])
    assert {worker for worker, _, _ in client.measured} == {"tcp://a:1"}
    client.measured.clear()
    places = places_of(client, allow_mixed=True)
    places.ready(5)
    records = comparison.sweep(jobs_of(), tmp_path / "mixed", places=places, kinds=places.kinds())
    assert {worker for worker, _, _ in client.measured} == {"tcp://a:1", "tcp://b:1", "tcp://c:1"}
    assert len(comparison.mixed(records)) == 2


def test_a_worker_of_another_kind_that_comes_later_takes_no_job(tmp_path: Path) -> None:
    client = Client(a1=facts())
    places = places_of(client)
    places.ready(5)
    client.workers["tcp://b:1"] = facts(A100)
    client.workers["tcp://c:1"] = facts()
    comparison.sweep(jobs_of(), tmp_path, places=places, kinds=places.kinds())
    assert {worker for worker, _, _ in client.measured} == {"tcp://a:1", "tcp://c:1"}


@pytest.mark.parametrize(
    ("told", "wanted", "expected"),
    [
        (H100, "NVIDIA H100", True),
        (H100, "nvidia h100 80gb hbm3", True),
        (H100, "NVIDIA H10", False),
        ("NVIDIA A100", "NVIDIA A10", False),
        ("2.13.0+cu130", "2.13", True),
        ("2.13.0+cu130", "2.1", False),
        ("580.159.03", "580", True),
    ],
)
def test_whole_words_of_what_a_worker_tells_are_required(told: str, wanted: str, expected: bool) -> None:
    assert matches(told, wanted) is expected


def test_a_requirement_is_a_name_that_workers_tell_and_a_value() -> None:
    for text in ("device_name", "=NVIDIA", "device_name="):
        with pytest.raises(BadOption, match="--require takes NAME=VALUE"):
            parse_require([text])
    with pytest.raises(UnknownName, match="device_name"):
        places_of(Client(a1=facts()), ["devicename=NVIDIA H100"]).ready(5)


def test_another_version_of_segbench_is_refused_by_both_names() -> None:
    client = Client(a1=facts(), b1=facts())
    client.versions["tcp://b:1"] = "9.9"
    with pytest.raises(BadOption, match=f"segbench {__version__} is here and segbench 9.9 on tcp://b:1"):
        places_of(client).ready(5)
    client.versions["tcp://b:1"] = ModuleNotFoundError("No module named 'segbench'")  # type: ignore[assignment]
    with pytest.raises(BadOption, match=r"no segbench .* on tcp://b:1"):
        places_of(client, speed=False).ready(5)


@pytest.mark.parametrize(
    ("workers", "require", "told"),
    [
        ({}, (), "no worker took it within --timeout: there is none"),
        (
            {"a1": facts(A100), "b1": facts(A100)},
            ("device_name=NVIDIA H100",),
            f"no worker with device_name=NVIDIA H100 took it within --timeout: 2 workers: device_name {A100}",
        ),
        ({"a1": facts()}, (), "no resource GPU is declared"),
    ],
)
def test_a_job_that_no_worker_takes_is_a_row_with_the_reason(
    workers: dict[str, Facts], require: Sequence[str], told: str, tmp_path: Path
) -> None:
    client = Client(**workers)
    client.resources = {worker: {} for worker in client.workers} if "resource" in told else {}
    places = places_of(client, require)
    places.ready(0.05)
    records = comparison.sweep(jobs_of(), tmp_path, places=places, kinds=[], timeout_s=0.05)
    assert [told in str(record.failure) for record in records] == [True] * 4
    assert client.measured == []
    assert len(store.read(tmp_path / comparison.RECORDS)) == 4


def test_the_job_of_a_worker_that_vanishes_is_tried_once_more_elsewhere(tmp_path: Path) -> None:
    client = Client(a1=facts(), b1=facts(), c1=facts())

    def vanish(future: Future, job: Job) -> Any:
        if job.model == "enet" or (job.model == "efrnet" and future.worker == "tcp://a:1"):
            client.workers.pop(future.worker)
            # With a new address, as a nanny starts another.
            client.workers[f"{future.worker}0"] = facts()
            return "never"
        return None

    client.on_job = vanish
    records = {record.model: record for record in swept(client, tmp_path)}
    assert records["enet"].failure is not None
    assert records["enet"].failure.startswith("lost twice, with worker ")
    assert {records[name].failure for name in NAMES if name != "enet"} == {None}
    assert sum(job.model == "enet" for _, job, _ in client.measured) == 2
    rows = [record.model for record in store.read(tmp_path / comparison.RECORDS)]
    assert sorted(rows) == sorted(NAMES)


def test_a_worker_checks_its_device_and_says_what_it_is() -> None:
    (job,) = plan(["enet"], [(64, 64)], 19, Settings(speed=False))
    record = comparison.measure_elsewhere(job)
    assert record.failure is None and record.params
    assert record.environment["cpu_threads"]
    timed = replace(job, settings=Settings(device="cpu", precision="tf32"))
    assert "tf32 exists on NVIDIA GPUs only" in str(comparison.measure_elsewhere(timed).failure)


def test_what_a_task_died_of_is_its_row(tmp_path: Path) -> None:
    client = Client(a1=facts())
    client.on_job = lambda future, job: (None, "timed out after 5 s", 5.0, False) if job.model == "enet" else None
    failures = {record.model: record.failure for record in swept(client, tmp_path)}
    assert failures == dict.fromkeys(NAMES) | {"enet": "timed out after 5 s"}


def test_a_scheduler_that_is_gone_ends_the_call_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    client = Client(a1=facts())

    def lose(future: Future, job: Job) -> Any:
        if len(client.measured) == 3:
            client.nthreads = lambda: (_ for _ in ()).throw(OSError("closed"))  # type: ignore[method-assign]
        return None

    client.on_job = lose
    with pytest.raises(ClusterError, match=r"does not answer any more \(closed\); what was measured is kept"):
        swept(client, tmp_path)
    kept = len(store.read(tmp_path / comparison.RECORDS))
    assert kept >= 2
    again = Client(a1=facts())
    assert len(swept(again, tmp_path)) == 4
    assert len(again.measured) == 4 - kept


def test_leaving_ends_what_runs_on_the_workers() -> None:
    client = Client(a1=facts(), b1=facts())
    client.on_job = lambda future, job: "never"
    places = places_of(client)
    places.ready(5)
    outcomes = run_at(places, str, jobs_of(), deadline=places.clock() + 0.1)
    assert list(outcomes) == []
    assert [future.cancelled for future in client.futures if future.resources] == [True, True]
    places.close()
    assert sorted(client.left) == sorted(client.workers)
    assert client.closed


# The command line.


def test_bad_schedulers_are_refused_and_nothing_is_written(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "bad.json").write_text(json.dumps({"id": "Scheduler"}))
    for arguments, told in (
        (("--scheduler", "nowhere.json"), "a scheduler's file: nowhere.json given (no such file or directory)"),
        (("--scheduler", "bad.json"), "bad.json is no file that a Dask scheduler wrote"),
        (("--scheduler", "abc://host:1"), "is tcp://HOST:PORT or tls://HOST:PORT: abc://host:1 given"),
        (("--scheduler", "tcp://host"), "is tcp://HOST:PORT or tls://HOST:PORT: tcp://host given"),
        (("--scheduler", "bad.json", "--require", "H100"), "--require takes NAME=VALUE"),
    ):
        answer = segbench_cli("compare", "enet", "--no-speed", *arguments, "--out", "out")
        assert answer.status == 2, answer.err
        assert told in answer.err
        assert len(answer.err.strip().splitlines()) <= 2
    assert [path.name for path in in_folder.iterdir()] == ["bad.json"]


def test_options_of_clusters_exclude_others(segbench_cli: Cli, in_folder: Path) -> None:
    for arguments, told in (
        (("--require", "torch=2"), "--require chooses workers: give it with --scheduler"),
        (("--scheduler", "tcp://h:1", "--gpus", "all"), "--gpus are those of this machine"),
    ):
        answer = segbench_cli("compare", "enet", *arguments, "--out", "out")
        assert answer.status == 2
        assert told in answer.err
    assert list(in_folder.iterdir()) == []


def test_without_dask_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(BadOption, match=r"pip install 'segbench\[cluster\]'"):
        connect("tcp://127.0.0.1:9")


def test_a_comparison_on_a_cluster_needs_no_device_here(
    segbench_cli: Cli, in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(a1=facts(), b1=facts())
    monkeypatch.setattr(scheduler, "connect", lambda address: client)
    monkeypatch.setattr("segbench.report.comparison.write_plots", lambda *_, **__: [])  # they take longest
    call = ("compare", *NAMES, "--res", "64x128", "--device", "cuda", "--scheduler", "tcp://h:1", "--out", "out")
    answer = segbench_cli(*call)
    assert answer.status == 0, answer.err
    assert len(client.measured) == 4
    assert client.closed
    table = (in_folder / "out" / "table.md").read_text()
    assert all(name in table for name in NAMES) and H100 in table
    assert segbench_cli(*call).status == 0
    assert len(client.measured) == 4
    # Workers of another kind do not fill the same folder.
    client.workers = {"tcp://a:1": facts(A100)}
    answer = segbench_cli(*call)
    assert answer.status == 2
    assert "timings under other conditions" in answer.err
