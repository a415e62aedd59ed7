"""Is a network slower? Exact rank tests over processes, a minimum effect, and one level for the whole run.

Processes are the samples, because cuDNN's choices, memory placement and clocks differ between processes and stay within
one. A comparison is judged on logarithms of costs (a time per image, a memory), so that an effect is a ratio:

* p: one-sided exact Mann-Whitney test, ties included (Mann and Whitney, Annals of Mathematical Statistics 18, 1947).
* effect and its interval: the median of all pairwise ratios and the ratios that the same test does not reject
  (Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963).
* the run: Holm's step-down over all networks and metrics (Scandinavian Journal of Statistics 6, 1979), for SLOWER and
  for FASTER each at `LEVEL`.

Where more can be measured, there are two looks (`segbench.regress.measuring`). What the first look finds the same is
settled; all else is measured again, and all its samples are judged together. Only the last look says SLOWER or FASTER,
so that looking twice does not raise the level: alarms are no more frequent than if all had been measured to the end.

The four verdicts follow nvbench's and asv's practice, that an effect must be both significant and large enough, and
that too few samples are said to be too few.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.01
"""Chance, at most, that a run in which nothing changed says SLOWER of anything (and the same for FASTER)."""

SAME_LEVEL = 0.05
"""Chance, at most, that a look calls one cost SAME that changed by the minimum effect or more."""

SAME, FASTER, SLOWER, UNDECIDED = "SAME", "FASTER", "SLOWER", "UNDECIDED"

DRIFT_LEVEL = 0.002
"""Chance that a machine that did not drift is said to have drifted."""

# Above this many processes a side, more of them are no advice.
MOST = 100


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
        more: processes a side that would settle it; None where it is settled or no number that one would run does.
        reason: of UNDECIDED, in words; empty otherwise.
    """

    verdict: str
    ratio: float
    low: float
    high: float
    p: float
    samples: tuple[int, int]
    more: int | None = None
    reason: str = ""


def judge(pairs: Sequence[tuple[Sequence[float], Sequence[float]]], min_effect: float = 0.03) -> list[Verdict]:
    """Judge all comparisons of a run together.

    Args:
        pairs: for each metric of each network its costs (time per image, latency, memory: more is worse), one per
            process: the baseline's and the current ones.
        min_effect: smallest relative change that matters.

    Returns:
        One verdict for each pair.

    Raises:
        ValueError: a side without a sample, or a cost that is not above 0.
    """
    logs = [(_logarithms(before), _logarithms(after)) for before, after in pairs]
    slower = holm([mann_whitney(before, after) for before, after in logs])
    faster = holm([mann_whitney(after, before) for before, after in logs])
    return [
        _verdict(before, after, up, down, math.log1p(min_effect), len(logs))
        for (before, after), up, down in zip(logs, slower, faster, strict=True)
    ]


def _verdict(
    before: NDArray[np.float64], after: NDArray[np.float64], up: float, down: float, limit: float, family: int
) -> Verdict:
    shift, low, high = shift_interval(before, after)
    verdict, reason, more = UNDECIDED, "", None
    if up <= LEVEL and shift >= limit:
        verdict = SLOWER
    elif down <= LEVEL and shift <= -limit:
        verdict = FASTER
    elif -limit < low and high < limit:
        verdict = SAME
    else:
        reason, more = _undecided(len(before), len(after), (shift, low, high), limit, family)
    return Verdict(
        verdict=verdict,
        ratio=math.exp(shift),
        low=math.exp(low),
        high=math.exp(high),
        p=up if shift >= 0 else down,
        samples=(len(before), len(after)),
        more=more,
        reason=reason,
    )


def _logarithms(costs: Sequence[float]) -> NDArray[np.float64]:
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
    for side in (_logarithms(costs) for costs in sides if len(costs) >= 4):
        shuffled = np.random.default_rng(0).permuted(np.tile(side, (splits, 1)), axis=1)
        half = len(side) // 2
        gaps.append(np.abs(np.median(shuffled[:, :half], axis=1) - np.median(shuffled[:, half:], axis=1)))
    return math.expm1(float(np.quantile(np.concatenate(gaps), 0.95))) if gaps else None


