"""A network of the user's own with any input, output and constructor, on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench import inputs, spec
from segbench.errors import BadOption, FactoryError
from segbench.measure.device import open_device
from segbench.measure.frame import make_frame
from segbench.measure.subject import resolve
from segbench.models.own import build_own
from segbench.models.samples import cast_floats
from segbench.protocol import REFERENCE
from tests.conftest import Answer

Cli = Callable[..., Answer]
PIXELS = 32 * 64
STEM, HEAD = 27 * 8 * PIXELS, 8 * 4 * PIXELS
SIZE = ("--res", "64x128")

NETWORKS = """
import dataclasses
from typing import NamedTuple
import threading
import torch
from torch import Tensor, nn

class Net(nn.Module):
    def __init__(self, channels=3, width=8, norm="none", out=4):
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.head = nn.Conv2d(width, out, 1, bias=False)
        self.norm = nn.BatchNorm2d(width) if norm == "bn" else nn.Identity()
    def forward(self, x):
        return self.head(self.norm(self.stem(x)))

class Ignores(Net):
    def __init__(self, **kwargs):
        super().__init__()

class Forwards(Net):
    def __init__(self, num_classes=4, **kwargs):
        super().__init__(out=num_classes)

class RGBD(Net):
    def __init__(self):
        super().__init__()
        self.depth = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
    def forward(self, image, depth):
        return self.head(self.stem(image) + self.depth(depth))

class Words(Net):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 8)
    def forward(self, image, words):
        return self.head(self.stem(image) + self.table(words).mean(1)[:, :, None, None])

class Bytes(Net):
    def forward(self, image):
        return super().forward(image / 255)

@dataclasses.dataclass
class Out:
    aux: Tensor
    logits: Tensor

class Pair(NamedTuple):
    aux: Tensor
    out: Tensor

class Dataclass(Net):
    def forward(self, x):
        return Out(x, super().forward(x))

class Named(Net):
    def forward(self, x):
        return Pair(x, super().forward(x))

class OtherKey(Net):
    def forward(self, x):
        return {"masks": x, "seg": super().forward(x)}

class OneKey(Net):
    def forward(self, x):
        return {"seg": super().forward(x)}

class Auxiliary(Net):
    def __init__(self):
        super().__init__()
        self.aux = nn.Conv2d(8, 4, 1, bias=False)
    def forward(self, x):
        x = self.stem(x)
        return {"out": self.head(x), "aux": self.aux(x)}

class Queries(Net):
    def forward(self, x):
        return {"masks": [super().forward(x).flatten(2)], "classes": x.mean((2, 3))}

class Complex(Net):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 32, 33, dtype=torch.cfloat))
    def forward(self, x):
        x = self.stem(x)
        assert self.w.is_complex()
        return self.head(torch.fft.irfft2(torch.fft.rfft2(x) * self.w, s=x.shape[-2:]))

class Locked(Net):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

