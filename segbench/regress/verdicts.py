"""Is a network slower? Exact rank tests over processes, a minimum effect, and one level for the whole run.

Processes are the samples, because cuDNN's choices, memory placement and clocks differ between processes and stay within
one. A comparison is judged on logarithms of costs (a time per image, a memory), so that an effect is a ratio:

* p: one-sided exact Mann-Whitney test, ties included (Mann and Whitney, Annals of Mathematical Statistics 18, 1947).
* effect and its interval: the median of all pairwise ratios and the ratios that the same test does not reject
  (Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963).
* the run: Holm's step-down over all networks and metrics (Scandinavian Journal of Statistics 6, 1979), for SLOWER and
  for FASTER each at `LEVEL`.

The four verdicts follow nvbench's and asv's practice, that an effect must be both significant and large enough, and
that too few samples are said to be too few.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.01
"""Chance, at most, that a run in which nothing changed says SLOWER of anything (and the same for FASTER)."""

SAME_LEVEL = 0.05
"""Chance, at most, that a check calls one cost SAME that changed by the minimum effect or more."""

SAME, FASTER, SLOWER, UNDECIDED = "SAME", "FASTER", "SLOWER", "UNDECIDED"


@dataclass(frozen=True)
class Verdict:
    """One metric of one network, judged.

    Attributes:
        verdict: SAME, FASTER, SLOWER or UNDECIDED; for memory FASTER means less and SLOWER means more of it.
        ratio: current cost over baseline cost; above 1 is worse.
        low: lower end of the ratio's 90 % interval; 0 where there are too few samples for one.
        high: upper end of it; infinite where there are too few samples for one.
        p: Holm-adjusted probability of such a difference without a cause, in the direction of the ratio.
        samples: processes of the baseline and of the current side.
        reason: of UNDECIDED, in words; empty otherwise.
    """

    verdict: str
    ratio: float
    low: float
    high: float
    p: float
    samples: tuple[int, int]
    reason: str = ""


def judge(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], min_effect: float | Sequence[float] = 0.03
) -> list[Verdict]:
    """Judge all comparisons of a run together.

    Args:
        pairs: for each metric of each network its costs (time per image, latency, memory: more is worse), one per
            process: the baseline's and the current ones.
        min_effect: smallest relative change that matters, of all pairs or of each.

    Returns:
        One verdict for each pair.

    Raises:
        ValueError: a side without a sample, or a cost that is not above 0.
    """
    logs = [(logarithms(before), logarithms(after)) for before, after in pairs]
    slower = holm([mann_whitney(before, after) for before, after in logs])
    faster = holm([mann_whitney(after, before) for before, after in logs])
    limits = [min_effect] * len(logs) if isinstance(min_effect, float) else min_effect
    return [
        _verdict(before, after, up, down, math.log1p(limit), len(logs))
        for (before, after), up, down, limit in zip(logs, slower, faster, limits, strict=True)
    ]


def _verdict(
    before: NDArray[np.float64], after: NDArray[np.float64], up: float, down: float, limit: float, comparisons: int
) -> Verdict:
    shift, low, high = shift_interval(before, after)
    verdict, reason = UNDECIDED, ""
    if up <= LEVEL and shift >= limit:
        verdict = SLOWER
    elif down <= LEVEL and shift <= -limit:
        verdict = FASTER
    elif -limit < low and high < limit:
        verdict = SAME
    else:
        reason = _undecided(len(before), len(after), (shift, low, high), limit, comparisons)
    return Verdict(
        verdict=verdict,
        ratio=math.exp(shift),
        low=math.exp(low),
        high=math.exp(high),
        p=up if shift >= 0 else down,
        samples=(len(before), len(after)),
        reason=reason,
    )


def logarithms(costs: Sequence[float]) -> NDArray[np.float64]:
    """Of costs, which are compared as ratios.

    Raises:
        ValueError: no cost, or one that is not finite and above 0.
    """
    values = np.asarray(costs, dtype=np.float64)
    if values.size == 0 or not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("a comparison needs costs that are finite and above 0 on both sides")
    return np.log(values)


def mann_whitney(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Chance of ranks at least as high for `after` as observed, were both sides draws from one distribution.

    Exact, by counting all ways in which the pooled samples, ties included, could have fallen to the two sides.
    """
    ordered = np.sort(np.concatenate([after, before]))
    # Twice the mean rank of tied samples is an integer.
    total = int((ordered.searchsorted(after, "left") + ordered.searchsorted(after, "right") + 1).sum())
    if (ordered[1:] == ordered[:-1]).any():
        doubled = ordered.searchsorted(ordered, "left") + ordered.searchsorted(ordered, "right") + 1
        tails = _tails(tuple(doubled.tolist()), len(after))
    else:
        tails = _untied(len(after), len(before))
    return float(tails[total])


