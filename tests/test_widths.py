"""What is printed can be read at any width: no name or figure is cut or broken, and a pipe has no width."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from segbench.accuracy.synthetic import write_synthetic
from segbench.catalog import CATALOG, KNOWN
from segbench.claims import load_claims
from segbench.records import store
from segbench.records.record import Record
from segbench.report.card import claimed_table
from segbench.report.leaderboard import comparison_table
from segbench.report.listing import Listing
from segbench.report.measured import measured
from segbench.report.paper_table import paper_view
from segbench.report.papers import paper_tables
from tests.conftest import Answer

Cli = Callable[..., Answer]
WIDTHS = (60, 80, 120, 200)
PIXELS = "from torch import nn\n\n\ndef make(num_classes=19):\n    return nn.Conv2d(3, num_classes, 1)\n"
COSTS = Path(__file__).parent.parent / "results" / "costs.jsonl"


@pytest.fixture(params=(*WIDTHS, None), ids=str)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """A terminal's columns, or none for a pipe."""
    if request.param is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(request.param))
    columns: int | None = request.param
    return columns


def _fits(text: str, width: int | None) -> list[str]:
    lines = text.splitlines()
    assert "…" not in text
    assert width is None or max(map(len, lines)) <= width
    return lines


def _whole(text: str) -> set[str]:
    """Names and figures, as they stand between spaces."""
    return set(re.split(r"[\s;()]+|,(?=\s)", text))


def test_models_is_a_line_a_network_and_breaks_none(segbench_cli: Cli, width: int | None) -> None:
    answer = segbench_cli("models")
    lines, words = _fits(answer.out, width), _whole(answer.out)
    for entry in CATALOG.values():
        assert {entry.name, f"{entry.params:,}", entry.fidelity} <= words
    if width != 60:
        assert len(lines) < len(CATALOG) + 12


def test_networks_that_are_not_built_have_their_reason(segbench_cli: Cli, width: int | None) -> None:
    name, network = next(iter(KNOWN.items()))
    answer = segbench_cli("models", "--all", name)
    _fits(answer.out, width)
    assert {name, *_whole(network.reason)} <= _whole(answer.out)


def test_claims_break_no_word_and_keep_the_notes(segbench_cli: Cli, width: int | None) -> None:
    answer = segbench_cli("claims", "mfpnet")
    _fits(answer.out, width)
    words = _whole(answer.out)
    for claim in load_claims(paper="mfpnet"):
        figures = (claim.params_m, claim.gflops, claim.fps, claim.miou_percent)
        assert {str(figure) for figure in figures if figure} <= words
        assert set(_whole(claim.note)) <= words
        assert claim.model in words or claim.printed_name in answer.out


def test_claims_of_a_network_that_a_paper_is_named_after(segbench_cli: Cli) -> None:
    assert "deeplabv3plus" in segbench_cli("claims", "mfpnet").out
    own = segbench_cli("claims", "--network", "mfpnet").out
    assert "deeplabv3plus" not in own
    assert f"{len(load_claims(model='mfpnet'))} rows" in own
    assert segbench_cli("claims", "--network").status == 2


def test_provenance_breaks_no_word(segbench_cli: Cli, width: int | None) -> None:
    _fits(segbench_cli("claims", "mfpnet", "--provenance").out, width)


@pytest.mark.parametrize("options", [(), ("--speed",)], ids=str)
def test_the_audit_breaks_no_figure(segbench_cli: Cli, width: int | None, options: tuple[str, ...]) -> None:
    answer = segbench_cli("audit", "frfnet", *options)
    _fits(answer.out, width)
    figures = [str(claim.fps if options else claim.gflops) for claim in load_claims(paper="frfnet") if claim.model]
    assert {figure for figure in figures if figure in answer.out} <= _whole(answer.out)
    assert "bisenet-r18" in _whole(answer.out)


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_claims_of_a_profile_keep_their_sizes(columns: int) -> None:
    console = Console(width=columns)
    with console.capture() as shown:
        console.print(claimed_table(Record(model="mfpnet", classes=19, resolution=(512, 1024), params=1)))
    _fits(shown.get(), columns)
    assert {"512x1024", "Cityscapes", "1.00157"} <= _whole(shown.get())


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_comparison_keeps_its_names_and_figures(columns: int) -> None:
    rows = measured(store.read(COSTS))
    view = paper_view(paper_tables(rows, load_claims(), None)[0])
    console = Console(width=columns)
    with console.capture() as shown:
        console.print(comparison_table(rows[:80], load_claims()).rich(columns))
    _fits(shown.get(), columns)
    words = _whole(shown.get())
    for row in rows[:80]:
        assert row.model in words and f"{row.resolution[0]}x{row.resolution[1]}" in words
    with console.capture() as shown:
        console.print(view.rich(columns))
    _fits(shown.get(), columns)
    assert {row.claim.model for row in view.source.rows if row.claim.model} <= _whole(shown.get())


def test_the_environment_breaks_nothing(segbench_cli: Cli, width: int | None) -> None:
    facts = json.loads(segbench_cli("env", "--json").out)["environment"]
    answer = segbench_cli("env")
    _fits(answer.out, width)
    words = _whole(answer.out)
    for name in ("torch", "python"):
        assert set(_whole(str(facts[name]))) <= words, name


