"""Records of a network as a check compares them, made by hand: nothing is measured."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segbench.records import store
from segbench.records.record import Record
from segbench.records.results import Accuracy, Memory, Signature, Speed

TITLE = "net:build 64x128"


def made(
    factor: float = 1.0,
    *,
    noise: float = 0.005,
    processes: int = 10,
    seed: int = 0,
    device_name: str = "NVIDIA A",
    speed: bool = True,
    miou: float | None = None,
    rule: str = "sfa",
    **changes: Any,
) -> Record:
    """A Record of a network that takes 20 ms a frame, times `factor`, in each of several processes."""
    chance = random.Random(seed)
    times = [20.0 * factor * (1 + noise * chance.gauss(0, 1)) for _ in range(processes)]
    timed: dict[str, Any] = {}
    if speed:
        fps = [1000 / time for time in times]
        timed["speed"] = Speed(
            mode="forward",
            precision="fp32",
            device="cuda",
            device_name=device_name,
            batch=1,
            fps=sum(fps) / len(fps),
            process_fps=fps,
            process_latency_ms=times,
            processes=processes,
        )
        timed["memory"] = Memory(peak_mib=100.0, process_peak_mib=[100.0] * processes)
        timed["environment"] = {"torch": "2.5.1"}
    accuracy = None
    if miou is not None:
        accuracy = Accuracy(dataset="CamVid", split="val", rule=rule, images=101, miou=miou)
    fields: dict[str, Any] = {
        "model": "net:build",
        "classes": 19,
        "resolution": (64, 128),
        "params": 1000,
        "operations": {"macs": 5000},
        "signature": Signature(resolution=(64, 128), gain=1.0, shape=[1], samples=[0.5], mean=0.5, std=1.0),
        "modules": [],
        "accuracy": accuracy,
        "created": "2026-11-01T00:00:00Z",
        **timed,
    }
    return Record(**{**fields, **changes})


def put(path: str, *records: Record) -> Path:
    """A file of Records."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(store.dumps(records))
    return target


def lines(path: str, records: Iterable[Record]) -> Path:
    """A file of JSON Lines."""
    target = Path(path)
    target.write_text("".join(json.dumps(record.to_json()) + "\n" for record in records))
    return target
