"""Records gathered by network and size: the latest costs, and the latest speed under each condition."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES
from segbench.record import Record
from segbench.report.style import as_number


@dataclass(frozen=True, slots=True)
class Condition:
    """What two timings must share to stand in one column: device, timed region, precision, batch.

    Attributes:
        kind: ``cuda`` or ``cpu``.
        device: the device's name, as far as the Record has it.
        mode: timed region, ``forward`` or ``swiftnet``.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        batch: images per forward.
        software: torch, CUDA and driver versions, for footers.
    """

    kind: str
    device: str
    mode: str
    precision: str
    batch: int
    software: str = field(default="", compare=False)

    def order(self) -> tuple[object, ...]:
        """CUDA before CPU, then by name."""
        return self.kind == "cpu", self.kind, self.device, self.mode, self.precision, self.batch

    def heading(self, detail: int) -> str:
        """``FPS (CUDA)``; with more `detail` also mode, precision, batch and the device's name."""
        parts = [self.kind.upper(), self.mode, self.precision, f"batch {self.batch}", self.device]
        return f"{'FPS' if self.batch == 1 else 'Images/s'} ({', '.join(parts[: detail + 1])})"

    def describe(self, *, software: bool = True) -> str:
        """Everything that the Record says about the condition, in one line; the versions of software on request."""
        name = self.device if self.kind != "cpu" else f"CPU {self.device}".removesuffix(" CPU")
        parts = (name, f"mode {self.mode}", self.precision, f"batch {self.batch}", self.software * software)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A measured mIoU, 0 to 1, with its data set and split."""

    miou: float
    dataset: str
    split: str


@dataclass(slots=True)
class Measured:
    """Everything measured for one network at one size, class count and batch.

    Attributes:
        record: the latest Record, which has the fidelity.
        params: parameters, from the latest Record that has them.
        macs: multiply-accumulates of one forward, from the latest Record that has them.
        accuracy: the latest measured mIoU.
        speeds: the latest timed Record under each condition.
        software: torch, CUDA and driver versions of each of `speeds`.
        operations: count under every rule, from the latest Record that has them.
        modules: costs module by module, from the latest Record that has them.
        failure: why the latest measurement could not be made; empty where it could.
    """

    record: Record
    params: float | None = None
    macs: float | None = None
    accuracy: Accuracy | None = None
    speeds: dict[Condition, Record] = field(default_factory=dict)
    software: dict[Condition, str] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    modules: list[dict[str, Any]] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Name of the network."""
        return self.record.model

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.record.resolution

    @property
    def failure(self) -> str:
        """Why the latest measurement could not be made; empty where it could."""
        return str(self.record.failure or "")

    def number(self, condition: Condition | None, quantity: str) -> float | None:
        """A timed quantity under a condition: ``fps``, median ``latency`` in ms, ``energy`` in mJ a frame."""
        timed = self.speeds.get(condition) if condition else None
        if timed is None or timed.speed is None:
            return None
        if quantity == "latency":
            latency = timed.speed.get("latency_ms")
            return as_number(latency.get("median")) if isinstance(latency, dict) else None
        return as_number(timed.speed.get({"energy": "energy_mj"}.get(quantity, quantity)))


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records by their date; those of one moment by their content, so that the order of files does not matter."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((str(record.created), str(record.model), str(record.resolution)), []).append(record)
    for key, group in groups.items():
        if len(group) > 1:
            groups[key] = sorted(group, key=lambda record: json.dumps(record.to_json(), sort_keys=True, default=str))
    return [record for key in sorted(groups) for record in groups[key]]


class Rows(list[Measured]):
    """Records gathered already; `measured` takes them as they are."""


def measured(records: Iterable[Record] | Rows) -> list[Measured]:
    """Gather Records: catalog order, a user's own networks after it by name, then the smaller size first."""
    if isinstance(records, Rows):
        return list(records)
    rows: dict[tuple[str, int, tuple[int, int], int], Measured] = {}
    for record in in_order(records):
        key = (record.model, record.classes, record.resolution, record.batch)
        row = rows.setdefault(key, Measured(record))
        row.record = record
        params, macs = as_number(record.params), as_number(_counts(record.operations).get("macs"))
        row.params = row.params if params is None else params
        row.macs = row.macs if macs is None else macs
        row.accuracy = _accuracy(record.accuracy) or row.accuracy
        row.operations = {**row.operations, **_counts(record.operations)}
        row.modules = [item for item in record.modules or () if isinstance(item, dict)] or row.modules
        if isinstance(record.speed, dict) and as_number(record.speed.get("fps")):
            condition = condition_of(record, record.speed)
            row.speeds[condition], row.software[condition] = record, condition.software
    places = {name: place for place, name in enumerate(CATALOG)}

    def order(row: Measured) -> tuple[object, ...]:
        height, width = row.resolution
        place = places.get(row.model, len(places))
        return place, row.model, height * width, row.resolution, row.record.classes, row.record.batch

    return sorted(rows.values(), key=order)


def condition_of(record: Record, speed: dict[str, Any]) -> Condition:
    """The condition that a Record was timed under."""
    environment = record.environment if isinstance(record.environment, dict) else {}
    kind = "cpu" if str(speed.get("device", "")).startswith("cpu") else "cuda"
    gpu = environment.get("gpu")
    gpu_name = gpu.get("name") if isinstance(gpu, dict) else gpu
    cpu_name = environment.get("cpu_model") or environment.get("cpu")
    name = speed.get("device_name") or (cpu_name if kind == "cpu" else gpu_name) or kind.upper()
    driver = (gpu.get("driver") if isinstance(gpu, dict) else None) or environment.get("driver")
    software = [("torch", environment.get("torch"))]
    if kind == "cuda":
        software += [("CUDA", environment.get("cuda")), ("cuDNN", environment.get("cudnn")), ("driver", driver)]
    return Condition(
        kind=kind,
        device=str(name),
        mode=str(speed.get("mode", "")),
        precision=str(speed.get("precision", "")),
        batch=record.batch,
        software=", ".join(f"{what} {version}" for what, version in software if isinstance(version, (str, int))),
    )


def _counts(operations: object) -> dict[str, int]:
    """The counts of a Record that are numbers."""
    if not isinstance(operations, dict):
        return {}
    return {str(rule): count for rule, count in operations.items() if as_number(count) is not None}


def _accuracy(content: object) -> Accuracy | None:
    if not isinstance(content, dict):
        return None
    miou = as_number(content.get("miou"))
    if miou is None:
        return None
    names = {name.lower(): name for name in DATASET_CLASSES}
    given = str(content.get("dataset", ""))
    return Accuracy(miou, names.get(given.lower(), given), str(content.get("split", "")))
