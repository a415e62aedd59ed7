"""The script that fills results/<device>: its order, and one short sweep on the CPU that goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import device_results
from benchmarks.device_results import Step, main, steps
from segbench import store
from segbench.catalog import CATALOG
from segbench.compare import RECORDS


def test_the_papers_networks_come_first_and_every_network_comes() -> None:
    found = list(steps())
    first = [step for step in found if step.waterfall]
    assert found[: len(first)] == first
    own = {name for step in first for name in step.names}
    assert {"mfpnet", "frmnet", "frfnet", "frfnet-slim", "eseg-s", "efrnet"} <= own
    for mode in ("forward", "swiftnet"):
        sizes = {(name, size) for step in found if step.mode == mode for name in step.names for size in step.sizes}
        assert {(name, size) for name in own for size in CATALOG[name].resolutions} <= sizes
    assert {name for step in found for name in step.names} == set(CATALOG)
    once = [step for step in found if step.processes == 1]
    assert not own & {name for step in once for name in step.names}
    repeated = [place for place, step in enumerate(found) if step.processes == 5 and not own & set(step.names)]
    assert found.index(once[-1]) < min(repeated)


@pytest.mark.slow
def test_a_sweep_is_gathered_and_a_second_call_measures_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = [Step(mode, ("fpenet",), ((64, 64),), 1) for mode in device_results.MODES]
    monkeypatch.setattr(device_results, "steps", lambda: iter(short))
    folders = [str(tmp_path / "cpu"), "--work", str(tmp_path / "work")]
    contents = []
    for _ in range(2):
        assert main([*folders, "--minutes", "5", "--", "--device", "cpu", "--budget", "1"]) == 0
        assert "2 Records" in capsys.readouterr().out
        contents.append((tmp_path / "cpu" / RECORDS).read_text())
    assert contents[0] == contents[1]
    records = store.read(tmp_path / "cpu" / RECORDS)
    assert [record.speed and record.speed.mode for record in records] == ["forward", "swiftnet"]
