"""Statistics of timings, against hand-worked figures and simulated devices of known truth."""

from __future__ import annotations

import math
from statistics import fmean, harmonic_mean

import pytest

from segbench.measure.simulated import Behaviour, process_rounds
from segbench.measure.trust import trust_warnings
from segbench.protocol import PRESETS
from segbench.records.results import Latency, Telemetry
from segbench.statistics import (
    blocks,
    coefficient_of_variation,
    drift,
    fps_interval,
    quantile,
    spread,
    student_quantile,
)


# Two-sided 95 % points, as in any printed table of Student's t.
@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423)]
)
def test_student_quantile(freedom: int, expected: float) -> None:
    assert student_quantile(freedom) == pytest.approx(expected, abs=5e-5)


def test_student_approaches_the_normal_distribution() -> None:
    assert student_quantile(100_000) == pytest.approx(1.95996, abs=1e-4)


def test_quantile_interpolates() -> None:
    assert [quantile([4, 1, 3, 2], p) for p in (0.0, 0.5, 0.95, 1.0)] == pytest.approx([1, 2.5, 3.85, 4])


def test_latency_summary_keeps_every_sample() -> None:
    summary = Latency.of([1.0] * 98 + [2.0, 101.0])
    assert summary.mean == pytest.approx(2.01)
    assert (summary.median, summary.min, summary.max) == (1.0, 1.0, 101.0)


def test_percentiles_of_spread_out_latencies_by_hand() -> None:
    # The squares of 0 to 10: 5 % of the way is half a step after the first, 95 % half a step before the last.
    summary = Latency.of([49, 0, 100, 4, 81, 1, 36, 9, 64, 16, 25])
    assert (summary.p5, summary.median, summary.p95) == pytest.approx((0.5, 25.0, (81 + 100) / 2))
    # Squares of deviations from the mean 35: 11,858 over 10 degrees of freedom.
    assert (summary.mean, summary.std) == pytest.approx((35.0, 1185.8**0.5))


def test_latency_of_a_single_frame() -> None:
    assert Latency.of([5.0]) == Latency(mean=5.0, median=5.0, p5=5.0, p95=5.0, std=0.0, min=5.0, max=5.0)


def test_small_measures() -> None:
    assert coefficient_of_variation([9.0, 11.0]) == pytest.approx(math.sqrt(2) / 10)
    assert coefficient_of_variation([9.0]) is None
    assert spread([90.0, 100.0, 110.0]) == pytest.approx(0.2)
    assert drift([100.0, 50.0, 90.0]) == pytest.approx(-0.1)
    assert blocks([1.0, 3.0, 5.0, 7.0, 9.0], 2) == [2.0, 6.0]
    assert blocks([1.0, 2.0], 20) == [1.0, 2.0]


def test_interval_over_processes_by_hand() -> None:
    # ln: mean ln 100, deviation 0.01 on both sides, t(1) = 12.7062, half width 12.7062 * 0.01 * sqrt(2) / sqrt(2).
    interval = fps_interval([[100 * math.exp(0.01)], [100 * math.exp(-0.01)]])
    half = 12.7062 * 0.01
    assert interval.fps == pytest.approx(100 * math.cosh(0.01))
    assert interval.low == pytest.approx(interval.fps * math.exp(-half), rel=1e-5)
    assert interval.high == pytest.approx(interval.fps * math.exp(half), rel=1e-5)
    assert (interval.processes, interval.basis) == (2, "processes")


def test_rounds_do_not_stand_in_for_processes() -> None:
    few = fps_interval([[99.0, 101.0], [104.0, 106.0]])
    many = fps_interval([[99.0, 101.0] * 50, [104.0, 106.0] * 50])
    assert many.low == pytest.approx(few.low)


def test_one_process_says_so() -> None:
    interval = fps_interval([[100.0, 101.0, 99.0]])
    assert interval.basis == "rounds of one process"
    assert interval.fps == pytest.approx(harmonic_mean([100.0, 101.0, 99.0]))
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < interval.fps < interval.high


def test_one_round_has_no_interval() -> None:
    assert fps_interval([[100.0]]).ends() is None


@pytest.mark.parametrize("rounds", [[], [[]], [[100.0], []], [[0.0]], [[math.inf]]])
def test_interval_needs_samples(rounds: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="FPS"):
        fps_interval(rounds)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(process_noise=0.02, frame_noise=0.005),
        Behaviour(
            process_noise=0.03,
            frame_noise=0.02,
            stall_probability=0.005,
            stall_ms=5.0,
            drift=0.05,
            clock_states=(1.0, 0.93),
        ),
    ],
    ids=["steady", "tails, drift, two clocks"],
)
def test_the_interval_covers_the_truth(behaviour: Behaviour) -> None:
    runs, processes = 300, 5
    measured = [process_rounds(behaviour, PRESETS["forward"], seed) for seed in range(runs * processes)]
    # The truth is the mean over all processes; that of these 1500 is within 0.1 %, where intervals are ±2 % and wider.
    truth = fmean(harmonic_mean(rounds) for rounds in measured)
    covered = 0
    for start in range(0, len(measured), processes):
        ends = fps_interval(measured[start : start + processes]).ends()
        assert ends is not None
        covered += ends[0] <= truth <= ends[1]
    # 300 runs are uncertain by 1.3 %; three times that on either side. A percentile bootstrap covers some 80 %.
    assert 0.91 <= covered / runs <= 0.99


STEADY = [[5.0] * 100] * 5
STEADY_FPS = [200.0] * 5


def words(rounds_ms: list[list[float]], round_fps: list[float], *states: Telemetry) -> str:
    return "\n".join(trust_warnings(rounds_ms, round_fps, states))


def test_a_steady_device_is_trusted() -> None:
    assert trust_warnings(STEADY, STEADY_FPS, [Telemetry(sm_clock_mhz=300), Telemetry(sm_clock_mhz=1980)]) == []


def test_variation_is_reported() -> None:
    assert "latency varies by 5.0% between frames" in words([[4.75, 5.25] * 200], STEADY_FPS)
    assert "varies" not in words([[4.95, 5.05] * 200], STEADY_FPS)


def test_drift_is_reported() -> None:
    assert "0.950 times the FPS of the first" in words(STEADY, [200.0, 198.0, 190.0])
    assert "times the FPS" not in words(STEADY, [200.0, 150.0, 198.0])


def test_short_warm_up_is_reported() -> None:
    assert "the warm-up was too short" in words([[5.1] * 25 + [5.0 + 0.001 * (i % 7) for i in range(475)]], STEADY_FPS)
    assert "warm-up" not in words([[5.0 + 0.001 * (i % 7) for i in range(500)]], STEADY_FPS)


def test_clocks_throttling_and_other_users_are_reported() -> None:
    idle, fast, slow = (Telemetry(sm_clock_mhz=mhz) for mhz in (345, 1980, 1410))
    assert "between 1410 and 1980 MHz" in words(STEADY, STEADY_FPS, idle, fast, slow)
    assert words(STEADY, STEADY_FPS, idle, fast, fast) == ""
    assert "held its clocks down (power cap)" in words(STEADY, STEADY_FPS, fast, Telemetry(slowdowns=("power cap",)))
    assert "2 other process(es)" in words(STEADY, STEADY_FPS, Telemetry(other_processes=2), fast)


def test_a_single_round_is_reported() -> None:
    assert "one round only" in words([[5.0] * 100], [200.0])
