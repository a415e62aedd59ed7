"""``table.csv``: the overall table with one number in a cell, and every condition as a column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields

from segbench.catalog import CATALOG
from segbench.claims import Claim
from segbench.counting.meanings import MEANINGS, identifier
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.report.measured import Measured
from segbench.report.pairing import Pairing, belongs

# Names of columns that are older than the conditions; every other condition's column has its own name.
_TIMING_NAMES = {"device": "device_kind", "device_name": "device"}
TIMING_COLUMNS = {item.name: _TIMING_NAMES.get(item.name, item.name) for item in fields(TimingConditions)}
ACCURACY_COLUMNS = {item.name: f"measured_{item.name}" for item in fields(AccuracyConditions)}
CSV_COLUMNS = tuple(
    dict.fromkeys(
        (
            *("model", "family", "paper", "fidelity", "classes", "height", "width", "batch", "variant"),
            *("params", "live_params", "macs", "fps", "fps_cuda", "fps_cpu", "mode", "precision", "device"),
            *("macs_not_counted", *map(identifier, MEANINGS), "live_macs"),
            *TIMING_COLUMNS.values(),
            *("latency_median_ms", "gpu_busy_ms", "enqueue_ms", "launches", "graph_fps", "bound_by"),
            *("peak_mib", "energy_mj"),
            *ACCURACY_COLUMNS.values(),
            *("measured_miou_percent", "measured_not_official"),
            *("claimed_in", "claimed_dataset", "claimed_split", "claimed_miou_percent"),
            *("claimed_params_in", "claimed_params", "claimed_flops_in", "claimed_flops"),
            *("claimed_fps_in", "claimed_fps", "claimed_gpu"),
            *("self_reported_dataset", "self_reported_split", "self_reported_miou_percent", "failure", "created"),
        )
    )
)


def csv_lines(row: Measured, pairing: Pairing, reported: Iterable[Claim]) -> Iterator[dict[str, str]]:
    """A line for each timing of a network with each of its accuracies."""
    entry, record = CATALOG.get(row.model), row.record
    miou = next((claimed for claimed in pairing.miou(record) if claimed.claim.size), None)
    fps = next((claimed for claimed in pairing.fps(record) if claimed.claim.size), None)
    own = next((claim for claim in reported if belongs(claim, record)), None)
    printed = {name: pairing.printed(record, name) for name in ("params_m", "gflops")}
    common = {
        "model": row.model,
        "family": entry.family if entry else "",
        "paper": entry.paper if entry else "",
        "fidelity": record.fidelity or "",
        "classes": str(record.classes),
        "height": str(row.resolution[0]),
        "width": str(row.resolution[1]),
        "batch": str(record.batch),
        "variant": row.variant,
        "params": _text(row.params),
        "live_params": _text(record.live_params),
        "macs": _text(row.macs),
        "macs_not_counted": "; ".join(f"{kind}, {times} times" for kind, times in row.uncounted.items()),
        **{identifier(rule): _text(row.operations.get(rule)) for rule in MEANINGS},
        "live_macs": _text(row.operations.get("live-macs")),
        **(_claim("claimed_in", miou.claim) if miou else {}),
        "claimed_dataset": miou.claim.dataset if miou else "",
        "claimed_split": miou.claim.split if miou else "",
        "claimed_miou_percent": miou.figure if miou else "",
        **_claim("claimed_params_in", printed["params_m"]),
        "claimed_params": _cost(printed["params_m"], "params_m", 6),
        **_claim("claimed_flops_in", printed["gflops"]),
        "claimed_flops": _cost(printed["gflops"], "gflops", 9),
        **(_claim("claimed_fps_in", fps.claim) if fps else {}),
        "claimed_fps": fps.figure if fps else "",
        "claimed_gpu": fps.claim.gpu if fps else "",
        "self_reported_dataset": own.dataset if own else "",
        "self_reported_split": own.split if own else "",
        "self_reported_miou_percent": (own.miou_percent or "") if own else "",
        "failure": row.failure,
    }
    scores = [_score(conditions, percent) for conditions, percent in row.scores()] or [{}]
    timings = [_timing(row, *item) for item in sorted(row.timings.items(), key=lambda item: item[0].order())]
    for timing in timings or [{"created": record.created}]:
        for score in scores:
            yield {**common, **timing, **score}


def _claim(column: str, claim: Claim | None) -> dict[str, str]:
    return {column: f"{claim.paper} {claim.where}" if claim else ""}


def _cost(claim: Claim | None, field: str, exponent: int) -> str:
    """A printed cost in base units."""
    return str(round(getattr(claim, field).value.scaleb(exponent))) if claim else ""


def _timing(row: Measured, conditions: TimingConditions, timed: Record) -> dict[str, str]:
    fps = _text(row.number(conditions, "fps"))
    return {
        **{column: _text(getattr(conditions, name)) for name, column in TIMING_COLUMNS.items()},
        "fps": fps,
        **({f"fps_{conditions.device}": fps} if conditions.device in ("cuda", "cpu") else {}),
        "latency_median_ms": _text(row.number(conditions, "latency")),
        **{
            name: _text(row.number(conditions, name)) for name in ("gpu_busy_ms", "enqueue_ms", "launches", "graph_fps")
        },
        "bound_by": (timed.speed.verdict or "") if timed.speed else "",
        "peak_mib": _text(timed.memory.peak_mib if timed.memory else None),
        "energy_mj": _text(row.number(conditions, "energy")),
        "created": timed.created,
    }


def _score(conditions: AccuracyConditions, percent: float) -> dict[str, str]:
    return {
        **{column: _text(getattr(conditions, name)) for name, column in ACCURACY_COLUMNS.items()},
        "measured_miou_percent": f"{percent:.2f}",
        "measured_not_official": "; ".join(conditions.marks().values()),
    }


def _text(value: object) -> str:
    """A number, a text or a condition as a cell: nothing for what is not known, settings as a JSON object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return json.dumps({name: json.loads(setting) for name, setting in value})
    return str(value)
