"""Sweeps: a fair order, processes as repeats, and nothing measured is lost whatever happens to a process."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from segbench.compare import run as comparison
from segbench.compare.planning import plan
from segbench.compare.run import answered, answers, mixed, ranking, require_unmixed, sweep
from segbench.errors import BadOption, SegbenchError
from segbench.job import Job, Settings
from segbench.measure.device import open_device
from segbench.measure.record import check_settings
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import speed_of, time_frames
from segbench.protocol import PRESETS
from segbench.records import store
from segbench.records.processes import combine
from segbench.records.record import Record
from segbench.records.results import ModuleRow, Process, Speed
from tests.conftest import Answer

Cli = Callable[..., Answer]

ENVIRONMENT: dict[str, Any] = {"torch": "2", "cpu": "test", "driver": None, "gpus": {}}
SETTINGS = Settings(device="cpu", environment=ENVIRONMENT)
NAMES = ["efrnet", "enet", "erfnet", "mfpnet"]
RECORDS = comparison.RECORDS


def timed(job: Job, seed: int = 0, name: str = "", **behaviour: Any) -> Record:
    """What a process on a simulated CPU would have measured."""
    device = SimulatedDevice(Behaviour(frame_noise=0.01, process_noise=0.03, **behaviour), seed, kind="cpu")
    device.name = name or open_device("cpu").name
    protocol = job.settings.protocol()
    timing = time_frames(device.launch, protocol, device)
    return job.blank(params=7, speed=replace(speed_of(timing, protocol, device), energy_mj=10.0 + seed))


def process(job: Job) -> Process:
    assert job.process is not None
    return job.process


def speed_in(record: Record) -> Speed:
    assert record.speed is not None
    return record.speed


def jobs_of(processes: int = 1, names: list[str] = NAMES, **changes: Any) -> list[Job]:
    return plan(names, [(64, 128)], 19, replace(SETTINGS, **changes), seed=0, processes=processes)


# The plan.


def test_every_network_has_its_processes_and_they_are_spread() -> None:
    jobs = jobs_of(5)
    assert Counter(job.model for job in jobs) == dict.fromkeys(NAMES, 5)
    assert {(process(job).index, process(job).of) for job in jobs} == {(index, 5) for index in range(5)}
    # One network after another would have 16 neighbours of one network; drift would fall on the last.
    assert sum(one.model == two.model for one, two in pairwise(jobs)) < 10
    places = {name: [place for place, job in enumerate(jobs) if job.model == name] for name in NAMES}
    assert all(3 < fmean(found) < 16 for found in places.values())


def test_the_seed_decides_the_order_and_is_recorded() -> None:
    orders = [plan(NAMES, [(64, 128)], 19, SETTINGS, seed, processes=3) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    places = [[(job.model, process(job).index) for job in order] for order in orders]
    assert places[0] != places[2]
    assert {process(job).seed for job in orders[2]} == {2}
    failed = orders[2][0].failed("no")
    assert failed.process is not None and failed.process.seed == 2


def test_counting_is_not_repeated() -> None:
    with pytest.raises(BadOption, match="--processes repeats timings"):
        jobs_of(2, speed=False)
    with pytest.raises(BadOption, match="1 or more: 0 given"):
        jobs_of(0)


def test_waterfall_and_fast_mode_run_in_one_process() -> None:
    asked = [job for job in jobs_of(3, waterfall=True, optimize=True) if job.settings.waterfall]
    assert [process(job).index for job in asked] == [0] * len(NAMES)
    assert all(job.settings.optimize for job in asked)


# Resuming.


def test_each_stored_record_answers_one_process() -> None:
    jobs = jobs_of(3)
    first, again = timed(jobs[0]), timed(jobs[0], seed=1)
    found = answered(jobs, [first, again])
    assert len(found) == 2
    assert {job.model for job in found} == {jobs[0].model}
    assert found[jobs[0]] is again
    assert len(answered(jobs_of(1), [first, again])) == 1


def test_a_record_answers_only_what_it_measured() -> None:
    (job,) = jobs_of(names=["enet"])
    record = timed(job)
    assert answers(record, job)
    for other in (
        replace(job, model="efrnet"),
        replace(job, classes=11),
        replace(job, resolution=(128, 128)),
        replace(job, settings=replace(job.settings, precision="bf16")),
        replace(job, settings=replace(job.settings, mode="swiftnet")),
        replace(job, settings=replace(job.settings, rounds=2)),
        replace(job, settings=replace(job.settings, environment={**ENVIRONMENT, "torch": "3"})),
        replace(job, settings=replace(job.settings, waterfall=True)),
        replace(job, settings=replace(job.settings, optimize=True)),
    ):
        assert not answers(record, other), other
    assert not answers(replace(record, failure="out of memory"), job)
    assert not answers(replace(record, segbench="0.0.1"), job)


def test_a_waterfall_is_not_used_up_by_a_process_that_asks_for_none() -> None:
    jobs = jobs_of(2, ["enet"], waterfall=True)
    plain, full = timed(jobs[0]), replace(timed(jobs[0]), waterfall=[])
    assert len(answered(jobs, [full, plain])) == len(answered(jobs, [plain, full])) == 2


def test_a_process_goes_on_where_it_stopped_and_the_first_one_is_not_stood_in_for() -> None:
    """The others count no modules: a first process that was interrupted is measured, whatever else was."""
    for seed in range(4):
        jobs = plan(["enet"], [(64, 128)], 19, replace(SETTINGS, module_levels=2), seed, processes=3)
        by_index = {process(job).index: job for job in jobs}
        others = [timed(by_index[index], index) for index in (1, 2)]
        assert set(answered(jobs, others)) == {by_index[1], by_index[2]}
        first = replace(timed(by_index[0]), modules=[ModuleRow(path="", type="ENet")])
        found = answered(jobs, [first, *others])
        assert {process(job).index: found[job].process for job in jobs} == {0: first.process} | {
            index: others[index - 1].process for index in (1, 2)
        }


# Combining processes.


def test_processes_are_combined_with_every_sample() -> None:
    jobs = jobs_of(5, ["enet"])
    records = [timed(job, seed) for seed, job in enumerate(jobs)]
    (combined,) = combine(records)
    speed, speeds = speed_in(combined), [speed_in(record) for record in records]
    assert speed.processes == 5
    assert speed.fps_ci95_basis == "processes"
    assert speed.fps == pytest.approx(fmean(one.fps for one in speeds), rel=1e-9)
    assert speed.fps_ci95 is not None
    assert speed.fps_ci95[0] < speed.fps < speed.fps_ci95[1]
    assert len(speed.rounds_ms or []) == 25
    assert speed.latency_ms is not None
    assert speed.latency_ms.min == min(one.latency_ms.min or 0 for one in speeds if one.latency_ms)
    assert speed.energy_mj == pytest.approx(12.0)
    assert combined.process is None
    assert Record.from_json(json.loads(json.dumps(combined.to_json()))) == combined


def test_one_process_stays_as_it_is_and_networks_keep_their_order() -> None:
    records = [timed(job, place) for place, job in enumerate(jobs_of())]
    assert combine(records) == records


def test_conditions_are_never_combined() -> None:
    (job,) = jobs_of(names=["enet"])
    swiftnet = replace(job, settings=replace(job.settings, mode="swiftnet"))
    half = replace(job, settings=replace(job.settings, precision="bf16"))
    records = [timed(job), timed(swiftnet), timed(half), timed(job, name="another CPU")]
    assert combine(records) == records
    assert len(mixed(records)) == 4


def test_a_process_that_failed_is_a_note_beside_the_others() -> None:
    jobs = jobs_of(3, ["enet"])
    bad = jobs[2].failed("timed out after 3 s")
    (combined,) = combine([timed(jobs[0]), bad, timed(jobs[1], 1)])
    assert combined.failure is None
    assert speed_in(combined).processes == 2
    assert combined.notes == ["1 of 3 processes failed: timed out after 3 s"]
    (all_failed,) = combine([bad, bad])
    assert all_failed.failure == "timed out after 3 s"


# Rankings of one device and one mode.


def test_another_mode_or_device_in_the_folder_is_refused_unless_asked(tmp_path: Path) -> None:
    (job,) = jobs_of(names=["enet"])
    swiftnet = replace(job, settings=replace(job.settings, mode="swiftnet"))
    mine, other, elsewhere = timed(job), timed(swiftnet), timed(job, name="another CPU")
    store.append(tmp_path / RECORDS, mine)
    require_unmixed([job], tmp_path)
    here = speed_in(mine).device_name
    for foreign, part in (
        (other, "mode forward -> swiftnet; cudnn.benchmark on -> off"),
        (elsewhere, f"device name {here} -> another CPU"),
    ):
        folder = tmp_path / str(foreign is other)
        store.append(folder / RECORDS, foreign)
        with pytest.raises(BadOption, match=rf"\({re.escape(part)}\).*--allow-mixed"):
            require_unmixed([job], folder)
        assert ranking([job], [mine], folder, allow_mixed=False) == [mine]
        shown = ranking([job], [mine], folder, allow_mixed=True)
        assert [record.speed for record in shown] == [mine.speed, foreign.speed]
        assert len(mixed(shown)) == 2


def test_records_without_timings_mix_with_anything(tmp_path: Path) -> None:
    store.append(tmp_path / RECORDS, Record(model="enet", classes=19, resolution=(64, 128)))
    require_unmixed(jobs_of(), tmp_path)
    require_unmixed(plan(["enet"], [(64, 128)], 19, replace(SETTINGS, speed=False)), tmp_path)


# Processes that die, hang and are killed; each test starts real ones.


def act(job: Job) -> Record:
    """What stands in for a measurement; the class count says how it ends. Runs in the child."""
    if job.classes == 2:
        time.sleep(600)
    if job.classes == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.classes == 4:
        raise MemoryError("no room")
    if job.classes == 5:
        Path(os.environ["SEGBENCH_TEST_CHILD"]).write_text(str(os.getpid()))
        time.sleep(600)
    return timed(job, random.Random(f"{job}").randrange(1000))


def simple(*classes: int) -> list[Job]:
    processes = [Process(index=place, of=len(classes)) for place in range(len(classes))]
    return [
        Job(model="enet", classes=count, resolution=(64, 128), settings=SETTINGS, process=one)
        for count, one in zip(classes, processes, strict=True)
    ]


def models(folder: Path) -> list[tuple[int, bool]]:
    return [(record.classes, record.failure is None) for record in store.read(folder / RECORDS)]


@pytest.mark.slow
def test_what_ends_badly_is_a_row_and_the_rest_goes_on(tmp_path: Path) -> None:
    records = sweep(simple(19, 3, 2, 4, 11), tmp_path, timeout_s=4, function=act)
    assert [record.classes for record in records] == [19, 3, 2, 4, 11]
    failures = [record.failure for record in records]
    assert failures[0] is failures[4] is None
    assert "SIGKILL" in str(failures[1])
    assert failures[2] == "timed out after 4 s"
    assert failures[3] == "MemoryError: no room"
    assert models(tmp_path) == [(19, True), (3, False), (2, False), (4, False), (11, True)]
    again = sweep(simple(19, 11), tmp_path, function=act)
    assert again == [records[0], records[4]]


def run_and_print() -> None:
    """The parent of the tests below, in a process of its own."""
    # A job that a shell starts in the background ignores Ctrl-C, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sweep(simple(19, 11, 5, 12), Path(sys.argv[1]), timeout_s=300, function=act)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends Unix signals")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_ended_loses_nothing_and_goes_on(tmp_path: Path, ending: signal.Signals) -> None:
    pid_file, folder = tmp_path / "child", tmp_path / "out"
    code = "from tests.test_compare import run_and_print; run_and_print()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "SEGBENCH_TEST_CHILD": str(pid_file), "PYTHONPATH": str(Path(__file__).parent.parent)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: pid_file.exists() and bool(pid_file.read_text()))
        child = int(pid_file.read_text())
        # Ctrl-C reaches the whole foreground group, the hanging child included.
        if ending == signal.SIGINT:
            os.killpg(parent.pid, ending)
        else:
            parent.send_signal(ending)
        parent.wait(timeout=60)
        wait_for(lambda: not alive(child))
    finally:
        if parent.poll() is None:
            parent.kill()
            parent.wait()
    assert models(folder) == [(19, True), (11, True)]
    records = sweep(simple(19, 11, 12), folder, function=act)
    assert [record.failure for record in records] == [None] * 3
    assert models(folder) == [(19, True), (11, True), (12, True)]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in 90 s"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody has waited for still has its number.
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_processes_that_append_at_once_spoil_no_line(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from segbench.records import record, store\n"
        "for _ in range(40):\n"
        "    one = record.Record(model=sys.argv[2] * 9000, classes=19, resolution=(64, 128))\n"
        "    store.append(pathlib.Path(sys.argv[1]), one)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / RECORDS)]
    writers = [subprocess.Popen([*command, name], cwd=Path(__file__).parent.parent) for name in "abc"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert Counter(record.model[0] for record in store.read(tmp_path / RECORDS)) == {"a": 40, "b": 40, "c": 40}


# The command line.


def test_bad_calls_are_refused(segbench_cli: Cli, tmp_path: Path) -> None:
    for arguments, parts in (
        (("--processes", 0), ("processes", "1 or more")),
        (("--processes", 2, "--no-speed"), ("--no-speed",)),
        (("--waterfall", "--no-speed"), ("--no-speed",)),
        (("--protocol", "fasterseg", "--mode", "swiftnet"), ("fasterseg", "swiftnet")),
        (("--protocol", "fastersegg"), ("fastersegg", "fasterseg")),
        (("--mode", "predict"), ("predict", "forward", "--protocol")),
        (("--precision", "tf32", "--device", "cpu"), ("tf32", "bf16")),
    ):
        answer = segbench_cli("compare", "enet", "--res", "64x128", "--out", tmp_path, *arguments)
        assert answer.status == 2, answer
        assert all(part in answer.err for part in parts), answer.err
    assert not (tmp_path / RECORDS).exists()


def test_a_mixed_folder_is_refused_before_anything_is_measured(segbench_cli: Cli, tmp_path: Path) -> None:
    store.append(tmp_path / RECORDS, timed(replace(jobs_of()[0], settings=replace(SETTINGS, mode="swiftnet"))))
    before = (tmp_path / RECORDS).read_bytes()
    answer = segbench_cli("compare", "enet", "--res", "64x128", "--device", "cpu", "--out", tmp_path)
    assert answer.status == 2
    assert "mode forward -> swiftnet" in answer.err
    assert "--allow-mixed" in answer.err
    assert (tmp_path / RECORDS).read_bytes() == before


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_reachable(name: str) -> None:
    assert check_settings(Settings(preset=name, device="cpu", environment=ENVIRONMENT)).protocol().name == name


def test_a_preset_keeps_the_options_beside_it() -> None:
    protocol = Settings(preset="mmseg-predict", precision="bf16", batch=2, rounds=3).protocol()
    assert (protocol.mode, protocol.precision, protocol.batch, protocol.rounds) == ("predict", "bf16", 2, 3)
    with pytest.raises(SegbenchError, match="timed region of its own"):
        check_settings(Settings(preset="fasterseg", mode="forward", environment=ENVIRONMENT))


def test_layers_are_shown_and_written(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "layers.csv"
    answer = segbench_cli(
        *("profile", "enet", "--res", "64x128", "--no-speed"), "--layers", "--depth", 1, "--csv", path
    )
    assert answer.status == 0, answer.err
    assert "100.0%" in answer.out
    assert "1x19x64x128" in answer.out
    header, whole, *parts = [line.split(",") for line in path.read_text().splitlines()]
    assert header[:3] == ["model", "height", "width"]
    assert whole[3:6] == ["", "ENet", "0"]
    assert {part[5] for part in parts} == {"1"}
    assert sum(int(part[7]) for part in parts) == int(whole[7]) > 0


def test_layers_in_json_have_everything(segbench_cli: Cli) -> None:
    (record,) = json.loads(
        segbench_cli("profile", "enet", "--res", "64x128", "--no-speed", "--layers", "--json", "-").out
    )
    whole = record["modules"][0]
    assert (whole["path"], whole["share"], whole["output"]) == ("", 1.0, [1, 19, 64, 128])
    assert whole["macs"] == record["operations"]["macs"]
    assert whole["params"] == record["params"]


def test_options_of_layers_need_it(segbench_cli: Cli, tmp_path: Path) -> None:
    for arguments in (("--depth", 1), ("--csv", tmp_path / "x.csv"), ("--layers", "--depth", -1)):
        answer = segbench_cli("profile", "enet", "--no-speed", *arguments)
        assert answer.status == 2
        assert "depth" in answer.err or "--csv" in answer.err


@pytest.mark.slow
def test_profile_prints_a_waterfall_and_keeps_it(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    answer = segbench_cli(
        *("profile", "enet", "--res", "64x64", "--device", "cpu", "--budget", 2, "--waterfall", "--json", path)
    )
    assert answer.status == 0, answer.err
    assert "not available" in answer.out
    (record,) = json.loads(path.read_text())
    assert [row["switch"] for row in record["waterfall"]][:3] == ["swiftnet", "copies", "argmax"]
    assert record["speed"]["mode"] == "forward"
    assert record["speed"]["verdict"] in ("compute-bound", "memory-bound")


@pytest.mark.slow
def test_processes_end_in_one_row_with_an_interval(segbench_cli: Cli, tmp_path: Path) -> None:
    arguments = ("compare", "enet", "--res", "64x64", "--device", "cpu", "--budget", 1, "--out", tmp_path)
    first = segbench_cli(*arguments, "--json", tmp_path / "one.json")
    assert first.status == 0, first.err
    answer = segbench_cli(*arguments, "--processes", 3, "--json", "-")
    assert answer.status == 0, answer.err
    (record,) = json.loads(answer.out)
    assert record["speed"]["processes"] == 3
    assert record["speed"]["fps_ci95_basis"] == "processes"
    lines = [json.loads(line) for line in (tmp_path / RECORDS).read_text().splitlines()]
    assert len(lines) == 3
    assert {line["process"]["of"] for line in lines} == {1, 3}
    assert (tmp_path / "table.md").read_text().count("| enet ") == 1
