"""``python -m segbench.catalog check`` says everything that a network lacks at once, and what to do about it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.catalog import find
from segbench.catalog.__main__ import main
from segbench.completeness import ROOT, check, check_network
from segbench.errors import BadOption
from segbench.resolution import SizeRule

NAME = "contextnet"


def found(root: Path = ROOT, **changes: Any) -> dict[str, str]:
    """Lines of a small network by aspect, with some fields of its entry changed."""
    return {finding.aspect: str(finding) for finding in check_network(replace(find(NAME), **changes), root)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with that network's proof and costs."""
    for file in (f"tests/golden/{NAME}.json", "results/costs.jsonl", "results/report/table.csv"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_nothing_is_missing_of_a_complete_network(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = found(checkout)
    assert len(lines) == 11
    assert all(line.startswith(f"{NAME}: ok: ") for line in lines.values())
    assert main(["check", NAME]) == 0
    assert capsys.readouterr().out.splitlines() == [*lines.values(), "nothing missing"]


@pytest.mark.parametrize(
    ("changes", "aspect", "message"),
    [
        ({"params": 1}, "parameters", r"[\d,]+ at 19 classes, 1 stated — state params=[\d_]+$"),
        ({"live_params": 1}, "parameters", r"reach the output — leave out .* live_params=[\d_]+"),
        ({"resolutions": ()}, "resolutions", "none — state the sizes"),
        ({"resolutions": ((500, 1024),), "size_rule": SizeRule(32)}, "resolutions", "500x1024 is not .* as 512x1024"),
        ({"factory": "segbench.models.contextnet:nonesuch"}, "factory", "AttributeError: .*nonesuch.* — make this"),
        ({"factory": "segbench.models.layers:ConvBN"}, "factory", "TypeError: .*num_classes"),
        (
            {"factory": "segbench.models.lednet:lednet", "resolutions": ((512, 1024),)},
            "meta device",
            r"135x167: BadResolution: .* — take every size, or state size_rule=SizeRule\(32\)",
        ),
        ({"golden": ()}, "proof", "no reference outputs — store tests/golden/contextnet.json"),
        ({"golden": (), "fidelity": "exact"}, "proof", "no test of its own — .* in tests/test_contextnet.py"),
        ({"source": ""}, "fidelity", "port of no source — state source='owner/repository@commit'"),
        ({"source": "someone/other@12"}, "fidelity", "does not name its source someone/other"),
        ({"fidelity": "reconstruction", "note": ""}, "fidelity", "reconstruction without a note"),
    ],
)
def test_what_is_missing_is_named_with_a_remedy(changes: dict[str, Any], aspect: str, message: str) -> None:
    lines = found(**changes)
    assert re.search(rf"^{NAME}: missing: {aspect}: .*{message}", f"{lines[aspect]}"), lines[aspect]
    assert len(lines) == 11


def test_everything_is_said_at_once(checkout: Path) -> None:
    (checkout / "tests" / "golden" / f"{NAME}.json").unlink()
    stored = checkout / "results" / "costs.jsonl"
    others = [line for line in stored.read_text(encoding="utf-8").splitlines(keepends=True) if NAME not in line]
    stored.write_text("".join(others), encoding="utf-8")
    (checkout / "results" / "report" / "table.csv").write_text("model\nmfpnet\n", encoding="utf-8")
    lines = found(checkout, params=1, source="")
    assert [aspect for aspect, line in lines.items() if ": missing: " in line] == [
        "parameters",
        "proof",
        "fidelity",
        "costs",
    ]
    assert lines["costs"].endswith("— python -m segbench.costs --only contextnet results/costs.jsonl")
    assert f"{NAME}: later: published report: not in results/report yet" in lines["published report"]


@pytest.mark.parametrize("field", ["params", "live_params", "operations"])
def test_costs_other_than_today_s_are_missing(checkout: Path, field: str) -> None:
    path = checkout / "results" / "costs.jsonl"
    value = r'(\{"macs": )\d+' if field == "operations" else r"()\d+"
    pattern = rf'("model": "{NAME}".*?"{field}": ){value}'
    text, changed = re.subn(pattern, r"\g<1>\g<2>1", path.read_text(encoding="utf-8"), count=1)
    assert changed == 1
    path.write_text(text, encoding="utf-8")
    assert f"{field} at 512x1024 are not what is counted today" in found(checkout)["costs"]


def test_a_network_without_a_golden_file_is_proved_by_a_test_that_names_it() -> None:
    proof = {finding.aspect: finding for finding in check_network(find("frfnet-baseline"))}["proof"]
    assert str(proof) == "frfnet-baseline: ok: proof: pinned in test_frfnet.py"


def test_a_model_file_without_catalog_file_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("segbench.completeness.forgotten", lambda: ["nonesuch"])
    assert main(["check", "nonesuch"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "nonesuch: missing: catalog file: none beside segbench/models/nonesuch.py"
        " — write segbench/catalog/nonesuch.py: ENTRIES = (Entry(...),)",
        "1 missing",
    ]


def test_every_malformed_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segbench.completeness.file_names", lambda: ["entry", "contextnet", "nonesuch"])
    first, second = check([NAME])
    assert "segbench/catalog/entry.py has no ENTRIES" in str(first)
    assert "segbench/catalog/nonesuch.py cannot be imported" in str(second)


def test_names_are_networks_patterns_or_model_files(capsys: pytest.CaptureFixture[str]) -> None:
    names = {finding.model for finding in check(["context*", "espnet", "bisenet"])}
    assert names == {"contextnet", "espnet", "bisenet-r18", "bisenet-xception39"}
    assert main(["check", "contextnett"]) == 2
    assert "did you mean contextnet" in capsys.readouterr().err


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="no checkout"):
        list(check([NAME], tmp_path))
