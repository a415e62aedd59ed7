"""Unlike numbers stay apart where they are compared and combined, field by field; the report has a test of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segbench.cli import app
from segbench.compare import run as compare
from segbench.errors import BadOption
from segbench.job import Job, Settings
from segbench.protocol import Protocol
from segbench.records import store
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.processes import combine, one_number
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.regress.rows import key, mismatch
from tests.conditions_records import ACCURACY_FIELDS, TIMING_FIELDS, scored, scored_pair, timed, timed_pair

LENGTHS = {"name", "source", "warmup_passes", "warmup_seconds", "rounds", "frames", "round_seconds"}
"""Fields of a protocol that say how long was measured, or from where it comes."""


def _check(tmp_path: Path, before: Record, after: Record, *options: str) -> tuple[int, str]:
    for name, record in (("before", before), ("after", after)):
        (tmp_path / f"{name}.json").write_text(store.dumps([record]))
    call = ["check", "--baseline", str(tmp_path / "before.json"), "--current", str(tmp_path / "after.json"), *options]
    result = CliRunner().invoke(app, call)
    return result.exit_code, " ".join(result.output.split())


def test_every_field_of_a_protocol_that_changes_what_is_timed_is_a_condition() -> None:
    assert set(Protocol.__dataclass_fields__) - LENGTHS <= set(TIMING_FIELDS)


@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_unlike_timings_are_never_one_number(field: str) -> None:
    one, other = timed_pair(field, one_network=True)
    assert len(combine([one, other])) == 2
    with pytest.raises(ValueError, match="same conditions"):
        one_number([one, other])


@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_a_check_does_not_judge_unlike_timings(field: str, tmp_path: Path) -> None:
    one, other = timed_pair(field, one_network=True)
    assert mismatch(one, other)
    status, output = _check(tmp_path, one, other)
    assert status == 0
    assert "other conditions than the baseline's" in output
    assert "SLOWER" not in output and "FASTER" not in output
    assert _check(tmp_path, one, other, "--strict")[0] == 1


@pytest.mark.parametrize("field", ACCURACY_FIELDS)
def test_a_check_does_not_compare_unlike_accuracies(field: str, tmp_path: Path) -> None:
    one, other = scored_pair(field, one_network=True)
    status, output = _check(tmp_path, one, other)
    if field == "checkpoint":
        # Other weights are what is compared.
        assert status == 1 and "mIoU: 61.1000% -> 72.2000%" in output
    else:
        assert status == 0 and "mIoU is not comparable" in output


def test_a_changed_and_a_vanished_miou_are_findings(tmp_path: Path) -> None:
    before, after = scored(miou=0.6), scored(miou=0.59)
    status, output = _check(tmp_path, before, after)
    assert status == 1 and "mIoU: 60.0000% -> 59.0000%" in output
    assert after.accuracy is not None
    for gone in (replace(after, accuracy=None), replace(after, accuracy=replace(after.accuracy, miou=None))):
        status, output = _check(tmp_path, before, gone)
        assert status == 1 and "mIoU: 60.0000% -> none" in output


@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_a_comparison_s_folder_takes_one_set_of_conditions(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = timed_pair(field, one_network=False)
    conditions, unlike = TimingConditions.of(one), TimingConditions.of(other)
    assert conditions is not None and unlike is not None
    store.append(tmp_path / compare.RECORDS, other)
    job = _job(one)
    monkeypatch.setattr(compare, "conditions_of", lambda job, kinds: [conditions])
    with pytest.raises(BadOption, match="--allow-mixed") as refused:
        compare.require_unmixed([job], tmp_path)
    (difference,) = conditions.differences(unlike)
    assert difference in str(refused.value)
    assert not compare.answers(replace(other, model=one.model), job)
    shown = compare.ranking([job], [one], tmp_path, allow_mixed=True)
    assert [record.model for record in shown] == [one.model, other.model]
    assert len(compare.mixed(shown)) == 2


def _job(record: Record) -> Job:
    return Job(model=record.model, classes=19, resolution=record.resolution, settings=Settings(device="cpu"))


def test_rows_of_a_baseline_are_told_apart_by_what_was_measured_and_not_by_the_machine() -> None:
    one = timed()
    assert one.speed is not None
    assert key(one) == key(replace(one, speed=replace(one.speed, device_name="Chip 2")))
    assert key(one) != key(replace(one, protocol={**one.protocol, "grad": "enabled"}))
    assert key(scored()) != key(scored_pair("rule", one_network=True)[1])


def test_conditions_say_what_a_record_does_not_tell() -> None:
    record = replace(timed(), protocol={}, environment={})
    conditions = TimingConditions.of(record)
    assert conditions is not None and conditions.cudnn_benchmark is None
    known = TimingConditions.of(timed())
    assert known is not None
    assert "cudnn.benchmark unknown -> " in "; ".join(conditions.differences(known))


def test_an_unofficial_rule_and_an_incomplete_split_are_marked() -> None:
    record = scored()
    assert record.accuracy is not None
    record.accuracy = replace(record.accuracy, rule="absent-1", images=4)
    conditions = AccuracyConditions.of(record)
    assert conditions is not None
    assert conditions.marks() == {
        "rule": "rule absent-1, not the official cityscapes",
        "images": "4 of 500 images",
    }
