"""The whole report: the same bytes each time, everything escaped, the old one left alone when something fails."""

from __future__ import annotations

import csv
import hashlib
import importlib.resources
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from segbench.audit.recorded import audit_records
from segbench.catalog import CATALOG
from segbench.claims import PAPERS, Figure, load_claims
from segbench.errors import BadOption, OutputError
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Process, WaterfallRow
from segbench.report.charts import waterfall_of
from segbench.report.comparison import write_report
from segbench.report.escape import csv_cell, latex, script_json
from segbench.report.gather import combined
from segbench.report.measured import measured
from segbench.report.page_card import stages
from segbench.report.paper_table import CSV_COLUMNS, paper_view
from segbench.report.papers import PRINTED, paper_tables
from segbench.report.scatter import Pair, rank_correlation
from segbench.report.table import BEST, SECOND
from tests.conftest import Answer
from tests.report_records import HOSTILE, hostile_records, other_plots, records, timing
from tests.test_report_table import claim, record

pytestmark = pytest.mark.slow

Cli = Callable[..., Answer]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def save(path: Path, items: list[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item.to_json()) + "\n" for item in items))
    return path


# ---------------------------------------------------------------- papers' own tables


@pytest.mark.parametrize("paper", PAPERS)
def test_a_papers_table_has_every_printed_row_in_its_order(paper: str) -> None:
    tables = paper_tables(measured(records()), load_claims(), paper)
    printed = [item for item in load_claims(paper=paper) if item.table.isdigit()]
    shown = [row.claim for table in tables for row in table.rows]
    settings_only = {
        number
        for number in {item.table for item in printed}
        if not any(figure(item) for item in printed if item.table == number for figure in PRINTED.values())
    }
    assert sorted(shown, key=lambda item: item.line) == [item for item in printed if item.table not in settings_only]
    for table in tables:
        lines = [row.claim.line for row in table.rows]
        assert lines == sorted(lines)


def test_claimed_measured_and_ratio_stand_beside_each_other() -> None:
    claims = [
        claim(printed_name="MFPNet", params_m=Figure("1.00"), gflops=Figure("18.6"), fps=Figure("106"), gpu="V100"),
        claim(model="frfnet", printed_name="FRFNet", gflops=Figure("16.01"), line=3),
        claim(model="never-built", printed_name="Other", gflops=Figure("3.4"), line=4),
        claim(printed_name="MFPNet", gflops=Figure("9.9"), height=None, width=None, line=5),
    ]
    ((table,), text) = paper_tables(measured([record(fps=212.0)]), claims, "mfpnet"), io.StringIO()
    first, absent, unbuilt, unsized = table.rows
    assert (first.status, absent.status, unbuilt.status) == ("measured", "not measured", "not built")
    macs, fps = first.quantities["macs"], first.quantities["fps"]
    assert (macs.claimed, macs.text, macs.ratio_text) == ("18.6", "18.31", "0.984")
    assert (fps.claimed, fps.text, fps.ratio_text) == ("106", "212", "2.000")
    assert absent.quantities["macs"].text == "not measured"
    assert unbuilt.quantities["macs"].text == "not built"
    # Without a printed size there is a measurement beside the claim, and no ratio.
    assert unsized.elsewhere
    assert (unsized.quantities["macs"].text, unsized.quantities["macs"].ratio) == ("18.31", None)
    view = paper_view(table)
    for width in (80, 200):
        text = io.StringIO()
        Console(file=text, width=width, color_system=None).print(view.rich(width))
        assert max(map(len, text.getvalue().splitlines())) <= width
        for part in ("18.6", "18.31", "0.984", "106", "212", "2.000", "never-built", "not built", "ratio"):
            assert part in text.getvalue(), (width, part)
    rows = list(csv.DictReader(io.StringIO(view.table.csv())))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert (rows[0]["macs_claimed"], rows[0]["macs_measured"], rows[0]["macs_ratio"]) == ("18.6", "18.3102", "0.9844")
    assert [row["status"] for row in rows] == ["measured", "not measured", "not built", "measured"]


