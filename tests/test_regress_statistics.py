"""The verdicts' statistics: exact against enumeration, honest about too few samples, and rates on known truth."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from benchmarks.false_alarms import WORLDS, check
from segbench.errors import BadOption
from segbench.regress.measuring import parse_effect
from segbench.regress.verdicts import (
    FASTER,
    LEVEL,
    SAME,
    SLOWER,
    UNDECIDED,
    beside_drift,
    drift,
    holm,
    judge,
    mann_whitney,
    noise_floor,
    shift_interval,
)


def _enumerated(before: list[float], after: list[float]) -> float:
    """The same probability by trying every assignment of the pooled samples to the two sides."""
    pooled = [*after, *before]
    ranks = [sum(other < value for other in pooled) + sum(other == value for other in pooled) / 2 for value in pooled]
    observed = sum(ranks[: len(after)])
    sums = [sum(ranks[index] for index in chosen) for chosen in itertools.combinations(range(len(pooled)), len(after))]
    return sum(total >= observed - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize("tied", [False, True])
def test_mann_whitney_equals_enumeration(tied: bool) -> None:
    chance = random.Random(1)
    for n, m in ((1, 1), (2, 3), (4, 4), (5, 3), (5, 6)):
        for _ in range(5):
            draw = (lambda: float(chance.randint(1, 4))) if tied else chance.random
            before, after = [draw() for _ in range(n)], [draw() for _ in range(m)]
            assert mann_whitney(np.array(before), np.array(after)) == pytest.approx(_enumerated(before, after))


def test_mann_whitney_of_separated_and_of_equal_samples() -> None:
    low, high = np.arange(10.0), np.arange(10.0) + 100
    assert mann_whitney(low, high) == pytest.approx(1 / math.comb(20, 10))
    assert mann_whitney(high, low) == pytest.approx(1.0)
    assert mann_whitney(np.ones(10), np.ones(10)) == pytest.approx(1.0)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_interval_holds_the_shifts_that_the_test_does_not_reject() -> None:
    chance = np.random.default_rng(2)
    before, after = chance.standard_normal(8), chance.standard_normal(9) + 0.7
    shift, low, high = shift_interval(before, after)
    assert low < shift < high
    for value, inside in ((low - 1e-6, False), (low + 1e-6, True), (high - 1e-6, True), (high + 1e-6, False)):
        up, down = mann_whitney(before + value, after), mann_whitney(after, before + value)
        assert (min(up, down) > 0.05) is inside


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(3)
    covered = 0
    for _ in range(1500):
        _, low, high = shift_interval(chance.standard_t(3, 10), chance.standard_t(3, 10) + 0.5)
        covered += low <= 0.5 <= high
    assert 0.88 <= covered / 1500 <= 0.94  # exact level 91.1 % at ten a side: U takes whole numbers only


def _costs(centre: float, noise: float, count: int, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [centre * math.exp(noise * chance.gauss(0, 1)) for _ in range(count)]


def test_the_four_verdicts() -> None:
    base = _costs(10, 0.005, 10, 1)
    verdicts = judge(
        [
            (base, _costs(10, 0.005, 10, 2)),
            (base, _costs(11, 0.005, 10, 3)),
            (base, _costs(9, 0.005, 10, 4)),
            (base, _costs(10.3, 0.05, 10, 5)),
        ]
    )
    assert [verdict.verdict for verdict in verdicts] == [SAME, SLOWER, FASTER, UNDECIDED]
    assert verdicts[1].ratio == pytest.approx(1.1, abs=0.01)
    assert verdicts[1].p <= LEVEL
    assert verdicts[1].low > 1.09
    assert "too noisy" in verdicts[3].reason


def test_a_significant_change_below_the_minimum_effect_is_the_same() -> None:
    (verdict,) = judge([(_costs(10, 0.001, 10, 1), _costs(10.1, 0.001, 10, 2))])
    assert verdict.verdict == SAME
    assert verdict.p < LEVEL
    (strict,) = judge([(_costs(10, 0.001, 10, 1), _costs(10.1, 0.001, 10, 2))], min_effect=0.005)
    assert strict.verdict == SLOWER


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_samples_are_said_to_be_too_few(count: int) -> None:
    (verdict,) = judge([(_costs(10, 0.01, count, 1), _costs(12, 0.01, count, 2))])
    assert verdict.verdict == UNDECIDED
    assert "not enough samples" in verdict.reason
    assert verdict.more is not None
    assert verdict.more > count
    assert str(verdict.more) in verdict.reason


def test_the_number_of_samples_asked_for_would_have_reached_the_level() -> None:
    pairs = [(_costs(10, 0.001, 4, seed), _costs(12, 0.001, 4, seed + 50)) for seed in range(30)]
    first = judge(pairs)[0]
    assert first.verdict == UNDECIDED
    assert first.more is not None
    more = [(_costs(10, 0.001, first.more, seed), _costs(12, 0.001, first.more, seed + 50)) for seed in range(30)]
    assert {verdict.verdict for verdict in judge(more)} == {SLOWER}


def test_undecided_is_never_called_the_same() -> None:
    """SAME needs an interval inside the minimum effect, whatever the noise and the number of samples."""
    chance = random.Random(4)
    seen = set()
    for seed in range(400):
        noise, shift, count = chance.choice((0.002, 0.02, 0.1)), chance.uniform(-0.1, 0.1), chance.randint(1, 12)
        (verdict,) = judge([(_costs(5, noise, count, seed), _costs(5 * (1 + shift), noise, count, seed + 1000))])
        seen.add(verdict.verdict)
        inside = verdict.low > 1 / 1.03 and verdict.high < 1.03
        assert inside or verdict.verdict != SAME
        assert (verdict.verdict == UNDECIDED) == bool(verdict.reason)
    assert seen == {SAME, FASTER, SLOWER, UNDECIDED}


def test_the_level_is_held_for_the_whole_run() -> None:
    """The same pair, significant alone, is not among many that show nothing."""
    chance = random.Random(6)
    slow = ([10 + 0.01 * i for i in range(6)], [10.5 + 0.01 * i for i in range(6)])
    others = [([chance.random() + 1 for _ in range(6)], [chance.random() + 1 for _ in range(6)]) for _ in range(180)]
    assert judge([slow])[0].verdict == SLOWER
    assert judge([slow, *others])[0].verdict == UNDECIDED


def test_memory_that_is_equal_in_every_process() -> None:
    same, more = judge([([512.0] * 10, [512.0] * 10), ([512.0] * 10, [600.0] * 10)])
    assert same.verdict == SAME
    assert more.verdict == SLOWER


def test_impossible_costs_are_refused() -> None:
    for pair in (([], [1.0]), ([1.0], [0.0]), ([1.0], [math.nan]), ([math.inf], [1.0])):
        with pytest.raises(ValueError, match="finite and above 0"):
            judge([pair])


def test_the_noise_floor_is_what_halves_of_one_side_differ_by() -> None:
    assert noise_floor([5.0] * 10, [7.0] * 10) == pytest.approx(0.0)
    assert noise_floor([5.0] * 3) is None
    quiet, loud = noise_floor(_costs(5, 0.01, 10, 1)), noise_floor(_costs(5, 0.05, 10, 1))
    assert quiet is not None
    assert loud is not None
    assert 0.005 < quiet < 0.04
    assert loud > 3 * quiet


def test_a_drift_between_looks_is_seen_and_decides_nothing() -> None:
    steady = [(_costs(5, 0.02, 10, seed), _costs(5, 0.02, 20, seed + 100)) for seed in range(8)]
    drifted = [(first, [1.03 * cost for cost in second]) for first, second in steady]
    assert drift(steady) is None
    assert drift([]) is None
    ratio = drift(drifted)
    assert ratio == pytest.approx(1.03, abs=0.01)
    assert ratio is not None
    slower, same, faster = judge(
        [
            (_costs(10, 0.001, 10, 1), _costs(11, 0.001, 10, 2)),
            (_costs(10, 0.001, 10, 1), _costs(10, 0.001, 10, 2)),
            (_costs(10, 0.001, 10, 1), _costs(9, 0.001, 10, 2)),
        ]
    )
    assert [beside_drift(verdict, ratio).verdict for verdict in (slower, same, faster)] == [
        UNDECIDED,
        UNDECIDED,
        FASTER,
    ]
    assert beside_drift(slower, 1 / ratio).verdict == SLOWER
    assert "--against" in beside_drift(slower, ratio).reason


@pytest.mark.parametrize(("text", "value"), [("3%", 0.03), (" 2.5% ", 0.025), ("0.1", 0.1)])
def test_a_minimum_effect_is_a_share(text: str, value: float) -> None:
    assert parse_effect(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["3", "0", "-1%", "100%", "much", "nan"])
def test_a_minimum_effect_that_is_none(text: str) -> None:
    with pytest.raises(BadOption, match="min-effect"):
        parse_effect(text)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["stored", "against", "single look"])
def test_rates_on_known_truth(design: str) -> None:
    """A quick look at what `benchmarks/false_alarms.py` measures with many more runs; seeds are fixed."""
    for world in ("equal", "equal, heavy tails", "equal, drift of 5 % in a session"):
        assert sum(SLOWER in check(WORLDS[world], design, 60, 10, seed) for seed in range(15)) <= 1
    found = sum(check(WORLDS["5 % slower"], design, 60, 10, seed)[0] == SLOWER for seed in range(30))
    assert found >= (10 if design == "single look" else 26)
    assert sum(check(WORLDS["10 % slower"], design, 60, 10, seed)[0] == SLOWER for seed in range(5)) == 5
