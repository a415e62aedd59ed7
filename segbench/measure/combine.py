"""Records of several fresh processes, combined into one: processes are the samples of an FPS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from segbench.measure.statistics import coefficient_of_variation, combine_processes, latency_summary, spread
from segbench.record import Record

# What the processes of one number share, or else they are two numbers.
CONDITIONS = ("mode", "protocol", "precision", "batch", "device", "device_name")


def combine(records: Sequence[Record]) -> list[Record]:
    """One Record for each network, size and condition of timing, in the order in which they first appear.

    A Record that stands alone stays as it is. Of several, the FPS and its interval are those over processes, the
    latencies those of all frames, and every sample is kept. A process that failed is a note beside those that did not;
    where all failed, the last failure stands for them.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_network(record), []).append(record)
    return [combined for group in groups.values() for combined in _of_network(group)]


def _of_network(group: Sequence[Record]) -> list[Record]:
    done = [record for record in group if not record.failure]
    failures = [record for record in group if record.failure]
    if not done:
        return [failures[-1]]
    conditions: dict[str, list[Record]] = {}
    for record in done:
        conditions.setdefault(_condition(record), []).append(record)
    combined = [_one(timings) for timings in conditions.values()]
    if failures and len(group) > 1:
        notes = [f"{len(failures)} of {len(group)} processes failed: {failures[-1].failure}"]
        combined = [replace(record, notes=[*record.notes, *notes]) for record in combined]
    return combined


def _one(records: Sequence[Record]) -> Record:
    latest = max(records, key=lambda record: record.created)
    speeds = [record.speed for record in records if record.speed]
    if len(records) == 1 or len(speeds) != len(records):
        return latest
    with_waterfall = [record.waterfall for record in records if record.waterfall]
    notes = dict.fromkeys(note for record in records for note in record.notes)
    return replace(
        latest,
        speed=_speed(speeds),
        waterfall=with_waterfall[-1] if with_waterfall else None,
        notes=list(notes),
        extra={key: value for key, value in latest.extra.items() if key != "process"},
    )


def _speed(speeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rounds = [samples for speed in speeds for samples in speed["rounds_ms"]]
    round_fps = [fps for speed in speeds for fps in speed["round_fps"]]
    samples = [sample for samples in rounds for sample in samples]
    optimized = [speed["optimized"] for speed in speeds if speed.get("optimized")]
    return {
        **speeds[-1],
        **combine_processes(speeds),
        "throughput": _mean(speeds, "throughput"),
        "latency_ms": latency_summary(samples),
        "cov": coefficient_of_variation(samples),
        "round_spread": spread(round_fps),
        "rounds_ms": rounds,
        "round_fps": round_fps,
        "round_seconds": [seconds for speed in speeds for seconds in speed["round_seconds"]],
        "warmup_ms": [sample for speed in speeds for sample in speed["warmup_ms"]],
        "telemetry": [state for speed in speeds for state in speed["telemetry"]],
        "warnings": list(dict.fromkeys(warning for speed in speeds for warning in speed["warnings"])),
        **{key: _mean(speeds, key) for key in ("gpu_busy_ms", "graph_fps", "energy_mj")},
        **({"optimized": optimized[-1]} if optimized else {}),
    }


def _mean(speeds: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [speed[key] for speed in speeds if speed.get(key) is not None]
    return fmean(values) if values else None


def _network(record: Record) -> str:
    return json.dumps([record.model, record.classes, record.resolution, record.batch, record.segbench])


def _condition(record: Record) -> str:
    speed = record.speed
    return json.dumps(None if speed is None else [speed.get(key) for key in CONDITIONS])


def conditions(records: Sequence[Record]) -> list[str]:
    """The conditions under which Records were timed, one line each: device, timed region, precision, batch."""
    lines: dict[str, None] = {}
    for record in records:
        if record.speed:
            speed = record.speed
            name = speed.get("device_name") or speed.get("device")
            protocol = speed.get("protocol") or speed.get("mode")
            lines[
                f"{str(speed.get('device', '')).upper()} {name}, mode {speed.get('mode')} (protocol {protocol}), "
                f"{speed.get('precision')}, batch {record.batch}"
            ] = None
    return list(lines)
