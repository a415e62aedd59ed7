"""Printed FPS against the peak of a card: by hand, and each verdict again from the values beside it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.audit import VERDICTS, SpeedJudgement, audit, audit_speed, select
from segbench.audit.counts import Counts
from segbench.audit.speed import (
    BEYOND_DIRECT,
    BEYOND_WINOGRAD,
    NO_CARD,
    NO_SIZE,
    NOT_BUILT,
    UNKNOWN_CARD,
    judge_speed,
    summary,
)
from segbench.claims import Figure, load_claims, provenance
from segbench.gpus import GPUS
from segbench.records.record import Record
from tests.conftest import Answer

ROWS = audit_speed(select(None))


def _find(model: str, printed: str, card: str) -> SpeedJudgement:
    (row, *_) = (row for row in ROWS if (row.model, row.printed, row.card) == (model, printed, card))
    return row


def test_sqnet_demands_more_than_a_titan_x_can_multiply_directly() -> None:
    # 575.5e9 MACs: 2 * 575.5e9 * 16.7 / 6.691e12 = 2.87; docs/audit.md has it step by step.
    maxwell, pascal = (_find("sqnet", "16.7", f"Titan X ({chip})") for chip in ("Maxwell", "Pascal"))
    assert maxwell.share_direct == pytest.approx(2.87, abs=0.005)
    assert maxwell.share_winograd == pytest.approx(1.01, abs=0.005)
    assert pascal.share_direct == pytest.approx(1.75, abs=0.005)
    assert maxwell.verdict == pascal.verdict == BEYOND_DIRECT


def test_costs_and_speeds_of_a_row_take_the_same_size_from_its_source() -> None:
    assert _find("dfanet-a", "100", "Titan X (Maxwell)").resolution == (1024, 1024)
    sized = {
        (row.claim.paper, row.claim.table, row.claim.model, row.claim.dataset, str(row.claim.fps))
        for row in audit(select(None)).judgements
        if row.quantity == "flops" and row.claim.size is None and not row.best.guessed
    }
    assert sized
    unsized = {(row.paper, row.table, row.model, row.dataset, row.printed) for row in ROWS if row.verdict == NO_SIZE}
    assert unsized
    assert not sized & unsized


def test_the_page_s_example_is_what_the_audit_finds() -> None:
    page = (Path(__file__).parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"One by hand\..*?(?=\n\| verdict)", page, re.DOTALL)
    maxwell, pascal = (_find("sqnet", "16.7", f"Titan X ({chip})") for chip in ("Maxwell", "Pascal"))
    assert maxwell.macs and maxwell.macs_3x3 and maxwell.boost_mhz and maxwell.highest_mhz and maxwell.peak_tflops
    assert maxwell.share_direct and maxwell.share_winograd and pascal.share_direct and pascal.share_winograd
    above = maxwell.boost_mhz / maxwell.highest_mhz
    left = maxwell.macs - 3 / 4 * maxwell.macs_3x3
    assert maxwell.macs_3x1 == 0
    for said in (
        f"{maxwell.macs:,} multiply-accumulates",
        f"2 · {maxwell.macs / 1e9:.1f}e9 · 16.7 = {2 * maxwell.macs * 16.7 / 1e12:.2f} TFLOP/s",
        f"2 · 3072 · 1.089e9 = {maxwell.peak_tflops:.2f} TFLOP/s",
        f"19.22 / 6.69 = {maxwell.share_direct:.2f}",
        f"{maxwell.macs_3x3:,} of its multiply-accumulates",
        f"{maxwell.macs / 1e9:.1f}e9 - {maxwell.macs_3x3 / 1e9:.1f}e9 + {maxwell.macs_3x3 / 1e9:.1f}e9 / 4 "
        f"= {left / 1e9:.1f}e9 multiplications",
        f"`share_winograd` is {maxwell.share_winograd:.2f}",
        f"{pascal.peak_tflops:.2f} TFLOP/s: {pascal.share_direct:.2f} and {pascal.share_winograd:.2f}",
        f"is {maxwell.highest_mhz:,} MHz, at which {maxwell.share_direct:.2f} is {maxwell.share_direct * above:.2f}",
        f"{maxwell.share_winograd:.2f} is {maxwell.share_winograd * above:.2f}",
    ):
        assert said in example, said


def test_the_page_names_every_verdict() -> None:
    page = (Path(__file__).parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")
    for verdict in (*VERDICTS, *provenance.VERDICTS, BEYOND_DIRECT, BEYOND_WINOGRAD, NO_SIZE, NO_CARD):
        assert f"`{verdict}`" in page, verdict


def test_erfnet_fits_a_pascal_card_and_not_a_maxwell_one() -> None:
    maxwell, pascal = (_find("erfnet", "139", f"Titan X ({chip})") for chip in ("Maxwell", "Pascal"))
    assert maxwell.share_direct == pytest.approx(1.45, abs=0.005)
    assert maxwell.share_winograd_f2 == pytest.approx(1.00, abs=0.005)
    assert maxwell.share_winograd == pytest.approx(0.77, abs=0.005)
    assert pascal.share_direct == pytest.approx(0.89, abs=0.005)
    assert (maxwell.verdict, pascal.verdict) == (BEYOND_DIRECT, "89 % of the roof")


def test_a_share_just_above_one_at_the_rated_clock_proves_nothing() -> None:
    row = _find("icnet", "30.3", "Titan X (Maxwell)")
    assert row.share_direct == pytest.approx(1.03, abs=0.005)
    assert row.verdict == "103 % of the roof"


@pytest.mark.parametrize("row", [row for row in ROWS if row.macs], ids=lambda row: f"{row.model}-{row.printed}")
def test_every_verdict_follows_from_the_values_beside_it(row: SpeedJudgement) -> None:
    content = json.loads(json.dumps(row.to_json()))
    fps, peak = float(content["printed"]), content["peak_tflops"] * 1e12
    rest = content["macs"] - content["macs_3x3"] - content["macs_3x1"]
    f4 = rest + content["macs_3x3"] / 4 + content["macs_3x1"] / 2
    f2 = rest + content["macs_3x3"] / 2.25 + content["macs_3x1"] / 1.5
    assert content["share_direct"] == pytest.approx(2 * content["macs"] * fps / peak)
    assert content["share_winograd_f2"] == pytest.approx(2 * f2 * fps / peak)
    assert content["share_winograd"] == pytest.approx(2 * f4 * fps / peak)
    assert content["share_bytes"] == pytest.approx(content["bytes"] * fps / (content["bandwidth_gb_s"] * 1e9))
    above = content["highest_mhz"] / content["boost_mhz"]
    if content["share_direct"] <= above:
        percent = round(100 * max(content["share_direct"], content["share_bytes"]))
        assert content["verdict"] == f"{percent} % of the roof"
    else:
        assert content["verdict"] in {BEYOND_DIRECT, BEYOND_WINOGRAD}


def test_every_printed_fps_of_a_network_is_there() -> None:
    printed = {(claim.paper, claim.table, claim.model, str(claim.fps)) for claim in load_claims() if claim.fps}
    assert {(row.paper, row.table, row.model, row.printed) for row in ROWS} == {item for item in printed if item[2]}
    assert all(row.verdict for row in ROWS)
    assert {row.resolution_of for row in ROWS if row.macs} == {"paper", "source"}


# 1 T multiply-accumulates, half of them in 3x3 layers: by F(4) 0.625 T. A Maxwell Titan X does 3.345 T a second.
OPERATIONS = {"live-macs": 10**12, "live-macs-3x3": 5 * 10**11, "live-macs-3x1": 0}
RECORD = Record(model="erfnet", classes=19, resolution=(512, 1024), params=1, live_params=10**6, operations=OPERATIONS)
(CLAIM,) = (claim for claim in load_claims(paper="frfnet", model="erfnet") if claim.fps and claim.table == "1")


def _verdicts(fps: str, gpu: str, **change: Any) -> list[str]:
    claim = replace(CLAIM, fps=Figure(fps), gpu=gpu, **change)
    return [row.verdict for row in judge_speed([claim], Counts([RECORD], recount=False))]


def test_what_is_said_of_each_card_that_the_print_may_mean() -> None:
    assert _verdicts("1", "TitanX M") == ["30 % of the roof"]
    # 3.9 FPS are 1.17 of the rated peak, and 0.96 of that at 1325 MHz; 4.2 are 1.03 of it.
    assert _verdicts("3.9", "TitanX M") == ["117 % of the roof"]
    assert _verdicts("4.2", "TitanX M") == [BEYOND_DIRECT]
    # By F(4) 6.6 FPS are 1.01 of the Maxwell card at its highest clock, 0.60 of the Pascal one.
    assert _verdicts("6.6", "TitanX M") == [BEYOND_WINOGRAD]
    assert _verdicts("6.6", "TitanX") == [BEYOND_DIRECT, "120 % of the roof"]
    assert _verdicts("50", "TitanX") == [BEYOND_WINOGRAD, BEYOND_WINOGRAD]


def test_what_is_missing_is_said() -> None:
    assert _verdicts("1", "") == _verdicts("1", "*") == [NO_CARD]
    assert _verdicts("1", "Voodoo 2") == [UNKNOWN_CARD]
    assert _verdicts("1", "TitanX M", height=None, width=None) == [NO_SIZE]
    assert _verdicts("1", "TitanX M", model="msfnet") == [NOT_BUILT]
    assert _verdicts("1", "TitanX M", height=256) == []  # no count, and none is to be made


def test_parameters_count_as_bytes_only_where_the_cache_cannot_hold_them() -> None:
    (row,) = judge_speed([CLAIM], Counts([RECORD], recount=False))
    image = 3 * 512 * 1024 * 4 + 512 * 1024
    assert row.bytes == image + 4 * 10**6  # 3 MiB of cache
    small = replace(RECORD, live_params=10**5)
    assert judge_speed([CLAIM], Counts([small], recount=False))[0].bytes == image
    assert GPUS[row.card].last_level_cache_kib == 3072


def test_the_summary_takes_the_card_that_a_figure_asks_least_of() -> None:
    erfnet = [row for row in ROWS if (row.model, row.printed) == ("erfnet", "139")]
    assert summary(erfnet) == "1 printed FPS: 1 within the roof"
    sqnet = [row for row in ROWS if row.model == "sqnet"]
    assert summary(sqnet) == "1 printed FPS: 1 beyond direct convolution"


def test_the_command_prints_json_and_a_table(segbench_cli: Callable[..., Answer]) -> None:
    rows = json.loads(segbench_cli("audit", "sqnet", "--speed", "--json", "-").out)
    keys = {"paper", "table", "model", "printed", "gpu", "resolution", "share_direct", "share_winograd", "verdict"}
    assert all(keys <= set(row) for row in rows)
    assert [row["card"] for row in rows] == ["Titan X (Maxwell)", "Titan X (Pascal)"]
    answer = segbench_cli("audit", "frfnet", "--speed")
    assert answer.status == 0
    assert "printed FPS" in answer.out


def test_it_needs_no_torch() -> None:
    code = "import sys; from segbench.cli import run; run(['audit', '--speed']); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.splitlines()[-1] == "False"
