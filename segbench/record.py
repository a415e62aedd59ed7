"""Record: one measurement with its conditions, the only shape in which results travel. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any

from segbench.errors import RecordError

SCHEMA = 1


def now() -> str:
    """The current time in UTC as Records write it, such as ``2026-11-21T10:00:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(kw_only=True)
class Record:
    """One network at one resolution: costs, speed, memory and accuracy, or the reason why there are none.

    Attributes:
        model: catalog name, or ``package.module:factory`` of a user's own network.
        fidelity: how far the network is known to be the authors'; None for a user's own.
        classes: output channels.
        resolution: height and width of the input.
        batch: images per forward.
        params: parameters of the constructed network.
        live_params: parameters that reach the output.
        operations: integer count per counting rule, plus ``live-macs``.
        tools: what the real fvcore and thop packages report.
        modules: per-module parameters and MACs, where asked for.
        signature: sampled logits with deterministic weights, where asked for.
        speed: FPS and latency with their mode, device and precision; every sample kept.
        memory: ``{"peak_mib": float | None}``.
        accuracy: mIoU with data set, split and checkpoint.
        waterfall: FPS as each switch of the protocol is applied, where asked for.
        failure: why the measurement could not be made, in one line.
        protocol: the settings that the speed was measured under.
        environment: device, driver and library versions.
        extra: fields of a reader's newer segbench that this one does not know; kept when written again.
    """

    model: str
    fidelity: str | None = None
    classes: int
    resolution: tuple[int, int]
    batch: int = 1
    params: int | None = None
    live_params: int | None = None
    operations: dict[str, int] = field(default_factory=dict)
    tools: dict[str, int] = field(default_factory=dict)
    modules: list[dict[str, Any]] | None = None
    signature: dict[str, Any] | None = None
    speed: dict[str, Any] | None = None
    memory: dict[str, Any] | None = None
    accuracy: dict[str, Any] | None = None
    waterfall: list[dict[str, Any]] | None = None
    failure: str | None = None
    notes: list[str] = field(default_factory=list)
    protocol: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    segbench: str = ""
    created: str = field(default_factory=now)
    schema: int = SCHEMA
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The Record as plain JSON types, ``schema`` first."""
        content = asdict(self)
        content["resolution"] = list(self.resolution)
        extra = content.pop("extra")
        return {"schema": content.pop("schema"), **content, **extra}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Record:
        """Read a Record back.

        Raises:
            RecordError: not a Record, a required field is missing or malformed, or the schema is newer.
        """
        if not isinstance(content, Mapping):
            raise RecordError(f"a Record is a JSON object: {type(content).__name__} given")
        schema = content.get("schema")
        if not isinstance(schema, int):
            raise RecordError("not a segbench Record: it has no `schema`")
        if schema > SCHEMA:
            raise RecordError(
                f"the Record has schema {schema}, and this segbench reads up to {SCHEMA}: update segbench"
            )
        missing = [name for name in ("model", "classes", "resolution") if name not in content]
        if missing:
            raise RecordError(f"the Record lacks {', '.join(missing)}")
        size = content["resolution"]
        if not (isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size)):
            raise RecordError(f"the Record's resolution is [height, width]: {size!r} given")
        known = {item.name for item in fields(cls)} - {"extra"}
        values = {key: value for key, value in content.items() if key in known}
        values["resolution"] = (size[0], size[1])
        # A Record without a date was not made at this moment.
        values.setdefault("created", "")
        return cls(**values, extra={key: value for key, value in content.items() if key not in known})


def depth_of(module: Mapping[str, Any]) -> int:
    """Level of one of a Record's `modules`: 0 for the network."""
    path = str(module["path"])
    return path.count(".") + 1 if path else 0


def down_to(modules: Iterable[dict[str, Any]], depth: int | None) -> list[dict[str, Any]]:
    """The modules of a Record down to a level; all for None."""
    return [module for module in modules if depth is None or depth_of(module) <= depth]
