"""What the page knows: one row for each network, size and timing, one card for each network, as compact JSON types."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import segbench
from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.counting.meanings import MEANINGS
from segbench.record import Record
from segbench.report.charts import busy_share, rank_correlation_of
from segbench.report.leaderboard import COUNTING_RULE, condition_footers
from segbench.report.measured import Condition, Measured, Rows, measured
from segbench.report.page_card import card
from segbench.report.pairing import Claimed, Pairing
from segbench.report.style import MARKERS, PALETTE, as_number, looks
from segbench.resolution import show

# matplotlib's markers under the names that plotly has for them.
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "p": "pentagon",
    "h": "hexagon",
    "<": "triangle-left",
    ">": "triangle-right",
}
assert set(_SYMBOLS) == set(MARKERS)
_LONGEST_LIST, _LONGEST_TEXT, _DEEPEST = 24, 2000, 6

INTERNED = ("family", "paper", "fidelity", "device", "mode", "precision", "bound", "environment", "software")
"""Fields of a row that hold a place in ``names`` rather than the text, which many rows share."""


def page_data(
    records: Sequence[Record],
    claims: Sequence[Claim],
    judgements: Iterable[Mapping[str, Any]],
    files: Mapping[str, Any],
    gathered: Rows | None = None,
) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        records: in any order.
        claims: as from `segbench.claims.load_claims`.
        judgements: the audit's verdicts on printed costs, as ``segbench audit --json`` writes them.
        files: names and titles of the plots and papers' tables beside the page.
        gathered: the Records, where they were gathered already.
    """
    rows, pairing = measured(gathered or records), Pairing(claims)
    conditions = sorted({condition for row in rows for condition in row.speeds}, key=Condition.order)
    by_model: dict[str, list[Measured]] = {}
    for row in rows:
        by_model.setdefault(row.model, []).append(row)
    printed: dict[str, list[Claim]] = {}
    for claim in claims:
        printed.setdefault(claim.model, []).append(claim)
    verdicts: dict[str, list[Mapping[str, Any]]] = {}
    for judgement in judgements:
        verdicts.setdefault(str(judgement.get("model")), []).append(judgement)
    names: dict[str, dict[str, int]] = {field: {} for field in INTERNED}
    shown = [_interned(_row(row, condition, pairing, printed), names) for row in rows for condition in _conditions(row)]
    look = looks([entry.family for entry in CATALOG.values()] + sorted({str(family) for family in names["family"]}))
    dates = sorted({str(record.created)[:10] for record in records if record.created})
    return {
        "version": segbench.__version__,
        "summary": {
            "records": len(records),
            "networks": len(by_model),
            "failed": sum(1 for row in rows if row.failure),
            "devices": list(dict.fromkeys(condition.describe(software=False) for condition in conditions)),
            "dates": list(dict.fromkeys((dates[0], dates[-1]))) if dates else [],
            "correlation": rank_correlation_of(rows, claims),
        },
        "fields": list(shown[0]) if shown else [],
        "rows": [list(row.values()) for row in shown],
        "names": {field: [_text_or_json(name) for name in found] for field, found in names.items()},
        "looks": {family: [_SYMBOLS[look[family].marker], look[family].colour] for family in names["family"]},
        "palette": list(PALETTE),
        "cards": {
            model: card(model, own, printed.get(model, ()), verdicts.get(model, ())) for model, own in by_model.items()
        },
        "peers": _peers(claims, by_model),
        "papers": dict(PAPERS),
        "fidelities": dict(FIDELITY_MEANING),
        "rules": dict(MEANINGS),
        "footers": [*condition_footers(rows, conditions), COUNTING_RULE],
        "files": dict(files),
    }


def _conditions(row: Measured) -> Sequence[Condition | None]:
    found: list[Condition | None] = [*sorted(row.speeds, key=Condition.order)]
    return found or [None]


