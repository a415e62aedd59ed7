"""The audit: verdicts by hand-made figures, and what it finds in the five papers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench import __version__
from segbench import published_costs as published_costs_module
from segbench.audit import audit, audit_speed, select
from segbench.audit.judgement import read
from segbench.audit.recorded import audit_records
from segbench.audit.render import markdown
from segbench.claims import Figure, load_claims
from segbench.counting.meanings import MEANINGS
from segbench.published_costs import published_costs
from segbench.records.record import Record
from tests.conftest import Answer

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("figure", "rule", "measured", "verdict"),
    [
        ("5.80", "macs", 5_804_999_999, "exact"),
        ("5.80", "macs", 5_806_000_000, "within 1 %"),
        ("5.8", "macs", 5_806_000_000, "exact"),
        ("5.80", "macs", 5_950_000_000, "within 5 %"),
        ("5.80", "macs", 6_200_000_000, "unexplained"),
        ("5.80", "2xmacs", 5_800_000_000, "2x"),
        ("5.80", "2xmacs", 6_200_000_000, "unexplained"),
        ("100", "fvcore", 100_400_000_000, "exact"),
    ],
)
def test_a_verdict_respects_the_printed_digits(figure: str, rule: str, measured: int, verdict: str) -> None:
    assert read(Figure(figure), 10**9, rule, measured).verdict == verdict


@pytest.mark.parametrize(
    ("figure", "rule", "measured", "verdict"),
    [
        ("5.80", "macs", 5_804_999_999, "exact"),
        ("5.80", "macs", 5_857_000_000, "within 1 %"),
        ("5.80", "macs", 5_859_000_000, "unexplained"),
        ("5.80", "2xmacs", 5_857_000_000, "2x"),
        ("5.80", "2xmacs", 5_859_000_000, "unexplained"),
        ("3.8", "torchstat", 3_844_734_976, "exact"),  # 1.2 % off, and rounds to the printed digits
    ],
)
def test_a_guessed_size_gives_a_verdict_only_within_1_percent_or_to_the_printed_digits(
    figure: str, rule: str, measured: int, verdict: str
) -> None:
    found = read(Figure(figure), 10**9, rule, measured, (512, 1024), guessed=True)
    assert (found.verdict, found.guessed) == (verdict, True)


def test_a_verdict_at_a_size_that_no_source_names_is_marked_and_counted_apart() -> None:
    found = audit(select(None))
    flops = [item for item in found.judgements if item.quantity == "flops"]
    named = {(item.claim.model, str(item.figure)) for item in flops if item.source and item.source.size}
    unmarked = [item for item in flops if item.claim.size is None and not item.guessed]
    for item in unmarked:
        met = item.verdict not in {"unexplained", "copied, not met"}
        assert not met or (item.claim.model, str(item.figure)) in named, item.claim.model
    guesses = [item for item in flops if item.guessed]
    assert len(guesses) > 10
    for item in guesses:
        assert item.claim.size is None
        error = item.explained_error if item.verdict == "explained" else item.best.error
        assert error is not None and (abs(error) <= 0.01 or item.best.verdict == "exact")
        assert item.to_json()["guessed_size"] is True
    assert found.summary.endswith(f"; {len(guesses)} of these verdicts rest on a size that is a guess")
    assert "| 2 | enet | 512x1024 (a guess) | 3.8 G | torchstat | 3.84 G | +1.18% | exact at a guess" in markdown(found)


def test_the_size_of_a_figure_s_source_is_taken_where_its_table_prints_none() -> None:
    (item,) = (item for item in audit(select("dfanet-a")).judgements if item.figure == "3.4")
    assert {reading.resolution for reading in item.readings} == {(1024, 1024)}
    assert item.verdict == "copied, not met"


def test_mfpnet_s_table_is_torchstat_s(judged: dict[str, list[dict[str, Any]]]) -> None:
    rows = [row for row in judged["mfpnet"] if row["quantity"] == "flops" and row["table"] == "2"]
    found = {row["model"]: row for row in rows if row["dataset"] == "Cityscapes"}
    counts = {"erfnet": 25_785_532_416, "enet": 3_844_734_976, "dabnet": 10_461_757_440, "mfpnet": 18_639_589_504}
    for model, count in counts.items():
        row = found[model]
        assert (row["rule"], row["measured"], row["verdict"]) == ("torchstat", count, "exact")
        assert row["counted_at"] == [512, 1024]


def test_the_published_costs_answer_the_whole_audit_without_torch() -> None:
    code = (
        "import sys; from segbench.audit import audit, select; from segbench.audit.counts import Counts\n"
        "from segbench.audit.judge import judge; from segbench.published_costs import published_costs\n"
        "counts = Counts(published_costs(), recount=True)\n"
        "print(len(judge(select(None), counts).judgements), len(counts.recounted), 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert int(answer[0]) > 150
    assert answer[1:] == ["0", "False"]


def test_the_published_costs_are_those_beside_the_code_or_else_those_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, results = tmp_path / "segbench", tmp_path / "results"
    monkeypatch.setattr(published_costs_module, "__file__", str(package / "published_costs.py"))
    package.mkdir()
    assert published_costs() == []
    results.mkdir()
    (results / "costs.jsonl").write_text(json.dumps(RECORD.to_json()))
    assert [record.params for record in published_costs()] == [5]
    (package / "costs.jsonl").write_text(json.dumps(replace(RECORD, params=6).to_json()))
    assert [record.params for record in published_costs()] == [6]


CLAIMS = [claim for claim in load_claims(paper="frfnet", model="erfnet") if claim.gflops and claim.size == (512, 1024)]
OPERATIONS = dict.fromkeys((*MEANINGS, "live-macs-3x3"), 21_040_000_000)
RECORD = Record(
    model="erfnet", classes=19, resolution=(512, 1024), params=5, operations=OPERATIONS, segbench=__version__
)


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"model": "enet"}, False),
        ({"classes": 11}, False),
        ({"resolution": (512, 512)}, False),
        ({"batch": 2}, False),
        ({"segbench": "0.0.1"}, False),
        ({"params": None}, False),
        ({"operations": {"macs": 21_040_000_000}}, False),
    ],
)
def test_a_record_answers_for_its_network_size_classes_and_version_alone(change: dict[str, Any], taken: bool) -> None:
    (item,) = (
        item for item in audit(CLAIMS, records=[replace(RECORD, **change)]).judgements if item.quantity == "flops"
    )
    assert (item.best.measured == 21_040_000_000) is taken
    assert item.verdict == ("exact" if taken else "unexplained")


def test_the_command_takes_counts_of_given_records(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps(RECORD.to_json()) + "\n")
    given, plain = (
        json.loads(segbench_cli("audit", "erfnet", "--json", "-", *more).out) for more in (("--records", path), ())
    )
    (row,) = _find(given, paper="frfnet", quantity="flops", resolution=[512, 1024])
    assert (row["measured"], row["verdict"]) == (21_040_000_000, "exact")
    (row,) = _find(plain, paper="frfnet", quantity="flops", resolution=[512, 1024])
    assert row["verdict"] == "unexplained"
    assert segbench_cli("audit", "--records", tmp_path / "absent.jsonl").status == 2


def test_both_audits_judge_alike_where_records_hold_all_counts() -> None:
    claims = select("mfpnet") + select("frfnet")
    assert audit_records(published_costs(), claims) == list(audit(claims).judgements)


def test_a_row_printed_for_two_splits_votes_once_in_the_audit_of_records_too() -> None:
    rows = [item for item in audit_records(published_costs(), load_claims(paper="frmnet")) if item.quantity == "flops"]
    keys = [(item.claim.table, item.claim.model, item.claim.dataset, item.claim.size, item.figure) for item in rows]
    assert len(keys) == len(set(keys))


@pytest.fixture(scope="module")
def frmnet() -> list[dict[str, Any]]:
    return [item.to_json() for item in audit(select("frmnet")).judgements]


@pytest.fixture(scope="module")
def judged() -> dict[str, list[dict[str, Any]]]:
    papers = ("mfpnet", "efrnet", "frfnet", "eseg")
    return {paper: [item.to_json() for item in audit(select(paper)).judgements] for paper in papers}


def _find(rows: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert found, wanted
    return found


def test_frmnet_counts_with_ptflops_069(frmnet: list[dict[str, Any]]) -> None:
    own = {"frmnet", "frmnet-ppm", "frmnet-dappm", "sfnet-r18"}
    params = {row["model"]: row["verdict"] for row in frmnet if row["model"] in own and row["quantity"] == "params"}
    assert params == dict.fromkeys(own, "exact")
    flops = {
        (row["model"], row["claimed"]): (row["rule"], row["verdict"])
        for row in frmnet
        if row["model"] in own and row["quantity"] == "flops"
    }
    assert len(flops) == 6
    assert {rule for rule, _ in flops.values()} == {"ptflops-0.6.9"}
    assert sum(verdict == "exact" for _, verdict in flops.values()) == 5
    assert flops["frmnet", "94.55"][1] == "within 1 %"


def test_mfpnet_parameters_are_camvid_s(judged: dict[str, list[dict[str, Any]]]) -> None:
    rows = [row for row in judged["mfpnet"] if row["model"].startswith("mfpnet") and row["quantity"] == "params"]
    camvid = {row["model"]: row["verdict"] for row in rows if row["classes"] == 11}
    # 999,844 parameters against the printed 999.85 K: the dossier's count misses the last digit by one parameter.
    assert camvid == {
        "mfpnet": "exact",
        "mfpnet-no-sgcn": "exact",
        "mfpnet-no-head": "exact",
        "mfpnet-se-head": "within 1 %",
        "mfpnet-psp-head": "exact",
    }
    for row in _find(rows, classes=19, claimed="1.00157"):
        assert row["verdict"] == "within 1 %"
        assert row["hint"] == "exact with 11 classes (CamVid)"


def test_efrnet_table_2_mixes_units(judged: dict[str, list[dict[str, Any]]]) -> None:
    rows = [row for row in judged["efrnet"] if row["table"] == "2"]
    for model in ("efrnet", "enet"):
        assert _find(rows, model=model, quantity="params")[0]["verdict"] == "exact"
        (flops,) = _find(rows, model=model, quantity="flops")
        assert (flops["rule"], flops["verdict"]) == ("ptflops-0.6.3", "exact")
    for model in ("segnet", "cgnet"):
        (flops,) = _find(rows, model=model, quantity="flops")
        assert (flops["rule"], flops["verdict"]) == ("2xmacs", "2x")
    assert audit(select("efrnet")).mixed_units() == ["efrnet Table 2"]


def test_eseg_and_frfnet(judged: dict[str, list[dict[str, Any]]]) -> None:
    for model in ("eseg-s", "eseg-m", "eseg-l"):
        assert {row["verdict"] for row in _find(judged["eseg"], model=model, quantity="params")} == {"exact"}
    for model in ("frfnet", "frfnet-slim"):
        for row in _find(judged["frfnet"], model=model, quantity="flops"):
            assert row["rule"] == "ptflops-0.6.3"
            assert abs(row["error"]) <= 1e-3


def test_every_row_states_what_the_contract_names(frmnet: list[dict[str, Any]]) -> None:
    keys = {"paper", "table", "model", "quantity", "resolution", "claimed", "rule", "measured", "error", "verdict"}
    for row in frmnet:
        assert keys <= set(row)
        assert isinstance(row["measured"], int)
        assert isinstance(row["claimed"], str)


def test_the_command_prints_json_alone_and_writes_markdown(segbench_cli: Cli, tmp_path: Path) -> None:
    answer = segbench_cli("audit", "efrnet-ffm1", "--json", "-")
    assert (answer.status, json.loads(answer.out)) == (0, [])
    answer = segbench_cli("audit", "frmnet-ppm", "--markdown", tmp_path / "audit.md")
    assert answer.status == 0
    assert "exact" in answer.out
    assert "213.21 G" in (tmp_path / "audit.md").read_text()


def test_an_unknown_target_is_refused(segbench_cli: Cli) -> None:
    answer = segbench_cli("audit", "frmnett")
    assert answer.status == 2
    assert "frmnet" in answer.err
    assert segbench_cli("claims", "nothing-like-it").status == 2


def test_claims_are_shown_as_printed(segbench_cli: Cli) -> None:
    rows = json.loads(segbench_cli("claims", "mfpnet", "--json").out)
    assert "5.80" in {row["gflops"] for row in rows}
    assert {row["paper"] for row in rows} == {"mfpnet"}
    assert {row["model"] for row in json.loads(segbench_cli("claims", "enet", "--json").out)} == {"enet"}
    assert "214.82" in segbench_cli("claims", "frmnet").out


def test_the_stored_audit_is_today_s() -> None:
    stored = Path(__file__).parent.parent / "results" / "audit.md"
    assert stored.read_text() == markdown(audit(select(None)), audit_speed(select(None)))
