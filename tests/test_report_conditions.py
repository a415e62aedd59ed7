"""Numbers under unlike conditions share no column, no cell and no plot, and each says what it was measured under."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from segbench.claims import Figure, load_claims
from segbench.errors import RecordError
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, labels
from segbench.report.comparison import PLOTS, require_one_device
from segbench.report.leaderboard import comparison_table
from segbench.report.leaderboard_csv import ACCURACY_COLUMNS, TIMING_COLUMNS
from segbench.report.measured import measured
from segbench.report.page_data import decoded, page_data
from segbench.report.paper_table import paper_view
from segbench.report.papers import paper_tables
from segbench.report.plots import Plot
from segbench.report.table import BEST, SECOND, Table
from tests.conditions_records import (
    ACCURACY_FIELDS,
    FPS,
    TIMING_FIELDS,
    scored,
    scored_pair,
    timed,
    timed_pair,
)
from tests.test_report_table import claim

both = pytest.mark.parametrize("one_network", [True, False], ids=["one network", "two networks"])


def table_of(records: list[Record]) -> Table:
    return comparison_table(measured(records), [])


def shown(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table.rich(width))
    return out.getvalue()


def csv_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.csv())))


def columns_in(lines: list[list[str]], figure: str) -> list[tuple[str, ...]]:
    """The heading over each cell that holds a figure, and the cell."""
    return [
        (heading, cell)
        for line in lines[1:]
        for heading, cell in zip(lines[0], line, strict=True)
        if figure in re.split(r"[^\d.]+", cell)
    ]


def markdown_lines(table: Table) -> list[list[str]]:
    lines = [line for line in table.markdown().splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def latex_lines(table: Table) -> list[list[str]]:
    text = table.latex("x")
    body = text[text.index("\\toprule") : text.index("\\bottomrule")]
    return [line.removesuffix(" \\\\").split(" & ") for line in body.splitlines() if line.endswith("\\\\")]


def page_rows(records: list[Record]) -> list[dict[str, Any]]:
    return decoded(page_data(measured(records), load_claims(), ()))


def plots_of(records: list[Record]) -> list[Plot]:
    rows, claims = measured(records), load_claims()
    return [plot for draw in PLOTS.values() for plot in draw(rows, claims)]


def drawn(plots: list[Plot], one: float, other: float) -> Iterator[tuple[Plot, bool, bool]]:
    """Each plot, and whether what it draws holds the one number, and the other."""
    for plot in plots:
        numbers = {round(float(text), 3) for text in re.findall(r"\d+\.\d+", repr(getattr(plot.painter, "args", ())))}
        yield plot, one in numbers, other in numbers


@both
@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_timings_that_differ_in_one_condition_stay_apart(field: str, one_network: bool) -> None:
    records = list(timed_pair(field, one_network=one_network))
    table = table_of(records)
    for lines in (markdown_lines(table), latex_lines(table)):
        ((first, _), (second, _)) = (found for figure in ("111", "222") for found in columns_in(lines, figure))
        assert first != second
    wide, narrow = shown(table, 300), shown(table, 80)
    for figure in ("111", "222"):
        assert figure in wide.split()
        assert figure in narrow.split()
    headings = [column.heading for column in table.columns if column.heading.startswith(("FPS (", "Images/s ("))]
    assert len(set(headings)) == 2
    assert all(heading in wide for heading in headings)
    stored = csv_of(table)
    assert {line["fps"] for line in stored} == {"111", "222"}
    assert len({line[TIMING_COLUMNS[field]] for line in stored}) == 2
    rows = page_rows(records)
    assert {row["fps"] for row in rows} == set(FPS)
    assert len({row["conditions"] for row in rows}) == 2
    one, other = (TimingConditions.of(record) for record in records)
    assert one is not None
    assert other is not None
    assert one.describe() != other.describe()
    found = list(drawn(plots_of(records), *FPS))
    assert not [plot.name for plot, has_one, has_other in found if has_one and has_other]
    # Plots show single images.
    assert any(has_one for _, has_one, _ in found)
    assert any(has_other for _, _, has_other in found) or field == "batch"
    titles = {repr(plot.painter.args) for plot, *_ in found}  # type: ignore[attr-defined]
    assert len(titles) == len(found)


@both
@pytest.mark.parametrize("field", ACCURACY_FIELDS)
def test_accuracies_that_differ_in_one_condition_stay_apart(field: str, one_network: bool) -> None:
    records = list(scored_pair(field, one_network=one_network))
    table = table_of(records)
    texts = {figure: small for row in table.rows for cell in row for figure, small in cell.lines}
    # Every network has weights of its own: between networks they go without saying.
    of_its_own = field == "checkpoint" and not one_network
    assert (texts["61.1"] != texts["72.2"]) is not of_its_own
    lines = markdown_lines(table), latex_lines(table)
    for output in (shown(table, 300), *map(repr, lines)):
        assert "61.1" in output
        assert "72.2" in output
    for part in texts["72.2"].split(", "):
        assert part in " ".join(shown(table, 300).split())
        assert part in table.markdown()
    cells = csv_of(table)
    assert {line["measured_miou_percent"] for line in cells} == {"61.10", "72.20"}
    assert len({line[ACCURACY_COLUMNS[field]] for line in cells}) == 2
    rows = page_rows(records)
    assert {row["miou"] for row in rows} == {61.1, 72.2}
    assert (len({row["miouOn"] for row in rows}) == 2) is not of_its_own
    places = {row["miou"]: tuple(row["points"][0][:2]) for row in rows}
    found = list(drawn(plots_of(records), 61.1, 72.2))
    assert any(has_one for _, has_one, _ in found)
    assert any(has_other for _, _, has_other in found)
    together = [plot for plot, has_one, has_other in found if has_one and has_other]
    if field == "checkpoint":
        # Weights may be compared, each under its own name.
        assert places[61.1] == places[72.2]
        assert all(len({point.label for point in plot.points if point.solid}) > 1 for plot in together)
    else:
        assert places[61.1] != places[72.2]
        assert not together
        titles = [{plot.title for plot, *has in found if has[place]} for place in (0, 1)]
        assert not titles[0] & titles[1]


def test_what_is_not_official_is_marked_beside_its_number() -> None:
    whole = scored()
    assert whole.accuracy is not None
    records = [
        whole,
        replace(whole, model="frfnet", accuracy=replace(whole.accuracy, rule="absent-1", miou=0.9)),
        replace(whole, model="erfnet", accuracy=replace(whole.accuracy, images=4, miou=0.8)),
    ]
    table = table_of(records)
    for text in ("rule absent-1, not the official cityscapes", "4 of 500 images"):
        assert text in table.markdown()
        assert text in " ".join(shown(table, 300).split())
        assert text in table.latex("x")
        assert text in {line["measured_not_official"] for line in csv_of(table)}
        assert any(text in row["miouOn"] for row in page_rows(records))
        assert any(text in plot.title for plot in plots_of(records))


def test_scores_are_ranked_among_those_of_the_same_benchmark_alone() -> None:
    whole = scored()
    assert whole.accuracy is not None
    names = ("mfpnet", "frfnet", "erfnet")
    records = [scored(name, miou) for name, miou in zip(names, (0.5, 0.6, 0.7), strict=True)]
    # Other weights and another normalisation are a network's own; another rule is another benchmark.
    own = replace(
        whole.accuracy,
        checkpoint_sha256="c" * 64,
        protocol={**whole.accuracy.protocol, "mean": [0.5, 0.5, 0.5]},
        miou=0.8,
    )
    records += [
        replace(whole, model="esnet", accuracy=own),
        replace(whole, accuracy=replace(whole.accuracy, rule="absent-1", miou=0.99)),
    ]
    ranks = {
        figure: cell.rank(line)
        for row in table_of(records).rows
        for cell in row
        for line, (figure, _) in enumerate(cell.lines)
    }
    assert (ranks["80.0"], ranks["99.0"]) == (BEST, 0)


def test_of_the_very_same_conditions_the_latest_counts_and_a_footer_names_the_older() -> None:
    older = replace(timed(fps=90.0), created="2026-11-19T10:00:00Z")
    oldest = replace(timed(fps=80.0), created="2026-11-18T10:00:00Z", params=7)
    table = table_of([timed(fps=100.0), older, oldest])
    assert [line["fps"] for line in csv_of(table)] == ["100"]
    text = " ".join(table.footers)
    assert "mfpnet 512x1024 (2 Records, 2026-11-18 to 2026-11-19)" in text
    assert "parameters 7" in text
    assert "Not shown" not in " ".join(table_of([timed(fps=100.0)]).footers)
    again = replace(scored(miou=0.5), created="2026-11-22T10:00:00Z")
    table = table_of([scored(miou=0.4), again])
    assert "50.0" in table.markdown()
    assert "mfpnet 512x1024 (1 Record, 2026-11-21)" in " ".join(table.footers)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": {"torch": "2.12.0"}}, "torch 2.12.0 -> 2.13.0"),
        ({"environment": {"cpu": "Another"}}, "host CPU Another -> Host"),
        ({"protocol": {"rounds": 9}}, "rounds 9 -> 5"),
    ],
)
def test_a_timing_that_a_later_one_under_another_version_replaces_is_named(change: dict[str, Any], said: str) -> None:
    older = replace(timed(fps=90.0), created="2026-11-19T10:00:00Z")
    changed: dict[str, Any] = {name: {**getattr(older, name), **value} for name, value in change.items()}
    older = replace(older, **changed)
    text = " ".join(table_of([older, timed(fps=100.0)]).footers)
    assert f"mfpnet 512x1024 (90.0 FPS, {said})" in text
    assert "under the same conditions are" not in text


def test_networks_of_other_outputs_and_options_have_rows_of_their_own_that_say_so() -> None:
    outputs = [replace(timed(fps=fps), output=name) for name, fps in (("a", 50.0), ("b", 70.0))]
    table = table_of([*outputs, replace(timed(fps=90.0), options={"alpha3": 8})])
    assert {(line["variant"], line["fps"]) for line in csv_of(table)} == {
        ("output a", "50"),
        ("output b", "70"),
        ("alpha3 8", "90"),
    }
    assert all(text in table.markdown() for text in ("output a", "output b", "alpha3 8"))


def test_versions_and_rounds_are_listed_where_they_differ_within_a_column() -> None:
    other = timed("frfnet", 50.0)
    other.environment = {**other.environment, "torch": "2.12.0"}
    other.protocol = {**other.protocol, "rounds": 9}
    (footer, *_) = table_of([timed(), other]).footers
    assert "torch differs: 2.12.0 or 2.13.0" in footer
    assert "rounds differs: 5 or 9" in footer
    (footer, *_) = table_of([timed()]).footers
    assert "torch 2.13.0" in footer
    assert "differs" not in footer


def test_a_fast_mode_has_a_column_of_its_own() -> None:
    record = timed()
    assert record.speed is not None
    _, fast = timed_pair("optimized", one_network=True)
    record.speed = replace(record.speed, optimized=fast.speed)  # type: ignore[arg-type]
    (line, other) = csv_of(table_of([record]))
    assert [(one["fps"], one["optimized"]) for one in (line, other)] == [("111", "false"), ("222", "true")]


def test_many_conditions_lose_no_figure_on_a_narrow_terminal() -> None:
    fields = ("precision", "mode", "grad", "cudnn_benchmark", "batch", "runtime")
    records = [timed(fps=500.0)]
    for place, field in enumerate(fields):
        _, other = timed_pair(field, one_network=True)
        assert other.speed is not None
        records.append(replace(other, speed=replace(other.speed, fps=501.0 + place)))
    text = shown(table_of(records), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert {str(500 + place) for place in range(7)} <= set(text.split())


@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_only_several_devices_are_refused(field: str) -> None:
    records = timed_pair(field, one_network=True)
    if field in ("device", "device_name"):
        with pytest.raises(RecordError, match="--allow-mixed"):
            require_one_device(records)
    else:
        require_one_device(records)


def test_the_refusal_of_several_devices_says_what_else_differs() -> None:
    _, half = timed_pair("precision", one_network=True)
    assert half.speed is not None
    half.speed = replace(half.speed, device_name="Chip 2")
    with pytest.raises(RecordError, match=r"2 devices: Chip 1, Chip 2 \(and differ in precision\)"):
        require_one_device([timed(), half])


def test_a_papers_table_says_under_what_else_a_figure_was_measured() -> None:
    claims = [
        claim(model=name, printed_name=name, fps=Figure("106"), miou_percent=Figure("71.5"), gpu="V100", line=line)
        for line, name in enumerate(("mfpnet", "frfnet", "erfnet", "esnet"), 2)
    ]
    _, half = timed_pair("precision", one_network=False)
    whole, part = scored_pair("images", one_network=False)
    assert part.accuracy is not None
    part.accuracy = replace(part.accuracy, images=4)
    records = [timed(), timed("erfnet", 90.0), timed("esnet", 80.0), half, whole, part]
    (table,) = paper_tables(measured(records), claims)
    first, other, *_ = table.rows
    assert first.quantities["fps"].text == "111"
    assert other.quantities["fps"].text == "222 (CUDA, fp16)"
    assert other.quantities["miou"].text == "72.2 (val, 4 of 500 images)"
    assert first.quantities["miou"].ratio is not None
    assert other.quantities["miou"].ratio is None
    view = paper_view(table)
    place = [column.full for column in view.table.columns].index("FPS measured")
    assert [row[place].rank() for row in view.table.rows] == [BEST, 0, SECOND, 0]
    lines = csv_of(view.table)
    assert "fp32" in lines[0]["fps_measured_under"]
    assert "fp16" in lines[1]["fps_measured_under"]
    assert "4 images" in lines[1]["miou_measured_under"]
    assert "Timings under other conditions" in " ".join(view.table.footers)


def test_what_a_plot_says_of_its_conditions_is_not_cut_off() -> None:
    one, other = scored_pair("rule", one_network=True)
    assert other.accuracy is not None
    other.accuracy = replace(other.accuracy, images=4, protocol={**other.accuracy.protocol, "scales": [0.5, 1.0, 2.0]})
    for plot in plots_of([one, other]):
        for paper in (False, True):
            figure = plot.painter(paper=paper)
            renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
            for text in figure.texts:
                assert text.get_window_extent(renderer).x1 <= figure.bbox.x1, (plot.name, text.get_text())


def test_an_output_that_is_dropped_makes_no_other_benchmark_and_one_that_counts_does() -> None:
    def benchmark(**settings: Any) -> AccuracyConditions:
        record = scored()
        assert record.accuracy is not None
        record.accuracy = replace(record.accuracy, protocol={**record.accuracy.protocol, **settings})
        found = AccuracyConditions.of(record)
        assert found is not None
        return found.benchmark()

    plain = benchmark(void_output=None, void_rule=None)
    assert benchmark(void_output=19, void_rule="drop") == plain
    assert benchmark(void_output=19, void_rule="count") != plain
    assert benchmark(void_output=None, void_rule=None, scales=[0.5, 1.0]) != plain


def test_one_name_for_two_kinds_of_device_is_told_apart() -> None:
    one = TimingConditions.of(timed())
    assert one is not None
    assert labels([one, replace(one, device="mps")]) == ["Chip 1, CUDA, forward, fp32", "Chip 1, MPS, forward, fp32"]
    assert labels([one, replace(one, grad="no_grad")])[1] == "Chip 1, forward, fp32, autograd no_grad"


def test_a_data_set_named_like_json_is_text_on_the_page() -> None:
    record = scored()
    assert record.accuracy is not None
    record.accuracy = replace(record.accuracy, dataset="{x", variant=None)
    assert page_rows([record])[0]["miouOn"].startswith("{x val")
