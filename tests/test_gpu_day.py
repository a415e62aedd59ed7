"""The runner of a GPU day: its order, its time, what it keeps, and how it goes on after being killed anywhere."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu_day import kept, run, simulated
from benchmarks.gpu_day.__main__ import main, parser
from benchmarks.gpu_day.kept import ARCHIVE, CUT, DAY, FAILED, PASSED, SKIPPED, STEPS, Status
from benchmarks.gpu_day.plan import HEADLINE, LIGHT, PARTS, PROCESSES, ROOT, Step, gmacs, steps
from benchmarks.gpu_day.run import Day
from segbench.catalog import CATALOG
from segbench.compare import run as compare
from segbench.compare.planning import plan
from segbench.compare.run import RECORDS, Progress, answered, stored
from segbench.errors import BadOption
from segbench.job import Job, Settings
from segbench.records import store
from segbench.records.record import Record
from segbench.version import __version__

SETTINGS = Settings(device="cuda", rounds=2, environment={"torch": "2", "cpu": "test"})


@pytest.fixture(autouse=True)
def _simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "open_device", lambda spec: simulated.device())


# The order.


def test_the_parts_come_in_their_order_and_one_process_of_everything_before_repeats() -> None:
    found = steps(SETTINGS)
    names = [step.name for step in found]
    assert names[:9] == [
        *("facts", "bare-loop", "gpu-tests", "baseline", "baseline-unchanged", "baseline-slowed", "waterfall"),
        *("forward", "swiftnet"),
    ]
    place = names.index
    assert place("swiftnet") < place("comparators-1") < place("forward-2") < place("forward-5") < place("swiftnet-2")
    assert place("swiftnet-5") < place("ablations-1") < place("sizes") < place("heavy-1") < place("fast-mode")
    assert names[-1] == "slow-gpu-tests"
    assert len(set(names)) == len(names)
    assert {step.part for step in found} == set(PARTS)


def test_the_headline_is_timed_with_cudnn_benchmark_off_and_on_in_both_modes_and_five_processes() -> None:
    by_name = {step.name: step for step in steps(SETTINGS)}
    for mode in ("forward", "swiftnet"):
        for index in range(PROCESSES):
            step = by_name[f"{mode}-{index + 1}" if index else mode]
            conditions = Counter(
                (job.model, job.settings.protocol().cudnn_benchmark, job.process.index if job.process else None)
                for job in step.jobs
            )
            assert conditions == Counter(
                (name, on, process) for name in HEADLINE for on in (False, True) for process in range(index + 1)
            )
            assert {job.settings.protocol().mode for job in step.jobs} == {mode}
            assert all(job.resolution == CATALOG[job.model].resolutions[0] for job in step.jobs)


def test_comparators_are_light_and_every_network_comes() -> None:
    found = steps(SETTINGS)
    light = [job.model for step in found if step.part == "comparators" for job in step.jobs]
    assert {"bisenetv2", "erfnet", "enet", "ddrnet-23"} <= set(light)
    assert [gmacs(name) for name in light] != []
    assert max(map(gmacs, light)) <= LIGHT
    assert {job.model for step in found for job in step.jobs} == set(CATALOG)
    heavy = [job for step in found if step.name.startswith("heavy") for job in step.jobs]
    assert {job.settings.gpu_budget_s for job in heavy} == {20.0}
    others = [job for step in found if not step.name.startswith("heavy") for job in step.jobs]
    assert {job.settings.gpu_budget_s for job in others} == {None}


def test_the_waterfall_s_record_is_the_headline_s_too() -> None:
    by_name = {step.name: step for step in steps(SETTINGS)}
    record = simulated.measure(by_name["waterfall"].jobs[0])
    (job,) = answered(by_name["forward"].jobs, [record])
    assert (job.model, job.settings.cudnn_benchmark) == ("mfpnet", False)


def test_reference_implementations_are_steps_where_they_are_given(tmp_path: Path) -> None:
    item = {"model": "ddrnet-23", "folder": "ddrnet", "factory": "net:build", "res": "512x1024"}
    (tmp_path / "references.json").write_text(json.dumps([item]))
    (step,) = [step for step in steps(SETTINGS, tmp_path) if step.name.startswith("reference")]
    assert step.command[:4] == ("-m", "benchmarks.reference_speed", "ddrnet-23", "--folder")
    assert not [step for step in steps(SETTINGS) if step.name.startswith("reference")]


def test_the_guide_has_the_plan_with_its_seconds() -> None:
    page = (ROOT / "docs" / "gpu-day.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w-]+)(?: to [\w-]+)? \| (\w+) \| (\d+)( a network)? \|", page, flags=re.MULTILINE)
    groups: dict[tuple[str, str], list[Step]] = {}
    for step in steps(SETTINGS):
        numbered = re.fullmatch(r"(.*)-\d+", step.name)
        name = step.name if numbered is None else f"{numbered[1]}-2" if step.part == "headline" else numbered[1]
        groups.setdefault((name, step.part), []).append(step)
    assert [(name, part) for name, part, *_ in rows] == list(groups)
    for (_, _, seconds, each), group in zip(rows, groups.values(), strict=True):
        networks = sum(len(step.jobs) for step in group) if each else 1
        assert int(seconds) == round(sum(step.seconds for step in group) / networks)


# A short day: commands that count how often they ran, and jobs that are measured in this process.


def counting(name: str, code: str = "") -> Step:
    """A command that adds a line to a file of its own."""
    script = f"open({{out!r}} + '/{name}.ran', 'a').write('x')\n{code}"
    return Step(name, "check", 1.0, command=("-c", script.replace("{out!r}", "'{out}'")))


def short() -> list[Step]:
    names, settings = ["enet", "erfnet"], replace(SETTINGS, bounds="none")
    jobs = plan(names, [(64, 128)], 19, settings, processes=2)
    first = tuple(job for job in jobs if job.process and job.process.index == 0)
    return [
        counting("one"),
        Step("first", "headline", 1.0, jobs=first),
        counting("two"),
        Step("second", "headline", 1.0, jobs=tuple(jobs)),
    ]


def sweep_here(
    jobs: Sequence[Job],
    folder: Path,
    *,
    timeout_s: float,
    deadline: float,
    on_progress: Callable[[Progress], None],
    function: Callable[[Job], Record],
) -> list[Record]:
    """`segbench.compare.run.sweep` without processes of its own."""
    found = answered(jobs, stored(folder))
    for job in jobs:
        if job not in found and time.monotonic() < deadline:
            found[job] = function(job)
            store.append(folder / RECORDS, found[job])
            on_progress(Progress(job, len(found), len(jobs), found[job]))
    return [found[job] for job in jobs if job in found]


def day(out: Path, seconds: float = 60.0, measure: Callable[[Job], Record] = simulated.measure) -> Day:
    return Day(out, time.monotonic() + seconds, lambda line: None, measure, sweep_here)


def opened(out: Path, gpu: str = "simulated", revision: str = "abc") -> Path:
    kept.open_day(out, gpu, revision, __version__)
    return out


def indices(out: Path) -> Counter[tuple[str, int]]:
    return Counter((record.model, record.process.index) for record in stored(out) if record.process)


EVERYTHING = Counter({(name, index): 1 for name in ("enet", "erfnet") for index in range(2)})


def test_a_day_passes_and_a_second_call_does_nothing_again(tmp_path: Path) -> None:
    out = opened(tmp_path / "day")
    first = day(out)
    assert first.run(short()) == 0
    assert [(status.step, status.status) for status in first.ended] == [
        ("one", PASSED),
        ("first", PASSED),
        ("two", PASSED),
        ("second", PASSED),
    ]
    again = day(out)
    assert again.run(short()) == 0
    assert again.ended == []
    assert indices(out) == EVERYTHING
    assert (out / "one.ran").read_text() == "x"
    assert all(record.speed and record.speed.device_name == "simulated" for record in stored(out))
    assert all(record.notes == [simulated.NOTE] for record in stored(out))


def killed_at(event: int, out: Path) -> bool:
    """Run the day in a process that kills itself at an event, before it or after; whether it came to that."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    count = 0

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal count
            for moment in (lambda: None, lambda: function(*arguments)):
                found = moment()
                count += 1
                if count == event:
                    os.kill(os.getpid(), signal.SIGKILL)
            return found

        return call

    store.append, kept.keep, kept.pack = deadly(store.append), deadly(kept.keep), deadly(kept.pack)
    os._exit(day(opened(out)).run(short()))


