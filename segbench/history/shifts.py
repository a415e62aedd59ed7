"""Where a series of timings shifts: change points of samples that were taken commit by commit.

The commits, not the frames and not the processes, are what is repeated: a machine's day, the placement of code in
memory and the room's temperature are shared by all processes of a commit. So a commit is one value, the median
logarithm of its samples, with two noises: between the processes of a commit, which its samples show and which falls
with their number, and between commits, which the differences of neighbours show (robustly, so that a change does not
count as noise).

PELT (Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear computational cost", JASA 107,
2012) finds the partition into runs of commits whose squared distances from the run's mean, in units of that noise, and
a penalty for each run are least. The penalty is calibrated by simulation (`benchmarks/history_alarms.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from segbench.errors import SegbenchError

LEAST = 10
"""Commits that a series must have: fewer do not show how much commits differ without a change."""

PENALTY, SHORT_SERIES = 16.0, 5000.0
"""Penalty of a run: the first, twice the logarithm of all values that are searched, and the second over the square of
the number of commits, of which few tell the noise badly."""

CONFIRMED = 3
"""Commits in a row that a level must last: one or two are what a machine that is busy for an hour disturbs."""

MIN_EFFECT = 0.03
"""Smallest relative shift that matters, as in `segbench check`."""

# A thousandth: below it no difference between two commits is anything but noise.
_FLOOR = 1e-3
# Of a standard deviation over the median distance from 0, for a normal distribution.
_NORMAL = 1.4826
# A commit with many samples weighs at most this many times one with few.
_HEAVIEST = 12
_RANGE = 0.95

Array = NDArray[np.float64]


class MissingLibrary(SegbenchError):
    """The library that finds change points is not installed."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One change point.

    Attributes:
        place: index of the first commit after the shift.
        first: earliest index that the samples allow for it, with a probability of 95 % for the range.
        last: latest index that they allow.
        before: median of the commits before it, back to the shift before.
        after: median of the commits from it on, up to the next shift.
    """

    place: int
    first: int
    last: int
    before: float
    after: float


def find_shifts(samples: Sequence[Sequence[float]], series: int = 1, min_effect: float = MIN_EFFECT) -> list[Shift]:
    """The shifts of a series, in its order.

    One or two commits at another level are no shift but set aside as disturbed; so a change is found when `CONFIRMED`
    commits have it.

    Args:
        samples: for each commit what its processes showed: times, FPS or memory, above 0.
        series: how many series are searched together: the more, the higher the penalty, lest their number bring false
            changes.
        min_effect: smallest relative shift that matters.

    Returns:
        None are found in fewer than `LEAST` commits.

    Raises:
        MissingLibrary: ruptures is not installed.
        ValueError: a commit without samples, or a sample that is not above 0.
    """
    if not all(samples) or not all(0 < value < math.inf for commit in samples for value in commit):
        raise ValueError("change points need samples that are finite and above 0 of every commit")
    if len(samples) < LEAST:
        return []
    logs = [np.log(np.asarray(commit, dtype=np.float64)) for commit in samples]
    values = np.array([np.median(commit) for commit in logs])
    noise = _noise(logs, values)
    penalty = PENALTY + 2 * math.log(len(values) * series) + SHORT_SERIES / len(values) ** 2
    kept = np.arange(len(values))
    while True:
        ends = [0, *_runs(values[kept], noise[kept], penalty)]
        pairs = pairwise(ends)
        short = [place for start, end in pairs if end - start < CONFIRMED for place in range(start, end)]
        if not short:
            break
        if len(kept) - len(short) < len(values) / 2:
            # What never stands still has no level to shift from.
            return []
        kept = np.delete(kept, short)
    starts = _large_enough(values[kept], noise[kept], ends[1:-1], math.log1p(min_effect))
    return [_shift(place, [0, *starts, len(kept)], kept, values, noise) for place in range(1, len(starts) + 1)]


def _noise(logs: Sequence[Array], values: Array) -> Array:
    """Standard deviation of each commit's value without a change."""
    spreads = [float(commit.var(ddof=1)) for commit in logs if len(commit) > 1]
    within = float(np.mean(spreads)) if spreads else 0.0
    # A median of n samples varies by pi / 2n of what one of them does.
    of_processes = np.array([within / len(commit) * (math.pi / 2 if len(commit) > 2 else 1.0) for commit in logs])
    neighbours = (_NORMAL * float(np.median(np.abs(np.diff(values))))) ** 2 / 2
    between = max(neighbours - float(np.median(of_processes)), 0.0)
    noise: Array = np.sqrt(np.maximum(of_processes + between, _FLOOR**2))
    return noise


def _runs(values: Array, noise: Array, penalty: float) -> list[int]:
    """Ends of the runs of least cost."""
    try:
        from ruptures import KernelCPD
    except ImportError as error:
        raise MissingLibrary("looking for changes needs ruptures: pip install 'segbench[history]'") from error
    weights = 1 / noise**2
    # The library weighs no value, so a commit stands as many times as it weighs, which leaves the optimum between
    # commits.
    times = np.clip(np.rint(weights / weights.min()), 1, _HEAVIEST).astype(int)
    scale = float(np.median(weights / times))
    signal = np.repeat((values - np.median(values)) * math.sqrt(scale), times)
    found = KernelCPD(kernel="linear", min_size=1).fit(signal.reshape(-1, 1)).predict(pen=penalty)
    # Rounding may put a boundary within a commit: it is then at the nearer of the commit's ends.
    ends = np.concatenate([[0], np.cumsum(times)])
    return sorted({int(np.abs(ends - end).argmin()) for end in found} - {0})


def _large_enough(values: Array, noise: Array, starts: Sequence[int], limit: float) -> list[int]:
    """The shifts that matter: the smallest is given up, and its two runs are one, until all are large enough."""
    left = list(starts)
    while left:
        ends = [0, *left, len(values)]
        levels = [_level(values, noise, start, end) for start, end in pairwise(ends)]
        sizes = [abs(after - before) for before, after in pairwise(levels)]
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= limit:
            break
        del left[smallest]
    return left


def _level(values: Array, noise: Array, start: int, end: int) -> float:
    return float(np.average(values[start:end], weights=1 / noise[start:end] ** 2))


def _shift(number: int, ends: Sequence[int], kept: NDArray[np.intp], values: Array, noise: Array) -> Shift:
    """The `number`-th of the shifts at `ends`, which has 0 before and the length behind them, with its range."""
    before, place, after = ends[number - 1 : number + 2]
    scaled, weights = values[kept][before:after], 1 / noise[kept][before:after] ** 2
    costs = np.array(
        [_cost(scaled[:at], weights[:at]) + _cost(scaled[at:], weights[at:]) for at in range(1, len(scaled))]
    )
    chances = np.exp(-(costs - costs.min()) / 2)
    chances /= chances.sum()
    order = np.argsort(-chances)
    enough = order[: int(np.searchsorted(np.cumsum(chances[order]), _RANGE)) + 1]
    places = [int(kept[before + 1 + at]) for at in (enough.min(), place - before - 1, enough.max())]
    return Shift(
        place=places[1],
        # A commit that was set aside may be the first after the shift.
        first=int(kept[before + enough.min()]) + 1,
        last=places[2],
        before=math.exp(float(np.median(values[kept][before:place]))),
        after=math.exp(float(np.median(values[kept][place:after]))),
    )


def _cost(values: Array, weights: Array) -> float:
    return float((weights * (values - np.average(values, weights=weights)) ** 2).sum())
