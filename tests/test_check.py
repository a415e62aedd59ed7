"""`segbench check` as a user meets it: planted changes, an injected clock, bad input, output for machines."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from segbench.errors import SegbenchError
from segbench.job import Job, Settings
from segbench.measure import memory
from segbench.measure import record as measuring
from segbench.measure.device import Device
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.places.isolate import Outcome
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Accuracy, Process, Signature
from segbench.regress import against, run, sampling
from segbench.regress.against import order
from segbench.regress.revision import Revision, places
from tests.conftest import Answer

pytestmark = pytest.mark.slow

Cli = Callable[..., Answer]

NETWORK = """
import torch
from torch import nn
from torch.nn import functional as F

class Unit(nn.Module):
    scale = 1.0
    def __init__(self, channels, kernel=3):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)
    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))

class Decoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.refine = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.1))
    def forward(self, x):
        return self.refine(F.interpolate(x, scale_factor=2.0, mode="bilinear"))

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.units = nn.Sequential(*(Unit(8) for _ in range(3)))
        self.decoder = Decoder(8)
        self.head = nn.Conv2d(8, num_classes, 1)
        self.aux = None
    def forward(self, x):
        x = self.units(self.stem(x))
        if self.aux is not None:
            return self.head(self.decoder(x)), self.aux(x)
        return self.head(self.decoder(x))

def build(num_classes=19):
    return Net(num_classes)
"""

# What is planted: the text that is replaced, what comes in its place, and what the message must say.
PLANTS = {
    "a changed kernel size": (
        "Unit(8) for _ in range(3)",
        "Unit(8, 5 if _ == 1 else 3) for _ in range(3)",
        "units.1.conv (Conv2d): kernel_size [3, 3] -> [5, 5]",
    ),
    "one extra BN": (
        "stride=4, padding=1), nn.BatchNorm2d(8)",
        "stride=4, padding=1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)",
        "(BatchNorm2d) added: 16 parameters",
    ),
    "a dropped upsampling": (
        'F.interpolate(x, scale_factor=2.0, mode="bilinear")',
        "x",
        "decoder (Decoder): upsample_bilinear2d called 1 -> 0 times",
    ),
    "an auxiliary head left on": (
        "self.aux = None",
        "self.aux = nn.Conv2d(8, num_classes, 1)",
        "aux (Conv2d) added: 171 parameters",
    ),
    "a constant of a layer": (
        "nn.LeakyReLU(0.1)",
        "nn.LeakyReLU(0.2)",
        "decoder.refine.1 (LeakyReLU): negative_slope 0.1 -> 0.2",
    ),
    "a factor in a forward": (
        "return torch.relu(self.norm(self.conv(x)))",
        "return torch.relu(1.01 * self.norm(self.conv(x)))",
        "units.0 (Unit): mul called 0 -> 1 times",
    ),
    "a flip": (
        "self.units(self.stem(x))",
        "self.units(self.stem(torch.flip(x, (3,))))",
        "the network (Net): flip called 0 -> 1 times",
    ),
    "other arguments of the same operations": (
        'mode="bilinear")',
        'mode="bilinear", align_corners=True)',
        "decoder computes something else from the same input",
    ),
    "an eps within the tolerance": (
        "self.norm = nn.BatchNorm2d(channels)",
        "self.norm = nn.BatchNorm2d(channels, eps=1.001e-5)",
        "units.0.norm (BatchNorm2d): eps 1e-05 -> 1.001e-05",
    ),
}

_versions = itertools.count(1)


def _write(folder: Path, text: str) -> None:
    """Another version of the user's package; its time stamp moves on, or Python would run the old byte code."""
    path = folder / "mynets" / "net.py"
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text)
    moment = path.stat().st_mtime + 10 * next(_versions)
    os.utime(path, (moment, moment))


@pytest.fixture(scope="module")
def counted_baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A baseline of the user's package as it was, without timings."""
    folder = tmp_path_factory.mktemp("counted")
    _write(folder, NETWORK)
    call = ["baseline", "save", "mynets.net:build", "--no-speed", "--res", "64x128", "-b", "base.json"]
    subprocess.run([sys.executable, "-m", "segbench", *call], cwd=folder, check=True, capture_output=True)
    return (folder / "base.json").read_text()


