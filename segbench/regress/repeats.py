"""Records of several processes as one: what each process showed is kept, and is what verdicts rest on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from segbench.errors import RecordError
from segbench.measure.statistics import combine_processes, latency_summary
from segbench.record import Record
from segbench.regress.conditions import Key, key, label

# Every frame of every process would make a baseline that nobody can review; its processes are its samples.
_DROPPED = ("rounds_ms", "round_seconds", "round_fps", "warmup_ms", "telemetry")


def fold(counts: Record, timings: Sequence[Record]) -> Record:
    """A Record with speed and memory over processes, and the samples of each process.

    Args:
        counts: the Record with parameters, operations, modules and signature.
        timings: one Record per process, those that failed among them.

    Returns:
        `counts` with ``process_fps``, ``process_latency_ms`` (medians over frames) and ``process_round_fps`` in its
        speed and ``process_peak_mib`` in its memory. With a failed process it has a `failure`: fewer samples than asked
        for, of a network that sometimes crashes, are no measurement to pass.
    """
    failures = [record.failure for record in timings if record.failure]
    speeds = [record.speed for record in timings if record.speed and not record.failure]
    failure = f"{len(failures)} of {len(timings)} processes failed: {failures[-1]}" if failures else counts.failure
    if not speeds:
        return replace(counts, failure=failure)
    first = next(record for record in timings if record.speed and not record.failure)
    return replace(
        counts,
        speed=_speed(speeds),
        memory=_memory([record.memory or {} for record in timings if not record.failure]),
        failure=failure,
        protocol=first.protocol,
        environment=first.environment,
        notes=list(dict.fromkeys([*counts.notes, *(note for record in timings for note in record.notes)])),
    )


def _speed(speeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    frames = [sample for speed in speeds for samples in speed.get("rounds_ms") or [] for sample in samples]
    launches = {speed.get("launches") for speed in speeds}
    return {
        **{name: value for name, value in speeds[-1].items() if name not in _DROPPED},
        **combine_processes(speeds),
        "latency_ms": latency_summary(frames) if frames else speeds[-1]["latency_ms"],
        # A count that differs between processes is no property of the network.
        "launches": launches.pop() if len(launches) == 1 else None,
        "process_latency_ms": [speed["latency_ms"]["median"] for speed in speeds],
        "process_round_fps": [speed["round_fps"] for speed in speeds],
        "warnings": list(dict.fromkeys(str(warning) for speed in speeds for warning in speed.get("warnings") or [])),
    }


def _memory(memories: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    peaks = [memory["peak_mib"] for memory in memories if memory.get("peak_mib") is not None]
    if not peaks:
        return None
    return {**memories[-1], "peak_mib": median(peaks), "process_peak_mib": peaks}


def collate(records: Iterable[Record], where: str) -> dict[Key, Record]:
    """Records by network and conditions; those that `segbench compare --processes` kept one by one, together.

    Raises:
        RecordError: no Record, or two of one network under the same conditions that are not its processes.
    """
    groups: dict[Key, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    if not groups:
        raise RecordError(f"{where} holds no Record: `segbench baseline save` writes one for each network")
    found = {}
    for name, group in groups.items():
        processes = [(record.extra.get("process") or {}).get("index") for record in group]
        if len(group) > 1 and (None in processes or len(set(processes)) < len(group)):
            raise RecordError(
                f"{where} holds {label(group[0])} {len(group)} times under the same conditions, and which one counts "
                "is not to be guessed: keep one"
            )
        found[name] = group[0] if len(group) == 1 else fold(group[-1], group)
    return found