def _undecided(
    before: int, after: int, interval: tuple[float, float, float], limit: float, family: int
) -> tuple[str, int | None]:
    """Why a comparison is undecided, and how many processes a side would settle it."""
    shift, low, high = interval
    reachable = _processes_to_reach(LEVEL / family)
    if 1 / math.comb(before + after, after) > LEVEL / family or not math.isfinite(high - low):
        what = f"{before} and {after} processes cannot tell any difference from chance in a run of {family} comparisons"
        return _advice(f"not enough samples: {what}", reachable)
    half = (high - low) / 2
    pairs = before * after / (before + after)
    if abs(shift) >= limit:
        # Large enough but not yet beyond chance: significance grows with the square root of the samples.
        spread = half * math.sqrt(pairs) / _deviate(SAME_LEVEL)
        wanted = max(2 * ((_deviate(LEVEL / family) + 1) * spread / abs(shift)) ** 2, reachable)
        what = f"{abs(math.expm1(shift)):.1%} is above the minimum effect but could be chance"
        return _advice(f"too noisy: {what}", math.ceil(wanted))
    room = limit - abs(shift)
    wanted = 2 * pairs * (half / room) ** 2
    what = f"anything from {math.expm1(low):+.1%} to {math.expm1(high):+.1%} agrees with the samples"
    return _advice(f"too noisy: {what}", math.ceil(max(wanted, max(before, after) + 1)))


def _advice(reason: str, wanted: int) -> tuple[str, int | None]:
    if wanted > MOST:
        return f"{reason}; more than {MOST} processes a side would be needed: quieten the machine (segbench env)", None
    return f"{reason}; {wanted} processes a side would probably settle it", wanted


def _processes_to_reach(level: float) -> int:
    """Fewest processes a side with which the exact test can reach a level at all."""
    return next((count for count in range(2, MOST) if 1 / math.comb(2 * count, count) <= level), MOST)


def _deviate(level: float) -> float:
    """Standard normal deviate that is exceeded with probability `level`, by bisection."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * math.erfc(middle / math.sqrt(2)) > level else (low, middle)
    return low


def drift(looks: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float | None:
    """How much slower one device and one code became between two looks; None where chance explains it.

    Many networks are measured again later in a session. No code changed in between, so a shift that they share is the
    machine's: a rank test over all of them, each ranked within itself (van Elteren, 1960), at `DRIFT_LEVEL`.

    Args:
        looks: for each network its costs at the first look and at the second.

    Returns:
        The pooled ratio of the second look to the first.
    """
    excess, variance, shifts, weights = 0.0, 0.0, 0.0, 0.0
    for first, second in looks:
        differences = np.subtract.outer(_logarithms(second), _logarithms(first))
        n, m = len(first), len(second)
        # Each network weighs by what it tells: van Elteren's weights are 1 / (n + m + 1).
        weight = 1 / (n + m + 1)
        excess += weight * float((np.sign(differences) / 2).sum())
        variance += weight**2 * n * m * (n + m + 1) / 12
        shifts += n * m / (n + m) * float(np.median(differences))
        weights += n * m / (n + m)
    if not weights or math.erfc(abs(excess) / math.sqrt(2 * variance)) > DRIFT_LEVEL:
        return None
    return math.exp(shifts / weights)


def beside_drift(verdict: Verdict, ratio: float) -> Verdict:
    """A verdict of a network that was measured on after the machine had drifted by `ratio`.

    What the drift could have caused or hidden is not decided: a slowdown while the machine became slower, or no change.
    """
    caused = SLOWER if ratio > 1 else FASTER
    if verdict.verdict not in (caused, SAME):
        return verdict
    reason = f"the machine drifted by {ratio - 1:+.1%} while it was measured again: measure anew, or use --against"
    return replace(verdict, verdict=UNDECIDED, reason=reason, more=None)
