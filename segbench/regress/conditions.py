"""The conditions of a timing, and whether two timings may be held against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segbench.record import Record
from segbench.resolution import show

Key = tuple[str, tuple[int, int], int, int, str, str]

# What of the protocol is no condition: its name and source, and how long it measured.
_NO_CONDITION = {"name", "source", "steps", "rounds"}


def key(record: Record) -> Key:
    """What identifies a network's row in a baseline: network, size, classes, batch, mode and precision.

    A row without speed has no mode and no precision of its own.
    """
    speed = record.speed or record.protocol
    mode, precision = str(speed.get("mode", "")), str(speed.get("precision", ""))
    return record.model, record.resolution, record.classes, record.batch, mode, precision


def label(record: Record) -> str:
    """A row in words, such as ``mfpnet 512x1024``."""
    batch = f" batch {record.batch}" if record.batch != 1 else ""
    return f"{record.model} {show(record.resolution)}{batch}"


def machine(record: Record) -> dict[str, Any]:
    """Everything that a timing depends on beside the network: device, software and protocol."""
    return conditions(record.speed or {}, record.protocol, record.environment)


def conditions(speed: Mapping[str, Any], protocol: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    """The same from its parts; `speed` needs ``device`` and ``device_name``."""
    found = {
        "device": "CPU" if speed.get("device") == "cpu" else speed.get("device"),
        "GPU or CPU": speed.get("device_name"),
        "driver": environment.get("driver"),
        "torch": environment.get("torch"),
        "CUDA": environment.get("cuda"),
        "cuDNN": environment.get("cudnn"),
        # At batch 1 the host launches every kernel, so its processor is part of a GPU's timing too.
        "host CPU": environment.get("cpu"),
        "environment variables": environment.get("variables") or {},
        "mode": speed.get("mode") or protocol.get("mode"),
        "precision": speed.get("precision") or protocol.get("precision"),
    }
    settings = {name: value for name, value in protocol.items() if name not in _NO_CONDITION}
    return {**settings, **found}


def mismatch(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which conditions differ, in words; empty where the timings are comparable.

    A setting of the protocol that only one side names is one that the other's segbench did not have yet.
    """
    return [
        f"{name} {_show(before[name])} -> {_show(after[name])}"
        for name in after
        if name in before and before[name] != after[name]
    ]


def _show(value: object) -> str:
    return "unknown" if value is None else str(value)
