"""The verdicts' statistics: exact against enumeration, honest about too few samples, and rates on known truth."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from benchmarks.false_alarms import DESIGNS, WORLDS, check
from segbench.errors import BadOption
from segbench.regress.options import parse_effect
from segbench.regress.power import process_noise, processes_for, smallest_effect
from segbench.regress.verdicts import (
    FASTER,
    LEVEL,
    SAME,
    SLOWER,
    UNDECIDED,
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


def _found(effect: float, noise: float, sides: tuple[int, int], others: int, runs: int) -> float:
    """How often a slowdown is called SLOWER in a run with further comparisons in which nothing changed."""
    chance, found = np.random.default_rng(7), 0
    still = ([1.0] * 10, [1.0] * 10)
    for _ in range(runs):
        before = np.exp(noise * chance.standard_normal(sides[0]))
        after = (1 + effect) * np.exp(noise * chance.standard_normal(sides[1]))
        found += judge([(before.tolist(), after.tolist()), *[still] * others])[0].verdict == SLOWER
    return found / runs


@pytest.mark.parametrize(("noise", "sides", "others"), [(0.02, (10, 10), 2), (0.02, (10, 30), 20), (0.005, (6, 6), 0)])
def test_the_smallest_slowdown_is_found_in_95_percent_of_runs(
    noise: float, sides: tuple[int, int], others: int
) -> None:
    effect = smallest_effect(noise, sides, others + 1, 0.03)
    assert effect is not None
    assert 0.93 <= _found(effect, noise, sides, others, 600) <= 0.97
    assert _found(0.9 * effect, noise, sides, others, 300) < 0.93


def test_the_smallest_slowdown_follows_noise_processes_and_the_minimum_effect() -> None:
    usual = smallest_effect(0.02, (10, 10), 3, 0.03)
    assert usual is not None
    assert smallest_effect(0.0, (10, 10), 3, 0.03) == 0.03, "of what never varies it is the minimum effect"
    for larger in (
        smallest_effect(0.03, (10, 10), 3, 0.03),
        smallest_effect(0.02, (7, 7), 3, 0.03),
        smallest_effect(0.02, (10, 10), 180, 0.03),
        smallest_effect(0.02, (10, 10), 3, 0.06),
    ):
        assert larger is not None
        assert larger > usual
    assert smallest_effect(0.001, (3, 3), 1, 0.03) is None, "three a side reject nothing at 1 %"


def test_the_number_of_processes_is_the_fewest_that_find_it() -> None:
    count = processes_for(0.05, 0.025, 3, 0.03)
    assert count is not None
    enough, fewer = (smallest_effect(0.025, (n, n), 3, 0.03) for n in (count, count - 1))
    assert enough is not None and enough <= 0.05
    assert fewer is None or fewer > 0.05
    beside = processes_for(0.05, 0.025, 3, 0.03, baseline=10)
    assert beside is not None
    assert beside > count, "a stored baseline of ten is matched by more beside it"
    assert processes_for(0.05, 0.2, 3, 0.03) is None


def test_the_noise_of_few_processes_is_taken_large_enough_in_four_of_five() -> None:
    chance = np.random.default_rng(8)
    for sides in ((10,), (10, 10), (5,)):
        noises = [
            process_noise(*(np.exp(0.02 * chance.standard_normal(count)).tolist() for count in sides))
            for _ in range(2000)
        ]
        share = sum(noise is not None and noise >= 0.02 for noise in noises) / len(noises)
        assert 0.77 <= share <= 0.83
    assert process_noise([1.0], [2.0]) is None
    assert process_noise([1.0, 1.0], [2.0, 2.0]) == 0.0, "a change between the sides is no noise"


@pytest.mark.parametrize(("text", "value"), [("3%", 0.03), (" 2.5% ", 0.025), ("0.1", 0.1)])
def test_a_minimum_effect_is_a_share(text: str, value: float) -> None:
    assert parse_effect(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["3", "0", "-1%", "100%", "much", "nan"])
def test_a_minimum_effect_that_is_none(text: str) -> None:
    with pytest.raises(BadOption, match="min-effect"):
        parse_effect(text)


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_rates_on_known_truth(design: str) -> None:
    """A quick look at what `benchmarks/false_alarms.py` measures with many more runs; seeds are fixed."""
    for world in ("equal", "equal, heavy tails"):
        assert sum(SLOWER in check(WORLDS[world], design, 5, 10, seed).verdicts for seed in range(15)) <= 1
    runs = [check(WORLDS["5 % slower"], design, 5, 10, seed) for seed in range(30)]
    assert sum(run.verdicts[0] == SLOWER for run in runs) >= (27 if design.endswith("--for") else 15)
    runs = [check(WORLDS["10 % slower"], design, 5, 10, seed) for seed in range(5)]
    assert all(run.verdicts[0] == SLOWER for run in runs)