def test_a_cpu_has_no_ratio_to_a_gpus_claim() -> None:
    claims = [claim(printed_name="MFPNet", fps=Figure("106"))]
    (table,) = paper_tables(measured([record(fps=2.0, device="cpu")]), claims, "mfpnet")
    assert (table.rows[0].quantities["fps"].text, table.rows[0].quantities["fps"].ratio) == ("2.00", None)


def test_a_failure_keeps_its_reason_in_a_papers_table() -> None:
    failed = record(params=None, operations={}, failure="out of memory")
    (table,) = paper_tables(measured([failed]), [claim(printed_name="MFPNet", gflops=Figure("18.6"))], "mfpnet")
    assert (table.rows[0].status, table.rows[0].quantities["macs"].text) == ("failed", "failed")
    assert paper_view(table).table.failures == (("MFPNet", "out of memory"),)
    assert "out of memory" in paper_view(table).table.markdown()


def test_tables_of_other_papers_need_a_measured_row() -> None:
    assert {table.paper for table in paper_tables(measured([record()]), load_claims())} == {"mfpnet"}
    assert paper_tables(measured([record("my.package:Net")]), load_claims()) == []


def test_the_best_is_bold_and_the_second_underlined() -> None:
    claims = [
        claim(model=name, printed_name=name, gflops=Figure(figure), line=line)
        for line, (name, figure) in enumerate([("a", "18.6"), ("b", "3.40"), ("c", "3.8"), ("d", "99")], 2)
    ]
    (table,) = paper_tables(measured([record()]), claims, "mfpnet")
    view = paper_view(table)
    assert [row[2].rank() for row in view.table.rows] == [0, BEST, SECOND, 0]
    text = view.table.latex("tab:x")
    assert "\\textbf{3.40}" in text
    assert "\\underline{3.8}" in text


# ---------------------------------------------------------------- LaTeX, Markdown, JSON


def balanced(text: str) -> bool:
    depth, place = 0, 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        depth += (text[place] == "{") - (text[place] == "}")
        if depth < 0:
            return False
        place += 1
    return depth == 0


def nested(text: str) -> bool:
    """Whether every environment ends where it should."""
    open_ones: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            open_ones.append(name)
        elif not open_ones or open_ones.pop() != name:
            return False
    return not open_ones


