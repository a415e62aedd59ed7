"""A process that times a GPU keeps to fixed cores, and the Record says so; a timing on a CPU is left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from segbench.job import Job, Settings
from segbench.measure import record as measuring
from segbench.measure.cores import chosen_cores, kept_to
from segbench.measure.simulated import SimulatedDevice
from segbench.records.results import Memory, Speed
from segbench.records.timing_conditions import TimingConditions


@pytest.fixture
def affinity(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[set[int]]]:
    """A process that may use six cores; what it was kept to, in order."""
    calls: list[set[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(2, 8)), raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: calls.append(set(cores)), raising=False)
    return iter([calls])


def test_cores_are_chosen_for_cuda_where_there_is_a_choice(
    affinity: Iterator[list[set[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen_cores("cuda") == "2,3"
    assert chosen_cores("cpu") is None
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert chosen_cores("cuda") is None
    monkeypatch.delattr(os, "sched_getaffinity")
    assert chosen_cores("cuda") is None


def test_cores_are_put_back(affinity: Iterator[list[set[int]]]) -> None:
    (calls,) = affinity
    with pytest.raises(RuntimeError), kept_to("2,3"):
        raise RuntimeError
    assert calls == [{2, 3}, set(range(2, 8))]
    with kept_to(None):
        pass
    assert len(calls) == 2


@pytest.mark.parametrize(("kind", "cores"), [("cuda", "2,3"), ("cpu", None)])
def test_the_record_says_which_cores(
    kind: str, cores: str | None, affinity: Iterator[list[set[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (calls,) = affinity
    speed = Speed(mode="forward", device=kind, device_name="simulated", precision="fp32", fps=100.0)
    monkeypatch.setattr(measuring, "open_device", lambda spec: SimulatedDevice(kind=kind))
    monkeypatch.setattr(measuring, "measure_speed", lambda *_, **__: speed)
    monkeypatch.setattr(measuring, "measure_memory", lambda *_: Memory(peak_mib=1.0))
    settings = measuring.check_settings(Settings(counts=False, bounds="none", rounds=1))
    record = measuring.measure_job(Job(model="enet", classes=19, resolution=(64, 64), settings=settings))
    assert record.failure is None
    conditions = TimingConditions.of(record)
    assert record.environment.get("pinned_cores") == cores
    assert conditions is not None and conditions.cores == (2 if cores else 0)
    assert (calls != []) == (kind == "cuda")
