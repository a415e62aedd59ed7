"""What goes into a paper: the LaTeX table, its bibliography, the plots, and the numbers for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segbench.catalog import CATALOG
from segbench.catalog.references import parse
from segbench.claims import Claim, load_claims
from segbench.records import store
from segbench.records.record import Record
from segbench.report.comparison import formats_of, write_report
from segbench.report.labels import Box, place_labels
from segbench.report.latex_table import BEST, Figure, Heading, floats
from segbench.report.leaderboard import comparison_table
from segbench.report.long_table import COLUMNS, long_table
from segbench.report.measured import measured
from segbench.report.paper_table import paper_view
from segbench.report.papers import paper_tables
from segbench.report.pareto import pareto_plots
from segbench.report.self_reported import self_reported
from tests.conftest import Answer
from tests.test_report_table import claim, record

Cli = Callable[..., Answer]
CHOSEN = ("mfpnet", "bisenetv2", "enet", "mine:Net")
SIZE = (512, 1024)


def chosen_records() -> list[Record]:
    """Counts alone; parameters are those of the networks, since others would be marked as outdated."""
    found = [record(name, operations={"macs": place * 10**9}) for place, name in enumerate(CHOSEN, 1)]
    return [replace(item, params=CATALOG[item.model].params if item.model in CATALOG else 9) for item in found]


def with_own() -> list[Claim]:
    return [*load_claims(), *self_reported(["mine:Net=75.5"], "cityscapes", "val", [("mine:Net", SIZE)])]


# ---------------------------------------------------------------- the table


def test_networks_are_named_as_papers_print_them_and_cited() -> None:
    text = comparison_table(measured(chosen_records()), with_own()).latex("tab:x")
    for name in ("MFPNet~\\cite{mfpnet}", "BiSeNetV2~\\cite{bisenetv2}", "ENet~\\cite{enet}", "\nNet & "):
        assert name in text
    assert "512$\\times$1024" in text and "resizebox" not in text
    assert "\\begin{tabular*}{\\linewidth}" in text


def test_digits_are_aligned_and_marks_do_not_move_them() -> None:
    rows = [[[Figure("1.5")]], [[Figure("12", note="of a V100", rank=BEST)]], [[Figure("3.25")]], [[Figure("-")]]]
    text = floats("T", "t", [Heading("FPS", number=True)], rows, ["Said below."], set())
    assert "1.5\\phantom{0} \\\\" in text
    assert "\\textbf{12}\\rlap{\\textsuperscript{a}}\\phantom{.00} \\\\" in text
    assert "\\multicolumn{1}{c}{--} \\\\" in text
    assert "\\textsuperscript{a}of a V100." in text and "Said below.\\par" in text


def test_a_note_is_said_once_for_all_cells_that_have_it() -> None:
    row = [[Figure("1", note="same")], [Figure("2", note="other")]]
    text = floats("T", "t", [Heading("A", number=True)] * 2, [row, row], [], {1})
    assert text.count("\\textsuperscript{a}same; \\textsuperscript{b}other.") == 1
    assert "\\midrule 1" in text


def test_the_bibliography_beside_the_table_has_what_is_cited_and_no_more(tmp_path: Path) -> None:
    write_report(chosen_records(), tmp_path, plots=(), reported=with_own()[-1:])
    for bibliography, tables in (("table.bib", "table.tex"), ("papers/papers.bib", "papers/*.tex")):
        keys = set(parse((tmp_path / bibliography).read_text(encoding="utf-8")))
        texts = [path.read_text(encoding="utf-8") for path in tmp_path.glob(tables)]
        assert keys == {key for text in texts for key in re.findall(r"\\cite\{(\w+)\}", text)}
    assert {"mfpnet", "enet", "bisenetv2"} <= set(parse((tmp_path / "table.bib").read_text(encoding="utf-8")))


def test_chosen_columns_become_a_table_with_its_bibliography(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    store.write_text(path, store.dumps(chosen_records()))
    wanted = ("table", path, "--no-published", "--columns", "network,macs", "--format", "latex")
    assert segbench_cli(*wanted, "--out", tmp_path / "t.tex").status == 0
    text = (tmp_path / "t.tex").read_text(encoding="utf-8")
    assert "Network & MACs (G) \\\\" in text and "MFPNet~\\cite{mfpnet}" in text
    assert "\\textbf{1.00}" in text and "\\underline{2.00}" in text
    assert set(parse((tmp_path / "t.bib").read_text(encoding="utf-8"))) == {"mfpnet", "bisenetv2", "enet"}


# ---------------------------------------------------------------- what is ranked in papers' tables


@pytest.mark.parametrize(
    ("quantity", "unlike"),
    [
        ("gflops", {"height": 360, "width": 640}),
        ("gflops", {"height": None, "width": None}),
        ("fps", {"gpu": "Titan X"}),
        ("fps", {"height": 360, "width": 640}),
        ("miou_percent", {"split": "val"}),
        ("miou_percent", {"split": ""}),
    ],
)
def test_the_best_claim_of_unlike_conditions_is_not_marked(quantity: str, unlike: dict[str, Any]) -> None:
    from segbench.claims import Figure as Printed

    better = {"gflops": "0.1"}.get(quantity, "99")
    figures = ["5.0", "6.0", "7.0"]
    rows = [
        claim(model=name, line=line, gpu="V100", **{quantity: Printed(figure)})
        for line, (name, figure) in enumerate(zip("abc", figures, strict=True), 2)
    ]
    rows.append(replace(claim(model="d", line=9, gpu="V100", **{quantity: Printed(better)}), **unlike))
    (table,) = paper_tables(measured([record()]), rows, "mfpnet")
    cells = [
        next(cell for cell in row if cell.lines[0][0] in (*figures, better)) for row in paper_view(table).table.rows
    ]
    assert cells[-1].rank() == 0
    assert sorted(cell.rank() for cell in cells[:3]) == [0, 1, 2]


# ---------------------------------------------------------------- the plots


def test_exactly_the_chosen_networks_are_drawn_and_the_frontier_is_theirs() -> None:
    (plot,) = (
        plot for plot in pareto_plots(measured(chosen_records()), with_own()) if plot.name == "cityscapes-512x1024-macs"
    )
    assert {point.model for point in plot.points} == set(CHOSEN)
    (unsized,) = (point for point in plot.points if point.unsized)
    assert (unsized.model, unsized.solid) == ("enet", None)
    front = dict(zip((point.model for point in plot.points), plot.painter.args[3], strict=True))  # type: ignore[attr-defined]
    assert front["mine:Net"] and not front["enet"]


def test_a_label_stands_at_no_other_point() -> None:
    points = [(100.0, 100.0), (112.0, 100.0), (124.0, 100.0), (112.0, 112.0), (112.0, 88.0)]
    markers = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in points]
    places = place_labels(points, [(40, 10)] * len(points), markers, [], Box(0, 0, 300, 200), gap=5)
    assert None not in places
    for own, place in zip(points, places, strict=True):
        assert place is not None

        def away(point: tuple[float, float], box: Box = place.box) -> float:
            near = box.nearest(point)
            return ((near[0] - point[0]) ** 2 + (near[1] - point[1]) ** 2) ** 0.5

        if min(away(point) for point in points if point != own) <= away(own):
            assert place.leader


def test_a_paper_takes_pdf_and_svg_with_text_and_truetype_fonts(tmp_path: Path) -> None:
    assert formats_of("paper") == formats_of("paper-wide") == ("pdf", "svg")
    for style, inches in (("paper", 3.4), ("paper-wide", 7.0)):
        write_report(chosen_records()[:1], tmp_path / style, style=style, plots=("pareto",))
        (pdf,) = (tmp_path / style / "plots").glob("cityscapes-512x1024-macs.pdf")
        assert b"/FontFile2" in pdf.read_bytes() and b"/Type3" not in pdf.read_bytes()
        box = re.search(rb"/MediaBox \[ *0 0 ([0-9.]+)", pdf.read_bytes())
        assert box and float(box[1]) == pytest.approx(inches * 72)
        svg = pdf.with_suffix(".svg").read_text(encoding="utf-8")
        assert re.search(r"<text[^>]*>MFPNet</text>", svg)


def test_a_plot_for_the_screen_has_no_type_3_fonts_either(tmp_path: Path) -> None:
    write_report(chosen_records()[:1], tmp_path, plots=("counting-rules", "pareto"), formats=("pdf",))
    for path in (tmp_path / "plots").iterdir():
        assert b"/Type3" not in path.read_bytes()


def test_without_a_file_a_plot_goes_into_plots(segbench_cli: Cli, in_folder: Path) -> None:
    store.write_text(in_folder / "records.json", store.dumps(chosen_records()))
    reported = ("--miou", "mine:Net=75.5", "--dataset", "cityscapes", "--split", "val")
    answer = segbench_cli("plot", "records.json", "--no-published", "--style", "paper", *reported)
    assert "4 points in plots/miou-macs.pdf and plots/miou-macs.svg" in answer.out
    svg = (in_folder / "plots" / "miou-macs.svg").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in svg for name in ("Net", "MFPNet", "ENet", "BiSeNetV2"))
    assert segbench_cli("plot", "records.json", "--style", "poster").status == 2


# ---------------------------------------------------------------- the numbers


def test_the_csv_has_one_number_a_cell(tmp_path: Path) -> None:
    text = comparison_table(measured(chosen_records()), with_own()).csv()
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(text))}
    mfpnet = rows["mfpnet"]
    assert (mfpnet["claimed_params"], mfpnet["claimed_flops"], mfpnet["claimed_fps"]) == (
        "1000000",
        "18600000000",
        "106",
    )
    assert rows["mine:Net"]["self_reported_miou_percent"] == "75.5"
    # No size is printed for ENet's 58.3.
    assert rows["enet"]["claimed_miou_percent"] == ""
    for row in rows.values():
        for column in row:
            if column.startswith(("claimed_", "self_reported_")) and not column.endswith(
                ("_in", "_dataset", "_split", "_gpu")
            ):
                assert re.fullmatch(r"[\d.]*", row[column]), column


def test_the_long_table_is_read_by_pandas_without_cleaning() -> None:
    text = long_table(measured(chosen_records()), with_own())
    figures = pd.read_csv(io.StringIO(text))
    assert tuple(figures.columns) == COLUMNS
    assert figures["value"].dtype == "float64" and figures["value"].notna().all()
    assert set(figures["kind"]) == {"measured", "claimed", "self-reported"}
    unsized = figures[(figures["network"] == "enet") & (figures["quantity"] == "miou")]
    assert unsized["size"].isna().any()
    macs = figures[(figures["network"] == "bisenetv2") & (figures["quantity"] == "macs")]
    assert macs["value"].tolist() == [2e9]


def test_a_score_without_a_size_stands_once() -> None:
    rows = measured([record("enet"), replace(record("enet"), resolution=(360, 640))])
    shown = [cell.lines[0][0] for row in comparison_table(rows, load_claims(paper="mfpnet")).rows for cell in row]
    assert shown.count("58.3") == 1
