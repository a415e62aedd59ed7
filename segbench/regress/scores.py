"""The mIoU of a check: taken from Records of evaluations, which no check makes itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from segbench.errors import RecordError
from segbench.records import store
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.regress.options import TOLERANCE_POINTS


def read_accuracies(path: Path) -> list[Record]:
    """Records that have an mIoU.

    Raises:
        RecordError: the file cannot be read, or has none.
    """
    found = [record for record in store.read(path) if record.accuracy and record.accuracy.miou is not None]
    if not found:
        raise RecordError(f"{path} holds no mIoU: `segbench eval ... --json {path}` writes a Record with one")
    return found


def require_used(records: Sequence[Record], networks: Iterable[Record], path: Path) -> None:
    """Refuse evaluations that are of no network of a call.

    Raises:
        RecordError: names both.
    """
    names = {record.model for record in networks}
    if not any(record.model in names for record in records):
        given = ", ".join(sorted({record.model for record in records}))
        raise RecordError(f"{path} has mIoUs of {given}, and the networks here are {', '.join(sorted(names))}")


def with_accuracy(record: Record, evaluated: Sequence[Record], before: Record | None = None) -> Record:
    """A network's Record with its mIoU: of several the one whose conditions are the nearest to the baseline's.

    Args:
        record: counted or timed.
        evaluated: Records of evaluations.
        before: the baseline's Record; None where there is none yet, and the latest counts.
    """
    own = [one for one in evaluated if (one.model, one.classes) == (record.model, record.classes)]
    then = AccuracyConditions.of(before) if before else None
    if not own or (before is not None and then is None):
        return record
    own.sort(key=lambda one: one.created, reverse=True)
    conditions = [AccuracyConditions.of(one) for one in own]
    distances = [len(then.differences(now)) if then and now else 0 for now in conditions]
    return replace(record, accuracy=own[distances.index(min(distances))].accuracy)


def with_tolerance(record: Record, points: float | None = None) -> Record:
    """A baseline's Record that says what change of its mIoU is none.

    Args:
        record: with or without an mIoU.
        points: percentage points; the usual by default.
    """
    if record.accuracy is None:
        return record
    kept = record.accuracy.tolerance_points if points is None else points
    return replace(
        record, accuracy=replace(record.accuracy, tolerance_points=TOLERANCE_POINTS if kept is None else kept)
    )
