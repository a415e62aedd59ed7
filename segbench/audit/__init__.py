"""Published against measured, under every counting rule. Imports no torch.

Papers print "FLOPs" under different rules, and some tables mix them. For each printed parameter count and FLOPs figure
whose network is built, the audit takes the counts of the network with the classes of the claim's data set at the
printed size and finds the rule that explains the figure. Where several rules do, the one that explains most of the same
paper's figures is named, and the others stand beside it.

================  ====================================================================================
``audit``         judges claims by the published costs, and counts what they lack
``recorded``      judges claims by the counts that Records hold, and by nothing else
``judge``         both: the readings of a figure, the votes of a paper, the verdict, the hint
``judgement``     one figure and its verdict
``counts``        where counts come from
``explanations``  what is known of figures that no rule meets
``speed``         printed FPS against the peaks of cards
================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable

from segbench.audit.counts import Counts
from segbench.audit.explanations import Quantity
from segbench.audit.judge import Audit, OnProgress, judge
from segbench.audit.judgement import UNITS, VERDICTS, Judgement, Reading, Verdict
from segbench.audit.speed import SpeedJudgement, judge_speed
from segbench.claims import Claim, select
from segbench.published_costs import published_costs
from segbench.records.record import Record

__all__ = [
    "UNITS",
    "VERDICTS",
    "Audit",
    "Judgement",
    "Quantity",
    "Reading",
    "SpeedJudgement",
    "Verdict",
    "audit",
    "audit_speed",
    "select",
]


def audit(
    claims: Iterable[Claim], on_progress: OnProgress | None = None, records: Iterable[Record] | None = None
) -> Audit:
    """Judge every printed cost among `claims`; what no Record of this version holds is counted.

    Args:
        claims: as from `select`.
        on_progress: told the network, how many are done, and how many there are.
        records: with counts; the published ones by default.
    """
    return judge(claims, Counts(published_costs() if records is None else records, recount=True), on_progress)


def audit_speed(claims: Iterable[Claim], records: Iterable[Record] | None = None) -> list[SpeedJudgement]:
    """Hold every printed FPS among `claims` against the peak of each card that its print may mean.

    Args:
        claims: as from `select`.
        records: with counts; the published ones by default. What no Record of this version holds is counted.
    """
    return judge_speed(claims, Counts(published_costs() if records is None else records, recount=True))
