"""Networks that are known and not built: none of them is built, each has a reason, and no claim is left without one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from segbench.audit import audit
from segbench.audit.render import markdown
from segbench.catalog import CATALOG, KNOWN, find, match
from segbench.claims import load_claims, load_class_claims
from segbench.errors import UnknownName
from tests.conftest import Answer

Cli = Callable[..., Answer]


def test_every_claimed_network_is_built_or_known_with_a_reason() -> None:
    named = {claim.model for claim in load_claims() if claim.model} | {claim.model for claim in load_class_claims()}
    assert not named - set(CATALOG) - set(KNOWN)
    assert not set(KNOWN) & set(CATALOG)
    assert not set(KNOWN) - named


@pytest.mark.parametrize("name", KNOWN)
def test_the_reason_is_one_sentence(name: str) -> None:
    network = KNOWN[name]
    assert network.name == name
    assert network.reason.endswith(".")
    assert ". " not in network.reason


@pytest.mark.parametrize("look_up", [find, lambda name: match([name])])
def test_asking_for_one_says_why_it_is_not_built(look_up: Callable[[str], object]) -> None:
    with pytest.raises(UnknownName, match=r"known, not built: .*1911\.07217"):
        look_up("MSFNet")


def test_models_lists_them_apart_and_only_when_asked(segbench_cli: Cli) -> None:
    assert "acnet-r101" not in segbench_cli("models").out
    answer = segbench_cli("models", "--all")
    assert answer.status == 0
    built, _, known = answer.out.partition("known, not built")
    for name in KNOWN:
        assert name not in built
        assert name in known


def test_patterns_and_json_reach_them(segbench_cli: Cli) -> None:
    listed = json.loads(segbench_cli("models", "rthp*", "msf*", "lawin", "--all", "--json").out)
    assert [item["name"] for item in listed] == ["lawin", "rthpnet", "msfnet"]
    assert listed[1]["reason"] == KNOWN["rthpnet"].reason
    assert segbench_cli("models", "msf*").status == 2
    assert segbench_cli("models", "nonesuch", "--all").status == 2


def test_the_audit_gives_the_reason() -> None:
    claims = [claim for claim in load_claims(paper="frfnet") if claim.model == "msfnet"]
    text = markdown(audit(claims))
    assert KNOWN["msfnet"].reason in text
