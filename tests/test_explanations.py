"""Explanations of the audit: the counts they name are counted here, and each stands beside a figure that needs it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import segbench
from segbench.audit import Judgement, audit, select
from segbench.audit.explanations import EXPLANATIONS, Quantity
from segbench.audit.judgement import NEAR, UNITS
from segbench.audit.recorded import audit_records
from segbench.catalog import CATALOG
from segbench.claims import Figure, load_claims
from segbench.counting.count import operation_counts, parameters
from segbench.counting.tracer import trace
from segbench.published_costs import published_costs
from segbench.records import store
from segbench.report.measured import measured
from segbench.report.paper_table import paper_view
from segbench.report.papers import paper_tables
from tests import explained_networks as networks
from tests.conftest import Answer

GOLDEN = Path(__file__).parent / "golden"
COUNTED = {key: item for key, item in EXPLANATIONS.items() if item.count is not None}


def _meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build().eval()


def _params(build: Callable[[], nn.Module]) -> int:
    return parameters(_meta(build))


def _operations(build: Callable[[], nn.Module], size: tuple[int, int], rule: str) -> int:
    return operation_counts(trace(_meta(build), (1, 3, *size)))[rule]


def _params_of_layers(name: str) -> int:
    """Parameters of modules without children: those that other modules hold themselves are missed."""
    layers = (module for module in _meta(lambda: segbench.build(name)).modules() if not list(module.children()))
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())


COUNTS: dict[tuple[str, Quantity, str], Callable[[], int]] = {
    ("deeplabv3plus-r101-os8", "params", "62.70"): lambda: _params(networks.trained_mmseg_deeplabv3plus),
    ("deeplabv3plus-r101-os8", "flops", "2032.3"): lambda: _operations(
        networks.mmseg_deeplabv3plus, (1024, 2048), "macs"
    ),
    ("segformer-b1", "flops", "243.7"): lambda: _operations(
        lambda: segbench.build("segformer-b1"), (1024, 2048), "fvcore"
    ),
    ("ifa-r50", "params", "27.8"): lambda: _params(networks.IFAWithAuxiliaryHead),
    ("ifa-r50", "flops", "186.9"): lambda: _operations(networks.IFAWithAuxiliaryHead, (1024, 1024), "fvcore"),
    ("hanet-r101", "params", "65.4"): lambda: _params(networks.trained_hanet),
    ("icnet", "flops", "28.3"): lambda: _operations(lambda: segbench.build("icnet"), (512, 1024), "macs"),
    ("dabnet", "flops", "10.46"): lambda: _operations(lambda: segbench.build("dabnet"), (512, 1024), "ptflops-0.6.3"),
    ("bisenet-r18", "flops", "103.72"): lambda: _operations(
        lambda: segbench.build("bisenet-r18"), (1024, 2048), "macs"
    ),
    ("bisenet-r18", "flops", "10.80"): lambda: _operations(lambda: segbench.build("bisenet-r18"), (360, 640), "macs"),
    ("rtformer-base", "params", "16.8"): lambda: _params_of_layers("rtformer-base"),
    ("dilation8", "params", "140.8"): lambda: _params(networks.VOCDilation8),
    ("deeplabv3plus-xception71", "flops", "1445"): lambda: _operations(networks.PaperXception, (1024, 2048), "macs"),
    ("deeplabv3-r101", "params", "58.0"): lambda: _params(networks.PaperDeepLabV3),
    ("deeplabv3-r101", "flops", "1779"): lambda: _operations(networks.PaperDeepLabV3, (1024, 2048), "macs"),
}
# Counted by the reference run in code that the network here leaves out, to the thousand.
REFERENCE: dict[tuple[str, Quantity, str], str] = {("dsanet", "flops", "37.4"): "dsanet"}


def test_every_count_is_checked_here() -> None:
    assert set(COUNTED) == {*COUNTS, *REFERENCE}


@pytest.mark.parametrize("key", COUNTS, ids=" ".join)
def test_a_count_is_that_of_the_network_it_names(key: tuple[str, Quantity, str]) -> None:
    assert COUNTED[key].count == COUNTS[key]()


@pytest.mark.parametrize("key", REFERENCE, ids=" ".join)
def test_a_count_is_that_of_the_reference_run(key: tuple[str, Quantity, str]) -> None:
    reference = json.loads((GOLDEN / f"{REFERENCE[key]}.json").read_text())
    assert COUNTED[key].count == pytest.approx(1e9 * reference["gmacs_conv_linear_modules_only"]["512x1024"], abs=1)


@pytest.mark.parametrize("key", COUNTED, ids=" ".join)
def test_a_count_explains_its_figure(key: tuple[str, Quantity, str]) -> None:
    _, quantity, printed = key
    unit = COUNTED[key].unit or UNITS[quantity]
    assert COUNTED[key].count == pytest.approx(float(printed) * unit, rel=NEAR)


def test_every_explanation_speaks_of_a_printed_figure() -> None:
    printed = {(claim.model, "params", str(claim.params_m)) for claim in load_claims()}
    printed |= {(claim.model, "flops", str(claim.gflops)) for claim in load_claims()}
    assert set(EXPLANATIONS) <= printed
    assert {model for model, _, _ in EXPLANATIONS} <= set(CATALOG)
    for item in EXPLANATIONS.values():
        assert item.sentence.endswith(".")
        assert item.sentence.count(". ") == 0


def test_units_of_2_30_meet_the_printed_digits() -> None:
    other_units = {key: item for key, item in COUNTED.items() if item.unit}
    assert {item.unit for item in other_units.values()} == {2**30}
    for (_, _, printed), item in other_units.items():
        assert item.count is not None
        assert Figure(printed).agrees_with(item.count / 2**30) or abs(item.count / 2**30 / float(printed) - 1) < 2e-3
    assert round(_operations(lambda: segbench.build("bisenet-xception39"), (360, 640), "macs") / 2**30, 1) == 2.9


# What remarks say of networks of the catalog, in units of 10^9 (or 10^6 parameters).
@pytest.mark.parametrize(
    ("model", "size", "rule", "said"),
    [
        ("dfanet-a", (1024, 1024), "macs", "7.6"),
        ("dfanet-a", None, "params", "2.2"),
        ("fbsnet", (512, 1024), "macs", "17.5"),
        ("fbsnet", (360, 640), "macs", "7.7"),
        ("bialignnet-dfnet2", (1024, 2048), "macs", "115.9"),
        ("bialignnet-dfnet2", (1024, 2048), "thop", "116.5"),
        ("bisenet-r18", None, "params", "12.9"),
        ("bisenetv2", (512, 1024), "macs", "24.6"),
        ("bisenetv2-l", (512, 1024), "macs", "221.5"),
        ("hrnetv2-w40", (1024, 2048), "macs", "535.4"),
        ("erfnet", (512, 1024), "macs", "26.6"),
        ("cabinet", (1024, 2048), "macs", "13.2"),
        ("sgcpnet", (1024, 2048), "macs", "3.3"),
    ],
)
def test_a_remark_s_count_is_the_published_one(model: str, size: tuple[int, int] | None, rule: str, said: str) -> None:
    records = [item for item in published_costs() if item.model == model and item.classes == 19]
    found = {
        item.params if size is None else item.operations[rule] for item in records if size in (None, item.resolution)
    }
    (count,) = found
    assert count is not None and Figure(said).agrees_with(count / UNITS["params" if size is None else "flops"])
    assert any(said in item.sentence for key, item in EXPLANATIONS.items() if key[0] == model)


@functools.cache
def judged() -> tuple[Judgement, ...]:
    return audit(select(None)).judgements


def test_every_figure_without_a_rule_has_a_sentence_and_a_sentence_alone_explains_nothing() -> None:
    silent = [item for item in judged() if item.best.verdict == "unexplained" and item.explanation is None]
    assert [(item.claim.paper, item.claim.model, str(item.figure)) for item in silent] == []
    verdicts = {(item.claim.model, item.quantity, str(item.figure)): item.verdict for item in judged()}
    assert set(EXPLANATIONS) <= set(verdicts)
    assert verdicts["hanet-r101", "params", "65.4"] == "explained"
    assert verdicts["nrd-r50", "params", "36.6"] == "unexplained"
    assert sum(verdict == "unexplained" for verdict in verdicts.values()) <= 18


@pytest.mark.parametrize(
    ("model", "quantity", "printed", "verdict"),
    [
        ("bisenet-r18", "flops", "10.80", "explained"),
        ("deeplabv3-r101", "flops", "1779", "explained"),
        ("rtformer-base", "params", "16.8", "explained"),
        ("dfanet-a", "params", "7.80", "copied, not met"),
        ("dfanet-a", "flops", "3.4", "copied, not met"),
        ("hrnetv2-w40", "flops", "493", "copied, not met"),
        ("deeplabv3plus-xception71", "params", "43.5", "copied, not met"),
        ("bisenetv2", "flops", "21.1", "copied, not met"),
        ("bisenet-r18", "params", "49.00", "copied, not met"),
        ("bisenet-xception39", "params", "5.8", "copied, not met"),
    ],
)
def test_what_is_known_of_a_figure_whose_source_is_known(
    model: str, quantity: Quantity, printed: str, verdict: str
) -> None:
    items = [item for item in judged() if (item.claim.model, item.quantity, item.figure) == (model, quantity, printed)]
    assert {item.verdict for item in items} == {verdict}
    assert all(item.explanation and item.hint == "" for item in items)


def test_bisenet_s_figure_is_that_of_another_size_where_one_is_printed_and_of_a_guess_where_none_is() -> None:
    items = {item.claim.table: item for item in judged() if item.figure == "103.72"}
    assert items["1"].verdict == "explained"
    assert items["1"].explained_error == pytest.approx(0, abs=1e-4)
    assert (items["2"].verdict, items["2"].best.resolution, items["2"].guessed) == ("exact", (1024, 2048), True)


def test_a_figure_that_is_copied_and_not_met_has_its_source() -> None:
    copied = [item for item in judged() if item.verdict == "copied, not met"]
    assert len(copied) >= 8
    for item in copied:
        assert item.source is not None and item.source.value
        assert item.to_json()["source"] == item.source.source


def test_the_sentence_is_shown_everywhere(segbench_cli: Callable[..., Answer], tmp_path: Path) -> None:
    answer = segbench_cli("audit", "hanet-r101", "--json", tmp_path / "audit.json", "--markdown", tmp_path / "audit.md")
    assert answer.status == 0
    sentence = EXPLANATIONS["hanet-r101", "params", "65.4"].sentence
    assert sentence in " ".join(answer.out.split())
    assert sentence in (tmp_path / "audit.md").read_text()
    (row,) = [row for row in json.loads((tmp_path / "audit.json").read_text()) if row["quantity"] == "params"]
    assert (row["verdict"], row["explanation"], row["explained_by"]) == ("explained", sentence, 64_803_149)
    assert row["explained_error"] == pytest.approx(64_803_149 / 65.4e6 - 1)


def test_the_sentence_stands_below_the_papers_table() -> None:
    stored = store.read(Path(__file__).parent.parent / "results" / "costs.jsonl")
    records = [item for item in stored if item.model == "hanet-r101"]
    claims = load_claims(paper="frmnet")
    verdicts = [item.to_json() for item in audit_records(records, claims)]
    views = {table.number: paper_view(table, verdicts) for table in paper_tables(measured(records), claims, "frmnet")}
    sentence = EXPLANATIONS["hanet-r101", "params", "65.4"].sentence
    assert f"hanet-r101, 65.4 M parameters, explained: {sentence}" in views["3"].table.markdown()
    assert sentence not in views["1"].table.markdown()
