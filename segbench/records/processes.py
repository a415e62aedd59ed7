"""Several fresh processes as one number: processes are the samples of an FPS. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean, harmonic_mean, median
from typing import Any, TypeVar

from segbench.records.conditions import network_of
from segbench.records.record import Record
from segbench.records.results import Latency, Memory, Speed
from segbench.records.timing_conditions import TimingConditions, beside, unlike_beside
from segbench.statistics import coefficient_of_variation, fps_interval, spread

Item = TypeVar("Item")


def combine(records: Iterable[Record]) -> list[Record]:
    """One Record for each network, size and condition of timing, in the order in which they first appear.

    A Record that stands alone stays as it is. Of several, the FPS and its interval are those over processes, the
    latencies those of all frames, and every sample is kept. What is not combined, such as the environment, is that of
    the latest process; modules, waterfall and what bounds the speed are those of the latest process that has them.
    Timings under other versions of torch, CUDA or the driver are never one number, nor are those of two comparisons. A
    process that failed is a note beside those that did not; where all failed, the last failure stands for them.
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(_network(record), []).append(record)
    return [combined for group in groups.values() for combined in _of_network(group)]


def with_timings(counts: Record, timings: Sequence[Record]) -> Record:
    """The counts of a network with the timings of its processes.

    Args:
        counts: the Record with parameters, operations, modules and signature.
        timings: one Record per process under the same conditions, those that failed among them.

    Returns:
        `counts` with speed and memory over processes. With a failed process it has a `failure`: fewer samples than
        asked for, of a network that sometimes crashes, are no measurement to pass.

    Raises:
        ValueError: the timings were made under unlike conditions.
    """
    failures = [record.failure for record in timings if record.failure]
    timed = [record for record in timings if record.speed and not record.failure]
    failure = f"{len(failures)} of {len(timings)} processes failed: {failures[-1]}" if failures else counts.failure
    if not timed:
        return replace(counts, failure=failure)
    one = one_number(timed)
    return replace(
        counts,
        speed=one.speed,
        memory=one.memory,
        failure=failure,
        protocol=one.protocol,
        environment=one.environment,
        notes=_distinct(note for record in (counts, *timings) for note in record.notes),
    )


def one_number(records: Sequence[Record]) -> Record:
    """Timings of one network in several processes as one Record.

    Raises:
        ValueError: none given, one without a speed, or timings under unlike conditions.
    """
    conditions = list(dict.fromkeys(TimingConditions.of(record) for record in records))
    if not conditions or None in conditions:
        raise ValueError("processes of one number need a timing each")
    if len(conditions) > 1:
        first, other = conditions[:2]
        assert first is not None and other is not None
        raise ValueError(f"processes of one number need the same conditions: {'; '.join(first.differences(other))}")
    unlike = unlike_beside(records)
    if unlike:
        raise ValueError(f"processes of one number need the same conditions: {'; '.join(unlike)}")
    records = sorted(records, key=lambda record: record.created)
    # Only the first process of a network has its modules, its waterfall, its bounds.
    found = {
        name: _last(records, lambda record, name=name: getattr(record, name) or None)  # type: ignore[misc]
        for name in ("params", "live_params", "modules", "signature", "waterfall", "accuracy")
    }
    return replace(
        records[-1],
        **found,
        operations=_last(records, lambda record: record.operations or None) or {},
        tools=_last(records, lambda record: record.tools or None) or {},
        speed=_speed([record.speed for record in records if record.speed]),
        memory=_memory([record.memory for record in records if record.memory]),
        notes=_distinct(note for record in records for note in record.notes),
        process=None,
        run=None,
    )


def is_process(record: Record) -> bool:
    """Whether a Record is the timing of one process among several."""
    return record.process is not None and record.speed is not None


def rounds_of(speed: Speed) -> list[list[float]]:
    """FPS of the rounds of each process that a speed rests on."""
    return speed.process_round_fps or [speed.round_fps or [speed.fps]]


def without_frames(speed: Speed) -> Speed:
    """A speed with the samples of its processes and none of single frames, as a file for reviewers keeps it."""
    return replace(
        speed,
        process_fps=speed.process_fps or [speed.fps],
        process_latency_ms=process_latencies(speed) or None,
        process_round_fps=rounds_of(speed),
        **dict.fromkeys(("rounds_ms", "round_seconds", "round_fps", "warmup_ms", "round_throttled_ms")),  # type: ignore[arg-type]
        telemetry=[],
    )


