"""The rows of a baseline: what identifies one, which of two runs belong together, and whether their timings compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from segbench.errors import RecordError
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.processes import with_timings
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, beside
from segbench.resolution import show

Key = tuple[object, ...]
"""Network, size, classes and batch, then the conditions of timing and of accuracy without the machine."""

DURATION = frozenset({"warmup passes", "warmup seconds", "rounds", "frames", "round seconds"})
"""How long was measured, which is no reason not to compare."""


def key(record: Record) -> Key:
    """What identifies a network's row in a baseline; a row without speed has no conditions of timing."""
    timing, accuracy = TimingConditions.of(record), AccuracyConditions.of(record)
    if timing is not None:
        # Another machine is no other row: its timings are refused by name, and its counts compare.
        timing = replace(timing, device="", device_name="", threads=None, cores=0)
    return record.model, record.resolution, record.classes, record.batch, timing, accuracy


def label(record: Record) -> str:
    """A row in words, such as ``mfpnet 512x1024``."""
    batch = f" batch {record.batch}" if record.batch != 1 else ""
    return f"{record.model} {show(record.resolution)}{batch}"


def pairs(baseline: Mapping[Key, Record], current: Mapping[Key, Record]) -> dict[Key, Key]:
    """Which row is compared with which: of the same conditions, else the nearest of the same network and size."""
    loose: dict[Key, list[Key]] = {}
    for name in current:
        loose.setdefault(name[:4], []).append(name)
    found = {name: name for name in baseline if name in current}
    taken = set(found)
    for name in baseline:
        others = [other for other in loose.get(name[:4], []) if other not in taken]
        if name not in found and others:
            found[name] = min(others, key=lambda other: _count_differences(baseline[name], current[other]))
            taken.add(found[name])
    return {name: found[name] for name in baseline if name in found}


def _count_differences(before: Record, after: Record) -> int:
    timings = TimingConditions.of(before), TimingConditions.of(after)
    accuracies = AccuracyConditions.of(before), AccuracyConditions.of(after)
    return sum(
        len(old.differences(new)) if old and new else 1
        for old, new in (timings, accuracies)
        if (old is None) != (new is None) or old is not None
    )


def mismatch(before: Record, after: Record) -> list[str]:
    """Which conditions of two timings differ, in words; empty where they are comparable.

    Versions of torch, CUDA, cuDNN and the driver, the host's processor and environment variables count here: a check
    asks whether the network changed, and each of these changes a speed by itself. One that only one side tells is one
    that the other's segbench did not know yet.
    """
    old, new = TimingConditions.of(before), TimingConditions.of(after)
    return differing(old, beside(before), new, beside(after)) if old and new else []


def differing(
    old: TimingConditions, old_beside: Mapping[str, str], new: TimingConditions, new_beside: Mapping[str, str]
) -> list[str]:
    """The same from the conditions and what stands beside them."""
    versions = [
        f"{name} {old_beside[name]} -> {new_beside[name]}"
        for name in old_beside
        if name not in DURATION and name in new_beside and old_beside[name] != new_beside[name]
    ]
    if (old_beside.get("environment variables") is None) != (new_beside.get("environment variables") is None):
        ends = [side.get("environment variables", "none") for side in (old_beside, new_beside)]
        versions.append(f"environment variables {ends[0]} -> {ends[1]}")
    return [*old.differences(new), *versions]


def collate(records: Iterable[Record], where: str) -> dict[Key, Record]:
    """Records by network and conditions; those that `segbench compare --processes` kept one by one, together.

    Raises:
        RecordError: no Record, or two of one network under the same conditions that are not its processes.
    """
    found = by_machine(records, where)
    for group in found.values():
        if len(group) > 1:
            machines = "; ".join(machine(record) for record in group)
            raise RecordError(
                f"{where} holds {label(group[0])} {len(group)} times, of several machines ({machines}): keep one"
            )
    return {name: group[0] for name, group in found.items()}


def by_machine(records: Iterable[Record], where: str) -> dict[Key, list[Record]]:
    """The same where a network may have a Record for each of several machines.

    Raises:
        RecordError: no Record, or two of one network under the same conditions on the same machine.
    """
    groups: dict[tuple[Key, object], list[Record]] = {}
    for record in records:
        # Processes of one comparison are one number or none.
        groups.setdefault((key(record), None if record.process else _machine(record)), []).append(record)
    if not groups:
        raise RecordError(f"{where} holds no Record: `segbench baseline save` writes one for each network")
    found: dict[Key, list[Record]] = {}
    for (name, _), group in groups.items():
        processes = [record.process.index for record in group if record.process]
        if len(group) > 1 and (len(processes) < len(group) or len(set(processes)) < len(group)):
            raise RecordError(
                f"{where} holds {label(group[0])} {len(group)} times under the same conditions, and which one counts "
                "is not to be guessed: keep one"
            )
        try:
            found.setdefault(name, []).append(group[0] if len(group) == 1 else _together(group))
        except ValueError as error:
            raise RecordError(f"{where} holds {label(group[0])} timed under different conditions: {error}") from error
    return found


def _machine(record: Record) -> object:
    """Everything that timings of one row must share to be compared."""
    conditions = TimingConditions.of(record)
    return conditions and (
        conditions,
        tuple((name, text) for name, text in beside(record).items() if name not in DURATION),
    )


def machine(record: Record) -> str:
    """Where a Record was timed, in short: ``NVIDIA H100 (torch 2.5.1, driver 550.54)``."""
    conditions = TimingConditions.of(record)
    if conditions is None:
        return "counted only"
    known = beside(record)
    versions = ", ".join(f"{name} {known[name]}" for name in ("torch", "CUDA", "driver") if name in known)
    return f"{conditions.chip()} ({versions})" if versions else conditions.chip()


def _together(group: Sequence[Record]) -> Record:
    """The processes of a comparison as one row; only the first of them counts modules and signature."""
    first = min(group, key=lambda record: record.process.index if record.process else 0)
    return replace(with_timings(first, group), process=None)
