"""The audit of stored Records: printed costs against the counts that they hold; nothing is built or counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from segbench.audit.explanations import Quantity
from segbench.audit.judgement import UNITS, VERDICTS, Judgement, Reading, rank, read
from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim, load_claims
from segbench.record import Record

Counts = dict[tuple[str, int], dict[tuple[int, int], Record]]


def audit_records(records: Iterable[Record], claims: Iterable[Claim]) -> list[Judgement]:
    """Judge every printed cost whose network was counted with the claim's classes at the claim's size.

    Where a paper prints no size, every recorded size is tried, as `segbench.audit.audit` tries the usual ones. No hints
    are given: they take counts at sizes that a Record need not have.

    Args:
        records: in any order; of several counts of the same thing the latest is taken.
        claims: as from `segbench.claims.load_claims`.
    """
    counts: Counts = {}
    for record in sorted(records, key=lambda record: str(record.created)):
        if record.batch == 1 and (record.params is not None or record.operations):
            counts.setdefault((record.model, record.classes), {})[record.resolution] = record
    drafts: list[tuple[Claim, Quantity, int, list[Reading]]] = []
    for claim in dict.fromkeys(claims):
        classes = DATASET_CLASSES.get(claim.dataset, 19)
        found = counts.get((claim.model, classes), {})
        params, flops = _param_readings(claim, found), _flop_readings(claim, found)
        drafts += [(claim, "params", classes, params)] if params else []
        drafts += [(claim, "flops", classes, flops)] if flops else []
    votes: dict[str, Counter[str]] = {}
    for claim, quantity, _, readings in drafts:
        if quantity == "flops" and claim.size:
            exact = [reading.rule for reading in readings if reading.verdict == "exact"]
            votes.setdefault(claim.paper, Counter()).update(exact)
    judgements = []
    for claim, quantity, classes, readings in drafts:
        own = votes.get(claim.paper, Counter())
        best, *others = sorted(readings, key=lambda reading: rank(reading, own))
        explained = best.verdict != VERDICTS[-1]
        rivals = tuple(other for other in others if explained and other.verdict == best.verdict)
        judgements.append(Judgement(claim, quantity, classes, tuple(readings), best, rivals))
    return judgements


def verdicts(records: Iterable[Record], paper: str | None = None) -> list[dict[str, Any]]:
    """What a report takes as its judgements: the audit of these Records, on all papers' claims or on one's, as JSON."""
    return [judgement.to_json() for judgement in audit_records(records, load_claims(paper=paper))]


def _param_readings(claim: Claim, found: dict[tuple[int, int], Record]) -> list[Reading]:
    # Parameters have no size: any Record has them.
    counted = next((record.params for record in found.values() if isinstance(record.params, int)), None)
    if claim.params_m is None or counted is None:
        return []
    return [read(claim.params_m, UNITS["params"], "params", counted)]


def _flop_readings(claim: Claim, found: dict[tuple[int, int], Record]) -> list[Reading]:
    if claim.gflops is None:
        return []
    readings = []
    for size in _sizes(claim, found):
        for rule, count in found[size].operations.items():
            if rule != "live-macs" and isinstance(count, int) and count > 0:
                readings.append(read(claim.gflops, UNITS["flops"], rule, count, size))
    return readings


def _sizes(claim: Claim, found: dict[tuple[int, int], Record]) -> list[tuple[int, int]]:
    if claim.size is None:
        return list(found)
    entry = CATALOG.get(claim.model)
    wanted = entry.size_rule.nearest(claim.size) if entry else claim.size
    return [wanted] if wanted in found else []
