"""A network of the user's own, profiled without touching segbench."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from segbench.models.own import build_own
from tests.conftest import Answer

Cli = Callable[..., Answer]

NETWORKS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=19):
        super().__init__()
        self.head = nn.Conv2d(3, num_classes, 3, 2, 1)
    def forward(self, x):
        return self.head(x)

class Tuple(Net):
    def forward(self, x):
        return super().forward(x), None

class List(Net):
    def forward(self, x):
        return [super().forward(x), x]

class Out(Net):
    def forward(self, x):
        return {"out": super().forward(x), "aux": x}

class Logits(Net):
    def forward(self, x):
        return {"logits": super().forward(x)}

def fixed():
    return Net(5)

def any_keyword(**options):
    return Net(**options)

def broken():
    raise RuntimeError("no weights\\nhere")

def no_module(num_classes):
    return "a network"

class Flat(Net):
    def forward(self, x):
        return super().forward(x).mean((2, 3))

class Nothing(Net):
    def forward(self, x):
        return {"aux": x}

class Keyword(Net):
    def forward(self, x, *, mask):
        return super().forward(x * mask)

class Ignores(nn.Module):
    def __init__(self, num_classes=21):
        super().__init__()
        self.head = nn.Conv2d(3, 4, 3, 2, 1)
    def forward(self, x):
        return self.head(x)

class Boxes:
    def __init__(self, tensor):
        self.tensor = tensor

def cyclic(y):
    found = [y.mean()]
    found.append(found)
    found[0] = found
    return found

def returning(made):
    class Returning(Ignores):
        def forward(self, x):
            return made(super().forward(x))
    return Returning

Detector = returning(lambda y: [{"boxes": y.new_zeros(0, 4), "scores": y.new_zeros(0), "names": ["a"]}])
Empty = returning(lambda y: y[0, :, 0, :0])
Null = returning(lambda y: None)
Text = returning(lambda y: "logits")
Numbers = returning(lambda y: [1, 2.0, {"a": (None, "b", True)}])
Nested = returning(lambda y: {"deep": [({"er": {y}},), Boxes]})
Object = returning(lambda y: Boxes(y))
Cyclic = returning(cyclic)

class Fails(Net):
    def forward(self, x):
        raise ValueError("not today")

class TwoInputs(Net):
    def forward(self, x, y):
        return super().forward(x + y)

number = 3
"""


@pytest.fixture
def package(in_folder: Path) -> str:
    """A package ``mine_<folder>`` in the working directory; the name is new each time, so no import is reused."""
    name = f"mine_{abs(hash(str(in_folder)))}"
    (in_folder / name).mkdir()
    (in_folder / name / "__init__.py").touch()
    (in_folder / name / "nets.py").write_text(NETWORKS)
    return f"{name}.nets"


@pytest.mark.parametrize("factory", ["Net", "Tuple", "List", "Out", "Logits", "any_keyword"])
def test_every_kind_of_output_becomes_logits_at_the_input_size(package: str, factory: str) -> None:
    net = build_own(f"{package}:{factory}", 7)
    assert not net.training
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, 65, 67)).shape == (2, 7, 65, 67)


@pytest.mark.parametrize("factory", ["Net", "Tuple", "List", "Out", "Logits", "any_keyword"])
def test_profile_counts_it(package: str, factory: str, segbench_cli: Cli) -> None:
    arguments = ("--res", "256x512", "--classes", 7, "--no-speed", "--json", "-")
    answer = segbench_cli("profile", f"{package}:{factory}", *arguments)
    assert answer.status == 0, answer.err
    (record,) = json.loads(answer.out)
    assert record["model"] == f"{package}:{factory}"
    assert record["fidelity"] is None
    assert record["classes"] == 7
    assert record["params"] == 3 * 7 * 9 + 7
    assert record["operations"]["macs"] == 128 * 256 * 7 * 27