@pytest.mark.slow
def test_a_day_killed_at_any_moment_goes_on_and_measures_nothing_twice(tmp_path: Path) -> None:
    event, killed = 0, True
    while killed:
        event += 1
        out = tmp_path / str(event)
        killed = killed_at(event, out)
        assert day(opened(out)).run(short()) == 0
        assert indices(out) == EVERYTHING
        assert set(kept.statuses(out).values()) == {PASSED}
        assert {(out / f"{name}.ran").read_text() for name in ("one", "two")} <= {"x", "xx"}
        with tarfile.open(out / ARCHIVE) as archive:
            assert {DAY, STEPS, RECORDS, "one.txt"} <= set(archive.getnames())
    # Before and after: four Records, four statuses, four archives.
    assert event == 2 * 12 + 1


def test_a_half_written_record_and_status_are_made_anew(tmp_path: Path) -> None:
    out = opened(tmp_path)
    day(out).run(short())
    for name in (RECORDS, STEPS):
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[: content.rstrip().rindex(b"\n") + 40])
    assert day(out).run(short()) == 0
    assert indices(out) == EVERYTHING
    assert kept.statuses(out)["second"] == PASSED
    assert len(store.read(out / RECORDS, tolerant=True)) == 4


# Time.


def test_what_does_not_fit_is_skipped_without_failure_and_done_by_the_next_call(tmp_path: Path) -> None:
    out = opened(tmp_path)
    long = Step("long", "check", 3600.0, command=("-c", ""))
    first = day(out, 6.0)
    assert first.run([long, *short()]) == 0
    assert kept.statuses(out)["long"] == SKIPPED
    assert kept.statuses(out)["second"] == PASSED
    assert day(out, 3 * 3600.0).run([long, *short()]) == 0
    assert kept.statuses(out)["long"] == PASSED


