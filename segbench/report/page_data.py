"""What the page knows: one row for each network, size and timing, one card for each network, as compact JSON types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from segbench.catalog import CATALOG, references
from segbench.claims import PAPERS, Claim
from segbench.claims.ablations import ablations
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.timing_conditions import TimingConditions, labels
from segbench.report.charts import busy_share
from segbench.report.footers import OWN
from segbench.report.measured import Measured, benchmarks_of, panels, small_prints, timings_of
from segbench.report.page_claims import PrintedCost, cells, findings, printed_costs
from segbench.report.page_columns import COSTS, headline, present
from segbench.report.pairing import SELF_REPORTED, Claimed, Pairing
from segbench.report.style import MARKERS, looks
from segbench.resolution import show
from segbench.spec import is_own

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
_OWN = ["star", "#C00000"]  # of a user's own network, which stands out wherever it is

SIZE_NOT_PRINTED = "size not printed"
INTERNED = ("family", "paper", "fidelity", "conditions", "bound", "miouOn")
"""Fields of a row that hold a place in ``names`` rather than the text, which many rows share."""


def page_data(
    rows: Sequence[Measured], claims: Sequence[Claim], judgements: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything that the page's scripts use.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: as from `segbench.claims.load_claims`.
        judgements: the audit's verdicts on printed costs, as ``segbench audit --json`` writes them.
    """
    judgements = list(judgements)
    timings, pairing = timings_of(rows), Pairing(claims)
    named: Mapping[TimingConditions | None, str] = {None: "", **dict(zip(timings, labels(timings), strict=True))}
    benchmarks, shown_on = benchmarks_of(rows), panels(rows)
    printed, verdicts = by_model(claims), judged_by_model(judgements)
    networks = {model: place for place, model in enumerate(dict.fromkeys(row.model for row in rows))}
    shown = [
        {**timed, **scored, "below": {**timed["below"], **_below(scored)}, "card": networks[row.model]}
        for row in rows
        for timed in _timed(row, named, pairing, printed.get(row.model, ()), verdicts.get(row.model, ()))
        for scored in _scored(row, benchmarks, shown_on, timed.pop("claims"))
    ]
    _number(shown)
    columns = present(shown)
    own = {row["family"] for row in shown if row["fidelity"] == OWN}
    said = findings(shown, judgements)
    names: dict[str, dict[str, int]] = {field: {} for field in INTERNED}
    shown = [_interned(row, names) for row in shown]
    look = looks([entry.family for entry in CATALOG.values()] + sorted({str(family) for family in names["family"]}))
    return sound(
        {
            "columns": [asdict(column) for column in columns],
            "costs": {cost: headline(cost) for cost in COSTS if any(column.key == cost for column in columns)},
            "findings": said,
            "fields": list(shown[0]) if shown else [],
            "rows": [list(row.values()) for row in shown],
            "names": {field: list(found) for field, found in names.items()},
            "looks": {
                family: _OWN if family in own else [_SYMBOLS[look[family].marker], look[family].colour]
                for family in names["family"]
            },
            "networks": [named_and_linked(model) for model in networks],
            "peers": _peers(claims, networks),
        }
    )


