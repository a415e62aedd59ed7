"""Several batches or sizes are a sweep: each is measured, and a plot shows how a network goes with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from segbench.cli.options import batches
from segbench.errors import BadOption
from segbench.records.record import Record
from segbench.records.results import Speed
from segbench.report.plots import write_plots
from segbench.report.sweeps import sweep_plots
from tests.conftest import Answer

Cli = Callable[..., Answer]


def record(model: str, batch: int = 1, size: tuple[int, int] = (64, 128), fps: float | None = None) -> Record:
    speed = Speed(mode="forward", device="cuda", device_name="V100", precision="fp32", fps=fps) if fps else None
    return Record(
        model=model, classes=19, resolution=size, batch=batch, operations={"macs": 10**9 * batch}, speed=speed
    )


def test_batches_are_read_each_once() -> None:
    assert batches("1, 2,4,2") == [1, 2, 4]
    for text in ("0", "1,", "", "a", "-1", "1.5", "1;2", "9999999", "\u0661"):
        with pytest.raises(BadOption, match="batch"):
            batches(text)


def test_a_plot_shows_what_varies_and_timings_go_before_counts(tmp_path: Path) -> None:
    counted = [record(name, batch) for name in ("enet", "mine:Net") for batch in (1, 2, 4)]
    assert [plot.name for plot in sweep_plots(counted)] == ["sweep-batch-macs"]
    timed = [record("enet", batch, fps=100.0 * batch) for batch in (1, 2)]
    assert [plot.name for plot in sweep_plots(timed)] == ["sweep-batch-fps"]
    sizes = [record("enet", size=size, fps=50.0) for size in ((64, 128), (128, 256))]
    assert [plot.name for plot in sweep_plots(sizes)] == ["sweep-size-fps"]
    assert list(sweep_plots([record("enet"), record("mine:Net", 2)])) == []
    (written,) = write_plots(sweep_plots(counted), tmp_path, suffixes=("svg",))
    assert written.name == "sweep-batch-macs.svg"


def test_profile_measures_every_batch(segbench_cli: Cli) -> None:
    answer = segbench_cli("profile", "enet", "--res", "64x128", "--batch", "1,2", "--no-speed", "--json", "-")
    one, two = json.loads(answer.out)
    assert (one["batch"], two["batch"]) == (1, 2)
    assert two["operations"]["macs"] == 2 * one["operations"]["macs"]


@pytest.mark.slow
def test_compare_sweeps_batches_and_sizes(segbench_cli: Cli, tmp_path: Path) -> None:
    sizes = ("--res", "64x128", "--res", "128x256")
    answer = segbench_cli("compare", "enet", *sizes, "--batch", "1,2", "--no-speed", "--out", tmp_path)
    assert answer.status == 0, answer.err
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 4
    assert {path.stem for path in (tmp_path / "plots").glob("sweep-*")} == {"sweep-batch-macs", "sweep-size-macs"}