@pytest.fixture
def project(in_folder: Path, counted_baseline: str) -> Path:
    """A user's own package with a counted baseline."""
    _write(in_folder, NETWORK)
    (in_folder / "base.json").write_text(counted_baseline)
    return in_folder


def _save(cli: Cli, *arguments: object) -> None:
    answer = cli("baseline", "save", *arguments, "--res", "64x128", "-b", "base.json")
    assert answer.status == 0, answer.err


def _refused(answer: Answer, *parts: str) -> None:
    assert answer.status == 2, answer.out + answer.err
    assert answer.out == ""
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    for part in parts:
        assert part in answer.err


def test_an_unchanged_network_passes(project: Path, segbench_cli: Cli) -> None:
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 0, answer.out + answer.err
    assert "mynets.net:build 64x128: unchanged" in answer.out
    assert "pass" in answer.out


@pytest.mark.parametrize("plant", PLANTS)
def test_the_hard_gate_catches_a_planted_change_and_names_the_module(
    project: Path, segbench_cli: Cli, plant: str
) -> None:
    before, after, message = PLANTS[plant]
    assert NETWORK.count(before) == 1
    _write(project, NETWORK.replace(before, after))
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 1, answer.out + answer.err
    assert message in answer.out, answer.out
    assert "FAIL" in answer.out


def test_one_layer_put_into_a_sequential_is_one_addition(project: Path, segbench_cli: Cli) -> None:
    _write(project, NETWORK.replace("nn.LeakyReLU(0.1))", "nn.BatchNorm2d(channels), nn.LeakyReLU(0.1))"))
    out = segbench_cli("check", "-b", "base.json").out
    modules = [line for line in out.splitlines() if line.strip().startswith("- ")]
    assert modules == ["  - decoder.refine.1 (BatchNorm2d) added: 16 parameters, 0 MACs"]


@pytest.mark.parametrize(("place", "status"), [("return Net(num_classes)", 2), ("x = self.units(self.stem(x))", 1)])
def test_a_network_that_fails_now_is_a_regression_and_one_that_cannot_be_built_is_refused(
    project: Path, place: str, status: int, segbench_cli: Cli
) -> None:
    assert place in NETWORK
    _write(project, NETWORK.replace(place, "raise ValueError('no weights')"))
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == status
    assert "FAILED" in answer.out
    assert "no weights" in answer.out


def test_catalog_networks_are_checked_by_pattern(segbench_cli: Cli, in_folder: Path) -> None:
    _save(segbench_cli, "contextnet", "espnet", "--no-speed")
    answer = segbench_cli("check", "esp*", "-b", "base.json", "--json", "-")
    assert answer.status == 0
    assert [record["model"] for record in json.loads(answer.out)] == ["espnet"]
    assert "contextnet" not in answer.err


