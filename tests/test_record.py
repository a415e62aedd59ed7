"""Records and their store: nothing measured is ever lost, nothing half-written is ever read as whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segbench.errors import OutputError, RecordError
from segbench.records import schema, store
from segbench.records.record import Record


def _record(model: str = "mfpnet") -> Record:
    return Record(model=model, classes=19, resolution=(512, 1024), params=7, operations={"macs": 18310205312})


def test_a_record_survives_json() -> None:
    record = _record()
    again = Record.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert next(iter(record.to_json())) == "schema"


def test_fields_of_a_newer_segbench_are_kept() -> None:
    content = {**_record().to_json(), "carbon_g": 3}
    assert Record.from_json(content).to_json()["carbon_g"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": 2}, "schema 2"), ({"schema": None}, "no `schema`"), ({"resolution": "512x1024"}, "height, width")],
)
def test_a_foreign_record_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        Record.from_json({**_record().to_json(), **change})


@pytest.mark.parametrize(
    ("speed", "message"),
    [
        ({"fps": "fast"}, r"^speed.fps: expected `float`, got `str`$"),
        ({"fps": 0.0}, r"^speed.fps: expected `float` > 0"),
        ({"fps": float("nan")}, r"^speed.fps: a finite number is accepted: nan given$"),
        ({"latency_ms": {"p95": "late"}}, r"^speed.latency_ms.p95: "),
        (
            {"rounds_ms": [[1.0], [float("inf")]]},
            r"^speed.rounds_ms\[1\]\[0\]: a finite number is accepted: inf given$",
        ),
        ({"round_fps": [100.0, "fast"]}, r"^speed.round_fps\[1\]: expected `float`, got `str`$"),
    ],
)
def test_a_malformed_field_is_named(speed: dict[str, object], message: str) -> None:
    plain = {"mode": "forward", "device": "cpu", "precision": "fp32", "fps": 100.0}
    with pytest.raises(RecordError, match=message):
        Record.from_json({**_record().to_json(), "speed": {**plain, **speed}})


def test_fields_of_a_newer_segbench_are_kept_where_they_are_nested() -> None:
    speed = {"mode": "forward", "device": "cpu", "precision": "fp32", "fps": 100.0, "joules": 3}
    rows = [{"switch": "swiftnet", "watts": {"idle": 4}}]
    again = Record.from_json({**_record().to_json(), "speed": speed, "waterfall": rows}).to_json()
    assert again["speed"]["joules"] == 3
    assert again["waterfall"][0]["watts"] == {"idle": 4}


def test_the_stored_schema_is_made_from_the_types() -> None:
    stored = Path(schema.__file__).parent / "record.schema.json"
    assert stored.read_text(encoding="utf-8") == schema.schema_text(), "python -m segbench.records.schema"


def test_a_record_without_its_network_is_refused() -> None:
    content = _record().to_json()
    del content["model"]
    with pytest.raises(RecordError, match="lacks model"):
        Record.from_json(content)


def test_readers_take_a_list_an_object_and_lines(tmp_path: Path) -> None:
    one, two = _record("mfpnet"), _record("enet")
    (tmp_path / "list.json").write_text(store.dumps([one, two]))
    (tmp_path / "object.json").write_text(json.dumps(one.to_json()))
    for record in (one, two):
        store.append(tmp_path / "lines.jsonl", record)
    assert store.read(tmp_path / "list.json") == [one, two]
    assert store.read(tmp_path / "object.json") == [one]
    assert store.read(tmp_path / "lines.jsonl") == [one, two]


def test_a_killed_writer_spoils_no_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "records.jsonl"
    store.append(path, _record("mfpnet"))
    with path.open("a") as file:
        file.write('{"schema": 1, "model": "en')
    store.append(path, _record("erfnet"))
    assert [record.model for record in store.read(path)] == ["mfpnet", "erfnet"]
    assert f"{path}, line 2 is cut short" in caplog.text


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(content)
    with pytest.raises(RecordError, match="is empty"):
        store.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nowhere"):
        store.read(tmp_path / "nowhere.jsonl")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    store.write_text(path, "old")

    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="No space left"):
        store.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        store.require_writable(tmp_path / "file" / "folder")
