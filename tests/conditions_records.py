"""Pairs of Records whose conditions differ in one field alone, for tests that unlike numbers stay apart everywhere.

A new field of `TimingConditions` or `AccuracyConditions` is found by itself: its value is changed in the Record's speed
or accuracy, its protocol or its environment, wherever a field or key of that name is.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from segbench.protocol import PRECISIONS, Protocol
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.records.results import Accuracy, Latency, Optimized, Speed
from segbench.records.timing_conditions import TimingConditions

TIMING_FIELDS = [item.name for item in fields(TimingConditions)]
ACCURACY_FIELDS = [item.name for item in fields(AccuracyConditions)]
NETWORKS = ("mfpnet", "frfnet")
FPS = (111.0, 222.0)
MIOU = (0.611, 0.722)

# What a field is called where a Record holds it, and values that another field or the code around restricts.
_HELD_AS = {
    "threads": "torch_threads",
    "cores": "pinned_cores",
    "reading": "variant",
    "checkpoint": "checkpoint_sha256",
}
_OTHER_VALUES: dict[str, Any] = {
    **{"device": "cpu", "mode": "swiftnet", "precision": PRECISIONS[2], "synchronise": "frame", "grad": "no_grad"},
    **{"cores": "0-3", "runtime": "ONNX Runtime 1.20", "reading": None, "split": "test", "dataset": "BDD100K"},
    "checkpoint": "b" * 64,
}


def timed(model: str = NETWORKS[0], fps: float = FPS[0], *, cpu: bool = False) -> Record:
    """A network timed with every condition told."""
    latency = Latency(mean=1e3 / fps, median=1e3 / fps, p5=0.9e3 / fps, p95=1.2e3 / fps)
    speed = Speed(
        mode="forward",
        device="cpu" if cpu else "cuda",
        device_name="Chip 1",
        precision="fp32",
        batch=1,
        fps=fps,
        fps_ci95=(0.98 * fps, 1.02 * fps),
        latency_ms=latency,
        gpu_busy_ms=0.6e3 / fps,
        round_fps=[0.99 * fps, fps, 1.01 * fps],
    )
    return _record(model, speed=speed, protocol=Protocol(name="forward").to_json())


def scored(model: str = NETWORKS[0], miou: float = MIOU[0]) -> Record:
    """A network scored with every condition told: the official score of a whole split."""
    accuracy = Accuracy(
        dataset="Cityscapes",
        variant="cityscapes",
        split="val",
        rule="cityscapes",
        miou=miou,
        images=500,
        checkpoint_sha256="a" * 64,
        input_size=(512, 1024),
        protocol={"name": "single-scale", "scales": [1.0], "flip": False, "mean": [0.485, 0.456, 0.406]},
    )
    return _record(model, accuracy=accuracy)


def timed_pair(field: str, *, one_network: bool) -> tuple[Record, Record]:
    """Two timings, of one network or of two, that differ in one field of `TimingConditions`."""
    one, other = (timed(NETWORKS[place * (not one_network)], FPS[place], cpu=field == "threads") for place in (0, 1))
    if field == "device":
        # Threads are a condition of CPUs alone.
        one, other = (replace(record, environment={"torch": "2.13.0"}) for record in (one, other))
    before = TimingConditions.of(one)
    assert before is not None
    if field == "optimized":
        own = {item.name: getattr(other.speed, item.name) for item in fields(Speed)}
        other.speed = Optimized(**own, engine="eager", protocol_settings=other.protocol)
    else:
        other = _changed(other, "speed", field, _value(field, getattr(before, field)))
    return one, _proved(one, other, TimingConditions, {field})


def scored_pair(field: str, *, one_network: bool) -> tuple[Record, Record]:
    """Two accuracies, of one network or of two, that differ in one field of `AccuracyConditions`."""
    one, other = (scored(NETWORKS[place * (not one_network)], MIOU[place]) for place in (0, 1))
    before = AccuracyConditions.of(one)
    assert before is not None and other.accuracy is not None
    # How many images a split has follows from the split.
    name = "split" if field == "of_images" else field
    if name == "protocol":
        other.accuracy = replace(other.accuracy, protocol={**other.accuracy.protocol, "flip": True})
    else:
        other = _changed(other, "accuracy", name, _value(name, getattr(before, name)))
    return one, _proved(one, other, AccuracyConditions, {"split", "of_images"} if name == "split" else {name})


def _record(model: str, **found: Any) -> Record:
    return Record(
        model=model,
        classes=19,
        resolution=(512, 1024),
        params=1_001_696,
        operations={"macs": 18_310_205_312},
        environment={"torch": "2.13.0", "torch_threads": 2, "cpu": "Host"},
        segbench="0.1.0",
        created="2026-11-21T10:00:00Z",
        **found,
    )


def _value(field: str, before: object) -> Any:
    if field in _OTHER_VALUES:
        return _OTHER_VALUES[field]
    if isinstance(before, bool):
        return not before
    return before + 1 if isinstance(before, int) else f"{before or ''} other"


def _changed(record: Record, part: str, field: str, value: Any) -> Record:
    name, result = _HELD_AS.get(field, field), getattr(record, part)
    if name in {item.name for item in fields(result)}:
        return replace(record, **{part: replace(result, **{name: value})})
    if name in record.protocol:
        return replace(record, protocol={**record.protocol, name: value})
    return replace(record, environment={**record.environment, name: value})


def _proved(one: Record, other: Record, kind: Any, expected: set[str]) -> Record:
    before, after = kind.of(one), kind.of(other)
    unlike = {item.name for item in fields(kind) if getattr(before, item.name) != getattr(after, item.name)}
    assert unlike == expected, f"no Record was found that differs in {sorted(expected)} alone: {sorted(unlike)}"
    return other