def test_with_no_time_nothing_is_begun(tmp_path: Path) -> None:
    out = opened(tmp_path)
    assert day(out, 0.0).run(short()) == 0
    assert set(kept.statuses(out).values()) == {SKIPPED}
    assert not (out / RECORDS).exists()


def test_a_command_is_ended_when_the_time_is_used_up_and_one_that_hangs_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, sleeps = opened(tmp_path), ("-c", "import time; time.sleep(60)")
    begin = time.monotonic()
    assert day(out, 0.5).run([Step("cut", "check", 0.4, command=sleeps)]) == 0
    assert kept.statuses(out)["cut"] == CUT
    hanging = day(out)
    assert hanging.run([Step("hangs", "check", 0.1, command=sleeps)]) == 1
    assert hanging.ended[-1].reason.startswith("not done after")
    assert time.monotonic() - begin < 30


def test_jobs_that_are_cut_go_on_in_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LEAST_JOB_S", 0.0)
    out = opened(tmp_path)

    def slow(job: Job) -> Record:
        time.sleep(0.3)
        return simulated.measure(job)

    jobs = [step for step in short() if step.jobs]
    assert day(out, 0.5, slow).run(jobs) == 0
    assert kept.statuses(out)["first"] == CUT or kept.statuses(out)["second"] in (CUT, SKIPPED)
    assert 1 <= len(stored(out)) <= 3
    assert day(out).run(jobs) == 0
    assert indices(out) == EVERYTHING


# Failures.


def test_a_failed_step_stops_no_other_is_tried_again_last_and_decides_the_exit_status(tmp_path: Path) -> None:
    out = opened(tmp_path)
    bad = counting("bad", "import sys; print('the reason'); sys.exit(3)")
    first = day(out)
    assert first.run([bad, counting("good")]) == 1
    assert [status.status for status in first.ended] == [FAILED, PASSED]
    assert first.ended[0].reason == "status 3; the reason"
    again = day(out)
    assert again.run([bad, counting("later")]) == 1
    assert [status.step for status in again.ended] == ["later", "bad"]
    # Without time to try it again, what it said stands.
    assert day(out, 0.0).run([bad]) == 1
    assert day(out).run([counting("bad")]) == 0