class Lazy(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.LazyConv2d(8, 1, bias=False)

class Branches(Net):
    def forward(self, x):
        x = self.stem(x)
        return self.head(self.head.weight.new_ones(8, 1, 1) * x if x.sum().item() < 1e9 else x)

class Slip(Net):
    def __init__(self):
        super().__init__()
        self.branches = [nn.Conv2d(8, 8, 1, bias=False)]
    def forward(self, x):
        return self.head(self.branches[0](self.stem(x)))

def refuses(width):
    raise ValueError(f"width {width} is odd")
"""


@pytest.fixture
def nets(in_folder: Path) -> str:
    """A file ``nets_<folder>.py`` of networks in the working directory; the name is new, so no import is reused."""
    name = f"nets_{abs(hash(str(in_folder)))}"
    (in_folder / f"{name}.py").write_text(NETWORKS)
    return name


def counted(cli: Cli, *arguments: object) -> dict[str, Any]:
    answer = cli("profile", *arguments, *SIZE, "--no-speed", "--json", "-")
    assert answer.status == 0, answer.err
    (record,) = json.loads(answer.out)
    assert isinstance(record, dict)
    return record


def frame(network: str, given: Sequence[str] = (), output: str | None = None, batch: int = 1) -> Tensor:
    """One frame as it is timed, on the CPU."""
    protocol = replace(REFERENCE, batch=batch)
    with torch.inference_mode():
        return make_frame(resolve(network, None, given, output).build(), (64, 128), protocol, open_device("cpu"))()


def timed(cli: Cli, *arguments: object) -> dict[str, Any]:
    answer = cli("profile", *arguments, *SIZE, "--device", "cpu", "--budget", "0.2", "--json", "-")
    assert answer.status == 0, answer.err
    (record,) = json.loads(answer.out)
    assert record["speed"]["fps"] > 0
    assert isinstance(record, dict)
    return record


# Inputs


@pytest.mark.parametrize(
    ("network", "given", "macs"),
    [
        ("Net(channels=1)", ["1x1xHxW"], 9 * 8 * PIXELS + HEAD),
        ("Net", ["1x3x128x256"], 4 * (STEM + HEAD)),
        ("RGBD", ["1x3xHxW", "1x1xHxW"], STEM + 9 * 8 * PIXELS + HEAD),
        ("Words", ["1x3xHxW", "1x5:int64"], STEM + HEAD),
        ("Bytes", ["1x3xHxW:uint8"], STEM + HEAD),
    ],
)
def test_a_network_takes_what_input_says(
    nets: str, network: str, given: list[str], macs: int, segbench_cli: Cli
) -> None:
    options = [word for text in given for word in ("--input", text)]
    record = counted(segbench_cli, f"{nets}:{network}", *options)
    assert record["operations"]["macs"] == macs
    assert record["inputs"] == given
    size = (128, 256) if "128" in given[0] else (64, 128)
    assert frame(f"{nets}:{network}", given).shape == (1, 4, *size)


def test_the_batch_multiplies_the_first_size_of_every_input(nets: str, segbench_cli: Cli) -> None:
    options = ("--input", "1x3xHxW", "--input", "1x1xHxW", "--batch", 3)
    record = timed(segbench_cli, f"{nets}:RGBD", *options)
    assert record["operations"]["macs"] == 3 * (STEM + 9 * 8 * PIXELS + HEAD)


@pytest.mark.parametrize("text", ["", "3xHxW:half", "1x3xhxw", "HxW", "1x0xHxW", "1x3xHxW:", "1,3,H,W", "1x3xHxWx"])
def test_a_shape_that_does_not_parse_is_two_lines_at_most(nets: str, text: str, segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", f"{nets}:Net", "--input", text, "--no-speed")
    assert answer.status == 2
    assert "input" in answer.err and len(answer.err.strip().splitlines()) <= 2
    with pytest.raises(BadOption):
        inputs.parse(text)


def test_an_input_is_written_as_it_was_read() -> None:
    assert str(inputs.parse(" 2x3xHxW:uint8")) == "2x3xHxW:uint8"
    assert inputs.parse("2x3xHxW").shape((64, 128), 3) == (6, 3, 64, 128)
    assert inputs.parse_all(()) == (inputs.IMAGE,)


@pytest.mark.parametrize("option", [("--input", "1x3xHxW"), ("--output", "out"), ("--arg", "width=3")])
def test_options_of_own_networks_without_one_are_refused(option: tuple[str, str], segbench_cli: Cli) -> None:
    for command in ("profile", "compare"):
        answer = segbench_cli(command, "erfnet", *option, "--no-speed")
        assert answer.status == 2 and option[0] in answer.err and len(answer.err.strip().splitlines()) <= 2


# Outputs


@pytest.mark.parametrize("network", ["Dataclass", "Named", "OneKey"])
def test_out_and_logits_are_found_in_whatever_holds_them(nets: str, network: str, segbench_cli: Cli) -> None:
    record = counted(segbench_cli, f"{nets}:{network}")
    assert (record["classes"], record["operations"]["macs"]) == (4, STEM + HEAD)
    assert frame(f"{nets}:{network}").shape == (1, 4, 64, 128)


@pytest.mark.parametrize(("network", "which"), [("OtherKey", "seg"), ("Named", "1"), ("Dataclass", "logits")])
def test_output_says_which(nets: str, network: str, which: str, segbench_cli: Cli) -> None:
    record = counted(segbench_cli, f"{nets}:{network}", "--output", which)
    assert (record["classes"], record["output"]) == (4, which)
    assert frame(f"{nets}:{network}", output=which).shape == (1, 4, 64, 128)


def test_any_output_is_counted_and_a_note_says_which_was_taken(nets: str, segbench_cli: Cli) -> None:
    record = counted(segbench_cli, f"{nets}:Queries")
    assert record["operations"]["macs"] == STEM + HEAD
    assert "2 outputs came, and 'masks' was taken" in record["notes"]
    assert counted(segbench_cli, f"{nets}:Net")["notes"] == []


def test_an_output_that_is_not_there_is_refused(nets: str, segbench_cli: Cli) -> None:
    for speed in (["--no-speed"], ["--device", "cpu", "--budget", "0.2"]):
        answer = segbench_cli("profile", f"{nets}:OtherKey", *SIZE, "--output", "sgm", *speed)
        assert answer.status == 2
        assert "'masks', 'seg'" in answer.err and len(answer.err.strip().splitlines()) <= 2


def test_counting_tools_see_the_bare_network(nets: str, segbench_cli: Cli) -> None:
    record = counted(segbench_cli, f"{nets}:Auxiliary", "--counter", "fvcore", "--counter", "thop")
    # The auxiliary head is returned, and nothing is resized.
    assert record["operations"]["fvcore"] == record["tools"]["fvcore"] == STEM + 2 * HEAD
    assert record["operations"]["thop"] == record["tools"]["thop"]
    assert record["operations"]["live-macs"] == STEM + HEAD


# Constructors


def test_constructor_arguments_stand_in_the_name_or_in_arg(nets: str, segbench_cli: Cli) -> None:
    written = counted(segbench_cli, f"{nets}:Net(width=16, norm='bn')")
    given = counted(segbench_cli, f"{nets}:Net", "--arg", "width=16", "--arg", "norm=bn")
    assert written["model"] == given["model"] == f"{nets}:Net(width=16, norm='bn')"
    assert written["params"] == given["params"] == 27 * 16 + 16 * 4 + 2 * 16


def test_keywords_that_are_taken_by_the_way_make_no_classes_mandatory(nets: str, segbench_cli: Cli) -> None:
    assert counted(segbench_cli, f"{nets}:Ignores")["classes"] == 4
    assert counted(segbench_cli, f"{nets}:Forwards")["classes"] == 19
    assert counted(segbench_cli, f"{nets}:Forwards", "--classes", 7)["classes"] == 7
    assert counted(segbench_cli, f"{nets}:Forwards(num_classes=5)")["classes"] == 5
    assert segbench_cli("profile", f"{nets}:Ignores", *SIZE, "--classes", 7, "--no-speed").status == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Net(widht=3)", "widht"),
        ("Net(width=", "bracket"),
        ("Net(width=w)", "literals"),
        ("Net(**{})", "literals"),
        ("refuses(width=3)", "width 3 is odd"),
    ],
)
def test_arguments_that_are_refused_are_two_lines_at_most(
    nets: str, text: str, message: str, segbench_cli: Cli
) -> None:
    answer = segbench_cli("profile", f"{nets}:{text}", *SIZE, "--no-speed")
    assert answer.status == 2
    assert message in answer.err and len(answer.err.strip().splitlines()) <= 2


def test_arg_takes_json_and_else_text() -> None:
    given = ["a=1", "b=true", "c=null", "d=[1, 2.5]", 'e={"k": "v"}', "f=text", "g=a=b"]
    named = spec.parse(spec.with_arguments("m:f(z=0)", given)).named
    assert named == {"z": 0, "a": 1, "b": True, "c": None, "d": [1, 2.5], "e": {"k": "v"}, "f": "text", "g": "a=b"}
    for wrong in (["a"], ["=3"], ["z=1"]):
        with pytest.raises(FactoryError):
            spec.with_arguments("m:f(z=0)", wrong)


def test_a_file_is_named_by_its_path(nets: str, segbench_cli: Cli) -> None:
    Path("models").mkdir()
    shutil.copy(f"{nets}.py", "models/smp.py")
    shutil.copy(f"{nets}.py", "hf.py")
    for path in ("models/smp.py", "./hf.py", str(Path("hf.py").resolve())):
        assert counted(segbench_cli, f"{path}:Net")["operations"]["macs"] == STEM + HEAD
    answer = segbench_cli("profile", "./nowhere.py:Net", "--no-speed")
    assert answer.status == 2 and "no such Python file" in answer.err


# One graph, one set of weights


def test_complex_weights_stay_complex_when_timed(nets: str, segbench_cli: Cli) -> None:
    record = timed(segbench_cli, f"{nets}:Complex")
    assert any("fft" in note for note in record["notes"])
    net = nn.Module()
    net.w = nn.Parameter(torch.ones(2, dtype=torch.cfloat) * 1j)
    net.v, net.n = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)
    assert {str(p.dtype) for p in cast_floats(net, torch.float16).parameters()} == {
        "torch.complex64",
        "torch.float16",
        "torch.int64",
    }


def test_every_build_has_the_same_weights(nets: str) -> None:
    before = torch.random.get_rng_state()
    first, second = (build_own(f"{nets}:Net").state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("network", "params", "note"),
    [
        ("Locked", 27 * 8 + 32, ""),
        ("Lazy", 27 * 8 + 32 + 64, ""),
        ("Branches", 27 * 8 + 32, "depends on values"),
        ("Slip", 27 * 8 + 32, "64 weights run that no module registers"),
    ],
)
def test_what_is_hard_to_count_is_counted_and_timed(
    nets: str, network: str, params: int, note: str, segbench_cli: Cli
) -> None:
    record = counted(segbench_cli, f"{nets}:{network}")
    assert record["params"] == params
    assert note in "; ".join(record["notes"])
    assert frame(f"{nets}:{network}").shape == (1, 4, 64, 128)


def test_what_is_not_counted_is_in_notes_card_and_tables(nets: str, segbench_cli: Cli, in_folder: Path) -> None:
    # Defined where the network is: it is imported in processes of its own.
    (in_folder / f"{nets}.py").write_text(
        NETWORKS + "\nimport torch\nlibrary = torch.library.Library('segbench_contract', 'DEF')\n"
        "library.define('mix(Tensor x) -> Tensor')\n"
        "library.impl('mix', torch.clone, 'CompositeExplicitAutograd')\n"
        "\nclass Custom(Net):\n    def forward(self, x):\n"
        "        return super().forward(torch.ops.segbench_contract.mix(x))\n"
    )
    record = counted(segbench_cli, f"{nets}:Custom")
    card = segbench_cli("profile", f"{nets}:Custom", *SIZE, "--no-speed").out
    assert record["uncounted"] == {"segbench_contract::mix": 1}
    assert "not counted: segbench_contract::mix, 1 times" in record["notes"]
    assert f"\u2265 {STEM + HEAD:,}" in card and "not counted: segbench_contract::mix, 1 times" in card
    (in_folder / "records.json").write_text(json.dumps([record]))
    answer = segbench_cli("report", "records.json", "--out", "page", "--formats", "svg")
    assert answer.status == 0, answer.err
    table = (in_folder / "page" / "table.md").read_text()
    assert "\u2265 0.00051" in table and "segbench\\_contract::mix, 1 times" in table
    assert "$\\geq$" in (in_folder / "page" / "table.tex").read_text()
    assert "segbench_contract::mix, 1 times" in (in_folder / "page" / "index.html").read_text()


# Comparisons


def test_compare_takes_own_networks_beside_the_catalogs(nets: str, segbench_cli: Cli, in_folder: Path) -> None:
    call = ("compare", "erfnet", f"{nets}:RGBD", "--res", "64x128", "--no-speed", "--out", "runs")
    options = ("--input", "1x3xHxW", "--input", "1x1xHxW")
    answer = segbench_cli(*call, *options)
    assert answer.status == 0, answer.err
    records = [json.loads(line) for line in (in_folder / "runs" / "records.jsonl").read_text().splitlines()]
    assert {(record["model"], record["classes"]) for record in records} == {("erfnet", 19), (f"{nets}:RGBD", 4)}
    assert [record["inputs"] for record in records if record["model"] != "erfnet"] == [["1x3xHxW", "1x1xHxW"]]
    table = (in_folder / "runs" / "table.md").read_text()
    assert "| own |" in table
    # What is there is not measured again.
    assert segbench_cli(*call, *options).status == 0
    assert len((in_folder / "runs" / "records.jsonl").read_text().splitlines()) == 2


def test_compare_tells_a_mistake_before_it_measures(nets: str, segbench_cli: Cli, in_folder: Path) -> None:
    answer = segbench_cli("compare", "erfnet", f"{nets}:Net(widht=3)", "--no-speed", "--out", "runs")
    assert answer.status == 2 and "widht" in answer.err
    assert not (in_folder / "runs" / "records.jsonl").exists()
