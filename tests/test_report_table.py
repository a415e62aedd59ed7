"""The comparison table: claimed and measured apart, nothing made up, nothing a reader's program would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from segbench.catalog import CATALOG
from segbench.claims import Claim, Figure, load_claims
from segbench.records.record import Record
from segbench.records.results import Accuracy, Latency, Speed
from segbench.report.leaderboard import comparison_table as table_of_rows
from segbench.report.leaderboard_csv import CSV_COLUMNS
from segbench.report.measured import measured
from segbench.report.pairing import claimed_fps, claimed_miou
from segbench.report.style import billions, millions, per_second
from segbench.report.table import Table

GPU = {"gpu": {"name": "NVIDIA H200", "driver": "570.1"}, "cpu": "EPYC 9654", "torch": "2.13.0"}


def record(model: str = "mfpnet", fps: float | None = None, device: str = "cuda", **fields: Any) -> Record:
    speed = None
    if fps is not None:
        latency = Latency(median=1e3 / fps)
        speed = Speed(mode="forward", device=device, precision="fp32", fps=fps, latency_ms=latency)
    settled: dict[str, Any] = {
        "classes": 19,
        "resolution": (512, 1024),
        "params": 1_001_696,
        "operations": {"macs": 18_310_205_312},
        "fidelity": "reconstruction",
        "environment": GPU,
        "created": "2026-11-21T10:00:00Z",
    }
    return Record(model=model, speed=speed, **{**settled, **fields})


def claim(**fields: Any) -> Claim:
    settled: dict[str, Any] = {
        **dict.fromkeys(("printed_name", "backbone", "gpu", "note"), ""),
        **dict.fromkeys(("params_m", "gflops", "fps", "miou_percent")),
        **{"paper": "mfpnet", "table": "2", "model": "mfpnet", "dataset": "Cityscapes", "split": "test"},
        **{"height": 512, "width": 1024, "file": "mfpnet.csv", "line": 2},
    }
    return Claim(**{**settled, **fields})


def comparison_table(records: list[Record], claims: list[Claim]) -> Table:
    return table_of_rows(measured(records), claims)


def by_heading(table: Table, row: int = 0) -> dict[str, str]:
    headings = [column.heading for column in table.columns]
    return {
        heading: " ".join(filter(None, (part for line in cell.lines for part in line)))
        for heading, cell in zip(headings, table.rows[row], strict=True)
    }


def read_csv(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.csv())))


def text_of(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table.rich(width))
    return out.getvalue()


def test_measured_and_claimed_stand_side_by_side() -> None:
    row = by_heading(comparison_table([record(fps=127.7)], load_claims()))
    assert row["Params (M)"] == "1.00"
    assert row["MACs (G)"] == "18.31"
    assert row["FPS (CUDA)"] == "128"
    assert row["Claimed mIoU (%)"] == "71.5 Cityscapes test (mfpnet)"
    assert row["Claimed FPS"] == "106 V100 (mfpnet)"
    assert row["Fidelity"] == "reconstruction"


def test_csv_has_plain_numbers_and_printed_text() -> None:
    (row,) = read_csv(comparison_table([record(fps=127.75)], load_claims()))
    assert tuple(row) == CSV_COLUMNS
    assert (row["params"], row["macs"], row["fps_cuda"], row["fps_cpu"]) == ("1001696", "18310205312", "127.75", "")
    assert (row["claimed_miou_percent"], row["claimed_fps"], row["claimed_gpu"]) == ("71.5", "106", "V100")
    assert (row["claimed_in"], row["height"], row["width"]) == ("mfpnet Table 2", "512", "1024")


def test_cpu_and_cuda_never_share_a_column() -> None:
    table = comparison_table([record(fps=127.0), record(fps=2.34, device="cpu")], [])
    row = by_heading(table)
    assert (row["FPS (CUDA)"], row["FPS (CPU)"]) == ("127", "2.34")
    lines = read_csv(table)
    assert [(line["fps_cuda"], line["fps_cpu"], line["device"]) for line in lines] == [
        ("127", "", "NVIDIA H200"),
        ("", "2.34", "EPYC 9654"),
    ]
    assert any("CPU timing" in footer for footer in table.footers)


def test_conditions_that_differ_get_columns_of_their_own() -> None:
    half = record(fps=250.0)
    assert half.speed is not None
    half.speed = replace(half.speed, precision="fp16")
    row = by_heading(comparison_table([record(fps=127.0), half], []))
    assert row["FPS (CUDA, fp32)"] == "127"
    assert row["FPS (CUDA, fp16)"] == "250"


def test_missing_is_a_dash_and_an_empty_csv_cell() -> None:
    table = comparison_table([record("my.package:Net", params=None, operations={}, fidelity=None)], load_claims())
    row = by_heading(table)
    assert {row[name] for name in row if name not in {"Network", "Size", "Fidelity"}} == {"-"}
    assert row["Fidelity"] == "own"
    (line,) = read_csv(table)
    assert (line["params"], line["macs"], line["claimed_miou_percent"], line["failure"]) == ("", "", "", "")


def test_a_failure_keeps_its_reason_everywhere() -> None:
    failed = record(params=None, operations={}, failure="out of memory: 3 GiB asked | 2 GiB free")
    table = comparison_table([failed, record("frfnet", fps=100.0)], [])
    assert "| out of memory: 3 GiB asked \\| 2 GiB free |" in table.markdown()
    assert any(row["failure"] == failed.failure for row in read_csv(table))
    for width in (80, 200):
        assert "failed: mfpnet 512x1024: out of memory: 3 GiB asked | 2 GiB free" in " ".join(
            text_of(table, width).split()
        )


def test_a_later_success_clears_a_failure_and_order_does_not_matter() -> None:
    failed = record(failure="crashed", created="2026-11-21T09:00:00Z")
    good = record(fps=100.0)
    for records in ([failed, good], [good, failed]):
        table = comparison_table(records, [])
        assert (len(table.rows), table.failures) == (1, ())
        assert by_heading(table)["FPS (CUDA)"] == "100"


def test_networks_of_one_size_stand_together_the_fastest_first() -> None:
    records = [
        record("a.user:Net", fps=80.0),
        record("frfnet", operations={"macs": 9}),
        record("frfnet-slim", operations={"macs": 7}),
        record("mfpnet", fps=20.0, resolution=(1024, 2048)),
        record("mfpnet", fps=90.0),
        record("mfpnet", fps=300.0, classes=11),
    ]
    table = comparison_table(records, [])
    assert [(by_heading(table, row)["Network"], by_heading(table, row)["Size"]) for row in range(6)] == [
        ("mfpnet", "512x1024 19 classes"),
        ("a.user:Net", "512x1024 19 classes"),
        ("frfnet-slim", "512x1024 19 classes"),
        ("frfnet", "512x1024 19 classes"),
        ("mfpnet", "1024x2048 19 classes"),
        ("mfpnet", "512x1024 11 classes"),
    ]
    assert any("by FPS (CUDA)" in footer for footer in table.footers)


def test_markdown_is_a_table_whatever_the_records_hold() -> None:
    name = "evil|<script>alert(1)</script>\n[x](y) `a` *b* _c_ $d$\x1b[31m\u202e"
    text = comparison_table([record(name, failure="a|b\nc"), record()], load_claims()).markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    pipes = [line.replace("\\|", "").count("|") for line in table]
    assert len(set(pipes)) == 1
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\[x\\](y) \\`a\\` \\*b\\* \\_c\\_ \\$d\\$" in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r="])
def test_csv_text_is_never_a_formula(start: str) -> None:
    (row,) = read_csv(comparison_table([record(f"{start}HYPERLINK(1)", failure=f"{start}1+1")], []))
    assert row["model"].startswith("'")
    assert row["failure"].startswith("'")


def test_the_terminal_shows_markup_and_escapes_as_text() -> None:
    text = text_of(comparison_table([record("my[red]net:\x1b[31mNet", fps=1.0)], []), 200)
    assert "my[red]net: [31mNet" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_terminal_table_fits_and_loses_nothing(width: int) -> None:
    records = [record("deeplabv3plus-efficientnet-b1-os16", fps=28.956, resolution=(1024, 2048))]
    records += [record(fps=127.7), record(fps=2.345, device="cpu")]
    text = text_of(comparison_table(records, load_claims()), width)
    assert max(map(len, text.splitlines())) <= width
    for figure in ("128", "2.35", "29.0", "71.5", "106", "V100", "79.4", "18.31", "512x1024", "reconstruction"):
        assert figure in text.split() or figure in text, figure


def test_on_a_narrow_terminal_claims_share_a_column_and_no_word_is_broken() -> None:
    scored = Accuracy(dataset="Cityscapes", split="val", miou=0.7321)
    records = [record(fps=127.7, accuracy=scored), record(fps=2.345, device="cpu")]
    lines = text_of(comparison_table(records, load_claims()), 80).splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    for word in ("Claimed", "Cityscapes", "(mfpnet)", "73.2", "71.5", "V100", "FPS", "mIoU"):
        assert word in words, word
    wide = text_of(comparison_table(records, load_claims()), 200)
    assert "Claimed FPS" in wide
    assert "Claimed mIoU (%)" in wide


def test_footers_state_the_conditions_and_the_counting_rule() -> None:
    text = " ".join(comparison_table([record(fps=127.7)], load_claims()).footers)
    for part in ("NVIDIA H200", "mode forward", "fp32", "batch 1", "torch 2.13.0", "driver 570.1", "rule macs"):
        assert part in text
    assert "2026-11-21" in text
    assert "(mfpnet) MFPNet: Multi-scale Feature Propagation Network" in text
    assert "does not identify the network" in text
    assert "Speed was not measured" in " ".join(comparison_table([record()], []).footers)


def test_a_claim_at_another_size_or_class_count_is_left_out() -> None:
    for wrong in ({"resolution": (720, 720)}, {"classes": 150}):
        row = by_heading(comparison_table([record(**wrong)], [claim(miou_percent=Figure("71.5"), fps=Figure("106"))]))
        assert row["Claimed mIoU (%)"] == row["Claimed FPS"] == "-"


def test_a_claim_without_a_size_is_marked_and_gives_way_to_one_with_a_size() -> None:
    unsized = claim(height=None, width=None, miou_percent=Figure("70.0"), table="abstract")
    row = by_heading(comparison_table([record()], [unsized]))
    assert row["Claimed mIoU (%)"] == "70.0 Cityscapes test, size not printed (mfpnet)"
    elsewhere = claim(height=1024, width=2048, miou_percent=Figure("71.5"))
    row = by_heading(comparison_table([record()], [unsized, elsewhere]))
    assert row["Claimed mIoU (%)"] == "-"


def test_a_network_trained_with_an_unlabelled_class_keeps_its_claims() -> None:
    claims = [claim(model="espnetv2-1.0", miou_percent=Figure("66.2"))]
    assert CATALOG["espnetv2-1.0"].classes == 20
    for classes, shown in ((20, "66.2 Cityscapes test (mfpnet)"), (21, "-")):
        row = by_heading(comparison_table([record("espnetv2-1.0", classes=classes)], claims))
        assert row["Claimed mIoU (%)"] == shown


def test_test_goes_before_val_and_tables_before_prose() -> None:
    claims = [
        claim(split="val", miou_percent=Figure("73.0")),
        claim(table="prose", miou_percent=Figure("79.9")),
        claim(table="3", miou_percent=Figure("71.5")),
        claim(table="4", miou_percent=Figure("71.50")),
    ]
    (chosen,) = claimed_miou(claims)
    assert (chosen.figure, chosen.others, chosen.claim.where) == ("71.5", ("71.50",), "Table 3")


def test_every_paper_and_every_gpu_keeps_its_figure() -> None:
    claims = [
        claim(miou_percent=Figure("58.3"), fps=Figure("135"), gpu="Titan X"),
        claim(paper="frfnet", miou_percent=Figure("57.0"), fps=Figure("144.2"), gpu="1080Ti"),
        claim(paper="frfnet", miou_percent=Figure("57.0"), fps=Figure("206.3"), gpu="2080Ti"),
    ]
    assert [chosen.figure for chosen in claimed_miou(claims)] == ["58.3", "57.0"]
    assert [chosen.figure for chosen in claimed_fps(claims)] == ["135", "144.2", "206.3"]


def test_a_measured_miou_has_its_own_column() -> None:
    scored = Accuracy(dataset="cityscapes", split="val", miou=0.7123)
    row = by_heading(comparison_table([record(accuracy=scored)], load_claims()))
    assert row["Measured mIoU (%)"] == "71.2 Cityscapes val"
    assert row["Claimed mIoU (%)"].startswith("71.5 ")
    assert read_csv(comparison_table([record(accuracy=scored)], []))[0]["measured_miou_percent"] == "71.23"


def test_numbers_read_as_in_papers() -> None:
    assert [millions(1_001_696), millions(360_422), millions(9_870)] == ["1.00", "0.36", "0.0099"]
    assert [billions(18_310_205_312), billions(1_913_530_000)] == ["18.31", "1.91"]
    assert [per_second(rate) for rate in (105.83, 5.8, 1234, 999.6, 0.01234, 0)] == [
        *("106", "5.80", "1230", "1000", "0.0123", "0")
    ]
    assert per_second(None) == millions(None) == "-"


def test_an_empty_comparison_is_a_table_without_rows() -> None:
    table = comparison_table([], load_claims())
    assert (table.rows, read_csv(table)) == ((), [])
    assert table.markdown().startswith("| Network |")
    assert text_of(table, 80)


def test_claims_agree_with_decimal_arithmetic() -> None:
    for chosen in claimed_miou(load_claims()):
        assert Decimal(1) < chosen.figure.value <= Decimal(100)