def test_a_roof_breaks_no_figure(segbench_cli: Cli, width: int | None) -> None:
    answer = segbench_cli("roof", "efrnet", "--gpu", "V100 (SXM2)", "--res", "64x128")
    _fits(answer.out, width)
    assert answer.status == 0
    assert {"efrnet", "64x128"} <= _whole(answer.out)
    assert not re.search(r"\d\n *\d+ ?FPS", answer.out)


def test_an_evaluation_breaks_no_class_and_no_figure(segbench_cli: Cli, in_folder: Path, width: int | None) -> None:
    root = write_synthetic("cityscapes", in_folder / "cityscapes", {"val": 1}, (64, 128), 2)
    (in_folder / "pixels.py").write_text(PIXELS)
    torch.manual_seed(0)
    torch.save(nn.Conv2d(3, 19, 1).state_dict(), in_folder / "w.pth")
    options = ("--dataset", "cityscapes", "--root", root, "--device", "cpu", "--workers", 0, "--no-speed")
    answer = segbench_cli("eval", "pixels:make", "--checkpoint", in_folder / "w.pth", *options)
    assert answer.status == 0, answer.err
    _fits(answer.out, width)
    assert {"traffic", "motorcycle", "vegetation"} <= _whole(answer.out)


def test_a_baseline_and_a_check_break_no_figure(segbench_cli: Cli, in_folder: Path, width: int | None) -> None:
    for lines in (("save", "enet", "--res", "64x128", "--no-speed"), ("show",)):
        answer = segbench_cli("baseline", *lines, "-b", "b.json")
        assert answer.status == 0, answer.err
        _fits(answer.out, width)
    assert {"enet", "64x128"} <= _whole(answer.out)
    stored = json.loads((in_folder / "b.json").read_text(encoding="utf-8"))
    for changes, status in ((0, 0), (1, 1)):
        text = json.dumps(stored)
        (in_folder / "b.json").write_text(text.replace('"macs": ', '"macs": 1') if changes else text, encoding="utf-8")
        answer = segbench_cli("check", "-b", "b.json", "--no-speed")
        assert answer.status == status, answer.out + answer.err
        _fits(answer.out, width)


CHOSEN = ("--networks", "enet,edanet,mfpnet", "--sort", "macs", "--where", "resolution == '512x1024'")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("table", *CHOSEN), ("enet", "4,121,296,896", "512x1024")),
        (("table", "--columns", "list"), ("claimed_flops", "timed_under")),
        (("find", "--max-gmacs", "5", "--res", "512x1024"), ("enet", "4,121,296,896")),
        (("checkpoints", "espnet"), ("espnet", "60.336")),
        (("profile", "enet", "--res", "64x128", "--no-speed", "--rules"), ("360,422",)),
        (("profile", "enet", "edanet", "--res", "64x128", "--no-speed"), ("enet", "edanet")),
        (("compare", "enet", "edanet", "--res", "64x128", "--no-speed", "--out", "o"), ("enet", "edanet", "64x128")),
        (("report", "records.json", "--out", "r", "--formats", "svg"), ("enet", "512x1024")),
        (("merge", "one", "two", "--out", "both"), ("enet", "512x1024")),
        (("history", "show", "kept"), ("enet", "360,422")),
        (("history", "report", "kept"), ("enet", "360,423")),
    ],
    ids=lambda value: " ".join(value[:2]) if "--" not in value[0] else None,
)
def test_every_other_command_breaks_no_name_and_no_figure(
    segbench_cli: Cli, in_folder: Path, width: int | None, call: tuple[str, ...], words: tuple[str, ...]
) -> None:
    enet = Record(model="enet", classes=19, resolution=(512, 1024), params=360_422, operations={"macs": 4_121_296_896})
    for name in ("records.json", "one/records.jsonl", "two/records.jsonl"):
        (in_folder / name).parent.mkdir(exist_ok=True)
        store.append(in_folder / name, enet)
    if call[0] == "history":
        for place, params in enumerate((360_422, 360_423)):
            store.write_text(in_folder / "c.json", store.dumps([replace(enet, params=params)]))
            commit = ("--commit", f"{place + 1:040x}", "--date", f"2026-11-0{place + 1}")
            assert segbench_cli("history", "add", "c.json", "--to", "kept", *commit).status == 0
    answer = segbench_cli(*call)
    assert answer.status == 0, answer.err
    # An address and a digest are to be copied whole.
    broken = [line for line in answer.out.splitlines() if "https://" not in line and "SHA-256" not in line]
    _fits("\n".join(broken), width)
    assert set(words) <= _whole(answer.out)


def test_a_listing_is_a_table_where_it_fits_and_stacked_where_it_does_not() -> None:
    listing = Listing(("name", "size", "more"), [("a-network", "512x1024", "some words")], frozenset({"size"}))

    def shown(columns: int) -> list[str]:
        console = Console(width=columns)
        with console.capture() as text:
            console.print(listing)
        return text.get().splitlines()

    # 9 + 2 + 8 + 2 + 10 letters.
    assert shown(31) == ["name           size  more", "a-network  512x1024  some words"]
    assert shown(30) == ["a-network  size 512x1024", "  more some words"]