@functools.lru_cache(maxsize=256)
def _untied(picked: int, left: int) -> NDArray[np.float64]:
    return _tails(tuple(range(2, 2 * (picked + left) + 1, 2)), picked)


@functools.lru_cache(maxsize=256)
def _tails(ranks: tuple[int, ...], picked: int) -> NDArray[np.float64]:
    """Probability of each sum, or a larger one, of `picked` ranks (ascending) drawn without replacement."""
    counts = np.zeros((picked + 1, sum(ranks[-picked:]) + 1))
    counts[0, 0] = 1.0
    for position, rank in enumerate(ranks):
        for size in range(min(position + 1, picked), 0, -1):
            counts[size, rank:] += counts[size - 1, : counts.shape[1] - rank]
    tails: NDArray[np.float64] = np.cumsum(counts[picked][::-1])[::-1] / counts[picked].sum()
    return tails


def rejecting(before: int, after: int, level: float) -> int | None:
    """In how many of all pairs the current side must be slower for the test to reject at a level, without ties.

    Returns:
        None where even all of them are not enough.
    """
    smallest = after * (after + 1)
    count = int((_untied(after, before)[smallest::2] > level).sum())
    return count if count <= before * after else None


def holm(chances: Sequence[float]) -> list[float]:
    """Holm-adjusted p values: those at or below a level are found at that level for the whole family."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    adjusted = [1.0] * len(chances)
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min((len(chances) - position) * chances[index], 1.0))
        adjusted[index] = largest
    return adjusted


def shift_interval(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float, float]:
    """Hodges-Lehmann shift from `before` to `after`, and the ends of its interval at 1 - 2 `SAME_LEVEL`.

    The interval holds the shifts that the Mann-Whitney test does not reject on either side; it is infinite where there
    are too few samples to reject any.
    """
    differences = np.sort(np.subtract.outer(after, before).ravel())
    out = _left_out(len(after), len(before))
    middle = len(differences) // 2
    shift = float(differences[middle] + differences[-1 - middle]) / 2
    if out < 1:
        return shift, -math.inf, math.inf
    return shift, float(differences[out - 1]), float(differences[-out])


@functools.lru_cache(maxsize=256)
def _left_out(picked: int, left: int) -> int:
    """Pairwise differences to leave out at each end: the largest k with P(U <= k - 1) <= `SAME_LEVEL`."""
    # The distribution is symmetric; sums of doubled ranks step by 2, down from the largest possible one.
    return int((_untied(picked, left)[::-2] <= SAME_LEVEL).sum())


def noise_floor(*sides: Sequence[float], splits: int = 400) -> float | None:
    """What two halves of one side differ by: the 95th percentile over random splits, as a ratio minus 1.

    This is an A/A comparison: a difference between the sides that is no larger is what a network shows against itself.

    Args:
        sides: costs, one per process; a side with fewer than four is left out.
        splits: random halvings of each side.

    Returns:
        None where no side has four samples.
    """
    gaps = []
    for side in (logarithms(costs) for costs in sides if len(costs) >= 4):
        shuffled = np.random.default_rng(0).permuted(np.tile(side, (splits, 1)), axis=1)
        half = len(side) // 2
        gaps.append(np.abs(np.median(shuffled[:, :half], axis=1) - np.median(shuffled[:, half:], axis=1)))
    return math.expm1(float(np.quantile(np.concatenate(gaps), 0.95))) if gaps else None


def _undecided(before: int, after: int, interval: tuple[float, float, float], limit: float, comparisons: int) -> str:
    """Why a comparison is undecided."""
    shift, low, high = interval
    if rejecting(before, after, LEVEL / comparisons) is None:
        return (
            f"not enough samples: {before} and {after} processes cannot tell any difference from chance in a run of "
            f"{comparisons} comparisons"
        )
    if abs(shift) >= limit:
        return "too noisy: the difference is above the minimum effect but could be chance"
    return f"too noisy: a cost of {math.expm1(low):+.1%} to {math.expm1(high):+.1%} agrees with the samples"
