"""Choosing rows and columns of Records: what is kept, in which order and form, and that no expression is ever run."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.counting.meanings import MEANINGS
from segbench.errors import BadOption, SegbenchError, UnknownName
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Accuracy, Latency, Memory, Speed
from segbench.selection.choosing import Choice, chosen, columns_of
from segbench.selection.columns import COLUMNS, find_column
from segbench.selection.rows import rows_of
from segbench.selection.where import Where
from tests.conditions_records import ACCURACY_FIELDS, MIOU, TIMING_FIELDS, scored, scored_pair, timed, timed_pair
from tests.conftest import Answer

Cli = Callable[..., Answer]


PARAMS = {"mfpnet": 1_001_696, "enet": 360_422}


def record(model: str, macs: int, size: tuple[int, int] = (512, 1024), **content: Any) -> Record:
    return Record(
        model=model,
        classes=19,
        resolution=size,
        params=PARAMS.get(model, 9),
        operations={"macs": macs},
        created="",
        **content,
    )


RECORDS = [
    record("mfpnet", 18_310_205_312),
    record("enet", 4_121_296_896),
    record("mine:Net", 2_000_000_000),
    record("mine:Net", 3_000_000_000, (360, 640)),
]


def kept(where: str = "", **choice: Any) -> list[tuple[str, int]]:
    wanted = columns_of("network,macs")
    frame = chosen(rows_of(RECORDS), Choice(where=[Where(where)] if where else [], **choice), wanted)
    return list(zip(frame["network"].tolist(), frame["macs"].tolist(), strict=True))


MFPNET, ENET, MINE, SMALL = ((item.model, item.operations["macs"]) for item in RECORDS)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("macs < 5e9", {ENET, MINE, SMALL}),
        ("macs < 5e9 and resolution == '512x1024'", {ENET, MINE}),
        ("network in ('enet', 'mfpnet')", {ENET, MFPNET}),
        ("network not in ['enet', 'mfpnet']", {MINE, SMALL}),
        ("not (macs < 5e9 or network == 'mfpnet')", set()),
        ("2e9 < macs <= 4121296896", {ENET, SMALL}),
        ("height < 512 or macs > 1e10", {SMALL, MFPNET}),
        ("macs > -1", {ENET, MFPNET, MINE, SMALL}),
        # A row without a figure meets no comparison with it, whichever way.
        ("fps > 0", set()),
        ("fps != 3", set()),
        ("fps <= 0 or fps > 0", set()),
        ("family not in ('nothing',)", {ENET, MFPNET}),
    ],
)
def test_an_expression_keeps_the_rows_that_meet_it(where: str, expected: set[tuple[str, int]]) -> None:
    assert set(kept(where)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("__import__('os').system('touch hacked')", "open('hacked', 'w') < 1", "network.lower() == 'enet'"),
        *(
            "network.__class__ == 1",
            "macs[0] < 1",
            "network['x'] == 'a'",
            "macs",
            "not macs",
            "1 < 2",
            "'a' in network",
        ),
        *(
            "macs + 1 < 2",
            "macs < 'a'",
            "network == 1",
            "network in 'enet'",
            "network in (1,)",
            "macs is 1",
            "macs < True",
        ),
        *("(", "", "macs = 1", "macs < 1; macs < 2", "lambda: 1", "[macs for macs in network]", "macs < (1, 2)"),
        *(
            "macs < 1e999",
            f"macs < {'9' * 900}",
            "(" * 900,
            "macs < 1 if 1 else 2",
            "f'{macs}' == 'a'",
            "(macs := 1) < 2",
        ),
        *(f"{'not ' * 240}macs", "@macs < 1", "macs\x00 < 1", "macs < 1" + " " * 2000, "b'a' == network", "macs < 1j"),
    ],
)
def test_anything_else_is_refused_in_one_line_and_never_run(segbench_cli: Cli, in_folder: Path, text: str) -> None:
    with pytest.raises(SegbenchError):
        Where(text)
    answer = segbench_cli("table", f"--where={text}")
    assert answer.status == 2
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) == 1
    assert list(in_folder.iterdir()) == []


def test_what_does_not_exist_is_named_with_the_nearest(segbench_cli: Cli) -> None:
    with pytest.raises(UnknownName, match="did you mean macs"):
        Where("mac < 1")
    with pytest.raises(UnknownName, match="network"):
        columns_of("nettwork")
    with pytest.raises(UnknownName, match="did you mean enet"):
        kept(networks=["enett"])
    with pytest.raises(BadOption, match="enet is named twice"):
        kept(networks=["enet", "mfpnet", "enet"])
    with pytest.raises(BadOption, match="macs is named twice"):
        columns_of("macs,network,macs")
    for arguments in (("--format", "yaml"), ("--no-published",), ("--sort", "nothing"), ("--top", "0")):
        answer = segbench_cli("table", *arguments)
        assert answer.status == 2 and len(answer.err.strip().splitlines()) == 1
    assert segbench_cli("find").status == 2


def test_rows_are_sorted_cut_and_chosen_by_pattern() -> None:
    assert kept(sort=["macs"]) == [MINE, SMALL, ENET, MFPNET]
    assert kept(sort=["-macs"], top=2) == [MFPNET, ENET]
    assert kept(sort=["-resolution", "macs"]) == [MINE, ENET, MFPNET, SMALL]
    assert set(kept(networks=["MINE:*"])) == {MINE, SMALL}
    # What has no figure comes last, whichever way.
    assert next(name for name, _ in kept(sort=["-claimed_miou"])) == "mfpnet"
    assert next(name for name, _ in kept(sort=["claimed_miou"])) == "mfpnet"


def test_every_counting_rule_is_a_column_that_an_expression_can_name() -> None:
    for rule in MEANINGS:
        assert find_column(rule).name.isidentifier()
    assert all(name.isidentifier() for name in COLUMNS)


def test_claimed_figures_stand_beside_measured_ones_and_say_so() -> None:
    speed = Speed(
        mode="forward", device="cuda", device_name="V100", precision="fp32", fps=65.0, latency_ms=Latency(median=15.0)
    )
    (row,) = rows_of([replace(RECORDS[0], speed=speed)])
    values = {name: column.value(row) for name, column in COLUMNS.items()}
    # As Table 2 of MFPNet's paper prints them.
    assert (values["claimed_miou"], values["miou"], values["miou_is"]) == (71.5, 71.5, "claimed")
    assert values["claimed_flops"] == 18_600_000_000
    assert values["ratio_macs"] == pytest.approx(18_310_205_312 / 18.6e9)
    assert (values["fps"], values["latency"], values["device"]) == (65.0, 15.0, "cuda")
    assert values["ratio_fps"] == pytest.approx(65.0 / float(str(values["claimed_fps"])))
    assert values["verdict"] is not None
    scored = replace(RECORDS[0], accuracy=Accuracy(dataset="Cityscapes", split="val", miou=0.5))
    (row,) = rows_of([scored])
    assert (COLUMNS["miou"].value(row), COLUMNS["miou_is"].value(row)) == (50.0, "measured")
    # At a size that no paper prints there is no claim to stand beside.
    (row,) = rows_of([record("mfpnet", 1, (128, 256))])
    assert COLUMNS["miou"].value(row) is None and COLUMNS["claimed_flops"].value(row) is None


@pytest.mark.parametrize("one_network", [True, False])
@pytest.mark.parametrize("field", TIMING_FIELDS)
def test_timings_under_unlike_conditions_are_told_apart(
    segbench_cli: Cli, tmp_path: Path, field: str, one_network: bool
) -> None:
    path = tmp_path / "records.json"
    store.write_text(path, store.dumps(timed_pair(field, one_network=one_network)))
    answer = segbench_cli("table", path, "--no-published", "--format", "csv", "--sort", "-fps")
    one, other = csv.DictReader(io.StringIO(answer.out))
    assert one["timed_under"] != other["timed_under"]
    assert "timings under 2 conditions do not compare" in answer.err
    few = segbench_cli("table", path, "--no-published", "--format", "csv", "--columns", "network,fps")
    assert few.out.splitlines()[0] == "network,fps"
    assert "do not compare" in few.err


@pytest.mark.parametrize("field", [field for field in ACCURACY_FIELDS if field not in ("checkpoint", "reading")])
def test_accuracies_under_unlike_conditions_are_told_apart(segbench_cli: Cli, tmp_path: Path, field: str) -> None:
    path = tmp_path / "records.json"
    store.write_text(path, store.dumps(scored_pair(field, one_network=True)))
    answer = segbench_cli("table", path, "--no-published", "--format", "csv")
    one, other = csv.DictReader(io.StringIO(answer.out))
    assert one["miou_on"] != other["miou_on"]
    assert {one["miou"], other["miou"]} == {f"{100 * MIOU[0]:.6g}", f"{100 * MIOU[1]:.6g}"}
    assert "measured mIoUs under 2 conditions do not compare" in answer.err


def test_the_score_of_more_images_stands_before_that_of_fewer() -> None:
    whole, part = scored(miou=0.5), scored(miou=0.6)
    assert whole.accuracy is not None and part.accuracy is not None
    whole.accuracy, part.accuracy = replace(whole.accuracy, images=5), replace(part.accuracy, images=4)
    assert [COLUMNS["miou"].value(row) for row in rows_of([part, whole])] == [50.0, 60.0]


def test_a_timing_that_a_later_one_stands_for_is_named(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    older = replace(timed(fps=24.0), created="2026-11-01T10:00:00Z")
    older.environment = {**older.environment, "torch": "2.12.0"}
    store.write_text(path, store.dumps([older, timed(fps=48.0)]))
    for call in (("table", path), ("plot", path, "--x", "fps", "--y", "params", "--out", tmp_path / "f.svg")):
        answer = segbench_cli(*call, "--no-published")
        assert "mfpnet 512x1024 (24.0 FPS, torch 2.12.0 -> 2.13.0)" in answer.err, answer.err


def test_files_and_published_costs_say_which_they_are(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    store.write_text(path, store.dumps(RECORDS))
    wanted = ("--columns", "source,network,macs", "--format", "csv", "--networks", "enet,mine:Net")
    rows = list(csv.DictReader(io.StringIO(segbench_cli("table", path, *wanted).out)))
    assert {row["source"] for row in rows if row["network"] == "enet"} == {"measured", "published"}
    alone = segbench_cli("table", tmp_path, path, *wanted, "--no-published").out
    assert alone.splitlines()[0] == "source,network,macs"
    assert {line.split(",")[0] for line in alone.splitlines()[1:]} == {"measured"}
    assert "measured,enet,4121296896" in alone


def test_every_format_has_the_same_rows(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    store.write_text(path, store.dumps(RECORDS))
    wanted = ("table", path, "--no-published", "--columns", "network,macs,claimed_miou", "--sort", "macs")
    listed = json.loads(segbench_cli(*wanted, "--format", "json").out)
    assert listed[-1] == {"network": "mfpnet", "macs": 18310205312, "claimed_miou": 71.5}
    assert listed[0]["claimed_miou"] is None
    assert "| mfpnet | 18,310,205,312 | 71.5 |" in segbench_cli(*wanted, "--format", "markdown").out
    assert "MFPNet~\\cite{mfpnet} & 18.31 & 71.5 \\\\" in segbench_cli(*wanted, "--format", "latex").out
    assert "mfpnet,18310205312,71.5" in segbench_cli(*wanted, "--format", "csv").out
    assert segbench_cli(*wanted, "--format", "csv", "--out", tmp_path / "deep" / "t.csv").out == ""
    assert "mfpnet,18310205312,71.5" in (tmp_path / "deep" / "t.csv").read_text()
    assert "4 rows: 0 published with segbench, 4 from the files given" in segbench_cli(*wanted).out


def test_the_columns_are_listed(segbench_cli: Cli) -> None:
    printed = segbench_cli("table", "--columns", "list").out
    assert all(name in printed for name in COLUMNS)


def test_a_plot_has_the_format_of_its_ending_and_truetype_fonts(segbench_cli: Cli, tmp_path: Path) -> None:
    wanted = ("plot", "--networks", "enet,bisenetv2,mfpnet", "--x", "macs", "--y", "miou", "--highlight", "mfpnet")
    answer = segbench_cli(*wanted, "--out", tmp_path / "f.pdf")
    assert answer.status == 0, answer.err
    content = (tmp_path / "f.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"CIDFontType2" in content and b"/Type3" not in content
    assert segbench_cli(*wanted, "--out", tmp_path / "f.svg").status == 0
    assert (tmp_path / "f.svg").read_text().startswith("<?xml")
    for refused in (
        ("--out", tmp_path / "f.gif"),
        ("--out", tmp_path),
        ("--x", "network", "--out", tmp_path / "g.pdf"),
        ("--y", "fps", "--out", tmp_path / "g.pdf"),
        ("--highlight", "enett", "--out", tmp_path / "g.pdf"),
    ):
        answer = segbench_cli(*wanted, *refused)
        assert answer.status == 2 and len(answer.err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.pdf", "f.svg"]


@pytest.mark.parametrize("upwards", ["params", "fps", "latency", "peak_mib"])
def test_a_network_without_any_miou_is_drawn(upwards: str, segbench_cli: Cli, tmp_path: Path) -> None:
    mine = replace(timed(fps=24.0), model="mine:Net", memory=Memory(peak_mib=100.0))
    assert mine.speed is not None
    mine.speed = replace(mine.speed, latency_ms=Latency(median=40.0))
    store.write_text(tmp_path / "records.json", store.dumps([mine]))
    axes = ("--x", "macs", "--y", upwards, "--out", tmp_path / "f.svg")
    answer = segbench_cli("plot", tmp_path / "records.json", "--no-published", *axes)
    assert answer.status == 0, answer.err
    assert "1 point in" in answer.out


def test_choosing_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from segbench.cli import run\n"
        "for call in (['find', '--max-gmacs', '5', '--min-miou', '70'], ['table', '--columns', 'network,verdict'],"
        f" ['plot', '--networks', 'mfpnet', '--out', {str(tmp_path / 'f.png')!r}]):\n"
        "    assert run(call) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
