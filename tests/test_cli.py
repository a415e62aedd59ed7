"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from segbench.catalog import CATALOG, list_models
from tests.conftest import Answer

Cli = Callable[..., Answer]

ROOT = Path(__file__).parent.parent
QUICK = ("--res", "128x256", "--no-speed")


def _refused(answer: Answer, *parts: str) -> None:
    """One or two clear lines on standard error, exit status 2, no traceback, nothing on standard output."""
    assert answer.status == 2
    assert answer.out == ""
    assert 1 <= len(answer.err.strip().splitlines()) <= 2, answer.err
    assert "Traceback" not in answer.err
    for part in parts:
        assert part in answer.err


def test_help_and_lists_import_no_torch() -> None:
    code = (
        "import sys; from segbench.cli import run\n"
        "import segbench; segbench.list_models('eseg*')\n"
        "for call in (['--help'], ['models'], ['models', '--json'], ['profile', '--help'], ['compare', '--help']):\n"
        "    assert run(call) == 0\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_models_lists_every_network(segbench_cli: Cli) -> None:
    answer = segbench_cli("models")
    assert answer.status == 0
    for name in CATALOG:
        assert name in answer.out


@pytest.mark.parametrize("name", ["COLUMNS", "LINES", "TERMINAL_WIDTH"])
def test_a_width_that_is_none_is_no_width(segbench_cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for width in ("\u00b2", "x", "-1", "", "0"):
        monkeypatch.setenv(name, width)
        answer = segbench_cli("models", "enet")
        assert (answer.status, answer.err) == (0, "")
        assert answer.out.startswith("network ")


@pytest.mark.parametrize(
    "call", [("report", "{}", "--out", "o"), ("check", "-b", "{}"), ("history", "show", "{}"), ("profile", "{}:f")]
)
def test_a_name_that_no_file_can_have_is_one_line(segbench_cli: Cli, call: tuple[str, ...]) -> None:
    answer = segbench_cli(*(part.format("n" * 300) for part in call))
    assert answer.status == 2, answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_models_takes_patterns_and_prints_json(segbench_cli: Cli) -> None:
    listed = json.loads(segbench_cli("models", "efrnet*", "--json").out)
    assert [item["name"] for item in listed] == list_models("efrnet*")
    assert listed[0]["params"] == 478022
    assert listed[0]["resolutions"][0] == [360, 640]


def test_profile_prints_only_json(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "mfpnet", "efrnet", "--res", "512x1024", "--no-speed", "--json", "-")
    assert answer.status == 0
    records = json.loads(answer.out)
    assert [record["model"] for record in records] == ["mfpnet", "efrnet"]
    assert records[0]["params"] == 1001696
    assert records[0]["operations"]["macs"] == 18310205312
    assert records[0]["resolution"] == [512, 1024]
    assert records[0]["speed"] is None
    assert records[0]["failure"] is None


def test_profile_writes_a_file_and_shows_the_conditions(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "records.json"
    answer = segbench_cli("profile", "efrnet", *QUICK, "--json", path)
    assert answer.status == 0
    assert "478,022" in answer.out
    assert "128x256" in answer.out
    assert "reconstruction" in answer.out
    assert json.loads(path.read_text())[0]["model"] == "efrnet"


def test_profile_measures_speed_on_the_cpu_and_says_so(segbench_cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    arguments = ("--res", "64x64", "--device", "cpu", "--budget", 2, "--json", path)
    answer = segbench_cli("profile", "efrnet", *arguments)
    assert answer.status == 0, answer.err
    assert "CPU timing" in answer.out
    (record,) = json.loads(path.read_text())
    assert record["speed"]["device"] == "cpu"
    assert record["speed"]["mode"] == "forward"
    assert record["speed"]["precision"] == "fp32"
    assert record["speed"]["shortened"]
    assert record["speed"]["fps"] > 0
    assert record["protocol"]
    assert record["environment"]["torch"] == torch.__version__


def test_the_real_counters_stand_beside_the_rules(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "efrnet", *QUICK, "--counter", "fvcore", "--counter", "thop", "--json", "-")
    (record,) = json.loads(answer.out)
    assert record["tools"] == {name: record["operations"][name] for name in ("fvcore", "thop")}


def test_an_unknown_network_offers_the_nearest(segbench_cli: Cli) -> None:
    _refused(segbench_cli("profile", "mfpnett", "--no-speed"), "'mfpnett'", "mfpnet", "segbench models")
    _refused(segbench_cli("models", "zzz*"), "'zzz*'")


@pytest.mark.parametrize("size", ["512", "0x0", "8x8", "-64x64", "axb", "512x1024x3"])
def test_a_bad_resolution_is_refused(segbench_cli: Cli, size: str) -> None:
    _refused(segbench_cli("profile", "mfpnet", f"--res={size}", "--no-speed"), "64" if size == "8x8" else "")
    _refused(segbench_cli("compare", "mfpnet", f"--res={size}", "--no-speed"))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--classes", "0"), ("classes", "1 or more")),
        (("--classes", "-3"), ("classes",)),
        (("--classes", "many"), ("many",)),
        (("--device", "tpu"), ("tpu", "cpu", "cuda")),
        (("--counter", "abacus"), ("abacus", "fvcore")),
        (("--batch", "0"), ("batch",)),
        (("--rounds", "0"), ("rounds",)),
        (("--budget", "0"), ("budget",)),
        (("--mode", "fast"), ("fast", "swiftnet")),
        (("--precision", "int8"), ("int8", "fp16")),
        (("--flavour",), ("--flavour",)),
    ],
)
def test_a_bad_option_is_refused(segbench_cli: Cli, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    _refused(segbench_cli("profile", "mfpnet", "--res", "64x64", *arguments), *parts)
    _refused(segbench_cli("compare", "mfpnet", "--res", "64x64", *arguments), *parts)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_without_cuda_is_refused(segbench_cli: Cli, device: str) -> None:
    _refused(segbench_cli("profile", "mfpnet", "--device", device), device, "CUDA")


def test_a_missing_argument_or_command_is_one_line(segbench_cli: Cli) -> None:
    _refused(segbench_cli("profile"), "MODEL")
    _refused(segbench_cli("profil", "mfpnet"), "profil")


def test_nothing_is_measured_where_nothing_can_be_written(segbench_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _refused(segbench_cli("profile", "mfpnet", *QUICK, "--json", tmp_path / "file" / "records.json"), "file")
    _refused(segbench_cli("profile", "mfpnet", *QUICK, "--json", tmp_path), str(tmp_path))
    _refused(segbench_cli("compare", "mfpnet", *QUICK, "--out", tmp_path / "file" / "out"), "file")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_compare_wants_one_choice(segbench_cli: Cli) -> None:
    _refused(segbench_cli("compare"), "--all")
    _refused(segbench_cli("compare", "mfpnet", "--all"), "--all")
    _refused(segbench_cli("compare", "--paper", "mfpnett"), "mfpnet")


def test_debug_anywhere_shows_the_traceback(segbench_cli: Cli) -> None:
    for arguments in (("--debug", "profile", "nothing"), ("profile", "nothing", "--debug")):
        answer = segbench_cli(*arguments)
        assert answer.status == 2
        assert "Traceback" in answer.err


def test_version_and_bare_call(segbench_cli: Cli) -> None:
    assert segbench_cli("--version").out == "segbench 0.1.0\n"
    assert "profile" in segbench_cli().out


def test_env_states_the_machine(segbench_cli: Cli) -> None:
    content = json.loads(segbench_cli("env", "--json").out)
    assert content["environment"]["torch"] == torch.__version__
    assert torch.__version__ in segbench_cli("env").out


@pytest.mark.slow
def test_compare_measures_resumes_and_draws(segbench_cli: Cli, tmp_path: Path) -> None:
    arguments = ("compare", "efrnet", "enet", "--res", "360x640", "--no-speed", "--out", tmp_path)
    answer = segbench_cli(*arguments, "--json", "-")
    assert answer.status == 0, answer.err
    records = json.loads(answer.out)
    assert [record["model"] for record in records] == ["efrnet", "enet"]
    assert all(record["failure"] is None for record in records)
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    assert len(lines) == 2
    rows = (tmp_path / "table.md").read_text().splitlines()
    assert sum(row.startswith(("| efrnet |", "| enet |")) for row in rows) == 2
    assert list((tmp_path / "plots").glob("*.png"))
    assert list((tmp_path / "plots").glob("*.svg"))

    again = segbench_cli(*arguments, "--json", "-")
    assert json.loads(again.out) == records
    assert (tmp_path / "records.jsonl").read_text().splitlines() == lines

    segbench_cli(*arguments, "--fresh")
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "records.1.jsonl").read_text().splitlines() == lines


class Installed:
    """A wheel of this checkout, installed beside nothing, and called in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.site, self.empty = folder / "site", folder / "empty"
        self.empty.mkdir()
        build = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder / "dist"),
            str(ROOT),
        ]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = (folder / "dist").glob("*.whl")
        install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(self.site), str(wheel)]
        subprocess.run(install, check=True, capture_output=True)

    def python(self, *arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(self.site)}
        command = [sys.executable, *arguments]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.empty, env=environment)
        return answer.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_an_installed_wheel_works_in_an_empty_folder(installed: Installed) -> None:
    assert str(installed.site) in installed.python("-c", "import segbench; print(segbench.__file__)")
    assert len(json.loads(installed.python("-m", "segbench", "models", "--json"))) == len(CATALOG)
    profiled = json.loads(installed.python("-m", "segbench", "profile", "efrnet", *QUICK, "--json", "-"))
    assert profiled[0]["params"] == 478022
    assert list(installed.empty.iterdir()) == []


@pytest.mark.slow
def test_an_installed_wheel_carries_the_published_costs_and_audits_without_torch(installed: Installed) -> None:
    assert (installed.site / "segbench" / "costs.jsonl").read_bytes() == (ROOT / "results/costs.jsonl").read_bytes()
    audited = "import sys; from segbench.cli import run; run(['audit']); print('torch' in sys.modules)"
    printed = installed.python("-c", audited)
    assert printed.endswith("\nFalse\n")
    assert re.search(r"^\d+ printed costs", printed, re.MULTILINE)
