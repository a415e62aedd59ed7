"""``segbench.toml`` says what is measured; the command line goes before it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.cli.run_file import RunFile, read_run_file
from segbench.errors import SegbenchError
from tests.conftest import Answer

Cli = Callable[..., Answer]


def test_a_run_file_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "choosing.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert found is not None
    path = tmp_path / "segbench.toml"
    path.write_text(found[1], encoding="utf-8")
    assert read_run_file(path) == RunFile(
        networks=("enet", "bisenetv2", "mine:Net"),
        sizes=("512x1024", "720x960"),
        classes=19,
        device="cuda",
        out=tmp_path / "results" / "weekly",
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("network = ['enet']", "did you mean networks"),
        ("networks = 'enet'", "list of texts"),
        ("sizes = [512]", "list of texts"),
        ("classes = '19'", "whole number"),
        ("classes = true", "whole number"),
        ("device = 1", "a text"),
        ("networks = [", "cannot read"),
    ],
)
def test_a_run_file_that_cannot_be_read_is_one_line(segbench_cli: Cli, in_folder: Path, text: str, part: str) -> None:
    (in_folder / "segbench.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SegbenchError, match=part):
        read_run_file(in_folder / "segbench.toml")
    answer = segbench_cli("compare", "--no-speed")
    assert answer.status == 2
    assert len(answer.err.strip().splitlines()) == 1
    assert segbench_cli("compare", "--config", "none.toml").status == 2


@pytest.mark.slow
def test_the_command_line_goes_before_the_file(segbench_cli: Cli, in_folder: Path) -> None:
    (in_folder / "segbench.toml").write_text(
        'networks = ["enet"]\nsizes = ["64x128"]\nclasses = 11\nout = "kept"\n', encoding="utf-8"
    )
    (record,) = json.loads(segbench_cli("compare", "--no-speed", "--json", "-").out)
    assert (record["model"], record["resolution"], record["classes"]) == ("enet", [64, 128], 11)
    assert (in_folder / "kept" / "records.jsonl").is_file()
    (record,) = json.loads(segbench_cli("compare", "--no-speed", "--json", "-", "--classes", "19", "--out", "o").out)
    assert record["classes"] == 19 and (in_folder / "o").is_dir()
    (record,) = json.loads(segbench_cli("compare", "efrnet", "--res", "64x64", "--no-speed", "--json", "-").out)
    assert (record["model"], record["resolution"]) == ("efrnet", [64, 64])
