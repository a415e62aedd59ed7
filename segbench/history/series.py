"""A history as series: the values of one quantity of one network, commit by commit, under one set of conditions.

What follows from the code alone (parameters, operations, logits) is one series for all machines; what a machine
measured is one for each machine and each set of conditions (`segbench.records.conditions`, and the versions that a
check refuses to compare across). Values under other conditions are another series, which says how they differ from
those before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segbench.history.commits import Commit, in_order
from segbench.history.entries import Entry
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.conditions import UNKNOWN
from segbench.records.record import Record
from segbench.records.results import Signature
from segbench.records.timing_conditions import TimingConditions, beside
from segbench.regress.difference import compare_counts
from segbench.regress.judge import costs
from segbench.regress.options import METRICS, TOLERANCE_POINTS
from segbench.regress.rows import DURATION, differing, label
from segbench.units import significant

COUNTS = ("parameters", "live parameters")
LOGITS, LAUNCHES, MIOU = "logits", "kernel launches", "mIoU"
MACS = "macs"

Value = float | Signature


@dataclass(frozen=True)
class Point:
    """A quantity at a commit.

    Attributes:
        commit: the commit.
        samples: one for each process; a single one of what is exact.
    """

    commit: Commit
    samples: tuple[Value, ...]


@dataclass(frozen=True)
class Series:
    """One quantity of one network, from the oldest commit to the newest.

    Attributes:
        network: name and size.
        quantity: parameters, a counting rule, FPS, mIoU, ...
        unit: of its values; empty for logits.
        machine: where it was measured; empty for what follows from the code alone.
        conditions: of a timing or an accuracy, in words.
        exact: a quantity of which any change is one.
        on_cpu: whether a CPU was timed, which is said wherever a number stands.
        points: by commit; no commit twice.
        cut: how the conditions differ from those of the series before it; empty for the first.
    """

    network: str
    quantity: str
    unit: str
    machine: str
    conditions: str
    exact: bool
    on_cpu: bool
    points: tuple[Point, ...]
    cut: str = ""

    @property
    def title(self) -> str:
        """The quantity, a CPU's timing called one."""
        return f"{self.quantity} (CPU)" if self.on_cpu else self.quantity

    def same(self, before: Value, after: Value) -> bool:
        """Whether two values of an exact quantity are one."""
        if isinstance(before, Signature) and isinstance(after, Signature):
            one, other = (Record(model="x", classes=1, resolution=(1, 1), signature=sign) for sign in (before, after))
            return not compare_counts(one, other, same_torch=False, same_machine=False)
        assert not isinstance(before, Signature) and not isinstance(after, Signature)
        return abs(after - before) <= (TOLERANCE_POINTS + 1e-9 if self.quantity == MIOU else 0)

    def show(self, value: Value) -> str:
        """A value as people read it, without its unit."""
        if isinstance(value, Signature):
            return f"mean {_figure(value.mean)}, std {_figure(value.std)}"
        if self.quantity == MIOU:
            return f"{value:.3f}"
        return f"{int(value):,}" if self.exact else significant(value, 4)


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


