"""Records of a network that has changed under its name are marked and ranked with none."""

from __future__ import annotations

from pathlib import Path

from segbench.records import store
from segbench.records.record import Record
from segbench.report.gather import read_all
from segbench.report.outdated import marked, outdated


def _record(**content: object) -> Record:
    return Record(**{"model": "espnet", "classes": 20, "resolution": (512, 1024), "params": 364_569, **content})  # type: ignore[arg-type]


def test_records_of_todays_networks_stay_as_they_are() -> None:
    for record in (
        _record(),
        _record(classes=19, params=363_676 + 0, model="somebody:net"),
        _record(classes=12, params=354_517, options={"joined": 19}),
        _record(params=None),
        _record(model="mine:net", params=1),
    ):
        assert outdated(record) == ""
        assert marked(record) is record


def test_another_network_under_a_catalog_name_is_marked() -> None:
    for record in (_record(params=201_542), _record(classes=19, params=201_542), _record(classes=12, params=354_517)):
        found = marked(record)
        assert f"espnet had {record.params:,} parameters" in outdated(record)
        assert found.model.startswith("espnet of segbench")
        assert found.fidelity is None
        assert found.notes == [outdated(record)]
        assert record.model == "espnet"


def test_reports_read_them_under_a_name_of_their_own(tmp_path: Path) -> None:
    store.write_text(tmp_path / "records.json", store.dumps([_record(classes=19, params=201_542), _record()]))
    assert [record.model.partition(" ")[2] != "" for record in read_all([tmp_path / "records.json"])] == [True, False]


def test_reports_read_the_folder_that_eval_writes(tmp_path: Path) -> None:
    store.write_text(tmp_path / "out" / "record.json", store.dumps([_record()]))
    assert [record.model for record in read_all([tmp_path / "out"])] == ["espnet"]


def test_options_of_any_json_are_taken() -> None:
    record = Record(model="espnet", classes=19, resolution=(64, 64), params=1, options={"a": [1], "b": {"c": None}})
    assert outdated(record) == ""
