"""The catalog: names, lookups, and that every entry says the truth about its network."""

from __future__ import annotations

import re

import pytest
import torch

import segbench
from segbench.catalog import CATALOG, Entry, find, match
from segbench.errors import UnknownName
from tests.wiring import built_on_meta


def test_names_are_lower_case_with_hyphens() -> None:
    for name in CATALOG:
        assert re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", name), name


def test_patterns_select_in_order_and_once() -> None:
    assert match(["mfpnet", "mfp*"])[0] == "mfpnet"
    assert len(match(["mfpnet", "mfpnet"])) == 1


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="mfpnet"):
        find("mfpnett")


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_parameters_are_what_the_catalog_says(entry: Entry) -> None:
    net = built_on_meta(entry.name)
    assert sum(parameter.numel() for parameter in net.parameters()) == entry.params


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([(65, 67)], id="odd"),
        pytest.param([(64, 64), (360, 480), (720, 960), (720, 1280), (713, 713)], id="usual", marks=pytest.mark.slow),
    ],
)
def test_logits_have_the_input_size_and_the_classes_asked_for(entry: Entry, sizes: list[tuple[int, int]]) -> None:
    net = built_on_meta(entry.name, 7)
    assert not net.training
    multiple, offset = entry.size_rule.multiple, entry.size_rule.offset
    for height, width in sizes:
        size = (
            -(-(height - offset) // multiple) * multiple + offset,
            -(-(width - offset) // multiple) * multiple + offset,
        )
        with torch.inference_mode():
            logits = net(torch.zeros(1, 3, *size, device="meta"))
        assert logits.shape == (1, 7, *size)


def test_an_option_that_a_network_lacks_is_named() -> None:
    with pytest.raises(segbench.SegbenchError, match="flavour"):
        segbench.build("mfpnet", flavour="sweet")
