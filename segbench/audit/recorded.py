"""The audit of stored Records: printed costs against the counts that they hold; nothing is built or counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from segbench.audit.counts import Counts
from segbench.audit.judge import judge
from segbench.audit.judgement import Judgement
from segbench.audit.speed import judge_speed
from segbench.claims import Claim, load_claims
from segbench.records.record import Record


def audit_records(records: Iterable[Record], claims: Iterable[Claim]) -> list[Judgement]:
    """Judge every printed cost whose network was counted with the claim's classes at a size that the audit takes.

    Args:
        records: in any order; of several counts of the same thing the latest is taken.
        claims: as from `segbench.claims.load_claims`.
    """
    return list(judge(claims, Counts(records, recount=False)).judgements)


def verdicts(records: Iterable[Record], paper: str | None = None) -> list[dict[str, Any]]:
    """What a report takes as its judgements, on all papers' claims or on one's: of costs, then of speeds, as JSON."""
    claims, counts = load_claims(paper=paper), Counts(records, recount=False)
    costs, speeds = judge(claims, counts).judgements, judge_speed(claims, counts)
    return [*(item.to_json() for item in costs), *(item.to_json() for item in speeds)]
