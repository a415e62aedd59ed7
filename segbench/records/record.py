"""Record: one measurement with its conditions, the only shape in which results travel. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from segbench.errors import RecordError
from segbench.records import reading
from segbench.records.results import (
    Acceptance,
    Accuracy,
    AtLeastOne,
    Count,
    Extra,
    Memory,
    ModuleRow,
    Process,
    Run,
    Signature,
    Size,
    Speed,
    Text,
    WaterfallRow,
    meaning,
)

SCHEMA = 1
Date = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$")]


def now() -> str:
    """The current time in UTC as Records write it, such as ``2026-11-21T10:00:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


NO_SIGNATURE = "no signature: "
"""Begins the note that says why one could not be taken."""


class ProtocolFields(TypedDict, total=False):
    """The settings of a protocol that are computed with; others are only shown."""

    mode: str | None
    precision: str | None
    batch: AtLeastOne | None
    synchronise: str | None
    grad: str | None
    cudnn_benchmark: bool | None
    channels_last: bool | None
    bn_folding: bool | None
    pinned: bool | None
    name: str | None
    rounds: AtLeastOne | None


class EnvironmentFields(TypedDict, total=False):
    """What of an environment is computed with; the rest is only shown."""

    torch_threads: Count | None
    gpus: dict[str, dict[str, Any]] | None
    variables: dict[str, Any] | None


SignedCall = TypedDict("SignedCall", {"path": str, "in": list[float | str], "out": list[float | str]})
"""A module's call in a signature: statistics of what went in and came out, three for each tensor."""


@dataclass(kw_only=True)
class Record:
    """One network at one resolution: costs, speed, memory and accuracy, or the reason why there are none."""

    schema: Annotated[AtLeastOne, meaning("version of this format: 1")] = SCHEMA
    model: Annotated[Text, meaning("catalog name, or `source:name` of a user's own network or a library's")]
    fidelity: Annotated[
        Literal["official", "port", "exact", "reconstruction"] | None,
        meaning("how far the network is known to be the authors'; null for a user's own"),
    ] = None
    classes: Annotated[Count, meaning("of the output; 0 where a failure left it unknown", "channels")]
    resolution: Annotated[Size, meaning("height and width of the input", "pixels")]
    options: Annotated[
        dict[str, Any] | None, meaning("constructor options that a checkpoint's shapes asked for; left out without any")
    ] = None
    batch: Annotated[AtLeastOne, meaning("per forward", "images")] = 1
    inputs: Annotated[
        list[str], meaning("what a user's own network takes, as `--input` gives it; empty for one RGB image")
    ] = field(default_factory=list)
    output: Annotated[str | None, meaning("key, field or index of the output that counts, as `--output` gives it")] = (
        None
    )
    params: Annotated[Count | None, meaning("parameters of the constructed network, a shared one once", "count")] = None
    live_params: Annotated[Count | None, meaning("parameters that reach the output", "count")] = None
    operations: Annotated[
        dict[str, Count],
        meaning(
            "by [counting rule](counting-rules.md), for the whole batch except `ptflops-*`, which count per image; and "
            "`live-macs`, the MACs that reach the output, of which `live-macs-3x3` and `live-macs-3x1` are in dense "
            "layers of stride 1 and these kernels; with Fourier transforms `fft-flops`",
            "count",
        ),
    ] = field(default_factory=dict)
    uncounted: Annotated[
        dict[str, AtLeastOne],
        meaning(
            "operations with arithmetic that no rule prices, and how often each ran; where there are any, `operations` "
            "are lower bounds",
            "count",
        ),
    ] = field(default_factory=dict)
    tools: Annotated[
        dict[str, Count], meaning("what the real fvcore and thop packages report, where `--counter` asks", "count")
    ] = field(default_factory=dict)
    modules: Annotated[
        list[ModuleRow] | None,
        meaning("in `compare` the network's parts and their parts, with `--layers` all modules, parents first"),
    ] = None
    signature: Annotated[
        Signature | None,
        meaning("sampled logits with weights that follow from the key names, to see a changed architecture"),
    ] = None
    speed: Annotated[Speed | None, meaning("where the network was timed")] = None
    memory: Annotated[Memory | None, meaning("of one frame")] = None
    accuracy: Annotated[Accuracy | None, meaning("where the network was evaluated")] = None
    waterfall: Annotated[
        list[WaterfallRow] | None, meaning("FPS as each switch of the protocol is applied, in order")
    ] = None
    failure: Annotated[
        str | None, meaning("why a measurement could not be made, in one line; what was measured before it is kept")
    ] = None
    notes: Annotated[list[str], meaning("sentences to read before using the numbers")] = field(default_factory=list)
    protocol: Annotated[dict[str, Any], meaning("settings that speed was measured under, below")] = field(
        default_factory=dict
    )
    environment: Annotated[dict[str, Any], meaning("the machine, below")] = field(default_factory=dict)
    segbench: Annotated[str, meaning("version that wrote the Record")] = ""
    created: Annotated[Date, meaning("such as `2026-11-21T10:00:00Z`", "UTC")] = field(default_factory=now)
    process: Annotated[Process | None, meaning("in `compare`: which fresh process this was")] = None
    run: Annotated[Run | None, meaning("in `compare`: when and where this was measured")] = None
    accepted: Annotated[list[Acceptance] | None, meaning("in a baseline: findings that do not fail a check")] = None
    extra: Extra = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The Record as plain JSON types, ``schema`` first."""
        return reading.plain(self)

    @classmethod
    def from_json(cls, content: Any) -> Record:
        """Read a Record back.

        Raises:
            RecordError: not a Record, a field is missing or malformed (it is named), or the schema is newer.
        """
        if not isinstance(content, Mapping):
            raise RecordError(f"a Record is a JSON object: {type(content).__name__} given")
        schema = content.get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise RecordError("not a segbench Record: it has no `schema`")
        if schema > SCHEMA:
            raise RecordError(
                f"the Record has schema {schema}, and this segbench reads up to {SCHEMA}: update segbench"
            )
        missing = [name for name in ("model", "classes", "resolution") if name not in content]
        if missing:
            raise RecordError(f"the Record lacks {', '.join(missing)}")
        size = content["resolution"]
        if not (isinstance(size, (list, tuple)) and len(size) == 2):
            raise RecordError(f"resolution: [height, width] is accepted: {str(size)[:40]!r} given")
        # A Record without a date was not made at this moment.
        record = reading.read(cls, {"created": "", **content})
        reading.check(record.protocol, ProtocolFields, "protocol")
        reading.check(record.environment, EnvironmentFields, "environment")
        if record.signature and record.signature.modules:
            reading.check(record.signature.modules, list[SignedCall], "signature.modules")
        return record


def down_to(modules: Iterable[ModuleRow], depth: int | None) -> list[ModuleRow]:
    """The modules of a Record down to a level; all for None."""
    return [module for module in modules if depth is None or module.depth <= depth]