def _row(
    row: Measured, condition: Condition | None, pairing: Pairing, printed: Mapping[str, Sequence[Claim]]
) -> dict[str, Any]:
    record, entry = row.record, CATALOG.get(row.model)
    timed = row.speeds.get(condition) if condition else None
    speed = (timed.speed if timed else None) or {}
    miou, fps = pairing.miou(record), pairing.fps(record)
    bounds = speed.get("fps_ci95")
    interval = [as_number(end) for end in bounds] if isinstance(bounds, (list, tuple)) and len(bounds) == 2 else []
    peak = timed.memory if timed and isinstance(timed.memory, dict) else record.memory
    return {
        "network": row.model,
        "height": row.resolution[0],
        "width": row.resolution[1],
        "classes": record.classes,
        "batch": record.batch,
        "params": row.params,
        "macs": row.macs,
        "fps": _short(row.number(condition, "fps")),
        "interval": [_short(end) for end in interval] if None not in interval else [],
        "latency": _short(row.number(condition, "latency")),
        "energy": _short(row.number(condition, "energy")),
        "memory": _short(as_number(peak.get("peak_mib")) if isinstance(peak, dict) else None),
        "busy": _short(busy_share(row, condition) if condition else None),
        "miou": _short(100 * row.accuracy.miou) if row.accuracy else None,
        "miouOn": f"{row.accuracy.dataset} {row.accuracy.split}".strip() if row.accuracy else "",
        "claimedMiou": [[str(item.figure), _where(item)] for item in miou],
        "claimedFps": [
            [str(item.figure), f"{item.claim.gpu or 'GPU not printed'} ({item.claim.paper})"] for item in fps
        ],
        "points": _points(row, miou, fps, condition, pairing),
        "printedIn": [key for key in PAPERS if any(claim.paper == key for claim in printed.get(row.model, ()))],
        "date": str((timed or record).created)[:10],
        "failure": row.failure,
        "family": entry.family if entry else row.model,
        "paper": entry.paper if entry else "",
        "fidelity": record.fidelity or "",
        "device": ""
        if condition is None
        else f"CPU {condition.device}"
        if condition.kind == "cpu"
        else condition.device,
        "mode": condition.mode if condition else "",
        "precision": condition.precision if condition else "",
        "bound": str(speed.get("verdict") or ""),
        "environment": _environment(timed or record),
        "software": condition.software if condition else "",
    }


def _environment(record: Record) -> str:
    found = record.environment if isinstance(record.environment, dict) else {}
    return json.dumps(plain_json(found), sort_keys=True)


def _where(item: Claimed) -> str:
    claim = item.claim
    return f"{claim.dataset} {claim.split}".strip() + ("" if claim.size else ", size not printed") + f" ({claim.paper})"


def _points(
    row: Measured, miou: Sequence[Claimed], fps: Sequence[Claimed], condition: Condition | None, pairing: Pairing
) -> list[list[Any]]:
    """Where the row stands on plots: data set, size, mIoU, whether it was measured, split, paper, printed costs."""
    found: list[list[Any]] = []
    if row.accuracy:
        found.append(
            [row.accuracy.dataset, show(row.resolution), _short(100 * row.accuracy.miou), 1, row.accuracy.split, "", {}]
        )
    for item in miou:
        claim = item.claim
        costs = pairing.costs(claim)
        if condition is not None and condition.kind != "cpu":
            own = [float(other.figure.value) for other in fps if other.claim.paper == claim.paper]
            costs = {**costs, **({"fps": own} if own else {})}
        size = show(claim.size) if claim.size else "size not printed"
        found.append([claim.dataset, size, float(item.figure.value), 0, claim.split, claim.paper, costs])
    return found


def _peers(claims: Sequence[Claim], by_model: Mapping[str, object]) -> list[list[Any]]:
    """Networks that papers print and segbench does not build: name, data set, size, mIoU, split, paper, costs."""
    pairing = Pairing([claim for claim in claims if claim.model not in CATALOG and claim.model not in by_model])
    peers = []
    for item in pairing.preferred:
        costs = pairing.costs(item.claim)
        if costs:
            claim = item.claim
            size = show(claim.size) if claim.size else "size not printed"
            peers.append([claim.model, claim.dataset, size, float(item.figure.value), claim.split, claim.paper, costs])
    return peers


def _interned(row: dict[str, Any], names: Mapping[str, dict[str, int]]) -> dict[str, Any]:
    for field, known in names.items():
        row[field] = known.setdefault(row[field], len(known))
    return row


def _text_or_json(name: str) -> Any:
    return json.loads(name) if name.startswith("{") else name


def _short(value: float | None) -> float | None:
    """Six significant digits: more than any column shows, and half the size."""
    return None if value is None else float(f"{value:.6g}")


def plain_json(content: Any, depth: int = 0) -> Any:
    """A field of a Record as JSON that a browser reads: no NaN, no bulk, no endless nesting."""
    if depth > _DEEPEST:
        return "..."
    if isinstance(content, Mapping):
        return {str(key): plain_json(value, depth + 1) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        short = len(content) <= _LONGEST_LIST
        return [plain_json(value, depth + 1) for value in content] if short else f"{len(content)} values"
    if content is None or isinstance(content, (bool, int)) or (isinstance(content, float) and math.isfinite(content)):
        return content
    if isinstance(content, float):
        return None
    text = str(content)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
