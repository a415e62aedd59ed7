"""Shards: deterministic, alike in work, each network whole; merged they are what one call gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.catalog import CATALOG
from segbench.compare.merging import RECORDS, merged, sizes_asked, without_superseded
from segbench.compare.planning import plan
from segbench.compare.run import sweep
from segbench.compare.sharding import FIXED_MACS, parse_shard, part_of, predicted_cost, shard
from segbench.errors import BadOption, RecordError
from segbench.job import Job, Settings
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Process, Run, Speed
from tests.conftest import Answer

Cli = Callable[..., Answer]
NAMES = ("enet", "efrnet", "fpenet")
SETTINGS = Settings(device="cpu", environment={"torch": "2"})


def whole(processes: int = 1, **how: Any) -> list[Job]:
    return plan(list(CATALOG), [], None, replace(SETTINGS, **how), seed=0, processes=processes, nearest=True)


@pytest.mark.parametrize("of", [1, 2, 3, 8, 200])
def test_every_job_is_in_one_shard_and_in_its_order(of: int) -> None:
    jobs = whole()
    parts = [shard(jobs, number, of) for number in range(1, of + 1)]
    assert sorted(job.title for part in parts for job in part) == sorted(job.title for job in jobs)
    assert all(part == [job for job in jobs if job in part] for part in parts)
    # The order in which networks are named, or a seed, is no other division.
    again = plan(list(CATALOG)[::-1], [], None, SETTINGS, seed=9, nearest=True)
    assert {job.title for job in shard(again, 1, of)} == {job.title for job in parts[0]}


def test_shards_are_alike_in_work() -> None:
    loads = [sum(map(predicted_cost, shard(whole(), number, 8))) for number in range(1, 9)]
    assert max(loads) < 1.05 * min(loads)
    # One after another, as they come, would not be.
    jobs = whole()
    in_turn = [sum(map(predicted_cost, jobs[number::8])) for number in range(8)]
    assert max(in_turn) > 1.05 * min(in_turn)


def test_a_cost_is_that_published_in_proportion_to_the_pixels() -> None:
    (small,) = plan(["mfpnet"], [(512, 1024)], None, SETTINGS)
    macs = 18_310_205_312
    assert predicted_cost(small) == pytest.approx(FIXED_MACS + macs)
    larger = replace(small, resolution=(1024, 2048), settings=replace(SETTINGS, batch=2))
    assert predicted_cost(larger) == pytest.approx(FIXED_MACS + 8 * macs)
    assert predicted_cost(replace(small, model="mynets:Net")) > FIXED_MACS
    assert predicted_cost(replace(small, refused="takes no such size")) == 0


def test_the_processes_of_a_network_stay_together() -> None:
    for number in (1, 2, 3):
        part = shard(whole(processes=2), number, 3)
        assert all(sum(other.key == job.key for other in part) == 2 for job in part)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "3", "a/b", "1/3/5", "-1/3", "1.0/3", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="--shard"):
        part_of([], text)
    assert parse_shard("3/3") == (3, 3)


def test_bad_shards_and_folders_are_refused_and_nothing_is_written(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "one").mkdir()
    (in_folder / "one" / RECORDS).write_text("")
    for call, told in (
        (("compare", "enet", "--no-speed", "--shard", "9/8"), "--shard counts from 1/8 to 8/8: 9/8 given"),
        (("merge", "none", "--out", "all"), "cannot read none/records.jsonl"),
        (("merge", "one", "one/../one", "--out", "all"), "is named twice"),
        (("merge", "none", "--out", "one"), "one holds Records already"),
        (("merge", "--out", "all"), "DIR..."),
    ):
        answer = segbench_cli(*call)
        assert answer.status == 2, answer.out
        assert told in answer.err
        assert len(answer.err.strip().splitlines()) <= 2
    assert [path.name for path in in_folder.iterdir()] == ["one"]


@pytest.mark.slow
def test_shards_merged_equal_the_whole(segbench_cli: Cli, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.report.comparison.write_plots", lambda *_, **__: [])  # they take longest
    # A network that takes another size is marked in both.
    arguments = ("compare", *NAMES, "pspnet-r50", "--res", "64x128", "--no-speed")
    assert segbench_cli(*arguments, "--out", "whole").status == 0
    for number in (1, 2, 3):
        assert segbench_cli(*arguments, "--shard", f"{number}/3", "--out", f"part-{number}").status == 0
    answer = segbench_cli("merge", "part-3", "part-1", "part-2", "--out", "all")
    assert answer.status == 0, answer.err
    tables = [(in_folder / name / "table.md").read_text() for name in ("whole", "all")]
    assert tables[0] == tables[1]
    assert "†" in tables[0]
    counts = [
        {record.model: (record.params, record.operations) for record in store.read(in_folder / name / RECORDS)}
        for name in ("whole", "all")
    ]
    assert counts[0] == counts[1]
    # Merging goes on where it was: a folder that holds its Records may be among those merged.
    folders = [in_folder / "all", in_folder / "part-2"]
    assert merged(folders, in_folder / "all") == store.read(in_folder / "all" / RECORDS)


def test_what_is_not_measured_at_all_is_in_the_shards_too(tmp_path: Path) -> None:
    jobs = plan(["enet"], [(64, 64)], 19, SETTINGS)
    refused = [replace(job, refused="takes multiples of 5, and none is near 64x64") for job in jobs]
    for _ in range(2):
        sweep(refused, tmp_path / "one", keep_refused=True)
        sweep([], tmp_path / "none", keep_refused=True)
    (row,) = merged([tmp_path / "one", tmp_path / "none"], tmp_path / "all")
    assert row.failure == refused[0].refused


# Folders that disagree.


def counted(model: str = "enet", **changes: Any) -> Record:
    content: dict[str, Any] = {"params": 360_422, "operations": {"macs": 64_395_264}, "segbench": "0.1.0", **changes}
    return Record(model=model, classes=19, resolution=(64, 128), **content)


def timed(fps: float, index: int = 0, **changes: Any) -> Record:
    speed = Speed(mode="forward", device="cuda", device_name="GPU", precision="fp32", batch=1, fps=fps)
    return counted(speed=speed, process=Process(index=index, of=2, seed=0), **changes)


def folder_of(place: Path, *records: Record) -> Path:
    for record in records:
        store.append(place / RECORDS, record)
    return place


def test_a_record_in_two_folders_is_kept_once(tmp_path: Path) -> None:
    one = folder_of(tmp_path / "one", counted(), timed(100.0))
    two = folder_of(tmp_path / "two", counted(created="2026-01-01T00:00:00Z"), timed(100.0), timed(101.0, 1))
    found = merged([one, two], tmp_path / "all")
    assert [record.speed.fps if record.speed else None for record in found] == [None, 100.0, 101.0]


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        (counted(), counted(params=7), "disagree on params of enet 64x128: 360422 and 7"),
        (counted(), counted(operations={"macs": 5}), "operations of enet 64x128: macs 64395264 and 5"),
        (timed(100.0), timed(90.0), "disagree on the timing of enet 64x128, process 1 of 2: 100 and 90 FPS"),
        (timed(100.0), timed(90.0, 1, params=8), "disagree on params of enet 64x128"),
    ],
)
def test_folders_that_disagree_are_refused_by_name(
    one: Record, two: Record, told: str, tmp_path: Path, segbench_cli: Cli
) -> None:
    folders = [folder_of(tmp_path / "one", one), folder_of(tmp_path / "two", two)]
    with pytest.raises(RecordError, match=re.escape(told)) as raised:
        merged(folders, tmp_path / "all")
    assert all(str(folder) in str(raised.value) for folder in folders)
    answer = segbench_cli("merge", *folders, "--out", tmp_path / "all")
    assert answer.status == 2
    assert len(answer.err.strip().splitlines()) <= 2
    assert not (tmp_path / "all").exists()


def test_other_versions_sizes_conditions_and_processes_do_not_disagree(tmp_path: Path) -> None:
    others = [
        counted(params=7, segbench="0.2.0"),
        replace(counted(params=7), resolution=(64, 64)),
        timed(90.0, 1),
        timed(80.0, environment={"torch": "3"}),
    ]
    one = folder_of(tmp_path / "one", counted(), timed(100.0))
    assert len(merged([one, folder_of(tmp_path / "two", *others)], tmp_path / "all")) == 6


def test_what_failed_in_one_folder_and_was_measured_in_another_is_no_failure(tmp_path: Path) -> None:
    failed = counted(params=None, operations={}, failure="out of memory")
    one, two = folder_of(tmp_path / "one", failed), folder_of(tmp_path / "two", counted())
    found = merged([one, two], tmp_path / "all")
    assert len(found) == 2
    assert [record.failure for record in without_superseded(found)] == [None]
    assert [record.failure for record in without_superseded([failed])] == ["out of memory"]


def test_sizes_that_were_asked_for_come_with_the_records() -> None:
    record = counted(run=Run(asked=(60, 128)))
    again = Record.from_json(json.loads(json.dumps(record.to_json())))
    assert sizes_asked([again, counted()]) == {("enet", (64, 128)): (60, 128)}