def test_a_factory_without_classes_keeps_its_own(package: str, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", f"{package}:fixed", "--res", "64x64", "--no-speed", "--json", "-")
    assert json.loads(answer.out)[0]["classes"] == 5


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("missing", "has no 'missing'"),
        ("number", "no callable"),
        ("broken", "RuntimeError: no weights here"),
        ("no_module", "returned str"),
        ("Flat", r"\(N, 7, h, w\)"),
        ("Nothing", r"\(N, 7, h, w\)"),
        ("TwoInputs", "input"),
    ],
)
def test_a_factory_that_cannot_serve_is_two_clear_lines(
    package: str, factory: str, message: str, segbench_cli: Cli
) -> None:
    answer = segbench_cli("profile", f"{package}:{factory}", "--res", "64x64", "--classes", 7, "--no-speed")
    assert answer.status == 2
    assert answer.out == ""
    assert len(answer.err.strip().splitlines()) <= 2
    assert "Traceback" not in answer.err
    assert re.search(message, answer.err)


@pytest.mark.parametrize(
    ("factory", "classes", "live"),
    [
        ("Ignores", 4, True),
        ("Detector", 0, True),
        ("Empty", 0, True),
        ("Nested", 4, True),
        ("Null", 0, False),
        ("Text", 0, False),
        ("Numbers", 0, False),
        ("Object", 0, False),
        ("Cyclic", 0, False),
    ],
)
def test_any_output_is_counted_where_nothing_is_timed(
    package: str, factory: str, classes: int, live: bool, segbench_cli: Cli
) -> None:
    found = []
    for command in (("profile",), ("compare", "--out", "runs")):
        answer = segbench_cli(*command, f"{package}:{factory}", "--res", "64x64", "--no-speed", "--json", "-")
        assert answer.status == 0, answer.err
        found.append(json.loads(answer.out)[0])
    for record in found:
        assert record["operations"]["macs"] == 4 * 3 * 3 * 3 * 32 * 32
        assert record["params"] == 4 * 28
        assert record["classes"] == classes
        assert ("live-macs" in record["operations"]) is live
        assert (record["live_params"] is not None) is live
        assert any("returned no tensor" in note for note in record["notes"]) is not live
    assert found[0]["operations"] == found[1]["operations"]
    assert found[0]["notes"] == found[1]["notes"]


def test_an_output_that_is_no_logits_has_a_note_instead_of_a_signature_and_is_not_timed(
    package: str, segbench_cli: Cli, in_folder: Path
) -> None:
    saved = segbench_cli(
        "baseline", "save", f"{package}:Null", "--res", "64x64", "--no-speed", "--baseline", "base.json"
    )
    assert saved.status == 0, saved.err
    text = (in_folder / "base.json").read_text()
    assert "no signature: " in text
    assert "returned NoneType instead of logits" in text
    timed = segbench_cli("profile", f"{package}:Null", "--res", "64x64", "--device", "cpu", "--budget", 0.2)
    assert timed.status == 2
    assert "--no-speed counts without" in timed.err


def test_inputs_by_keyword_are_refused_without_advice_that_does_not_help(package: str, segbench_cli: Cli) -> None:
    for more in ((), ("--input", "1x3xHxW", "--input", "1x1xHxW")):
        answer = segbench_cli("profile", f"{package}:Keyword", "--res", "64x64", "--no-speed", *more)
        assert answer.status == 2
        assert "needs mask by keyword" in answer.err
        assert "repeat --input" not in answer.err


def test_a_forward_that_raises_is_a_failed_measurement(package: str, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", f"{package}:Fails", "--res", "64x64", "--no-speed", "--json", "-")
    assert answer.status == 1, answer.err
    (record,) = json.loads(answer.out)
    assert "fails on inputs of 1x3xHxW at 64x64: ValueError: not today" in record["failure"]


def test_classes_that_the_network_does_not_return_are_refused(package: str, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", f"{package}:fixed", "--res", "64x64", "--classes", 7, "--no-speed")
    assert answer.status == 2
    assert "(N, 7, h, w)" in answer.err


@pytest.mark.parametrize("spec", ["nowhere.at.all:Net", ":Net", "nowhere:"])
def test_a_module_that_cannot_be_imported_is_named(in_folder: Path, spec: str, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", spec, "--no-speed")
    assert answer.status == 2
    assert len(answer.err.strip().splitlines()) <= 2
