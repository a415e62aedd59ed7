"""Files of Records that are malformed: refused by file, line and field in every command that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import RecordError
from segbench.job import Settings
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Accuracy, Memory, ModuleRow, Signature, WaterfallRow
from tests.conftest import Answer
from tests.report_records import timing

Cli = Callable[..., Answer]


def whole() -> dict[str, Any]:
    """A Record of which every part is there, as JSON."""
    return Record(
        model="enet",
        fidelity="port",
        classes=19,
        resolution=(128, 256),
        params=360_422,
        live_params=357_990,
        operations={"macs": 257_581_056},
        modules=[
            ModuleRow(path="", type="ENet", params=360_422, macs=257_581_056, share=1.0, output=[1, 19, 128, 256])
        ],
        signature=Signature(resolution=(64, 64), gain=1.0, shape=[1, 19, 64, 64], samples=[0.5], mean=0.1, std=0.2),
        speed=timing(100.0, "AMD EPYC"),
        memory=Memory(peak_mib=10.0),
        accuracy=Accuracy(dataset="CamVid", split="val", miou=0.5),
        waterfall=[WaterfallRow(switch="copies", fps=100.0)],
        protocol=Settings().protocol().to_json(),
        environment={"torch": "2.13.0", "torch_threads": 1, "gpus": {}, "variables": {}},
        created="2026-11-21T10:00:00Z",
    ).to_json()


BAD: dict[str, tuple[object, ...]] = {
    "model": (5, None, ["a"], "", "a\ud800b"),
    "classes": ("19", None, [19], -1),
    "resolution": ([-1, 5], [True, False], "128x256", [10**40, 10**40]),
    "batch": (-1, "1", 0),
    "params": (-5, "many", 10**400),
    "operations": (None, [1, 2], "x", {"macs": "x"}, {"macs": -1}),
    "tools": ("x",),
    "speed": ("fast", {}, {"fps": 100.0}, []),
    "speed.fps": ("100", -1.0, 0, float("inf"), float("nan"), None),
    "memory": ([], {"peak_mib": "10"}),
    "accuracy": ("0.5", {"dataset": "CamVid", "miou": "0.5"}),
    "accuracy.miou": (float("nan"), 50.0),
    "waterfall": ("x", [1]),
    "modules": ("x", [{}], [{"path": 1, "type": "x"}]),
    "signature": ("x", {"mean": 1.0}),
    "signature.modules": ([{"path": "a", "in": 1}], [{"path": "a"}], "x"),
    "notes": ("a note", [1]),
    "failure": (5,),
    "fidelity": (5, "perfect"),
    "segbench": (5,),
    "created": (5, "yesterday"),
    "protocol": ("forward", {"batch": "x"}, {"synchronise": ["round"]}),
    "environment": ([], "x", {"gpus": ["a"]}, {"gpus": {"0": "H200"}}, {"torch_threads": "all"}, {"variables": 1}),
}
CASES = [(field, value) for field, values in BAD.items() for value in values]


def malformed(field: str, value: object) -> dict[str, Any]:
    content = whole()
    *outer, last = field.split(".")
    place = content
    for name in outer:
        place = place[name]
    place[last] = value
    return content


def refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, (answer.status, answer.out, answer.err)
    assert answer.out == ""
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    assert "Traceback" not in answer.err
    for part in parts:
        assert part in answer.err


@pytest.mark.parametrize(("field", "value"), CASES, ids=[f"{field}-{value!r:.20}" for field, value in CASES])
def test_a_malformed_field_is_named_with_its_file_and_line(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(whole()) + "\n" + json.dumps(malformed(field, value)) + "\n")
    with pytest.raises(RecordError) as found:
        store.read(path)
    place, _, message = str(found.value).partition(": ")
    assert place == f"{path}, line 2"
    assert message.startswith(field.partition(".")[0])
    assert "\n" not in message


@pytest.mark.parametrize("field", ["operations", "speed.fps", "environment"])
def test_every_command_that_reads_records_refuses_it(in_folder: Path, field: str, segbench_cli: Cli) -> None:
    (in_folder / "good.json").write_text(json.dumps([whole()], indent=1))
    (in_folder / "bad.json").write_text(json.dumps([malformed(field, "x")]))
    good, bad = ("good.json", "bad.json")
    for call in (
        ("report", bad, "--out", "report"),
        ("check", "--baseline", bad, "--current", good),
        ("check", "--baseline", good, "--current", bad),
        ("baseline", "show", "--baseline", bad),
        ("baseline", "update", "--baseline", bad),
    ):
        refused(segbench_cli(*call), "bad.json, line 1", field)
    assert sorted(path.name for path in in_folder.iterdir()) == ["bad.json", "good.json"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested"),
        ('{"schema": 1, "params": ' + "9" * 5_000 + "}", "digits"),
        ("[1]", "line 1: a Record is a JSON object"),
        ("\ufffe", "not JSON"),
    ],
)
def test_what_python_cannot_read_is_no_traceback(in_folder: Path, text: str, part: str, segbench_cli: Cli) -> None:
    (in_folder / "bad.json").write_text(text, encoding="utf-8")
    refused(segbench_cli("baseline", "show", "--baseline", "bad.json"), "bad.json", part)


def test_the_line_of_a_record_in_a_list_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    lines = ["", "[", json.dumps(whole()) + ",", json.dumps(whole()), ",", "", json.dumps(malformed("batch", 0)), "]"]
    path.write_text("\n".join(lines))
    with pytest.raises(RecordError, match=r"list\.json, line 7: batch"):
        store.read(path)


@pytest.mark.parametrize("size", [2, 40, 300, -2])
def test_a_line_cut_anywhere_is_left_out_with_a_note(in_folder: Path, size: int, segbench_cli: Cli) -> None:
    line = json.dumps({**whole(), "notes": ["ü"]}, ensure_ascii=False).encode()
    (in_folder / "records.jsonl").write_bytes(line + b"\n" + line[:size] + b"\n" + line + b"\n")
    answer = segbench_cli("report", "records.jsonl", "--out", "report", "--formats", "svg")
    assert answer.status == 0, answer.err
    assert answer.err.strip() == (
        "segbench: note: records.jsonl, line 2 is cut short, as by a run that was killed, and is left out"
    )


def test_a_cut_inside_of_a_letter_is_one_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "records.jsonl"
    line = json.dumps({**whole(), "notes": ["ü"]}, ensure_ascii=False).encode()
    path.write_bytes(line + b"\n" + line[: line.index("ü".encode()) + 1])
    assert len(store.read(path)) == 1
    assert "line 2 is cut short" in caplog.text


def test_a_file_of_nothing_but_a_cut_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(whole())[:100])
    with pytest.raises(RecordError, match=r"line 1: .*may be truncated"):
        store.read(path)
    assert store.read(path, tolerant=True) == []


def test_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    content = {**whole(), "notes": ["one\u2028two\u0085three"]}
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n" + json.dumps(whole()) + "\n", encoding="utf-8")
    assert [len(record.notes) for record in store.read(path)] == [1, 0]
