"""What the page knows: one row for each network, size and timing, one card for each network, as compact JSON types."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import segbench
from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.conditions import AccuracyConditions, TimingConditions, labels
from segbench.counting.meanings import MEANINGS
from segbench.report.charts import busy_share, rank_correlation_of
from segbench.report.leaderboard import COUNTING_RULE, condition_footers
from segbench.report.measured import Measured, benchmarks_of, older_footers, panels, small_prints, timings_of
from segbench.report.page_card import card
from segbench.report.pairing import Claimed, Pairing
from segbench.report.style import MARKERS, PALETTE, looks
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

INTERNED = (
    *("family", "paper", "fidelity", "device", "mode", "precision", "conditions", "bound", "miouOn"),
    "environment",
)
"""Fields of a row that hold a place in ``names`` rather than the text, which many rows share."""


def page_data(
    rows: Sequence[Measured],
    claims: Sequence[Claim],
    judgements: Iterable[Mapping[str, Any]],
    files: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the page shows.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: as from `segbench.claims.load_claims`.
        judgements: the audit's verdicts on printed costs, as ``segbench audit --json`` writes them.
        files: names and titles of the plots and papers' tables beside the page.
    """
    timings, pairing = timings_of(rows), Pairing(claims)
    named: Mapping[TimingConditions | None, str] = {None: "", **dict(zip(timings, labels(timings), strict=True))}
    benchmarks, shown_on = benchmarks_of(rows), panels(rows)
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
    shown = [
        _interned({**timed, **scored}, names)
        for row in rows
        for timed in _timed(row, named, pairing, printed)
        for scored in _scored(row, benchmarks, shown_on, timed.pop("claims"))
    ]
    look = looks([entry.family for entry in CATALOG.values()] + sorted({str(family) for family in names["family"]}))
    dates = sorted({record.created[:10] for row in rows for record in row.records if record.created})
    return {
        "version": segbench.__version__,
        "summary": {
            "records": sum(len(row.records) for row in rows),
            "networks": len(by_model),
            "failed": sum(1 for row in rows if row.failure),
            "devices": labels(timings),
            "dates": list(dict.fromkeys((dates[0], dates[-1]))) if dates else [],
            "correlation": rank_correlation_of(rows, claims),
        },
        "fields": list(shown[0]) if shown else [],
        "rows": [list(row.values()) for row in shown],
        "names": {
            field: [json.loads(name) if field == "environment" else name for name in found]
            for field, found in names.items()
        },
        "looks": {family: [_SYMBOLS[look[family].marker], look[family].colour] for family in names["family"]},
        "palette": list(PALETTE),
        "cards": {
            model: card(model, own, printed.get(model, ()), verdicts.get(model, ())) for model, own in by_model.items()
        },
        "peers": _peers(claims, by_model),
        "papers": dict(PAPERS),
        "fidelities": dict(FIDELITY_MEANING),
        "rules": dict(MEANINGS),
        "footers": [*condition_footers(rows, timings), COUNTING_RULE, *older_footers(rows)],
        "files": dict(files),
    }


def _timed(
    row: Measured,
    named: Mapping[TimingConditions | None, str],
    pairing: Pairing,
    printed: Mapping[str, Sequence[Claim]],
) -> Iterator[dict[str, Any]]:
    """What the page knows of a network at a size, once for each timing; `claims` are the points that papers print."""
    record, entry = row.record, CATALOG.get(row.model)
    miou, fps = pairing.miou(record), pairing.fps(record)
    found: list[TimingConditions | None] = [*sorted(row.timings, key=TimingConditions.order)]
    for conditions in found or [None]:
        timed = row.timings[conditions] if conditions else record
        speed = timed.speed
        memory = timed.memory or (None if conditions and conditions.optimized else record.memory)
        yield {
            "network": row.model,
            "height": row.resolution[0],
            "width": row.resolution[1],
            "classes": record.classes,
            "batch": record.batch,
            "params": row.params,
            "macs": row.macs,
            "uncounted": ", ".join(f"{kind}, {times} times" for kind, times in row.uncounted.items()),
            "fps": _short(row.number(conditions, "fps")),
            "interval": [_short(end) for end in speed.fps_ci95] if speed and speed.fps_ci95 else [],
            "latency": _short(row.number(conditions, "latency")),
            "energy": _short(row.number(conditions, "energy")),
            "memory": _short(memory.peak_mib if memory else None),
            "busyMs": _short(row.number(conditions, "gpu_busy_ms")),
            "enqueue": _short(row.number(conditions, "enqueue_ms")),
            "launches": _short(row.number(conditions, "launches")),
            "graph": _short(row.number(conditions, "graph_fps")),
            "busy": _short(busy_share(row, conditions) if conditions else None),
            "claimedMiou": [[str(item.figure), _where(item)] for item in miou],
            "claimedFps": [
                [str(item.figure), f"{item.claim.gpu or 'GPU not printed'} ({item.claim.paper})"] for item in fps
            ],
            "claims": _claimed_points(miou, fps, conditions, pairing),
            "printedIn": [key for key in PAPERS if any(claim.paper == key for claim in printed.get(row.model, ()))],
            "date": timed.created[:10],
            "failure": row.failure,
            "family": entry.family if entry else row.model,
            "paper": entry.paper if entry else "",
            "fidelity": record.fidelity or "",
            "device": conditions.chip() if conditions else "",
            "mode": conditions.mode if conditions else "",
            "precision": conditions.precision if conditions else "",
            "conditions": named[conditions],
            "bound": (speed.verdict if speed and conditions else None) or "",
            "environment": json.dumps(plain_json(timed.environment), sort_keys=True),
        }


def _scored(
    row: Measured,
    benchmarks: Sequence[AccuracyConditions],
    shown_on: Mapping[tuple[AccuracyConditions, tuple[int, int]], str],
    claims: list[list[Any]],
) -> Iterator[dict[str, Any]]:
    """The measured mIoU of a row, once for each accuracy, with its points on plots: the claims' are on one of them.

    A point is data set or benchmark, size, mIoU, whether it was measured, split, paper, printed costs.
    """
    scores = row.scores()
    if not scores:
        yield {"miou": None, "miouOn": "", "points": claims}
    for place, ((conditions, percent), text) in enumerate(zip(scores, small_prints(row, benchmarks), strict=True)):
        panel = shown_on[conditions.benchmark(), row.resolution]
        point: list[Any] = [panel, show(row.resolution), _short(percent), 1, conditions.split, "", {}]
        yield {"miou": _short(percent), "miouOn": text, "points": [point, *(() if place else claims)]}


def _where(item: Claimed) -> str:
    claim = item.claim
    return f"{claim.dataset} {claim.split}".strip() + ("" if claim.size else ", size not printed") + f" ({claim.paper})"


def _claimed_points(
    miou: Sequence[Claimed], fps: Sequence[Claimed], conditions: TimingConditions | None, pairing: Pairing
) -> list[list[Any]]:
    """Where papers' mIoUs for the row stand on plots."""
    found: list[list[Any]] = []
    for item in miou:
        claim = item.claim
        costs = pairing.costs(claim)
        if conditions is not None and not conditions.on_cpu:
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
