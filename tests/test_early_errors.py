"""A wrong call is told before torch is imported, and as JSON where standard output is reserved for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.errors import FactoryError
from segbench.spec import check_source
from tests.conftest import Answer

Cli = Callable[..., Answer]
WRONG = (
    ("profile", "no_such_module:Net"),
    ("profile", "./no_such_file.py:Net"),
    ("profile", "mine:Ned"),
    ("profile", "enet", "--device", "gpu"),
    ("compare", "enet", "no_such_module:Net"),
    ("compare", "enet", "--device", "cuda:x"),
    ("eval", "no_such_module:Net", "--checkpoint", "w.pth", "--dataset", "camvid", "--root", "."),
    ("baseline", "save", "no_such_module:Net"),
)
MINE = "from torch import nn\n\n\nclass Net(nn.Conv2d):\n    pass\n"


def test_a_wrong_network_or_device_is_told_without_torch(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    # One process for all of them: that torch is not imported holds for each.
    program = (
        "import json, sys\nfrom segbench.cli import run\n"
        f"print(json.dumps([run(line) for line in {[list(line) for line in WRONG]!r}]))\n"
        "print(json.dumps('torch' in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [json.dumps([2] * len(WRONG)), "false"]
    assert len(done.stderr.splitlines()) == len(WRONG)
    assert "mine has no 'Ned'" in done.stderr and "unknown device 'gpu'" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "Net = make()",
        "from nets import *",
        "globals()['N' + 'et'] = 1",
        "def __getattr__(name): ...",
        "(",
        "if 1: Net = 1",
    ],
)
def test_a_file_that_may_have_the_name_is_left_to_its_import(in_folder: Path, text: str) -> None:
    (in_folder / "mine.py").write_text(text)
    check_source("mine:Net")
    check_source("./mine.py:Net(width=3)")
    with pytest.raises(FactoryError, match="no such Python file"):
        check_source("./other.py:Net")


@pytest.mark.parametrize("line", [*WRONG, ("profile", "enet", "--nonsense")])
def test_an_error_is_json_where_standard_output_is(segbench_cli: Cli, in_folder: Path, line: tuple[str, ...]) -> None:
    (in_folder / "mine.py").write_text(MINE)
    answer = segbench_cli(*line, "--json", "-")
    error = json.loads(answer.out)["error"]
    assert (answer.status, error["status"]) == (2, 2)
    assert f"segbench: {error['message']}" == answer.err.strip()
    assert segbench_cli(*line).out == ""
