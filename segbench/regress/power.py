"""What slowdown a run would find, and how many processes find a given one: the rule of `verdicts`, simulated.

The rule says SLOWER where an exact test rejects and the estimate reaches the minimum effect. Both only become likelier
the larger the slowdown, so each simulated run has one smallest slowdown that it would have found, and the 95th
percentile of these over many runs is found in 95 % of them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from segbench.regress.verdicts import LEVEL, logarithms, rejecting

POWER = 0.95
"""How often the slowdown that is named is found."""

MOST = 100
"""Processes a side that are never exceeded."""

CONFIDENCE = 0.8
"""Of the upper limit of the noise, which few processes show too small as often as too large."""

_RUNS = 2000
_BLOCK = 4_000_000


def process_noise(*sides: Sequence[float]) -> float | None:
    """Noise between processes: the upper 80 % confidence limit of the standard deviation of the logarithm of a cost.

    A pilot sample's own standard deviation plans too few samples in half of the cases; its upper limit does so in one
    of five (Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14, 1995).

    Args:
        sides: costs, one per process; each side varies about its own mean.

    Returns:
        None where no side has two processes.
    """
    logs = [logarithms(side) for side in sides if len(side) > 1]
    freedom = sum(len(side) - 1 for side in logs)
    if not freedom:
        return None
    squares = sum(float(((side - side.mean()) ** 2).sum()) for side in logs)
    return math.sqrt(squares / _chi_squared(1 - CONFIDENCE, freedom))


def _chi_squared(probability: float, freedom: int) -> float:
    """Quantile by Wilson and Hilferty's cube (PNAS 17, 1931): within 1 % for a fifth and 4 degrees or more."""
    ninth = 2 / (9 * freedom)
    return float(freedom * (1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth)) ** 3)


def smallest_effect(noise: float, processes: tuple[int, int], comparisons: int, min_effect: float) -> float | None:
    """The smallest slowdown that a run finds in 95 % of cases, as a ratio minus 1.

    Args:
        noise: standard deviation of the logarithm of a cost between processes.
        processes: of the baseline and of the current side.
        comparisons: in the run, which share its level.
        min_effect: smallest change that matters: what is smaller is never SLOWER.

    Returns:
        None where no slowdown is found, however large: too few processes for so many comparisons.
    """
    count = rejecting(*processes, LEVEL / comparisons)
    if count is None:
        return None
    if noise == 0:
        return min_effect
    reject, estimate = _simulated(*processes, count)
    found = np.maximum(reject, math.log1p(min_effect) / noise - estimate)
    return math.expm1(noise * float(np.quantile(found, POWER)))


def processes_for(
    effect: float, noise: float, comparisons: int, min_effect: float, baseline: int | None = None
) -> int | None:
    """Fewest processes that find a slowdown in 95 % of cases.

    Args:
        effect: the slowdown, as a ratio minus 1.
        noise: as for `smallest_effect`.
        comparisons: the same.
        min_effect: the same; must be below `effect`.
        baseline: processes of a stored baseline, which do not grow; None where both sides have as many.

    Returns:
        None where `MOST` are not enough.
    """

    def found(count: int) -> bool:
        smallest = smallest_effect(noise, (baseline or count, count), comparisons, min_effect)
        return smallest is not None and smallest <= effect

    low, high = 1, MOST
    if not found(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


@functools.lru_cache(maxsize=256)
def _simulated(before: int, after: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What must be added in each of many runs without a change for the test to reject, and the run's estimate.

    Both are in units of the noise.

    Args:
        before: processes of the baseline.
        after: of the current side.
        count: pairs in which the current side must be slower for the test to reject.
    """
    chance = np.random.default_rng(0)
    pairs, reject, estimate = before * after, [], []
    for start in range(0, _RUNS, max(_BLOCK // pairs, 1)):
        runs = min(_RUNS - start, max(_BLOCK // pairs, 1))
        gaps = chance.standard_normal((runs, after, 1)) - chance.standard_normal((runs, 1, before))
        gaps = np.partition(gaps.reshape(runs, pairs), (pairs - count, (pairs - 1) // 2, pairs // 2), axis=1)
        reject.append(-gaps[:, -count])
        estimate.append((gaps[:, pairs // 2] + gaps[:, (pairs - 1) // 2]) / 2)
    return np.concatenate(reject), np.concatenate(estimate)
