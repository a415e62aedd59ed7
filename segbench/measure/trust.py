"""Whether a timing can be trusted: what was seen, what it means, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from segbench.records.results import Telemetry
from segbench.statistics import BLOCKS, blocks, coefficient_of_variation, drift, quantile

# trtexec's limit, above which it advises to lock the clocks (TensorRT, sampleReporting.cpp).
VARIATION_LIMIT = 0.025
DRIFT_LIMIT = 0.02
JITTER = "host jitter, clocks or other programs: "
CLOCK_LIMIT = 0.03
# A network that computes on one core or more has at least the wall time as CPU time, where nothing holds it up.
CPU_SHARE_LIMIT = 0.9


def trust_warnings(
    rounds_ms: Sequence[Sequence[float]],
    round_fps: Sequence[float],
    telemetry: Sequence[Telemetry] = (),
    throttled_ms: Sequence[Mapping[str, float]] = (),
) -> list[str]:
    """Why a timing cannot be trusted: what was seen, what it means, what to do. Empty where nothing speaks against it.

    Args:
        rounds_ms: every latency, round by round.
        round_fps: FPS of each round.
        telemetry: state of the GPU before the first round and after each.
        throttled_ms: for each round, by reason, the time for which the GPU's clocks were held down.
    """
    return [*_timing_warnings(rounds_ms, round_fps), *_gpu_warnings(telemetry), *_throttled(throttled_ms)]


def _timing_warnings(rounds_ms: Sequence[Sequence[float]], round_fps: Sequence[float]) -> Iterator[str]:
    samples = [sample for samples in rounds_ms for sample in samples]
    variation = coefficient_of_variation(samples)
    if variation is not None and variation > VARIATION_LIMIT:
        yield (
            f"{JITTER}latency varies by {variation:.1%} between frames (coefficient of variation; "
            f"{VARIATION_LIMIT:.1%} is the limit): small differences in FPS mean nothing; stop other programs, "
            "lock the clocks, measure longer"
        )
    if len(round_fps) == 1:
        yield "one round only: the interval says nothing about a second one; measure more rounds"
    elif abs(drift(round_fps)) > DRIFT_LIMIT:
        yield (
            f"the last round ran at {1 + drift(round_fps):.3f} times the FPS of the first: the device warmed up or "
            "slowed down during the run; warm up longer, let it cool, or lock the clocks"
        )
    means = blocks(samples)
    if len(means) >= BLOCKS // 2:
        lower, upper = quantile(means[1:], 0.25), quantile(means[1:], 0.75)
        # A hundredth of the median, lest a very steady device be blamed for nothing.
        if means[0] > max(upper + 1.5 * (upper - lower), 1.01 * median(means)):
            yield (
                f"the first frames took {means[0] / median(means):.2f} times the usual latency: the warm-up was too "
                "short; warm up longer"
            )


def of_the_host(warning: str) -> str:
    """The warning of a launch-bound network's latencies, which vary with the host that launches its kernels."""
    if not warning.startswith(JITTER):
        return warning
    seen = warning.removeprefix(JITTER).partition(":")[0]
    return (
        f"host jitter: {seen}: the GPU waits for the host to launch its kernels, and the host's pace varies; GPU-busy "
        "time and the CUDA graph's FPS are the steady figures"
    )


def load_warnings(cpu_share: float, load_average: float | None) -> list[str]:
    """Whether other programs held up a timing on a CPU.

    Args:
        cpu_share: CPU time of the process over the wall time of the rounds; 1 or more where it never waited.
        load_average: programs wanting the CPU in the minute before; None where the system does not tell.
    """
    if cpu_share >= CPU_SHARE_LIMIT:
        return []
    before = "" if load_average is None else f", {load_average:.1f} wanted the CPU in the minute before"
    return [
        f"the process computed for {cpu_share:.0%} of the rounds' time{before}: other programs held it up, and "
        "FPS comes out low; stop them (`segbench env` shows the load)"
    ]


def _throttled(throttled_ms: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """The rounds in which the GPU was throttled: between two looks at its state it may have been, and recovered."""
    rounds = [
        f"round {number} for {', '.join(f'{ms:.3g} ms ({reason})' for reason, ms in reasons.items())}"
        for number, reasons in enumerate(throttled_ms, 1)
        if reasons
    ]
    if rounds:
        yield (
            f"the GPU's clocks were held down in {'; '.join(rounds)}: these rounds are of a slower card; let it cool, "
            "check its power limit, measure again"
        )


def _gpu_warnings(telemetry: Sequence[Telemetry]) -> Iterator[str]:
    # The first reading is taken before the warm-up, when the clocks are still those of an idle GPU.
    clocks = [state.sm_clock_mhz for state in telemetry[1:] if state.sm_clock_mhz]
    if clocks and max(clocks) > (1 + CLOCK_LIMIT) * min(clocks):
        yield (
            f"the GPU's clock moved between {min(clocks)} and {max(clocks)} MHz during the run: rounds are not "
            "comparable; lock the clocks (`nvidia-smi -lgc`, as root) or warm up longer"
        )
    slowdowns = sorted({reason for state in telemetry[1:] for reason in state.slowdowns})
    if slowdowns:
        yield (
            f"the GPU held its clocks down ({', '.join(slowdowns)}): FPS is that of a slower card; let it cool, check "
            "its power limit"
        )
    others = max((state.other_processes or 0 for state in telemetry), default=0)
    if others:
        yield (
            f"{others} other process(es) used the GPU during the run: FPS comes out low and varies; stop them or take "
            "another GPU"
        )
