"""The rows of `segbench table`, `find` and `plot`: a network at a size with a timing, beside what is printed for it.

Imports no torch and no pandas.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from segbench.audit.counts import Counts
from segbench.audit.judge import judge
from segbench.claims import Claim, load_claims
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, labels
from segbench.report.measured import Measured, benchmarks_of, measured, small_prints, timings_of
from segbench.report.pairing import SELF_REPORTED, Pairing, belongs

PUBLISHED = "published"


@dataclass(frozen=True)
class Row:
    """One network at one size, with one timing and one measured mIoU, and what papers print for it there.

    Attributes:
        source: where its Record comes from: `PUBLISHED`, or ``measured`` for the files that were given.
        row: its costs and figures.
        timing: the conditions of its timing; None where it was not timed.
        scored: those of its mIoU; None where none was measured.
        context: the claims and the audit.
    """

    source: str
    row: Measured
    timing: TimingConditions | None
    scored: AccuracyConditions | None
    context: Context

    @property
    def record(self) -> Record:
        """The latest Record."""
        return self.row.record

    def timed(self, quantity: str) -> float | None:
        """A timed quantity, as `Measured.number` names it."""
        return self.row.number(self.timing, quantity)

    def score(self) -> float | None:
        """The measured mIoU in percent."""
        return next((percent for scored, percent in self.row.scores() if scored == self.scored), None)

    def claim(self, quantity: str) -> Claim | None:
        """The row of a paper that prints a quantity for this network, classes and size; of several the first."""
        if self.record.batch != 1 and quantity != "params_m":
            return None
        fitting = self.context.claims_of(self.row)
        # Parameters have no size.
        sized = [claim for claim in fitting if quantity == "params_m" or claim.size == self.record.resolution]
        return next((claim for claim in sized if getattr(claim, quantity)), None)

    def claimed(self, quantity: str, unit: int = 1) -> float | None:
        """The printed figure in base units."""
        if quantity == "miou_percent":
            printed = next(iter(self._printed_miou()), None)
            return float(printed.miou_percent.value) if printed and printed.miou_percent else None
        claim = self.claim(quantity)
        return None if claim is None else float(getattr(claim, quantity).value * unit)

    def printed_miou(self) -> Claim | None:
        """What the user reports for the network at this size, or else the first row of a paper that prints it."""
        reported = self._printed_miou(reported=True)
        return next(iter([*reported, *self._printed_miou()]), None)

    def _printed_miou(self, *, reported: bool = False) -> list[Claim]:
        # By the rules of `segbench.report.pairing`: test before val, tables before prose.
        found = [item.claim for item in self.context.pairing.miou(self.record) if item.claim.size]
        return [claim for claim in found if (claim.paper == SELF_REPORTED) == reported and self.record.batch == 1]

    def ratio(self, measured: float | None, claimed: float | None) -> float | None:
        """Measured over claimed."""
        return measured / claimed if measured is not None and claimed else None


class Context:
    """What stands beside Records: printed figures, and the audit's verdicts on them."""

    def __init__(self, records: Sequence[Record], reported: Sequence[Claim], rows: Sequence[Measured]) -> None:
        """Gather the claims, what the user reports, and what tells conditions apart; the audit waits until asked for.

        Args:
            records: those that the audit judges.
            reported: what the user gives for networks.
            rows: everything that can be chosen from.
        """
        self.pairing = Pairing([*load_claims(), *reported])
        self._records = records
        timings = timings_of(rows)
        self.timed_under = dict(zip(timings, labels(timings), strict=True))
        benchmarks = benchmarks_of(rows)
        self.scored_on = {
            (id(row), scored): text
            for row in rows
            for (scored, _), text in zip(row.scores(), small_prints(row, benchmarks), strict=True)
        }
        self._claims: dict[tuple[object, ...], list[Claim]] = {}

    def claims_of(self, row: Measured) -> list[Claim]:
        """The claims on a row's network, for its classes, at its size or without one; tables before prose."""
        key = row.model, row.record.classes, row.resolution
        if key not in self._claims:
            found = [claim for claim in self.pairing.claims if belongs(claim, row.record)]
            self._claims[key] = sorted(found, key=lambda claim: not claim.table.isdigit())
        return self._claims[key]

    @functools.cached_property
    def verdicts(self) -> Mapping[Claim, str]:
        """The audit's verdict on the operations that a claim prints."""
        printed = [claim for claim in self.pairing.claims if claim.paper != SELF_REPORTED]
        judged = judge(printed, Counts(self._records, recount=False)).judgements
        return MappingProxyType({item.claim: str(item.verdict) for item in judged if item.quantity == "flops"})


def rows_of(records: Iterable[Record], published: Iterable[Record] = (), reported: Sequence[Claim] = ()) -> list[Row]:
    """What can be chosen from: the Records given, then the published costs; a row for each timing of a network.

    Args:
        records: those of the user.
        published: as from `segbench.published_costs.published_costs`.
        reported: what the user gives for networks, as from `segbench.report.self_reported.self_reported`.
    """
    own, others = list(records), list(published)
    gathered = [(source, measured(some)) for source, some in (("measured", own), (PUBLISHED, others))]
    context = Context([*others, *own], reported, [row for _, rows in gathered for row in rows])
    return [
        Row(source, row, timing, scored, context)
        for source, rows in gathered
        for row in rows
        for timing, scored in _figures(row)
    ]


def _figures(row: Measured) -> Iterator[tuple[TimingConditions | None, AccuracyConditions | None]]:
    """Each timing with the official mIoU of the whole split, or what comes nearest; further mIoUs alone."""
    scores = [scored for scored, _ in row.scores()]
    official = scores[0] if scores else None
    timings: list[TimingConditions | None] = [*sorted(row.timings, key=TimingConditions.order)]
    yield from ((timing, official) for timing in timings or [None])
    yield from ((None, scored) for scored in scores[1:])