def decoded(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of `page_data` by their fields, with names in place of the numbers that stand for them."""
    rows = [dict(zip(data["fields"], row, strict=True)) for row in data["rows"]]
    return [{**row, **{name: found[row[name]] for name, found in data["names"].items()}} for row in rows]


def named_and_linked(model: str) -> list[str]:
    """A network's name as papers print it, and the addresses of its paper and its code, or nothing."""
    entry, paper = CATALOG.get(model), references.cited(model)
    # One of the user's own keeps its whole name: two modules may have a `Net` each.
    title = references.title(model) if references.named(model) else model
    return [title, paper.url if paper else "", references.code_url(entry) if entry else ""]


def by_model(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    """The claims on each network."""
    found: dict[str, list[Claim]] = {}
    for claim in claims:
        found.setdefault(claim.model, []).append(claim)
    return found


def judged_by_model(judgements: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The audit's verdicts on each network."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for judgement in judgements:
        found.setdefault(str(judgement.get("model")), []).append(judgement)
    return found


def sound(content: Any) -> Any:
    """The same with a question mark for each half of a character, which a page cannot hold."""
    if isinstance(content, str):
        return content if content.isascii() else content.encode("utf-8", "replace").decode("utf-8")
    if isinstance(content, Mapping):
        return {sound(key): sound(value) for key, value in content.items()}
    return [sound(value) for value in content] if isinstance(content, (list, tuple)) else content


def _timed(
    row: Measured,
    named: Mapping[TimingConditions | None, str],
    pairing: Pairing,
    printed: Sequence[Claim],
    verdicts: Sequence[Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """What the page knows of a network at a size, once for each timing; `claims` are the points that papers print."""
    record, entry = row.record, CATALOG.get(row.model)
    miou = pairing.miou(record)
    found: list[TimingConditions | None] = [*sorted(row.timings, key=TimingConditions.order)]
    for conditions in found or [None]:
        timed = row.timings[conditions] if conditions else record
        speed = timed.speed
        memory = timed.memory or (None if conditions and conditions.optimized else record.memory)
        costs = printed_costs(row, conditions, printed)
        fields = cells(costs, verdicts)
        _claim_miou(fields, miou)
        yield {
            "network": f"{row.model} ({row.variant})" if row.variant else row.model,
            "size": show(row.resolution),
            "classes": record.classes,
            "batch": record.batch,
            "params": _short(row.params, 1e6),
            "macs": _short(row.macs, 1e9),
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
            "claims": _claimed_points(miou, costs["fps"], conditions, pairing),
            "printedIn": [key for key in PAPERS if any(claim.paper == key for claim in printed)],
            "date": timed.created[:10],
            "failure": row.failure,
            "family": entry.family if entry else row.model,
            "paper": entry.paper if entry else "",
            "fidelity": record.fidelity or (OWN if is_own(row.model) else ""),
            "ablation": int(row.model in ablations()),
            "conditions": named[conditions],
            "bound": (speed.verdict if speed and conditions else None) or "",
            **fields,
        }


def _claim_miou(fields: dict[str, Any], miou: Sequence[Claimed]) -> None:
    """The claimed mIoUs: those of the row's size apart from those whose size is not printed."""
    for key, printed in (
        ("miouClaimed", [item for item in miou if item.claim.size]),
        ("miouElsewhere", [item for item in miou if not item.claim.size]),
    ):
        fields[key] = float(printed[0].figure.value) if printed else None
        if printed:
            claim, more = printed[0].claim, f" +{len(printed) - 1}" if len(printed) > 1 else ""
            own = f", {SELF_REPORTED}" if claim.paper == SELF_REPORTED else ""
            fields["below"][key] = f"{claim.dataset} {claim.split}".strip() + own + more
            fields["hints"][key] = "\n".join(f"{item.figure} {_where(item)}" for item in printed)


def _number(rows: Sequence[dict[str, Any]]) -> None:
    """Number the rows of one network, size and class count, which make a name that an address can hold."""
    taken: Counter[tuple[str, str, int]] = Counter()
    for row in rows:
        key = row["network"], row["size"], row["classes"]
        row["nth"] = taken[key]
        taken[key] += 1


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


def _below(scored: Mapping[str, Any]) -> dict[str, str]:
    return {"miou": scored["miouOn"]} if scored["miouOn"] else {}


def _where(item: Claimed) -> str:
    claim = item.claim
    return f"{claim.dataset} {claim.split}".strip() + ("" if claim.size else ", size not printed") + f" ({claim.paper})"


def _claimed_points(
    miou: Sequence[Claimed], fps: Sequence[PrintedCost], conditions: TimingConditions | None, pairing: Pairing
) -> list[list[Any]]:
    """Where papers' mIoUs for the row stand on plots."""
    found: list[list[Any]] = []
    for item in miou:
        claim = item.claim
        costs = pairing.costs(claim)
        if conditions is not None and not conditions.on_cpu:
            own = [float(str(other.compared.claimed)) for other in fps if other.claim.paper == claim.paper]
            costs = {**costs, **({"fps": own} if own else {})}
        size = show(claim.size) if claim.size else SIZE_NOT_PRINTED
        found.append([claim.dataset, size, float(item.figure.value), 0, claim.split, claim.paper, costs])
    return found


def _peers(claims: Sequence[Claim], measured: Mapping[str, object]) -> list[list[Any]]:
    """Networks that papers print and segbench does not build: name, data set, size, mIoU, split, paper, costs."""
    pairing = Pairing([claim for claim in claims if claim.model not in CATALOG and claim.model not in measured])
    peers = []
    for item in pairing.preferred:
        costs = pairing.costs(item.claim)
        if costs:
            claim = item.claim
            size = show(claim.size) if claim.size else SIZE_NOT_PRINTED
            peers.append([claim.model, claim.dataset, size, float(item.figure.value), claim.split, claim.paper, costs])
    return peers


def _interned(row: dict[str, Any], names: Mapping[str, dict[str, int]]) -> dict[str, Any]:
    for field, known in names.items():
        row[field] = known.setdefault(row[field], len(known))
    return row


def _short(value: float | None, unit: float = 1.0) -> float | None:
    """Six significant digits in `unit`: more than any column shows, and half the size."""
    return None if value is None else float(f"{value / unit:.6g}")
