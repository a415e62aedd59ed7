"""Every network is named as papers print it and cited by a paper of the bibliography, whose file is read strictly."""

from __future__ import annotations

import re

import pytest

from segbench.catalog import CATALOG, KNOWN, Entry, KnownNetwork, find
from segbench.catalog.references import bibliography, cited, code_url, of, parse, references, title
from segbench.catalog.titles import title_of
from segbench.claims import load_claims
from segbench.errors import CatalogError

EVERY: list[Entry | KnownNetwork] = [*CATALOG.values(), *KNOWN.values()]
WHOLE = "@misc{net,\n  author = {Doe, Jane},\n  title = {{Net}},\n  year = {2026},\n}\n"


@pytest.mark.parametrize("network", EVERY, ids=lambda network: network.name)
def test_every_network_has_a_paper_and_a_name_of_its_own(network: Entry | KnownNetwork) -> None:
    assert of(network).title
    assert [other.name for other in EVERY if other.title == network.title] == [network.name]


def test_every_paper_of_the_bibliography_is_cited() -> None:
    assert {network.cite for network in EVERY} == set(references())


def test_every_network_that_tables_name_is_cited() -> None:
    assert [claim.model for claim in load_claims() if claim.model and cited(claim.model) is None] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("enet", "ENet"),
        ("bisenetv2-l", "BiSeNetV2-L"),
        ("fastscnn", "Fast-SCNN"),
        ("segformer-b5", "SegFormer-B5"),
        ("hrnetv2-w48", "HRNetV2-W48"),
        ("mfpnet-psp-head", "MFPNet (PSP head)"),
        ("pspnet-r101", "PSPNet (ResNet-101)"),
        ("deeplabv3plus-mobilenetv2-os8", "DeepLabV3+ (MobileNetV2, OS 8)"),
        ("stdc2-seg", "STDC2-Seg"),
        ("fcn8s", "FCN-8s"),
        ("acnet-r101", "ACNet (ResNet-101)"),
    ],
)
def test_networks_are_named_as_papers_print_them(name: str, expected: str) -> None:
    assert title(name) == expected


def test_an_own_network_is_called_by_its_class_and_not_cited() -> None:
    assert (title("mine:Net"), title("lib/net.py:Fast"), cited("mine:Net")) == ("Net", "Fast", None)
    assert bibliography("Net & 1.0") == ""


def test_a_variant_without_a_given_name_keeps_its_own_words() -> None:
    assert title_of("net-light-r18", "Net") == "Net-light (ResNet-18)"


def test_the_bibliography_of_a_text_has_each_paper_once_and_is_read_back() -> None:
    text = bibliography(r"A~\cite{segformer} B~\cite{enet} C~\cite{segformer} D~\cite{unknown}")
    assert list(parse(text)) == ["enet", "segformer"]


def test_every_paper_has_an_address() -> None:
    addresses = {key: paper.url for key, paper in references().items()}
    assert addresses["mfpnet"] == "https://arxiv.org/abs/2309.04914"
    assert addresses["cabinet"] == "https://doi.org/10.1109/ICRA48506.2021.9560977"
    assert [key for key, url in addresses.items() if not re.fullmatch(r"https://\S+", url)] == []


def test_the_address_of_the_code_names_the_commit() -> None:
    links = {name: code_url(entry) for name, entry in CATALOG.items()}
    assert links["bisenetv2"].startswith("https://github.com/CoinCheung/BiSeNet/tree/6b4b67a8")
    assert links["mfpnet"] == ""
    shape = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+/tree/[\w.]+")
    assert [name for name, url in links.items() if url and not shape.fullmatch(url)] == []
    assert [name for name, url in links.items() if bool(url) != bool(find(name).source)] == []


def test_the_file_holds_nothing_that_latex_would_refuse() -> None:
    for paper in references().values():
        values = [value for field, value in paper.fields.items() if field not in ("doi", "url")]
        assert all(value.isascii() and not re.search(r"(?<!\\)[%&#_$]", value) for value in values), paper.key


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("@book{net,\n}\n", "line 1: '@book{net,' begins no entry"),
        ("% a comment\n\n" + WHOLE + WHOLE, "line 8: the key 'net' is there twice"),
        (WHOLE.replace("  year", "  yeer"), "line 4: the field 'yeer' is unknown or there twice"),
        (WHOLE.replace("  year = {2026},\n", ""), "line 1: the entry 'net' has no year"),
        (WHOLE.replace("{{Net}}", "{{Net}"), "line 3: '  title = {{Net},' is no field"),
        (WHOLE.replace("{Doe, Jane}", "Doe, Jane"), "line 2: '  author = Doe, Jane,' is no field"),
        (WHOLE[:-2], "line 1: the entry 'net' has no end"),
    ],
)
def test_a_malformed_file_is_refused_by_line(text: str, complaint: str) -> None:
    with pytest.raises(CatalogError, match=re.escape(complaint)):
        parse(text)
