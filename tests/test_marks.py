"""A figure that was copied from another size, GPU, unit or variant is marked wherever it is shown."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from segbench.audit.recorded import verdicts
from segbench.claims import load_claims
from segbench.published_costs import published_costs
from segbench.report.card import claimed_table
from segbench.report.leaderboard import comparison_table
from segbench.report.measured import measured
from segbench.report.page_card import card
from segbench.report.paper_table import PaperView, paper_view
from segbench.report.papers import paper_tables

OF = "of another size (768x1536), another GPU (Titan XP), another variant"
MODELS = {"bisenet-r18", "sqnet", "bisenetv2", "bisenet-xception39", "erfnet"}
RECORDS = [record for record in published_costs() if record.model in MODELS]
ROWS = measured(RECORDS)


def view() -> PaperView:
    (table,) = (table for table in paper_tables(ROWS, load_claims(), "frfnet") if table.number == "1")
    return paper_view(table, verdicts(RECORDS, "frfnet"))


def test_a_paper_s_table_marks_the_figure_and_says_below_what_it_is_of() -> None:
    text = view().table.markdown()
    assert "105.8\u2021" in text
    assert f"\u2021 BiSeNet, 105.8: {OF}." in text
    assert "156.0 " in text and "156.0\u2021" not in text
    assert r"105.8\rlap{$\ddagger$}" in view().table.latex("frfnet-1")
    (row,) = (row for row in csv.DictReader(io.StringIO(view().table.csv())) if row["model"] == "bisenet-r18")
    assert row["fps_claimed"] == "105.8"
    assert row["marks"] == f"macs of another size (1024x2048); fps {OF}"


def test_a_paper_s_table_on_a_narrow_terminal_has_the_mark() -> None:
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(view().rich(80))
    assert "105.8\u2021" in out.getvalue()


def test_a_paper_s_table_says_which_fps_are_beyond_the_card() -> None:
    text = view().table.markdown()
    assert "sqnet, 16.7 FPS on a Titan X (Maxwell): beyond direct convolution" in text
    assert "bisenetv2, 156.0 FPS" not in text


def test_the_overall_table_says_it_beside_the_figure() -> None:
    text = comparison_table(ROWS, load_claims()).markdown()
    assert "of another size (768x1536) (efrnet)" in text


def test_the_terminal_s_card_marks_it() -> None:
    record = next(record for record in RECORDS if record.model == "bisenet-r18")
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(claimed_table(record))
    assert "105.8\u2021" in out.getvalue()
    assert f"\u2021 frfnet Table 1, 105.8: {OF}" in " ".join(out.getvalue().split())


def test_the_page_s_card_says_what_a_figure_is_of_and_what_its_fps_demand() -> None:
    found = verdicts(RECORDS)

    def lines(model: str) -> list[list[str]]:
        claims = [claim for claim in load_claims() if claim.model == model]
        content = card(model, [row for row in ROWS if row.model == model], claims, found)
        return [[str(cell) for cell in line] for line in content["claims"]]

    (bisenet,) = (line for line in lines("bisenet-r18") if line[6] == "105.8\u2021")
    assert bisenet[-1] == f"{OF}; 111 % of the roof"
    (sqnet,) = (line for line in lines("sqnet") if line[5] == "fps")
    assert sqnet[-1] == "beyond direct convolution: needs a fast algorithm or lower precision"
    (erfnet,) = (line for line in lines("erfnet") if line[6] == "25.8")
    assert erfnet[-1] == "exact under torchstat (25.79 G, ratio 0.999) at a size that is a guess"
    (copied,) = (line for line in lines("bisenetv2") if line[6] == "21.1")
    assert copied[-1].startswith("copied, not met: Copied from BiSeNet V2")
