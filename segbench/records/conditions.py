"""What two numbers must share to be compared, as a type whose fields are the conditions. Imports no torch.

This is the one notion of "same conditions": tables, plots, the page, `compare`, `check`, baselines and the combination
of processes all ask the two kinds of it, `timing_conditions` and `accuracy_conditions`. A field of theirs is a
condition; adding one keeps its numbers apart everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from segbench.records.record import Record

UNKNOWN = "unknown"


def condition(label: str, words: Callable[[Any], str] | None = None, usual: object = ...) -> Any:
    """A condition's name, how a value of it reads in a heading, and the value that goes without saying."""
    return field(metadata={"label": label, "words": words, "usual": usual})


def switch(label: str, usual: object = ...) -> Any:
    """A condition that is on or off."""
    return condition(label, lambda on: f"{label} {'on' if on else 'off'}", usual)


def in_words(item: Any, value: object) -> str:
    """The value of a field of conditions as a heading says it."""
    if value is None:
        return f"{item.metadata['label']} {UNKNOWN}"
    words = item.metadata["words"]
    return str(words(value)) if words else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What two numbers must share."""

    def differences(self, other: Conditions) -> list[str]:
        """What is unlike, such as ``precision fp32 -> fp16``; empty where the two numbers compare."""
        return [
            f"{item.metadata['label']} {show_value(before)} -> {show_value(after)}"
            for item in fields(self)
            for before, after in [(getattr(self, item.name), getattr(other, item.name))]
            if before != after
        ]


def show_value(value: object) -> str:
    """A condition's value as people read it: ``on`` and ``off`` of a switch, and what is not told."""
    if value is None:
        return UNKNOWN
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def network_of(record: Record) -> tuple[object, ...]:
    """Which network a Record is of, and on what it ran: numbers of two networks are never one number."""
    options = json.dumps(record.options or {}, sort_keys=True, default=str)
    inputs = tuple(record.inputs), record.output
    return record.model, record.classes, options, record.resolution, record.batch, *inputs


def variant(record: Record) -> str:
    """Inputs, output and options of a network that has others than the usual ones, such as ``output aux``."""
    parts = [
        f"inputs {', '.join(map(str, record.inputs))}" if record.inputs else "",
        f"output {record.output}" if record.output else "",
        *(f"{name} {value}" for name, value in (record.options or {}).items()),
    ]
    return ", ".join(filter(None, parts))