def test_outputs_for_machines(project: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    _write(project, NETWORK.replace("nn.LeakyReLU(0.1)", "nn.LeakyReLU(0.2)"))
    arguments = ("--junit", "out/junit.xml", "--json", "out/records.json", "--benchmark-json", "out/benchmark.json")
    answer = segbench_cli("check", "-b", "base.json", *arguments)
    assert answer.status == 1
    root = ElementTree.parse(project / "out/junit.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("1", "1", "0")
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert "negative_slope 0.1 -> 0.2" in str(failure.text)
    summary = (project / "summary.md").read_text()
    assert "| mynets.net:build 64x128 | changed |" in summary
    assert "decoder.refine.1" in summary
    (command,) = [line for line in answer.out.splitlines() if line.startswith("::")]
    assert command.startswith("::error title=segbench%3A mynets.net%3Abuild 64x128::")
    assert "%0A" in command
    figures = {item["name"]: item for item in json.loads((project / "out/benchmark.json").read_text())}
    (record,) = store.read(project / "out/records.json")
    assert figures["mynets.net:build 64x128 MACs"]["value"] == record.operations["macs"]
    assert all({"name", "unit", "value"} <= item.keys() for item in figures.values())


def test_outside_of_actions_no_workflow_command_is_printed(
    project: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "::" not in segbench_cli("check", "-b", "base.json").out


# An injected clock: a simulated device in this process in place of a real one in fresh processes.


class Lab:
    """A simulated device that every further process sees."""

    def __init__(self) -> None:
        self.behaviour = Behaviour(frame_ms=20, process_noise=0.005)
        self.name = "simulated"
        self.seeds = itertools.count()

    def open(self, spec: str = "auto") -> Device:
        device = SimulatedDevice(self.behaviour, next(self.seeds))
        device.name = self.name
        return device


def _in_process(function: Callable[[Any], Any], tasks: Sequence[Any], **settings: Any) -> Iterator[Outcome[Any]]:
    for task in tasks:
        try:
            yield Outcome(task, function(task), None, 0.0)
        except Exception as error:
            yield Outcome(task, None, f"{type(error).__name__}: {error}", 0.0, type(error))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab()
    for module in (measuring, run):
        monkeypatch.setattr(module, "open_device", lab.open)
    monkeypatch.setattr(sampling, "run_isolated", _in_process)
    monkeypatch.setattr(memory, "peak_memory", lambda *arguments: 100.0)
    return lab


@pytest.fixture
def timed(in_folder: Path, segbench_cli: Cli, lab: Lab) -> Lab:
    """The user's package with a baseline of simulated timings."""
    _write(in_folder, NETWORK)
    _save(segbench_cli, "mynets.net:build", "--device", "cuda", "--rounds", 1)
    return lab


def test_an_a_a_run_passes(timed: Lab, segbench_cli: Cli) -> None:
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 0, answer.out + answer.err
    assert "SAME FPS" in answer.out
    assert "noise floor (A/A)" in answer.out
    assert "10 and 10 processes" in answer.out
    assert "simulated timing" in answer.out


def test_a_network_slowed_by_ten_percent_fails(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=22, process_noise=0.005)
    answer = segbench_cli("check", "-b", "base.json", "--junit", "junit.xml")
    assert answer.status == 1, answer.out
    assert "SLOWER FPS" in answer.out
    assert "-9." in answer.out
    assert "10 and 10 processes" in answer.out
    root = ElementTree.parse("junit.xml").getroot()
    assert {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None} == {
        "FPS",
        "latency",
    }


def test_a_faster_network_passes_and_is_said_to_be_faster(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=18, process_noise=0.005)
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 0, answer.out
    assert "FASTER FPS" in answer.out


def test_noise_is_undecided_passes_with_a_warning_and_fails_strictly(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=20, process_noise=0.2)
    answer = segbench_cli("check", "-b", "base.json", "--json", "noisy.json")
    assert answer.status == 0, answer.out
    assert "UNDECIDED FPS" in answer.out
    assert "too noisy" in answer.out
    assert "SAME FPS" not in answer.out
    assert segbench_cli("check", "-b", "base.json", "--current", "noisy.json", "--strict").status == 1


def test_too_few_processes_are_undecided_and_find_nothing(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=22, process_noise=0.005)
    Path("base.json").unlink()
    _save(segbench_cli, "mynets.net:build", "--device", "cuda", "--rounds", 1, "--processes", 2)
    timed.behaviour = Behaviour(frame_ms=30, process_noise=0.005)
    answer = segbench_cli("check", "-b", "base.json", "--processes", 2)
    assert answer.status == 0, answer.out
    assert "UNDECIDED FPS" in answer.out
    assert "not enough samples" in answer.out
    assert "finds in 95 % of cases: FPS none (too few processes)" in answer.out


def test_a_given_run_is_judged_without_measuring(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=22, process_noise=0.001)
    assert segbench_cli("check", "-b", "base.json", "--json", "now.json").status == 1
    timed.behaviour = Behaviour(frame_ms=99)
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert answer.status == 1
    assert "SLOWER FPS" in answer.out


def test_another_machine_is_refused_and_its_counts_are_judged(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour, timed.name = Behaviour(frame_ms=30), "another GPU"
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 0, answer.out
    assert "device name simulated -> another GPU" in answer.out
    assert "SLOWER" not in answer.out
    assert "unchanged" in answer.out
    assert segbench_cli("check", "-b", "base.json", "--strict").status == 1
    forced = segbench_cli("check", "-b", "base.json", "--force")
    assert forced.status == 1
    assert "judged by force" in forced.out
    _write(Path(), NETWORK.replace("nn.LeakyReLU(0.1)", "nn.LeakyReLU(0.2)"))


def test_counts_fail_where_speed_is_refused(timed: Lab, segbench_cli: Cli) -> None:
    (record,) = store.read(Path("base.json"))
    record.params = 1
    Path("changed.json").write_text(store.dumps([record]))
    timed.name = "another GPU"
    answer = segbench_cli("check", "-b", "changed.json")
    assert answer.status == 1
    assert "parameters: 1 ->" in answer.out


def test_launches_are_gated_on_the_same_machine_only(timed: Lab, segbench_cli: Cli) -> None:
    (record,) = store.read(Path("base.json"))
    assert record.speed is not None
    record.speed = replace(record.speed, launches=40)
    record.environment["driver"] = "998"
    Path("before.json").write_text(store.dumps([record]))
    record.speed = replace(record.speed, launches=41)
    Path("after.json").write_text(store.dumps([record]))
    answer = segbench_cli("check", "-b", "before.json", "--current", "after.json")
    assert answer.status == 1
    assert "kernel launches: 40 -> 41" in answer.out
    record.environment["driver"] = "999"
    Path("after.json").write_text(store.dumps([record]))
    answer = segbench_cli("check", "-b", "before.json", "--current", "after.json")
    assert answer.status == 0, answer.out
    assert "launches" not in answer.out
    assert "driver" in answer.out


def test_a_changed_miou_is_a_finding(timed: Lab, segbench_cli: Cli) -> None:
    (record,) = store.read(Path("base.json"))
    for name, miou in (("before", 0.7531), ("after", 0.7532)):
        record.accuracy = Accuracy(dataset="CamVid", miou=miou)
        Path(f"{name}.json").write_text(store.dumps([record]))
    answer = segbench_cli("check", "-b", "before.json", "--current", "after.json")
    assert answer.status == 1
    assert "mIoU: 75.3100% -> 75.3200%" in answer.out


def _with_accuracy(name: str, accuracy: Accuracy | None) -> None:
    (record,) = store.read(Path("base.json"))
    record.accuracy = accuracy
    Path(f"{name}.json").write_text(store.dumps([record]))


def test_a_miou_that_is_gone_is_a_finding(project: Path, segbench_cli: Cli) -> None:
    scored = Accuracy(dataset="CamVid", miou=0.7531)
    _with_accuracy("before", scored)
    for name, gone in (("none", None), ("nothing scored", replace(scored, miou=None))):
        _with_accuracy(name, gone)
        answer = segbench_cli("check", "-b", "before.json", "--current", f"{name}.json")
        assert answer.status == 1, answer.out
        assert "mIoU: 75.3100% -> none: it was not evaluated, or nothing was scored" in answer.out
    _with_accuracy("again", scored)
    assert segbench_cli("check", "-b", "before.json", "--current", "again.json").status == 0
    assert segbench_cli("check", "-b", "none.json", "--current", "before.json").status == 0, "a new mIoU is no change"


def test_a_check_that_measures_now_says_that_no_miou_was_evaluated(project: Path, segbench_cli: Cli) -> None:
    _with_accuracy("before", Accuracy(dataset="CamVid", miou=0.7531))
    answer = segbench_cli("check", "-b", "before.json")
    assert answer.status == 0, answer.out
    assert "the mIoU was not evaluated again" in answer.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "mmseg"}, "rule sfa -> mmseg"),
        ({"split": "test"}, "split val -> test"),
        ({"images": 3}, "images 101 -> 3"),
        ({"protocol": {"flip": True}}, "flip false -> true"),
    ],
)
def test_mious_under_unlike_conditions_are_not_compared_and_fail_strictly(
    project: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    scored = Accuracy(dataset="CamVid", split="val", rule="sfa", images=101, miou=0.75, protocol={"flip": False})
    _with_accuracy("before", scored)
    _with_accuracy("after", replace(scored, miou=0.5, **change))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    call = ("check", "-b", "before.json", "--current", "after.json", "--junit", "junit.xml")
    answer = segbench_cli(*call)
    assert answer.status == 0, answer.out
    assert f"mIoU is not comparable: {said}" in answer.out
    assert "mIoU: 75" not in answer.out
    assert "::warning" in answer.out
    assert said in Path("summary.md").read_text()
    (skipped,) = ElementTree.parse("junit.xml").getroot().iter("skipped")
    assert said in str(skipped.text)
    assert segbench_cli(*call, "--strict").status == 1
    assert said in str(next(ElementTree.parse("junit.xml").getroot().iter("failure")).text)


def test_other_weights_under_the_same_conditions_are_what_is_compared(project: Path, segbench_cli: Cli) -> None:
    scored = Accuracy(dataset="CamVid", miou=0.75, checkpoint_sha256="a" * 64)
    _with_accuracy("before", scored)
    _with_accuracy("after", replace(scored, miou=0.74, checkpoint_sha256="b" * 64))
    answer = segbench_cli("check", "-b", "before.json", "--current", "after.json")
    assert answer.status == 1, answer.out
    assert "mIoU: 75.0000% -> 74.0000%" in answer.out


def test_processes_that_compare_kept_one_by_one_are_one_row(timed: Lab, segbench_cli: Cli) -> None:
    rows = []
    for index in range(4):
        rows.append(sampling.time_once(replace(_job(), process=Process(index=index, of=4))))
    Path("rows.jsonl").write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows))
    answer = segbench_cli("check", "-b", "rows.jsonl", "--current", "rows.jsonl")
    assert answer.status == 0, answer.err
    assert "4 and 4 processes" in answer.out