def _of_network(group: Sequence[Record]) -> list[Record]:
    done = [record for record in group if not record.failure]
    failures = [record for record in group if record.failure]
    if not done:
        return [failures[-1]]
    alike: dict[object, list[Record]] = {}
    again: Counter[object] = Counter()
    for record, counts in zip(done, _counts(done), strict=True):
        conditions = TimingConditions.of(record), tuple(beside(record).items()), counts
        # A process that is there already is of another comparison, and so are those that go with it.
        process = conditions, record.process.index if record.process else len(again)
        alike.setdefault((conditions, again[process]), []).append(record)
        again[process] += 1
    combined = [
        one_number(records) if records[0].speed and len(records) > 1 else records[-1] for records in alike.values()
    ]
    if failures and len(group) > 1:
        notes = [f"{len(failures)} of {len(group)} processes failed: {failures[-1].failure}"]
        combined = [replace(record, notes=[*record.notes, *notes]) for record in combined]
    return combined


def _network(record: Record) -> tuple[object, ...]:
    return *network_of(record), record.fidelity, record.segbench


def _counts(records: Sequence[Record]) -> list[object]:
    """Parameters and MACs of each Record; of one without counts, such as a repeat, those of the one before it.

    A network that was changed under its name is another network.
    """
    own = [(record.params, record.operations.get("macs")) if record.params is not None else None for record in records]
    last = next((counts for counts in own if counts), None)
    return [last := counts or last for counts in own]


def _speed(speeds: Sequence[Speed]) -> Speed:
    processes = [rounds for speed in speeds for rounds in rounds_of(speed)]
    of_processes = [harmonic_mean(rounds) for rounds in processes]
    interval = fps_interval(processes)
    rounds_ms = _joined(speeds, lambda speed: speed.rounds_ms)
    frames = [sample for samples in rounds_ms or () for sample in samples]
    round_fps = _joined(speeds, lambda speed: speed.round_fps)
    launches = {speed.launches for speed in speeds if speed.launches is not None}
    last = speeds[-1]
    return replace(
        last,
        fps=interval.fps,
        fps_ci95=interval.ends(),
        fps_ci95_basis=interval.basis,
        throughput=_mean(speed.throughput for speed in speeds),
        latency_ms=Latency.of(frames) if frames else last.latency_ms,
        cov=coefficient_of_variation(frames) if frames else last.cov,
        round_spread=spread(round_fps) if round_fps else last.round_spread,
        rounds_ms=rounds_ms,
        round_fps=round_fps,
        round_seconds=_joined(speeds, lambda speed: speed.round_seconds),
        warmup_ms=_joined(speeds, lambda speed: speed.warmup_ms),
        gpu_busy_ms=_mean(speed.gpu_busy_ms for speed in speeds),
        enqueue_ms=_mean(speed.enqueue_ms for speed in speeds),
        # A count that differs between processes is no property of the network.
        launches=launches.pop() if len(launches) == 1 else None,
        graph_fps=_mean(speed.graph_fps for speed in speeds),
        energy_mj=_mean(speed.energy_mj for speed in speeds),
        verdict=_last(speeds, lambda speed: speed.verdict),
        roofline=_last(speeds, lambda speed: speed.roofline),
        telemetry=[state for speed in speeds for state in speed.telemetry],
        round_throttled_ms=_joined(speeds, lambda speed: speed.round_throttled_ms),
        warnings=_distinct(warning for speed in speeds for warning in speed.warnings),
        shortened=_last(speeds, lambda speed: speed.shortened),
        processes=interval.processes,
        process_fps=of_processes,
        process_cov=coefficient_of_variation(of_processes),
        process_gpu_busy_ms=[busy for speed in speeds for busy in process_busy(speed)] or None,
        process_latency_ms=[latency for speed in speeds for latency in process_latencies(speed)] or None,
        process_round_fps=processes,
        optimized=_last(speeds, lambda speed: speed.optimized),
    )


def process_latencies(speed: Speed) -> list[float]:
    """Median latency of each process that a speed rests on, in ms; empty where none is known."""
    latency = speed.latency_ms.median if speed.latency_ms else None
    return speed.process_latency_ms or ([latency] if latency else [])


def process_busy(speed: Speed) -> list[float]:
    """GPU-busy ms of a frame in each process that a speed rests on; empty where none is known."""
    return speed.process_gpu_busy_ms or ([speed.gpu_busy_ms] if speed.gpu_busy_ms else [])


def process_peaks(memory: Memory) -> list[float]:
    """Peak of each process that a memory rests on, in MiB; empty where none is known."""
    return memory.process_peak_mib or ([memory.peak_mib] if memory.peak_mib else [])


def _memory(memories: Sequence[Memory]) -> Memory | None:
    peaks = [peak for memory in memories for peak in process_peaks(memory)]
    if not peaks:
        return memories[-1] if memories else None
    return replace(memories[-1], peak_mib=median(peaks), process_peak_mib=peaks)


def _joined(speeds: Sequence[Speed], samples: Callable[[Speed], list[Item] | None]) -> list[Item] | None:
    """The samples of all processes; None where one of them kept none."""
    parts = [samples(speed) for speed in speeds]
    return None if any(part is None for part in parts) else [item for part in parts for item in part or ()]


def _last(items: Sequence[Item], value: Callable[[Item], Any]) -> Any:
    return next((found for found in map(value, reversed(items)) if found is not None), None)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
