"""Which GPU a check times on, and a GPU for which torch has no code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segbench.errors import BadOption
from segbench.job import Settings
from segbench.measure.environment import environment_warnings, runs_on
from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Speed
from segbench.records.timing_conditions import TimingConditions
from segbench.regress import sampling
from segbench.regress.sampling import job_for
from tests.conftest import Answer

CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


def on(device: str) -> Record:
    speed = Speed(mode="forward", device=device, precision="fp32", fps=100.0)
    return Record(model="enet", classes=19, resolution=(64, 128), speed=speed, protocol={"name": "forward"})


def test_a_baseline_of_one_gpu_is_checked_on_another_one() -> None:
    settings = Settings(environment={"torch": "2"})
    assert job_for(on("cuda"), settings).settings.device == "cuda"
    assert job_for(on("cuda"), settings, "cuda:1").settings.device == "cuda:1"
    with pytest.raises(BadOption, match="--device cpu is not of the baseline's kind: enet was timed on cuda"):
        job_for(on("cuda"), settings, "cpu")


def test_the_settings_of_cudnn_come_from_the_baseline() -> None:
    record = on("cuda")
    record.protocol = {"name": "forward", "cudnn_benchmark": True}
    assert job_for(record, Settings()).settings.protocol().cudnn_benchmark is True


@pytest.mark.parametrize(("then", "now"), [("0,1", "0,1"), (None, None)])
def test_a_check_is_kept_to_cores_where_its_baseline_was(
    monkeypatch: pytest.MonkeyPatch, then: str | None, now: str | None
) -> None:
    """The settings of a check are those of counting, which is kept to none."""
    monkeypatch.setattr(sampling, "chosen_cores", lambda kind: "0,1" if kind == "cuda" else None)
    record = on("cuda")
    record.environment = {"pinned_cores": then} if then else {}
    job = job_for(record, Settings(environment={"torch": "2"}), "cuda:1")
    assert job.settings.environment.get("pinned_cores") == now
    here, before = job.conditions("cuda", "simulated"), TimingConditions.of(record)
    assert before is not None
    assert here.cores == before.cores


def test_check_refuses_a_device_of_another_kind_and_one_where_nothing_is_timed(
    segbench_cli: Callable[..., Answer], tmp_path: Path
) -> None:
    path = tmp_path / "baseline.json"
    store.write_text(path, store.dumps([on("cpu")]))
    answer = segbench_cli("check", "-b", path, "--device", "cuda:1")
    assert answer.status == 2
    assert "--device cuda:1 is not of the baseline's kind: enet was timed on cpu" in answer.err
    answer = segbench_cli("check", "-b", path, "--current", path, "--device", "cpu")
    assert answer.status == 2
    assert "with --current nothing is timed" in answer.err


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("6.1", False), ("7.0", False), ("7.5", True), ("8.9", True), ("9.0", True), ("11.0", False), ("13.0", True)],
)
def test_code_runs_on_newer_gpus_of_its_generation_and_ptx_on_everything_newer(capability: str, expected: bool) -> None:
    assert runs_on(CU130, capability) is expected


@pytest.mark.parametrize(
    ("capability", "architectures", "warned"), [("7.0", CU130, True), ("9.0", CU130, False), ("7.0", [], False)]
)
def test_a_gpu_without_code_is_named_with_the_build_that_has_it(
    capability: str, architectures: list[str], warned: bool
) -> None:
    environment: dict[str, Any] = {
        "torch": "2.11.0+cu130",
        "cuda_architectures": architectures,
        "gpus": {"0": {"name": "Tesla V100", "capability": capability}},
    }
    found = [text for text in environment_warnings(environment) if "compute capability 7.0" in text["seen"]]
    assert bool(found) is warned
    assert all("cu126" in text["advice"] and "no kernel image" in text["meaning"] for text in found)
