"""Hold one printed cost against the counts of the network: under which rule does it agree, and how closely.

A verdict is one of

- ``exact``: a rule's count rounds to the printed digits;
- ``within 1 %``, ``within 5 %``: the closest rule is that near;
- ``2x``: only a doubled count is that near: the paper counts two operations per multiply-accumulate;
- ``explained``: no rule comes within 5 %, but the count of something that `segbench.audit.explanations` names does;
- ``copied, not met``: another paper prints the figure first, and no count of public code meets it;
- ``unexplained``: nothing is known.

Where neither the paper nor the figure's source names a size, usual sizes are tried. A verdict at such a guessed size is
marked, and only a count within 1 % gives one: with some thirty counts to choose from, chance alone comes within 5 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from segbench.audit.explanations import EXPLANATIONS, Explanation, Quantity
from segbench.claims import Claim, Figure
from segbench.claims.provenance import Provenance, source_of

Verdict = Literal["exact", "within 1 %", "within 5 %", "2x", "explained", "copied, not met", "unexplained"]

VERDICTS: tuple[Verdict, ...] = (
    *("exact", "within 1 %", "within 5 %", "2x", "explained", "copied, not met", "unexplained"),
)
UNITS: Mapping[Quantity, int] = {"params": 10**6, "flops": 10**9}
DOUBLED = "2xmacs"
NEAR = 0.05  # the largest error of a count that explains a figure
NEAR_AT_A_GUESS = 0.01  # the same at a size that is a guess


@dataclass(frozen=True)
class Reading:
    """One count that a printed figure may stand for: a rule, at a size.

    Attributes:
        rule: the counting rule; ``params`` for parameters.
        resolution: height and width that were counted; None for parameters.
        measured: our count, an integer.
        error: ``(measured - claimed) / claimed``.
        verdict: how closely it agrees; ``unexplained`` where it is not near.
        guessed: whether no source names this size.
    """

    rule: str
    resolution: tuple[int, int] | None
    measured: int
    error: float
    verdict: Verdict
    guessed: bool = False


@dataclass(frozen=True)
class Judgement:
    """One printed cost and what explains it.

    Attributes:
        claim: the printed row.
        quantity: ``params`` or ``flops``.
        classes: output channels that were counted, those of the claim's data set.
        readings: the count under every rule, at the printed size (at several sizes where the paper prints none).
        best: the reading that explains the figure best.
        rivals: other readings with the same verdict; without any, the explanation is unique.
        hint: where a figure that no rule meets agrees after all: at another size, or with another class count.
    """

    claim: Claim
    quantity: Quantity
    classes: int
    readings: tuple[Reading, ...]
    best: Reading
    rivals: tuple[Reading, ...]
    hint: str = ""

    @property
    def figure(self) -> Figure:
        """The figure as printed."""
        figure = self.claim.params_m if self.quantity == "params" else self.claim.gflops
        assert figure is not None
        return figure

    @property
    def guessed(self) -> bool:
        """Whether a verdict on how the figure was counted rests on a size that no source names."""
        return self.best.guessed and self.verdict not in {"copied, not met", "unexplained"}

    @property
    def source(self) -> Provenance | None:
        """Where the figure comes from, where that was looked up."""
        return source_of(self.claim, self.quantity)

    @property
    def unique(self) -> bool:
        """Whether no other rule explains the figure as well; always so where nothing explains it."""
        return not self.rivals

    @property
    def explanation(self) -> Explanation | None:
        """What is known about a figure that no rule meets within 1 %."""
        if self.best.verdict in {"exact", "within 1 %", "2x"}:
            return None
        return EXPLANATIONS.get((self.claim.model, self.quantity, str(self.figure)))

    @property
    def explained_error(self) -> float | None:
        """``(count - claimed) / claimed`` of the explanation's count; None where it names none."""
        if self.explanation is None or self.explanation.count is None:
            return None
        return self.explanation.count / (float(self.figure.value) * (self.explanation.unit or UNITS[self.quantity])) - 1

    @property
    def verdict(self) -> Verdict:
        """The best reading's verdict; where no reading is near, what an explanation's count or the source say."""
        if self.best.verdict != "unexplained":
            return self.best.verdict
        error = self.explained_error
        if error is not None and abs(error) <= (NEAR_AT_A_GUESS if self.best.guessed else NEAR):
            return "explained"
        return "copied, not met" if self.source and self.source.verdict == "copied, not met" else "unexplained"

    def to_json(self) -> dict[str, Any]:
        """The judgement as JSON types; figures of the paper stay printed text."""
        claim, best = self.claim, self.best
        return {
            "paper": claim.paper,
            "table": claim.table,
            "model": claim.model,
            "printed_name": claim.printed_name,
            "quantity": self.quantity,
            "dataset": claim.dataset or None,
            "classes": self.classes,
            "resolution": list(claim.size) if claim.size else None,
            "counted_at": list(best.resolution) if best.resolution else None,
            "guessed_size": self.guessed,
            "claimed": str(self.figure),
            "unit": UNITS[self.quantity],
            "rule": best.rule,
            "measured": best.measured,
            "error": best.error,
            "verdict": self.verdict,
            "unique": self.unique,
            "rivals": [reading.rule for reading in self.rivals],
            "rules": {
                reading.rule: {"measured": reading.measured, "error": reading.error, "verdict": reading.verdict}
                for reading in self.readings
                if reading.resolution == best.resolution
            },
            "hint": self.hint,
            "explanation": self.explanation and self.explanation.sentence,
            "explained_by": self.explanation and self.explanation.count,
            "explained_error": self.explained_error,
            "explained_unit": self.explanation and (self.explanation.unit or UNITS[self.quantity]),
            "source": self.source and self.source.source,
            "mark": self.source.mark if self.source else "",
            "note": claim.note,
        }


def read(
    figure: Figure,
    unit: int,
    rule: str,
    measured: int,
    resolution: tuple[int, int] | None = None,
    guessed: bool = False,
) -> Reading:
    """Judge one count against a printed figure in units of `unit`; `guessed` says that no source names the size."""
    error = measured / (float(figure.value) * unit) - 1
    verdict: Verdict
    exact = figure.agrees_with(_decimal(measured, unit))
    if abs(error) > (NEAR_AT_A_GUESS if guessed and not exact else NEAR):
        verdict = "unexplained"
    elif rule == DOUBLED:
        verdict = "2x"
    elif exact:
        verdict = "exact"
    else:
        verdict = "within 1 %" if abs(error) <= 0.01 else "within 5 %"
    return Reading(rule, resolution, measured, error, verdict, guessed)


def rank(reading: Reading, votes: Mapping[str, int]) -> tuple[int, int, float]:
    """Sort key, best first: the verdict, then the rule that explains most of the same paper, then the error.

    No paper prints digits enough to tell errors apart below 0.01 %.
    """
    return VERDICTS.index(reading.verdict), -votes.get(reading.rule, 0), round(abs(reading.error), 4)


def _decimal(measured: int, unit: int) -> Any:
    from decimal import Decimal

    return Decimal(measured) / unit