@dataclass(frozen=True)
class _Key:
    """What the values of one series share."""

    network: str
    quantity: str
    unit: str
    machine: str
    exact: bool
    subject: tuple[tuple[str, str], ...]
    timing: TimingConditions | None = None
    versions: tuple[tuple[str, str], ...] = ()
    accuracy: AccuracyConditions | None = None
    segbench: str = ""

    def words(self) -> str:
        """The conditions of a timing or an accuracy in one line."""
        if self.accuracy:
            return self.accuracy.describe()
        torch = dict(self.versions).get("torch")
        return ", ".join([self.timing.describe(), *([f"torch {torch}"] if torch else [])]) if self.timing else ""

    def differences(self, other: _Key) -> list[str]:
        """How the conditions of another series of the same quantity differ from these."""
        before, after = dict(self.subject), dict(other.subject)
        found = [f"{name} {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]
        if self.timing and other.timing:
            found += differing(self.timing, dict(self.versions), other.timing, dict(other.versions))
        if self.accuracy and other.accuracy:
            found += self.accuracy.differences(other.accuracy)
        if self.segbench != other.segbench:
            found.append(f"segbench {self.segbench or UNKNOWN} -> {other.segbench or UNKNOWN}")
        return found


def series_of(entries: Sequence[Entry]) -> list[Series]:
    """All series of a history, those of a network together, in the order in which networks first appear."""
    commits = in_order(entry.commit for entry in entries)
    places = {commit.commit: place for place, commit in enumerate(commits)}
    found: dict[_Key, dict[int, list[tuple[Value, ...]]]] = {}
    for entry in sorted(entries, key=lambda entry: (places[entry.commit.commit], entry.record.created)):
        if entry.record.failure is None:
            for key, samples in _values(entry):
                found.setdefault(key, {}).setdefault(places[entry.commit.commit], []).append(samples)
    networks = {key.network: None for key in found}
    order = sorted(found, key=lambda key: (list(networks).index(key.network), _rank(key.quantity), key.machine))
    return [_series(key, found, commits) for key in order]


def _rank(quantity: str) -> int:
    known = (*COUNTS, MACS, LOGITS, *METRICS, LAUNCHES, MIOU)
    return known.index(quantity) if quantity in known else known.index(LOGITS)


def _series(
    key: _Key, found: Mapping[_Key, Mapping[int, Sequence[tuple[Value, ...]]]], commits: Sequence[Commit]
) -> Series:
    points = tuple(
        # Of what is exact the latest Record counts; of what has noise, all of a commit are its samples.
        Point(commits[place], taken[-1] if key.exact else tuple(sample for samples in taken for sample in samples))
        for place, taken in found[key].items()
    )
    ended = {
        other: max(places)
        for other, places in found.items()
        if (other.network, other.quantity, other.machine) == (key.network, key.quantity, key.machine)
    }
    before = [other for other, end in ended.items() if end < min(found[key])]
    cut = "; ".join(max(before, key=ended.__getitem__).differences(key)) or "other conditions" if before else ""
    on_cpu = key.timing is not None and key.timing.on_cpu
    return Series(key.network, key.quantity, key.unit, key.machine, key.words(), key.exact, on_cpu, points, cut)


def _values(entry: Entry) -> Iterator[tuple[_Key, tuple[Value, ...]]]:
    record = entry.record
    told = {"classes": record.classes, "options": record.options, "inputs": record.inputs, "output": record.output}
    subject = tuple((name, json.dumps(value, sort_keys=True)) for name, value in told.items())

    def key(quantity: str, unit: str, machine: str = "", exact: bool = True, **conditions: Any) -> _Key:
        return _Key(label(record), quantity, unit, machine, exact, subject, **conditions)

    counts = {COUNTS[0]: record.params, COUNTS[1]: record.live_params, **record.operations}
    for name, count in counts.items():
        if count is not None:
            yield key(name, "" if name in COUNTS else "operations", segbench=record.segbench), (float(count),)
    sign = record.signature
    if sign:
        # Logits at another size, or with other weights, are not to be compared.
        at = f"{list(sign.resolution)}, gain {sign.gain:g}"
        yield replace(key(LOGITS, ""), subject=(*subject, ("logits at", at))), (sign,)
    accuracy = AccuracyConditions.of(record)
    if accuracy and record.accuracy and record.accuracy.miou is not None:
        # Other weights are what may have changed the score.
        yield key(MIOU, "%", accuracy=replace(accuracy, checkpoint=None)), (100 * record.accuracy.miou,)
    timing = TimingConditions.of(record)
    if timing is None or record.speed is None:
        return
    versions = tuple(item for item in beside(record).items() if item[0] not in DURATION)
    for metric, samples in costs(record).items():
        values = [1 / sample for sample in samples] if metric == "FPS" else samples
        yield key(metric, METRICS[metric], entry.machine, False, timing=timing, versions=versions), tuple(values)
    if record.speed.launches is not None:
        launches = (float(record.speed.launches),)
        yield key(LAUNCHES, "", entry.machine, timing=timing, versions=versions), launches
