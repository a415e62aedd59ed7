"""Two processes under torch's own launcher count exactly what one counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segbench import build
from segbench.accuracy.synthetic import write_synthetic

IMAGES = 17


def _launch(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [sys.executable, *(launcher if processes > 1 else []), "-m", "segbench", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    write_synthetic("cityscapes", folder / "data", {"train": 1, "val": IMAGES}, (64, 128), 4)
    torch.manual_seed(0)
    torch.save(build("enet", 19).state_dict(), folder / "enet.pth")
    return folder


@pytest.mark.slow
def test_two_processes_give_the_identical_matrix(folder: Path) -> None:
    for processes in (1, 2):
        done = _launch(
            processes,
            *(
                "eval",
                "enet",
                "--checkpoint",
                folder / "enet.pth",
                "--dataset",
                "cityscapes",
                "--root",
                folder / "data",
            ),
            *("--device", "cpu", "--no-speed", "--workers", 0, "--out", folder / f"out{processes}"),
            *("--save-predictions", folder / f"predictions{processes}", "--json", "-"),
        )
        assert done.returncode == 0, done.stderr
        # One process speaks: a second Record on standard output would be no JSON.
        (record,) = json.loads(done.stdout)
        assert record["accuracy"]["images"] == IMAGES
        assert record["accuracy"]["processes"] == processes
    matrices = [(folder / f"out{processes}" / "confusion.csv").read_bytes() for processes in (1, 2)]
    assert matrices[0] == matrices[1]
    for file in sorted((folder / "predictions1").iterdir()):
        assert file.read_bytes() == (folder / "predictions2" / file.name).read_bytes()
    assert len(list((folder / "predictions2").iterdir())) == IMAGES
    records = [json.loads((folder / f"out{processes}" / "record.json").read_text())[0] for processes in (1, 2)]
    one, two = (record["accuracy"] for record in records)
    assert one["class_iou"] == two["class_iou"]
    assert one["iiou"] == pytest.approx(two["iiou"], abs=1e-12)


@pytest.mark.slow
def test_an_error_in_one_process_ends_both_and_is_said_once(folder: Path, tmp_path: Path) -> None:
    root = write_synthetic("cityscapes", tmp_path / "data", {"train": 1, "val": 3}, (64, 128), 4)
    # The second image is in the second process's share.
    label = sorted(root.glob("gtFine/val/*/*_gtFine_labelIds.png"))[1]
    label.write_bytes(label.read_bytes()[:50])
    done = _launch(
        2,
        *("eval", "enet", "--checkpoint", folder / "enet.pth", "--dataset", "cityscapes", "--root", root),
        *("--device", "cpu", "--no-speed", "--workers", 0, "--json", "-"),
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if line.startswith("segbench: ")]
    assert len(said) == 1
    assert json.loads(done.stdout)["error"]["message"] == said[0].removeprefix("segbench: ")
    assert label.name in said[0]
    assert "process 1 of 2" in said[0]
