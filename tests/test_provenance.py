"""Where printed figures come from: each row is about a claim, and what it says of agreement follows from its cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from segbench.claims import load_claims, provenance
from segbench.claims.provenance import EVIDENCE, VERDICTS, Provenance, load_provenance, mark, source_of
from segbench.errors import ClaimsError
from tests.conftest import Answer

Key = tuple[str, str, str, str, str]
ROWS = load_provenance(load_claims())


def test_every_row_is_about_a_printed_figure_and_no_figure_has_two() -> None:
    assert len(ROWS) == len(provenance._rows()) > 70
    keys = {(row.paper, row.table, row.model, row.dataset, row.split, row.quantity, str(row.printed)) for row in ROWS}
    assert len(keys) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.paper}-{row.table}-{row.model}-{row.quantity}")
def test_a_row_names_what_it_rests_on(row: Provenance) -> None:
    assert row.verdict in VERDICTS and row.evidence_kind in EVIDENCE
    if row.verdict.startswith("copied"):
        assert row.source and row.value and row.evidence
        assert row.agrees_in_value != "unknown"
    assert bool(row.value) <= bool(row.evidence_kind)


def _row(paper: str, table: str, model: str, quantity: str, printed: str) -> Provenance:
    (row, *_) = (
        row
        for row in ROWS
        if (row.paper, row.table, row.model, row.quantity, str(row.printed)) == (paper, table, model, quantity, printed)
    )
    return row


@pytest.mark.parametrize(
    ("key", "value", "size", "gpu"),
    [
        # BiSeNet's Table 6 has 105.8 for Xception39 on a Titan XP at 768x1536; FRFNet prints 768x1563 and a 1080Ti.
        (("frfnet", "1", "bisenet-r18", "fps", "105.8"), "yes", "no", "no"),
        (("frfnet", "1", "bisenetv2", "fps", "156.0"), "yes", "yes", "yes"),  # a 1080Ti is a GTX 1080 Ti
        (("frfnet", "1", "dabnet", "fps", "58.04"), "no", "no", "yes"),  # the authors print 104, at 512x1024
        (("mfpnet", "2", "sgcpnet", "fps", "103"), "cut", "not printed", "yes"),  # 103.7
        (("mfpnet", "2", "dsanet", "fps", "34"), "yes", "not printed", "unknown"),  # 34.08
        (("frfnet", "2", "bisenet-r18", "fps", "65.5"), "yes", "not printed", "not printed"),
        (("frfnet", "1", "cabinet", "fps", "76.5"), "yes", "yes", "yes"),  # the source has fewer digits: 76
        (("efrnet", "2", "segnet", "params", "29.50"), "yes", "n/a", "n/a"),  # 29.46
        (("efrnet", "2", "icnet", "params", "12.29"), "no", "n/a", "n/a"),  # 12.42
        (("mfpnet", "2", "dsanet", "miou", "71.4"), "no", "not printed", "n/a"),  # 71.3
        (("frmnet", "1", "rtformer-base", "params", "16.8"), "unknown", "n/a", "n/a"),
    ],
)
def test_agreement_follows_from_both_sides(key: Key, value: str, size: str, gpu: str) -> None:
    row = _row(*key)
    assert (row.agrees_in_value, row.agrees_in_size, row.agrees_in_gpu) == (value, size, gpu)


def test_a_mark_says_what_a_copied_figure_is_of() -> None:
    marks = {(row.paper, row.model, row.quantity, str(row.printed)): row.mark for row in ROWS if row.mark}
    assert marks["frfnet", "bisenet-r18", "fps", "105.8"] == (
        "of another size (768x1536), another GPU (Titan XP), another variant"
    )
    assert marks["efrnet", "bisenet-xception39", "miou", "68.4"] == "of another size (768x1536)"
    assert marks["eseg", "deeplabv3-r101", "flops", "1779"] == "of another unit (2^30)"
    assert ("frfnet", "bisenetv2", "fps", "156.0") not in marks
    assert ("frfnet", "dabnet", "fps", "58.04") not in marks  # nothing is known to print it


def test_a_figure_is_found_from_its_claim() -> None:
    (claim,) = (claim for claim in load_claims(model="bisenet-r18") if str(claim.fps) == "105.8")
    assert mark(claim, "fps").startswith("of another size")
    assert mark(claim, "params") == ""
    source = source_of(claim, "miou")
    assert source is None


@pytest.mark.parametrize("column", ["quantity", "evidence_kind", "verdict"])
def test_a_word_outside_the_closed_lists_is_refused(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line, first = provenance._rows()[0]
    broken: Mapping[str, str] = {**first, column: "somehow"}
    with pytest.raises(ClaimsError, match=rf"line {line}: {column} is one of .*: somehow given"):
        provenance._parse(broken, ROWS[0].claim, line)


def test_claims_shows_the_sources(segbench_cli: Callable[..., Answer]) -> None:
    answer = segbench_cli("claims", "efrnet", "--provenance")
    assert answer.status == 0
    assert "5 figures whose source was looked up" in " ".join(answer.out.split())
    rows = json.loads(segbench_cli("claims", "frfnet", "--provenance", "--json").out)
    (row,) = (row for row in rows if row["printed"] == "105.8")
    assert (row["agrees_in_size"], row["agrees_in_gpu"], row["size"]) == ("no", "no", [768, 1536])
    assert {row["paper"] for row in rows} == {"frfnet"}
