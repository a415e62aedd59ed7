"""What the papers print: figures kept as text, and a schema that refuses what cannot be a printed figure."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from segbench.catalog import CATALOG
from segbench.claims import (
    DATASET_CLASSES,
    PAPERS,
    PEERS,
    Figure,
    load_claims,
    load_class_claims,
    not_built,
    read_claims,
    read_class_claims,
)
from segbench.errors import ClaimsError, UnknownName

HEADER = "paper,table,printed_name,model,backbone,dataset,split,height,width,params_m,gflops,fps,gpu,miou_percent,note"
ROW = "toy,1,ToyNet,toynet,,Cityscapes,test,512,1024,1.00,18.6,106,V100,71.5,"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "toy.csv"
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def test_every_printed_row_is_there() -> None:
    claims = load_claims()
    rows = Counter(claim.paper for claim in claims)
    # Counted in the papers' tables.
    assert {**rows, "mfpnet": 43, "frmnet": 27, "frfnet": 39, "eseg": 65, "efrnet": 40} == rows
    assert set(rows) == set(PAPERS)
    assert Counter(claim.paper for claim in load_class_claims())["efrnet"] == 60
    assert [claim.paper for claim in claims] == sorted((claim.paper for claim in claims), key=list(PAPERS).index)


def test_rows_come_by_paper_and_by_network() -> None:
    assert {claim.paper for claim in load_claims(paper="eseg")} == {"eseg"}
    assert {claim.paper for claim in load_claims(model="enet")} == {"mfpnet", "frfnet", "efrnet"}
    assert {claim.model for claim in load_claims("mfpnet", "dabnet")} == {"dabnet"}
    assert load_claims(model="my.package:Net") == []


def test_unknown_papers_and_networks_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="mfpnet"):
        load_claims(paper="mfpne")
    with pytest.raises(UnknownName, match="frfnet"):
        load_claims(model="frfnett")
    with pytest.raises(UnknownName, match="efrnet"):
        load_class_claims(paper="efr")


def test_figures_stay_as_printed() -> None:
    no_head = next(claim for claim in load_claims("mfpnet", "mfpnet-no-head") if claim.gflops)
    assert (no_head.gflops, no_head.params_m) == ("5.80", "0.99970")
    assert no_head.gflops is not None
    assert no_head.gflops.decimals == 2
    ours = next(claim for claim in load_claims("mfpnet", "mfpnet") if claim.table == "2" and claim.size == (720, 960))
    assert (ours.miou_percent, ours.params_m, ours.gflops, ours.where) == ("69.2", "1.00", None, "Table 2")


def test_rows_may_hold_settings_only() -> None:
    settings = load_claims("eseg", "eseg-lite-m")
    assert settings
    assert all(claim.miou_percent is claim.params_m is claim.fps is None for claim in settings)
    assert "decoder channels 80" in settings[0].note


@pytest.mark.parametrize(
    ("text", "decimals", "digits", "low", "high"),
    [
        ("5.80", 2, 3, "5.795", "5.805"),
        ("5.8", 1, 2, "5.75", "5.85"),
        ("2018", 0, 4, "2017.5", "2018.5"),
        ("0.36", 2, 2, "0.355", "0.365"),
    ],
)
def test_a_figure_knows_its_rounding_interval(text: str, decimals: int, digits: int, low: str, high: str) -> None:
    figure = Figure(text)
    assert (figure.value, figure.decimals, figure.digits) == (Decimal(text), decimals, digits)
    assert figure.interval == (Decimal(low), Decimal(high))


def test_a_figure_agrees_with_what_rounds_to_it() -> None:
    assert Figure("16.48").agrees_with(Decimal(16_477_525) / 10**6)
    assert not Figure("16.48").agrees_with(Decimal(16_474_999) / 10**6)


def test_the_line_of_a_claim_is_its_line_in_the_file() -> None:
    for claim in load_claims():
        path = Path(sys.modules["segbench.claims"].__file__ or "").parent / claim.file
        assert path.read_text(encoding="utf-8").splitlines()[claim.line - 1].startswith(f"{claim.paper},{claim.table},")


def test_every_named_network_is_built_or_a_known_peer() -> None:
    named = {claim.model for claim in load_claims() if claim.model} | {claim.model for claim in load_class_claims()}
    assert not named - set(CATALOG) - PEERS
    assert not PEERS - named


def test_not_built_names_each_missing_network_once() -> None:
    missing = not_built(load_claims())
    assert len(missing) == len(set(missing))
    assert set(missing) <= PEERS
    assert not set(missing) & set(CATALOG)


def test_class_ious_average_to_the_printed_mean_unless_noted() -> None:
    rows = [claim for claim in load_class_claims() if claim.model == "efrnet"]
    *classes, mean = rows
    assert len(classes) == DATASET_CLASSES["CamVid"]
    assert mean.class_name == "class mean (mIoU)"
    assert mean.iou.agrees_with(sum(row.iou.value for row in classes) / len(classes))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace("1.00", "1.00M"), "params_m '1.00M'.*plain number in millions"),
        (ROW.replace("1.00", "1001696"), "params_m '1001696' is out of range"),
        (ROW.replace("106", "-106"), "fps '-106'"),
        (ROW.replace("106", "0"), "fps '0' is out of range"),
        (ROW.replace("71.5", "0.715"), "miou_percent '0.715' is out of range"),
        (ROW.replace("71.5", "101"), "miou_percent '101' is out of range"),
        (ROW.replace("18.6", "1.86e1"), "gflops '1.86e1'"),
        (ROW.replace("18.6", "nan"), "gflops 'nan'"),
        (ROW.replace("18.6", "18,6"), "16 cells"),
        (ROW.replace("18.6", " 18.6"), "blanks"),
        (ROW.replace("Cityscapes", "cityscapes"), "dataset 'cityscapes'.*Cityscapes, CamVid"),
        (ROW.replace("test", "testing"), "split 'testing'"),
        (ROW.replace("512", ""), "height and width belong together"),
        (ROW.replace("512", "512.0"), "height '512.0'"),
        (ROW.replace("512", "0"), "height '0'"),
        (ROW.replace("toynet", "ToyNet_S"), "model 'ToyNet_S'"),
        (ROW.replace("toy,1", "other,1"), "paper 'other'.*'toy'"),
        (ROW.replace("toy,1", "toy,"), "table ''"),
        (ROW + '"unclosed', "not CSV"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(tmp_path: Path, row: str, message: str) -> None:
    good = ROW.replace("71.5", "70")
    with pytest.raises(ClaimsError, match=rf"toy\.csv, line 3: .*{message}"):
        read_claims(write(tmp_path, good, row))


def test_a_duplicate_is_refused_even_under_another_note(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match=r"toy\.csv, line 4: duplicate of line 2"):
        read_claims(write(tmp_path, ROW, ROW.replace("71.5", "70"), ROW + "again"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("params_m", "params_k"), "unknown column 'params_k'"),
        (HEADER.replace("note", "note,doi"), "unknown column 'doi'"),
        (HEADER.replace("fps,", ""), "missing column 'fps'"),
        (HEADER.replace("gflops,fps", "fps,gflops"), "columns in another order"),
    ],
)
def test_a_bad_header_is_refused_with_file_and_line(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(ClaimsError, match=rf"toy\.csv, line 1: {message}"):
        read_claims(write(tmp_path, ROW, header=header))


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="cannot read"):
        read_claims(tmp_path / "missing.csv")
    path = tmp_path / "toy.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ClaimsError, match="not UTF-8"):
        read_claims(path)
    path.write_bytes(b"")
    with pytest.raises(ClaimsError, match=r"toy\.csv, line 1: the file is empty"):
        read_claims(path)


def test_a_row_over_several_lines_is_named_by_its_first(tmp_path: Path) -> None:
    rows = (ROW + '"a note\nof two lines"', ROW.replace("71.5", "-1"))
    with pytest.raises(ClaimsError, match=r"line 4: miou_percent '-1'"):
        read_claims(write(tmp_path, *rows))
    assert [claim.line for claim in read_claims(write(tmp_path, rows[0]))] == [2]


def test_bad_class_rows_are_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "toy_per_class.csv"
    header = "paper,table,model,dataset,split,class_abbrev,class_name,iou,notes"
    for row, message in (
        ("toy,4,toynet,CamVid,test,Bui,building,101,", "iou '101' is out of range"),
        ("toy,4,toynet,CamVid,test,Bui,building,,", "iou is empty"),
        ("toy,4,toynet,CamVid,test,Bui,,88.8,", "class_name is empty"),
    ):
        path.write_text(f"{header}\n{row}\n", encoding="utf-8")
        with pytest.raises(ClaimsError, match=rf"toy_per_class\.csv, line 2: {message}"):
            read_class_claims(path)


def test_loading_imports_neither_torch_nor_pandas() -> None:
    code = "import sys, segbench.claims as c; c.load_claims(); print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
