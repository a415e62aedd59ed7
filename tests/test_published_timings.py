"""The timings that the repository publishes: read strictly, and said to be what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segbench.compare.run import RECORDS
from segbench.records import store
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions

FOLDERS = sorted(path.parent for path in (Path(__file__).parent.parent / "results").glob(f"*/{RECORDS}"))
H100 = "nvidia-h100-80gb-hbm3"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_records_are_read_whole_and_written_back_as_they_are(folder: Path) -> None:
    records = store.read(folder / RECORDS)
    lines = (folder / RECORDS).read_text("utf-8").splitlines()
    for record, line in zip(records, lines, strict=True):
        stored, written = json.loads(line), record.to_json()
        # A later segbench also writes fields that were not known then.
        assert {name: written[name] for name in stored} == stored
    assert not any(record.extra or record.failure for record in records)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_holds_timings_of_the_device_that_it_is_named_after(folder: Path) -> None:
    for record in store.read(folder / RECORDS):
        assert record.speed is not None
        assert record.speed.device == "cuda"
        assert (record.speed.device_name or "").lower().replace(" ", "-") == folder.name


def test_the_h100_s_records_say_one_process_two_rounds_of_100_frames_and_benchmark_off() -> None:
    records = store.read(next(folder for folder in FOLDERS if folder.name == H100) / RECORDS)
    assert [_mode(record) for record in records] == ["forward"] * 14 + ["swiftnet"] * 6
    for record in records:
        assert record.speed is not None
        assert record.process is not None
        assert (record.process.index, record.process.of, record.speed.processes) == (0, 1, None)
        assert [len(samples) for samples in record.speed.rounds_ms or ()] == [100, 100]
        assert record.speed.fps_ci95_basis == "rounds of one process"
        conditions = TimingConditions.of(record)
        assert conditions is not None
        assert (conditions.cudnn_benchmark, conditions.precision, conditions.batch) == (False, "fp32", 1)
        assert record.environment["git_revision"] and not record.environment["git_revision"].endswith("-dirty")


def _mode(record: Record) -> str:
    assert record.speed is not None
    return record.speed.mode
