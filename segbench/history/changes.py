"""Every change of a history, with the commits that it may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from segbench.history.commits import Commit
from segbench.history.series import Series, Value
from segbench.history.shifts import LEAST, MIN_EFFECT, find_shifts
from segbench.records.results import Signature


@dataclass(frozen=True)
class Change:
    """One quantity of one network that changed between two commits.

    Attributes:
        series: which quantity, and where.
        first: the last commit that is known to be before the change.
        last: the first commit that is known to have it.
        place: index in the series of the first commit with the new value, as far as the samples tell.
        before: value before; of what has noise the median over commits, back to the change before.
        after: value after it, up to the next change.
    """

    series: Series
    first: Commit
    last: Commit
    place: int
    before: Value
    after: Value

    @property
    def commits(self) -> int | None:
        """How many commits it may be: 1 where it is known to be `last`; None where a commit has no number."""
        if self.first.number is None or self.last.number is None:
            return None
        return self.last.number - self.first.number

    @property
    def ratio(self) -> float | None:
        """Value after over value before; None where there is none."""
        if isinstance(self.before, Signature) or isinstance(self.after, Signature) or not self.before:
            return None
        return self.after / self.before

    @property
    def span(self) -> str:
        """The commits as git names them: ``git log SPAN`` lists those that may be the change."""
        return f"{self.first.short}..{self.last.short}"


def find_changes(series: Sequence[Series], min_effect: float = MIN_EFFECT) -> list[tuple[Series, list[Change]]]:
    """Each series with its changes.

    Args:
        series: all of a history, which are searched together.
        min_effect: smallest relative change of a timing that matters.

    Raises:
        MissingLibrary: timings are to be searched, and ruptures is not installed.
    """
    searched = sum(not one.exact and len(one.points) >= LEAST for one in series)
    return [(one, list(_exact(one) if one.exact else _noisy(one, searched, min_effect))) for one in series]


def _exact(series: Series) -> Iterator[Change]:
    for place, (before, after) in enumerate(pairwise(series.points), 1):
        if not series.same(before.samples[0], after.samples[0]):
            yield Change(series, before.commit, after.commit, place, before.samples[0], after.samples[0])


def _noisy(series: Series, searched: int, min_effect: float) -> Iterator[Change]:
    commits = [point.commit for point in series.points]
    for shift in find_shifts(_numbers(series), searched, min_effect):
        first, last = commits[shift.first - 1], commits[shift.last]
        yield Change(series, first, last, shift.place, shift.before, shift.after)


def _numbers(series: Series) -> list[list[float]]:
    return [[sample for sample in point.samples if not isinstance(sample, Signature)] for point in series.points]


def levels(series: Series) -> list[float]:
    """The value of each commit: the median over its samples; empty for logits, which are no number."""
    return [] if any(not values for values in _numbers(series)) else [median(values) for values in _numbers(series)]