def test_a_gpu_that_cannot_be_traced_costs_the_launches_and_not_the_timing(
    timed: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise SegbenchError("CUPTI is taken")

    monkeypatch.setattr(measuring, "traced", refuse)
    row = sampling.time_once(_job())
    assert row.failure is None
    assert row.speed and row.speed.fps > 0 and row.speed.launches is None
    assert row.notes == ["the GPU could not be traced: CUPTI is taken"]


def _job() -> Job:
    settings = measuring.check_settings(Settings(device="cuda", rounds=1))
    return Job(model="mynets.net:build", classes=19, resolution=(64, 128), settings=settings)


def test_the_row_of_this_machine_is_measured_and_rows_of_others_are_added(timed: Lab, segbench_cli: Cli) -> None:
    few = ("-b", "base.json", "--processes", 3)
    call = ("baseline", "save", "mynets.net:build", "--res", "64x128", "--device", "cuda", "--rounds", 1, *few)
    refused = segbench_cli(*call, "--add")
    assert refused.status == 2 and "has mynets.net:build 64x128 of this machine" in refused.err
    timed.name, timed.behaviour = "another GPU", Behaviour(frame_ms=40, process_noise=0.005)
    answer = segbench_cli(*call, "--add")
    assert answer.status == 0, answer.err
    answer = segbench_cli("check", *few)
    assert answer.status == 0, answer.out
    assert "SAME FPS" in answer.out
    assert "against base.json [another GPU" in answer.out
    timed.name = "a third"
    out = segbench_cli("check", *few).out
    assert "the baseline has" in out and "simulated (" in out and "another GPU (" in out
    timed.name = "another GPU"
    assert segbench_cli("baseline", "update", *few, "--yes").status == 0
    names = [record.speed and record.speed.device_name for record in store.read(Path("base.json"))]
    assert sorted(map(str, names)) == ["another GPU", "simulated"]


def test_a_miou_is_saved_and_compared_beside_what_is_measured(project: Path, segbench_cli: Cli) -> None:
    scored = Accuracy(dataset="CamVid", split="val", rule="sfa", images=101, miou=0.75)
    for name, miou in (("eval", 0.75), ("worse", 0.7)):
        _with_accuracy(name, replace(scored, miou=miou))
    save = ("baseline", "save", "mynets.net:build", "--res", "64x128", "--no-speed", "-b", "both.json")
    assert segbench_cli(*save, "--miou", "eval.json").status == 0
    (record,) = store.read(Path("both.json"))
    assert record.accuracy == replace(scored, tolerance_points=0.005)
    assert segbench_cli("check", "-b", "both.json", "--miou", "eval.json").status == 0
    answer = segbench_cli("check", "-b", "both.json", "--miou", "worse.json")
    assert answer.status == 1
    assert "mIoU: 75.0000% -> 70.0000% (-5.000 points)" in answer.out
    _refused(segbench_cli("check", "-b", "both.json", "--miou", "base.json"), "base.json holds no mIoU")


def test_more_processes_are_timed_where_a_slowdown_is_to_be_found(timed: Lab, segbench_cli: Cli) -> None:
    timed.behaviour = Behaviour(frame_ms=20, process_noise=0.02)
    save = ("baseline", "save", "mynets.net:build", "--res", "64x128", "--device", "cuda", "--rounds", 1)
    assert segbench_cli(*save, "--for", "4%", "-b", "for.json").status == 0
    (record,) = store.read(Path("for.json"))
    assert record.speed is not None and record.speed.process_fps is not None
    count = len(record.speed.process_fps)
    assert count > 10
    answer = segbench_cli("check", "-b", "for.json", "--for", "4%")
    found = re.search(rf"{count} and (\d+) processes", answer.out)
    assert found is not None and 10 < int(found[1]) <= count, answer.out


# Two revisions.


def _git(*arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(in_folder: Path) -> Path:
    """A git checkout of the user's package with one commit."""
    _write(in_folder, NETWORK)
    (in_folder / ".gitignore").write_text("__pycache__/\n")
    _git("init", "-q")
    _git("add", ".")
    _git("commit", "-q", "-m", "one")
    return in_folder


def test_the_order_of_two_sides_is_balanced() -> None:
    assert order(2) == ["A", "B", "B", "A"]
    assert order(3) == ["A", "B", "B", "A", "A", "B"]
    for count in range(1, 12):
        assert order(count).count("A") == order(count).count("B") == count
    turns = order(10)
    middle = [sum(place for place, side in enumerate(turns) if side == which) / 10 for which in "AB"]
    assert middle[0] == middle[1], "a steady drift weighs on both alike"


def test_a_process_of_a_revision_imports_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    paths = places(Revision("x", "1", tmp_path, tmp_path)).split(os.pathsep)
    assert paths == [str(tmp_path), str(tmp_path), str(tmp_path / "src"), "elsewhere"]


@pytest.mark.slow
def test_two_revisions_are_compared(repository: Path, segbench_cli: Cli) -> None:
    _write(repository, NETWORK.replace("nn.LeakyReLU(0.1)", "nn.LeakyReLU(0.2)"))
    # The project's own modules come from the revision, and never in the place of Python's.
    (repository / "random.py").write_text("raise SystemExit('imported from the current folder')\n")
    _git("add", "random.py")
    _git("commit", "-q", "-a", "-m", "two")
    arguments = ("check", "mynets.net:build", "--res", "64x128", "--no-speed", "--against")
    answer = segbench_cli(*arguments, "HEAD~1")
    assert answer.status == 1, answer.out + answer.err
    assert "decoder.refine.1 (LeakyReLU): negative_slope 0.1 -> 0.2" in answer.out
    assert "against HEAD~1" in answer.out
    same = segbench_cli(*arguments, "HEAD")
    assert same.status == 0, same.out + same.err
    listed = subprocess.run(["git", "worktree", "list"], capture_output=True, text=True, check=True).stdout
    assert len(listed.splitlines()) == 1, "worktrees are removed"


def test_timings_of_two_revisions_alternate(
    repository: Path, segbench_cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command line with an injected clock; the worker runs in this process, on a device that drifts."""
    sides: list[str] = []
    roots: dict[Path, str] = {}

    def worker(what: str, job: Job, revision: Revision, timeout_s: float) -> Record:
        # Each call has two worktrees, of which that to compare with is counted first.
        side = roots.setdefault(revision.root, "AB"[len(roots) % 2])
        if what == "count":
            return sampling.describe(job)
        sides.append(side)
        slower = factor if side == "B" else 1.0
        lab.behaviour = Behaviour(frame_ms=20 * slower * (1 + 0.002 * len(sides)), process_noise=0.003)
        return sampling.time_once(job)

    monkeypatch.setattr(against, "run_worker", worker)
    arguments = ("check", "mynets.net:build", "--res", "64x128", "--device", "cuda", "--against", "HEAD")
    factor = 1.0
    answer = segbench_cli(*arguments)
    assert answer.status == 0, answer.out + answer.err
    assert sides[:8] == list("ABBAABBA")
    assert "SLOWER" not in answer.out
    factor, sides = 1.1, []
    answer = segbench_cli(*arguments)
    assert answer.status == 1, answer.out + answer.err
    assert "SLOWER FPS" in answer.out
    assert "10 and 10 processes" in answer.out


def test_a_dirty_tree_is_refused(repository: Path, segbench_cli: Cli) -> None:
    _write(repository, NETWORK + "\n# not committed\n")
    _refused(segbench_cli("check", "mynets.net:build", "--no-speed", "--against", "HEAD"), "net.py", "commit or stash")
    assert (repository / "mynets/net.py").read_text().endswith("# not committed\n")


def test_a_revision_that_does_not_exist_is_refused(repository: Path, segbench_cli: Cli) -> None:
    for revision in ("nowhere", "--force", "HEAD~9"):
        answer = segbench_cli("check", "mynets.net:build", "--no-speed", f"--against={revision}")
        _refused(answer, revision)


@pytest.mark.slow
def test_a_revision_that_cannot_be_built_is_refused(repository: Path, segbench_cli: Cli) -> None:
    _write(repository, "import nothing_of_that_name\n")
    _git("commit", "-q", "-a", "-m", "broken")
    _write(repository, NETWORK)
    _git("commit", "-q", "-a", "-m", "repaired")
    arguments = ("check", "mynets.net:build", "--res", "64x128", "--no-speed", "--against")
    _refused(segbench_cli(*arguments, "HEAD~1"), "'HEAD~1' cannot be built", "nothing_of_that_name")


def test_outside_of_a_checkout_no_revision_is_compared(
    in_folder: Path, segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(in_folder.parent))
    _refused(segbench_cli("check", "espnet", "--no-speed", "--against", "HEAD"), "git checkout")


# Bad input.


def test_a_baseline_that_cannot_be_read(segbench_cli: Cli, in_folder: Path) -> None:
    good = store.dumps([_counted("espnet")])
    newer = good.replace('"schema": 1', '"schema": 99')
    for text, part in (
        ("", "empty"),
        ("[]", "no Record"),
        (good[: len(good) // 2], "truncated"),
        (newer, "schema 99"),
        ("{}", "schema"),
        ("not json", "not JSON"),
    ):
        (in_folder / "base.json").write_text(text)
        _refused(segbench_cli("check", "-b", "base.json"), "base.json", part)
        assert (in_folder / "base.json").read_text() == text
    _refused(segbench_cli("check", "-b", "missing.json"), "missing.json", "baseline save")
    assert not (in_folder / "missing.json").exists()


def _counted(model: str, **changes: Any) -> Record:
    return Record(**{"model": model, "classes": 19, "resolution": (64, 128), "params": 7, **changes})


def test_duplicate_records_are_refused(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("espnet"), _counted("espnet")]))
    _refused(segbench_cli("check", "-b", "base.json"), "espnet 64x128 2 times")


def test_added_and_removed_networks_are_listed(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("espnet"), _counted("gone-net")]))
    (in_folder / "now.json").write_text(store.dumps([_counted("espnet"), _counted("new-net")]))
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert answer.status == 0, answer.err
    assert "gone-net 64x128: in the baseline, not in the run" in answer.out
    assert "new-net 64x128: not in the baseline" in answer.out
    assert segbench_cli("check", "-b", "base.json", "--current", "now.json", "--strict").status == 1
    (in_folder / "now.json").write_text(store.dumps([_counted("new-net")]))
    _refused(segbench_cli("check", "-b", "base.json", "--current", "now.json"), "gone-net", "new-net")


def test_logits_that_are_lost_are_a_finding_with_its_reason(segbench_cli: Cli, in_folder: Path) -> None:
    signature = Signature(resolution=(64, 128), gain=1.0, shape=[1, 19, 64, 128], samples=[0.5], mean=0.1, std=1.0)
    before, lost = _counted("espnet", signature=signature), _counted("espnet", notes=["no signature: it raises"])
    (in_folder / "base.json").write_text(store.dumps([before]))
    (in_folder / "now.json").write_text(store.dumps([lost]))
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert answer.status == 1
    assert "signature: mean 0.1, std 1 -> none: it raises" in answer.out
    # One that was never taken is no change of the network.
    (in_folder / "now.json").write_text(store.dumps([_counted("espnet")]))
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert answer.status == 0
    assert "the current Record has no signature" in answer.out
    (in_folder / "now.json").write_text(store.dumps([before]))
    (in_folder / "base.json").write_text(store.dumps([lost]))
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert "the baseline has no signature: it raises" in answer.out
    answer = segbench_cli("baseline", "save", "--from", "base.json", "-b", "kept.json")
    assert "espnet 64x128: no logits to compare later: it raises" in answer.out


def test_live_macs_that_are_lost_are_a_finding(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("espnet", operations={"live-macs": 5})]))
    (in_folder / "now.json").write_text(store.dumps([_counted("espnet")]))
    answer = segbench_cli("check", "-b", "base.json", "--current", "now.json")
    assert answer.status == 1
    assert "live-macs: 5 -> none" in answer.out


def test_a_network_that_failed_in_the_baseline_is_not_called_unchanged(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("espnet", params=None, failure="out of memory")]))
    (in_folder / "now.json").write_text(store.dumps([_counted("espnet")]))
    call = ("check", "-b", "base.json", "--current", "now.json", "--junit", "j.xml", "--comment", "c.md")
    for strict, status, problem in (((), 0, "skipped"), (("--strict",), 1, "failure")):
        answer = segbench_cli(*call, *strict)
        assert answer.status == status
        assert "espnet 64x128: not compared" in answer.out
        assert "unchanged" not in answer.out + (in_folder / "c.md").read_text()
        assert "out of memory" in (in_folder / "c.md").read_text()
        case = ElementTree.parse(in_folder / "j.xml").find(".//testcase[@name='counts and signature']")
        assert case is not None and case.find(problem) is not None


def test_a_name_that_neither_side_has_is_said(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("espnet")]))
    call = ("check", "-b", "base.json", "--current", "base.json")
    assert "warning: enett: neither in the baseline nor in base.json" in segbench_cli(*call, "espnet", "enett").out
    _refused(segbench_cli(*call, "--classes", "0"), "--classes")


def test_a_baseline_of_networks_that_are_gone(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "base.json").write_text(store.dumps([_counted("gone-net")]))
    _refused(segbench_cli("check", "-b", "base.json"), "gone-net")
    (in_folder / "base.json").write_text(store.dumps([_counted("gone-net"), _counted("espnet", params=1)]))
    answer = segbench_cli("check", "-b", "base.json")
    assert answer.status == 1
    assert "gone-net 64x128: in the baseline, not in the run" in answer.out
    assert "parameters: 1 ->" in answer.out
    assert "has no signature" in answer.out
    _refused(segbench_cli("check", "other*", "-b", "base.json"), "other*")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "--baseline"),
        (("--against", "HEAD"), "MODEL"),
        (("-b", "base.json", "--current", "x", "--against", "HEAD"), "--current"),
        (("-b", "base.json", "--res", "64x64"), "--res"),
        (("-b", "base.json", "--mode", "swiftnet"), "--mode"),
        (("-b", "base.json", "--min-effect", "3"), "3%"),
        (("-b", "base.json", "--processes", "1"), "--processes"),
        (("-b", "base.json", "--current", "missing.json"), "missing.json"),
        (("-b", "base.json", "--junit", "base.json/junit.xml"), "base.json"),
    ],
)
def test_a_bad_call_is_refused(segbench_cli: Cli, in_folder: Path, arguments: tuple[str, ...], part: str) -> None:
    text = store.dumps([_counted("espnet")])
    (in_folder / "base.json").write_text(text)
    _refused(segbench_cli("check", *arguments), part)
    assert [path.name for path in in_folder.iterdir()] == ["base.json"]
    assert (in_folder / "base.json").read_text() == text