def latex_tables(folder: Path) -> list[Path]:
    return [folder / "table.tex", *sorted((folder / "papers").glob("*.tex"))]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with failures, hostile names, waterfalls and everything else."""
    folder = tmp_path_factory.mktemp("report") / "out"
    items = [*records(), *hostile_records()]
    verdicts = [judgement.to_json() for judgement in audit_records(items, load_claims())]
    write_report(items, folder, judgements=verdicts)
    return folder


def test_latex_has_as_many_cells_in_each_row_as_columns(report: Path) -> None:
    for path in latex_tables(report):
        text = path.read_text()
        found = re.search(r"\\begin\{tabular\*\}\{\\linewidth\}\{@\{\\extracolsep\{\\fill\}\}([lr]+)@\{\}\}", text)
        assert found
        assert balanced(text), path
        bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL)
        assert bodies
        for line in "".join(bodies).splitlines():
            assert line.endswith("\\\\")
            assert len(re.findall(r"(?<!\\)&", line)) == len(found[1]) - 1, line
        assert "resizebox" not in text
        assert nested(text), path
        # A float is no longer than a page.
        assert all(len(body.splitlines()) <= 40 for body in bodies), path
        assert text.count("\\label") == 1
        assert text.isascii() or not any(ord(character) > 0x17F for character in text)


def compiled(tables: Iterable[Path], folder: Path) -> str:
    """The log of a two-column paper that has these tables, in the type and size that conferences ask for."""
    program = shutil.which("tectonic") or shutil.which("pdflatex")
    if program is None:
        pytest.skip("neither tectonic nor pdflatex is installed; the syntax check above stands in")
    lines = ["\\documentclass[twocolumn]{article}", "\\usepackage{booktabs}", "\\usepackage{times}"]
    lines += ["\\setlength{\\textwidth}{6.875in}", "\\setlength{\\columnsep}{0.3125in}", "\\begin{document}"]
    lines += [f"\\input{{{path}}}\n\\clearpage" for path in tables]
    document = folder / "document.tex"
    document.write_text("\n".join([*lines, "\\end{document}", ""]))
    options = ["--keep-logs"] if program.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([program, *options, document.name], check=False, cwd=folder, capture_output=True, text=True)
    if "ptmr7t" in done.stdout and done.returncode:
        pytest.skip("LaTeX is installed without the fonts of Times")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "document.pdf").stat().st_size > 10_000
    return (folder / "document.log").read_text(encoding="latin-1")


@pytest.mark.slow
def test_latex_compiles(report: Path, tmp_path: Path) -> None:
    compiled(latex_tables(report), tmp_path)


@pytest.mark.slow
def test_published_tables_fit_the_page(tmp_path: Path) -> None:
    log = compiled(latex_tables(Path(__file__).parent.parent / "results" / "report"), tmp_path)
    assert not re.findall(r"Overfull .hbox .* in alignment", log)


def test_latex_specials_are_text() -> None:
    assert latex("a_b & 50% #1 {x} $y$ ~^\\") == (
        r"a\_b \& 50\% \#1 \{x\} \$y\$ \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
    assert latex("a--b---c") == "a-{}-b-{}-{}-c"
    assert latex("网é") == "U+7F51é"


def test_markdown_is_one_table_with_every_row(report: Path) -> None:
    for path in [report / "table.md", *sorted((report / "papers").glob("*.md"))]:
        tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text())
        kinds = [token.type for token in tokens]
        assert kinds.count("table_open") == 1, path
        assert not any(token.type.startswith("html") for token in tokens)
        with path.with_suffix(".csv").open(newline="") as file:
            assert kinds.count("tr_open") - 1 <= len(list(csv.DictReader(file)))
        inline = [child for token in tokens for child in token.children or []]
        assert {child.type for child in inline} <= {"text", "text_special", "html_inline", "softbreak"}
        assert {child.content for child in inline if child.type == "html_inline"} <= {"<br>"}


def test_csv_holds_no_formula(report: Path) -> None:
    for path in report.rglob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row), path
    assert csv_cell("=1+1") == "'=1+1"


def test_json_in_a_script_element_cannot_end_it() -> None:
    content = {"</script>": ["<!--", "a&b", "\u2028", "\ud800"]}
    text = script_json(content)
    assert json.loads(text) == content
    assert not re.search("[<>&\u2028\ud800]", text)


def test_the_schema_covers_every_field_and_accepts_every_record(report: Path) -> None:
    text = importlib.resources.files("segbench.records").joinpath("schema/record.schema.json").read_text()
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    # `process` is written by compare beside the Record's own fields.
    assert set(schema["properties"]) == {item.name for item in fields(Record)} - {"extra"} | {"process"}
    validator = jsonschema.Draft202012Validator(schema)
    for item in [*records(), *store.read(Path(__file__).parent.parent / "results" / "costs.jsonl")]:
        validator.validate(json.loads(json.dumps(item.to_json())))
    broken: list[dict[str, Any]] = [
        {"resolution": [512]},
        {"resolution": [512, 1024, 3]},
        {"schema": 2},
        {"operations": {"macs": 1.5}},
        {"accuracy": {"dataset": "Cityscapes", "miou": 71.5}},
        {"created": "yesterday"},
        {"process": {"index": -1, "of": 3, "seed": 0}},
    ]
    for change in broken:
        assert not validator.is_valid({**record().to_json(), **change}), change


# ---------------------------------------------------------------- charts and cards


def test_rank_correlation_is_spearmans() -> None:
    def pairs(*values: tuple[float, float]) -> list[Pair]:
        return [Pair("m", "p", claimed, measured) for claimed, measured in values]

    assert rank_correlation(pairs((1, 10), (2, 20), (3, 300), (4, 4000))) == pytest.approx(1.0)
    assert rank_correlation(pairs((1, 40), (2, 30), (3, 20), (4, 10))) == pytest.approx(-1.0)
    # By hand: ranks 1 2 3 4 and 1 3 2 4; 1 - 6 * 2 / (4 * 15).
    assert rank_correlation(pairs((1, 1), (2, 5), (3, 4), (4, 9))) == pytest.approx(0.8)
    # Ties take their mean rank: 1 2.5 2.5 4 against 1 2 3 4.
    assert rank_correlation(pairs((1, 1), (2, 2), (2, 3), (4, 4))) == pytest.approx(0.9486833)
    assert rank_correlation(pairs((1, 1), (2, 2), (3, 3))) is None
    assert rank_correlation(pairs(*[(1, 1)] * 5)) is None


def test_charts_appear_only_where_there_are_figures() -> None:
    names = [plot.name for plot in other_plots(records(), load_claims())]
    assert {"claimed-against-measured-params", "claimed-against-measured-macs", "counting-rules"} <= set(names)
    assert "launch-bound" in names
    assert sum(name.startswith("waterfall-") for name in names) == 2
    assert other_plots([record("my.package:Net", operations={})], load_claims()) == []


def test_a_waterfall_has_a_step_for_each_figure() -> None:
    rows = [
        WaterfallRow(switch="a", fps=10, kept=True),
        WaterfallRow(switch="fp16", unavailable="no fp16"),
        WaterfallRow(switch="b", fps=5),
    ]
    assert [tuple(step) for step in waterfall_of(record(waterfall=rows))] == [
        ("a", 10, None, True),
        ("b", 5, 0.5, False),
    ]
    assert waterfall_of(record()) == waterfall_of(record(waterfall=[])) == []


def test_stages_sum_to_the_network() -> None:
    modules = records(1)[0].modules or []
    found = stages(modules)
    assert [part.path for part in found] == ["stem", "stage1", "stage2.0", "stage2.1", "head"]
    assert sum(part.macs for part in found) == pytest.approx(modules[0].macs, rel=1e-6)
    assert stages([]) == []


def test_processes_of_one_network_are_one_measurement() -> None:
    def process(number: int, fps: float | None) -> Record:
        made = record(process=Process(index=number, of=3), created=f"2026-11-21T10:00:0{number}Z")
        made.speed = timing(fps, round_fps=[fps]) if fps else None
        made.failure = None if fps else "the process was killed"
        return made

    alone = record("frfnet", fps=10.0)
    found = combined([process(0, 100.0), alone, process(1, 110.0), process(2, None)])
    assert [item.model for item in found] == ["frfnet", "mfpnet"]
    speed = found[1].speed
    assert speed is not None
    assert 100 < speed.fps < 110
    assert speed.processes == 2
    assert found[1].failure is None
    assert "1 of 3 processes failed: the process was killed" in found[1].notes


# ---------------------------------------------------------------- the folder


def test_the_formats_of_the_plots_are_chosen_and_the_page_links_to_them_alone(
    segbench_cli: Callable[..., Answer], tmp_path: Path
) -> None:
    stored = save(tmp_path / "records.jsonl", records(4))
    answer = segbench_cli("report", stored, "--out", tmp_path / "out", "--formats", "PNG, svg,png")
    assert answer.status == 0, answer.err
    assert {path.suffix for path in (tmp_path / "out" / "plots").iterdir()} == {".png", ".svg"}
    links = re.findall(r'href="plots/[^"]+\.([a-z]+)"', (tmp_path / "out" / "index.html").read_text("utf-8"))
    assert set(links) == {"png", "svg"}
    for formats in ("gif", "png,gif", ","):
        answer = segbench_cli("report", stored, "--out", tmp_path / "none", "--formats", formats)
        assert (answer.status, answer.out) == (2, "")
        assert "accepted: svg, pdf, png" in answer.err
    assert not (tmp_path / "none").exists()


def test_only_the_kinds_of_plots_asked_for_are_drawn(tmp_path: Path) -> None:
    write_report(records(4), tmp_path / "some", formats=("svg",), plots=("counting-rules",))
    assert [path.name for path in (tmp_path / "some" / "plots").iterdir()] == ["counting-rules.svg"]
    write_report(records(4), tmp_path / "none", plots=())
    assert list((tmp_path / "none").glob("plots/*")) == []
    with pytest.raises(BadOption, match="accepted: pareto, claimed-against-measured"):
        write_report(records(4), tmp_path / "wrong", plots=("pie",))


def test_a_report_needs_no_torch() -> None:
    code = "import sys, segbench.report.comparison, segbench.report.gather; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    items = [*records(12), *hostile_records()[:2]]
    write_report(items, tmp_path / "one")
    write_report(list(reversed(items)), tmp_path / "two")
    code = (
        "import sys; from pathlib import Path; from segbench.records import store\n"
        "from segbench.report.comparison import write_report\n"
        "write_report(store.read(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    stored = save(tmp_path / "records.jsonl", items)
    # Another process, with other hashes of texts and another locale and time zone.
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}
    subprocess.run([sys.executable, "-c", code, str(stored), str(tmp_path / "three")], check=True, env=environment)
    first = digests(tmp_path / "one")
    assert {"index.html", "table.md", "table.csv", "table.tex", "report.json"} <= set(first)
    assert {Path(name).suffix for name in first if name.startswith("plots/")} == {".svg", ".pdf", ".png"}
    assert digests(tmp_path / "two") == first
    assert digests(tmp_path / "three") == first


def test_records_without_a_date_give_the_same_bytes(tmp_path: Path) -> None:
    content = {key: value for key, value in record().to_json().items() if key != "created"}
    for name in ("one", "two"):
        write_report([Record.from_json(content)], tmp_path / name)
        time.sleep(1.1)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_new_report_replaces_the_files_of_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(records(6), out)
    (out / "records.jsonl").write_text("mine")
    (out / "plots" / "mine.png").write_text("mine")
    before = set(digests(out))
    _, files = write_report([record()], out)
    after = set(digests(out))
    assert after < before
    assert (out / "records.jsonl").read_text() == (out / "plots" / "mine.png").read_text() == "mine"
    assert {path.relative_to(out).as_posix() for path in files} == after - {
        "report.json",
        "records.jsonl",
        "plots/mine.png",
    }
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_a_failure_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write_report([record()], out)
    before = digests(out)
    for broken in (OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("a bug")):

        def fail(*_: object, error: BaseException = broken, **__: object) -> str:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("segbench.report.comparison.page", fail)
            expected = OutputError if isinstance(broken, OSError) else type(broken)
            with pytest.raises(expected):
                write_report(records(8), out)
        assert digests(out) == before
    # A file that cannot be put in place: what was moved already comes back.
    real = Path.replace

    def stubborn(self: Path, target: Path) -> Path:
        if self.name == "table.tex" and self.parent.name.startswith(".report-"):
            raise OSError(5, "Input/output error")
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stubborn)
        with pytest.raises(OutputError, match="Input/output error"):
            write_report(records(8), out)
    assert digests(out) == before


def test_a_manifest_that_points_elsewhere_removes_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text(json.dumps({"files": ["../victim", str(victim), 7, "", "table.md"]}))
    write_report([record()], out)
    assert victim.read_text() == "mine"


def test_hostile_names_stay_inside_the_folder(report: Path) -> None:
    for path in report.rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9.-]+", path.name), path
    page = (report / "index.html").read_text()
    assert page.count("<script") == 3
    for name in HOSTILE[:2]:
        assert name not in page
    for path in report.rglob("*.svg"):
        assert "<script" not in path.read_text()


def test_a_paper_style_embeds_its_fonts(tmp_path: Path) -> None:
    write_report([record(fps=100.0)], tmp_path, style="paper")
    (pdf, *_) = sorted((tmp_path / "plots").glob("cityscapes-512x1024-fps*.pdf"))
    content = pdf.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Subtype /Type3" not in content
    found = re.search(rb"/MediaBox \[ *0 0 ([0-9.]+) ([0-9.]+)", content)
    assert found
    assert float(found[1]) == pytest.approx(3.4 * 72)


def test_compare_shows_the_papers_own_table(tmp_path: Path) -> None:
    shown, files = write_report(records(), tmp_path, paper="efrnet")
    assert {"efrnet-table-2.md", "index.html"} <= {path.name for path in files}
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(shown.rich(80))
    assert "Table 2, beside measurements" in out.getvalue()
    assert "not built" in out.getvalue() or all(
        row.model in CATALOG for row in load_claims(paper="efrnet") if row.model
    )


# ---------------------------------------------------------------- the command


def refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.err
    assert answer.out == ""
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


def test_report_reads_files_and_folders(segbench_cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "results" / "one" / "records.jsonl", records(3))
    save(tmp_path / "results" / "one" / "records.1.jsonl", [record("set-aside:Net")])
    (tmp_path / "single.json").write_text(json.dumps(record("my.package:Single").to_json()))
    answer = segbench_cli("report", tmp_path / "results", tmp_path / "single.json", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    text = (tmp_path / "out" / "table.csv").read_text()
    assert "my.package:Single" in text
    assert "set-aside" not in text
    assert "index.html" in answer.out


def test_bad_input_is_refused_and_the_old_report_stays(segbench_cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    good = save(tmp_path / "good.jsonl", [record(fps=100.0)])
    assert segbench_cli("report", good, "--out", out).status == 0
    before = digests(out)
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps({**record().to_json(), "schema": 99}))
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]")
    elsewhere = record(fps=50.0)
    assert elsewhere.speed is not None
    elsewhere.speed = replace(elsewhere.speed, device_name="NVIDIA V100")
    mixed = save(tmp_path / "mixed.jsonl", [record(fps=100.0), elsewhere])
    (tmp_path / "blocker").write_text("")
    refused(segbench_cli("report", newer, "--out", out), "schema 99", "newer.json")
    refused(segbench_cli("report", empty, "--out", out), "no Records in", str(empty))
    refused(segbench_cli("report", nothing, "--out", out), "no Records")
    refused(segbench_cli("report", tmp_path / "missing.json", "--out", out), "missing.json")
    refused(segbench_cli("report", mixed, "--out", out), "NVIDIA H200", "NVIDIA V100", "--allow-mixed")
    refused(segbench_cli("report", good, "--out", tmp_path / "blocker" / "x"), "cannot write")
    refused(segbench_cli("report", good, "--out", out, "--style", "posh"), "posh", "paper")
    refused(segbench_cli("report", good, "--out", out, "--paper", "mfpnett"), "mfpnet")
    assert digests(out) == before
    assert segbench_cli("report", mixed, "--out", out, "--allow-mixed").status == 0
    assert "NVIDIA V100" in (out / "table.md").read_text()


@pytest.mark.slow
def test_ten_thousand_records_stay_within_memory(tmp_path: Path) -> None:
    items = records(40)
    many = []
    for place in range(10_000):
        item = items[place % len(items)]
        content = {**item.to_json(), "classes": 2 + place // len(items) % 200}
        many.append(Record.from_json({**content, "model": f"my.package:Net{place}" if place % 3 else item.model}))
    stored = save(tmp_path / "records.jsonl", many)
    # A process of its own asks for the peak of its children: this one has had others.
    measure = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'segbench', 'report', *sys.argv[1:]], check=True, stdout=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", measure, str(stored), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1024 * 1024
    assert (tmp_path / "out" / "index.html").stat().st_size < 15e6