def test_a_record_that_failed_fails_its_step_and_is_measured_again(tmp_path: Path) -> None:
    out = opened(tmp_path)
    step = next(step for step in short() if step.jobs)
    first = day(out, measure=lambda job: job.failed("out of memory") if job.model == "enet" else simulated.measure(job))
    assert first.run([step]) == 1
    assert first.ended[0].reason == "1 of 2; enet: out of memory"
    assert day(out).run([step]) == 0
    assert len(stored(out)) == 3


def test_a_step_without_what_it_needs_is_skipped(tmp_path: Path) -> None:
    out = opened(tmp_path)
    step = replace(counting("check"), needs="baseline.json")
    assert day(out).run([step]) == 0
    assert kept.statuses(out)["check"] == SKIPPED
    (out / "baseline.json").touch()
    assert day(out).run([step]) == 0
    assert kept.statuses(out)["check"] == PASSED


# What is kept.


def test_a_folder_with_nothing_but_the_archive_goes_on(tmp_path: Path) -> None:
    out = opened(tmp_path / "one")
    day(out).run(short()[:2])
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(out / ARCHIVE, other)
    assert day(opened(other)).run(short()) == 0
    assert indices(other) == EVERYTHING
    assert (other / "one.ran").read_text() == "x"


def test_an_archive_stays_below_its_limit_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    out = opened(tmp_path)
    day(out).run(short())
    noise = random.Random(0).randbytes
    (out / "log.txt").write_bytes(noise(300_000))
    (out / "larger.txt").write_bytes(noise(400_000))
    limit = 200_000
    assert kept.pack(out, limit) == ["larger.txt", "log.txt"]
    assert (out / ARCHIVE).stat().st_size <= limit
    with tarfile.open(out / ARCHIVE) as archive:
        assert {DAY, STEPS, RECORDS, "one.txt", "one.ran"} <= set(archive.getnames())
    assert kept.pack(out) == []


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil").write_text("x")
    archive = tmp_path / "evil.tgz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "evil", "../outside")
    with pytest.raises(tarfile.OutsideDestinationError):
        kept.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(("gpu", "revision"), [("another GPU", "abc"), ("simulated", "def")])
def test_a_day_on_another_gpu_or_revision_is_refused(tmp_path: Path, gpu: str, revision: str) -> None:
    opened(tmp_path)
    with pytest.raises(BadOption, match=r"holds a day of another kind .* choose another --out"):
        opened(tmp_path, gpu, revision)
    opened(tmp_path)


def test_a_status_survives_an_unfinished_line(tmp_path: Path) -> None:
    (tmp_path / STEPS).write_text('{"step": "one", "stat')
    kept.keep(tmp_path, Status("two", PASSED, 1.0))
    assert kept.statuses(tmp_path) == {"two": PASSED}


# The command.


def test_without_cuda_it_says_so_in_one_line_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PYTHONPATH", "kept")
    given = parser().parse_args(["--out", str(tmp_path / "day"), "--minutes", "9"])
    assert main(given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "'cuda' is not available" in captured.err
    assert not (tmp_path / "day").exists()


@pytest.mark.slow
def test_the_command_killed_with_its_processes_goes_on_and_says_simulated_everywhere(tmp_path: Path) -> None:
    out = tmp_path / "day"
    command = [sys.executable, "-m", "benchmarks.gpu_day", "--out", str(out), "--part", "headline", "--minutes"]
    environment = {**os.environ, simulated.VARIABLE: "1"}
    process = subprocess.Popen([*command, "5"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    # In the middle of the second step.
    while len(stored(out)) < 20:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = subprocess.run([*command, "0.02"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "steps are left for the next call" in done.stdout
    records = stored(out)
    conditions = Counter(
        (
            record.model,
            record.protocol["mode"],
            record.protocol["cudnn_benchmark"],
            record.process and record.process.index,
        )
        for record in records
    )
    assert set(conditions.values()) == {1}
    for record in records:
        assert record.speed is not None
        assert (record.speed.device_name, record.notes) == ("simulated", [simulated.NOTE])
    for index in range(PROCESSES):
        # No process of a round before all of the one before it.
        round_of = Counter(key[3] for key in conditions if key[1] == "forward")
        assert round_of[index] == 0 or index == 0 or round_of[index - 1] == 2 * len(HEADLINE)
