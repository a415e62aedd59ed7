"""results/costs.jsonl holds what the networks cost today, to the integer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segbench.catalog import CATALOG
from segbench.costs import costs, main, replaced, sizes_and_classes
from segbench.records import store
from segbench.records.record import Record
from tests.wiring import slow_if_large

COSTS = Path(__file__).parent.parent / "results" / "costs.jsonl"
STORED = {(record.model, record.resolution, record.classes): record for record in store.read(COSTS)}


def test_every_network_has_its_costs_at_every_paper_resolution() -> None:
    assert set(STORED) >= {(name, *place) for name in CATALOG for place in sizes_and_classes(name)}
    assert {name for name, *_ in STORED} == set(CATALOG)
    assert {(entry.name, size) for entry in CATALOG.values() for size in entry.resolutions} <= {
        (name, size) for name, size, _ in STORED
    }
    # CamVid has 11 classes, and MFPNet's tables print costs on it.
    assert ("mfpnet", (360, 480), 11) in STORED


def test_every_network_has_the_costs_of_its_stages() -> None:
    assert {record.model for record in STORED.values() if record.modules} == set(CATALOG)


def _counts(record: Record) -> tuple[object, ...]:
    return record.params, record.live_params, record.operations, record.modules


@pytest.mark.parametrize("name", [pytest.param(name, marks=slow_if_large(CATALOG[name])) for name in CATALOG])
def test_counts_are_what_the_file_says(name: str) -> None:
    counted = {(name, record.resolution, record.classes): record for record in costs([name])}
    assert set(counted) == {key for key in STORED if key[0] == name}
    for key, record in counted.items():
        assert _counts(record) == _counts(STORED[key])


def _line(model: str, params: int) -> str:
    return f'{{"params":{params},   "model": "{model}"}}\n'


def test_one_network_s_lines_are_replaced_and_all_others_stay_as_they_are() -> None:
    old = _line("mfpnet", 1) + _line("enet", 2) + _line("enet", 3) + _line("sfnet-r18", 4)
    new = _line("enet", 5)
    assert replaced(old, ["enet"], new) == _line("mfpnet", 1) + new + _line("sfnet-r18", 4)


def test_a_new_network_s_lines_go_to_its_place_in_the_catalog() -> None:
    old = _line("mfpnet", 1) + _line("sfnet-r18", 4).rstrip("\n")
    assert replaced(old, ["enet"], _line("enet", 5)) == _line("mfpnet", 1) + _line("enet", 5) + old.split("\n")[1]
    assert replaced(old, ["upernet-swin-s"], _line("upernet-swin-s", 5)) == old + "\n" + _line("upernet-swin-s", 5)
    assert replaced("", ["enet"], _line("enet", 5)) == _line("enet", 5)


def test_only_changes_the_lines_of_its_network_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "costs.jsonl"
    stored = COSTS.read_text(encoding="utf-8")
    spoilt = re.sub(r'("model": "contextnet".*"params": )\d+', r"\g<1>1", stored)
    assert spoilt != stored
    path.write_text(spoilt, encoding="utf-8")
    assert main(["--only", "contextnet", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == stored


def test_without_a_file_the_costs_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "ContextNet"]) == 0
    printed, stored = capsys.readouterr().out, COSTS.read_text(encoding="utf-8").splitlines(keepends=True)
    assert printed == "".join(line for line in stored if '"model": "contextnet"' in line)


def test_help_tells_the_options_and_writes_nothing(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--only" in capsys.readouterr().out
    assert not list(in_folder.iterdir())


def test_an_unknown_network_and_a_broken_file_are_refused_before_anything_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "costs.jsonl"
    path.write_text(_line("mfpnet", 1) + "{", encoding="utf-8")
    assert main(["--only", "contextnett", str(path)]) == 2
    assert "did you mean contextnet" in capsys.readouterr().err
    assert main(["--only", "contextnet", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"segbench: {path}: line 2 is no Record")
    assert path.read_text(encoding="utf-8").endswith("{")
