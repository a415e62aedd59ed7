"""What samples say: latency percentiles, an interval of the FPS, and whether either can be trusted.

Outliers are part of the measurement: nothing is ever dropped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, harmonic_mean, median, stdev

from segbench.results import Latency, Telemetry

# trtexec's limit, above which it advises to lock the clocks (TensorRT, sampleReporting.cpp).
VARIATION_LIMIT = 0.025
DRIFT_LIMIT = 0.02
JITTER = "host jitter, clocks or other programs: "
CLOCK_LIMIT = 0.03
# A network that computes on one core or more has at least the wall time as CPU time, where nothing holds it up.
CPU_SHARE_LIMIT = 0.9
BLOCKS = 20


@dataclass(frozen=True)
class FpsInterval:
    """An FPS and its 95 % interval.

    Attributes:
        fps: mean FPS of the processes; of one process its frames divided by its elapsed time.
        low: lower end; None where there is no second sample.
        high: upper end; None where there is no second sample.
        processes: processes that it rests on.
        basis: ``processes``: the interval says where the mean over processes lies; ``rounds of one process``: it
            says only what this process would show again, not what the next one will.
    """

    fps: float
    low: float | None
    high: float | None
    processes: int
    basis: str

    def ends(self) -> tuple[float, float] | None:
        """Both ends as a Record keeps them; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def fps_interval(per_process_rounds: Sequence[Sequence[float]]) -> FpsInterval:
    """95 % interval of the FPS from the round FPS of one or more processes.

    With several processes the interval is for the expected FPS of a fresh process: the mean, over all processes that
    could be started on this machine, of frames divided by elapsed time under the protocol. Processes are the samples,
    because cuDNN's choices, memory placement and clocks differ between processes and stay within one; rounds of one
    process are not independent, and an interval over them is too narrow (Kalibera and Jones, "Rigorous benchmarking
    in reasonable time", ISMM 2013).

    The interval is Student's t on the logarithms of the processes' FPS. Logarithms, because noise on a time is
    multiplicative and slow frames are far from the mean on one side. Student's t and not a percentile bootstrap,
    because at five processes the latter covers the truth in about 84 % of runs instead of 95 % (it has no small-sample
    factor: Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015).
    `benchmarks/interval_coverage.py` measures both on simulated devices of known truth.

    With one process the same formula runs over its rounds, and `basis` says so.

    Args:
        per_process_rounds: for each process the FPS of its rounds, which have equal numbers of frames.

    Raises:
        ValueError: no process, a process without a round, or an FPS that is not above 0.
    """
    if not per_process_rounds or not all(per_process_rounds):
        raise ValueError("an interval needs the FPS of at least one round of each process")
    if not all(0 < fps < math.inf for rounds in per_process_rounds for fps in rounds):
        raise ValueError("FPS must be finite and above 0")
    # Equal numbers of frames: frames over elapsed time of a process is the harmonic mean of its rounds.
    of_processes = [harmonic_mean(rounds) for rounds in per_process_rounds]
    fps = fmean(of_processes)
    single = len(of_processes) == 1
    samples = per_process_rounds[0] if single else of_processes
    low, high = _student_interval(fps, samples)
    return FpsInterval(fps, low, high, len(of_processes), "rounds of one process" if single else "processes")


def _student_interval(centre: float, samples: Sequence[float]) -> tuple[float | None, float | None]:
    if len(samples) < 2:
        return None, None
    logs = [math.log(sample) for sample in samples]
    half = student_quantile(len(logs) - 1) * stdev(logs) / math.sqrt(len(logs))
    return centre * math.exp(-half), centre * math.exp(half)


@functools.cache
def student_quantile(freedom: int, probability: float = 0.975) -> float:
    """Quantile of Student's t for a whole number of degrees of freedom, by bisection of the exact distribution."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        if student_distribution(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_distribution(t: float, freedom: int) -> float:
    """Probability that Student's t is at most `t`, for t >= 0 (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine, cosine) if freedom % 2 else (1.0, 1.0)
    for step in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    if freedom == 1:
        total = 0.0
    within = 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total
    return 0.5 + within / 2


def quantile(samples: Sequence[float], probability: float) -> float:
    """Quantile with linear interpolation between neighbouring samples."""
    ordered = sorted(samples)
    place = probability * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def latency_summary(samples_ms: Sequence[float]) -> Latency:
    """Mean, median, 5th and 95th percentile, standard deviation, fastest and slowest, in ms."""
    return Latency(
        mean=fmean(samples_ms),
        median=median(samples_ms),
        p5=quantile(samples_ms, 0.05),
        p95=quantile(samples_ms, 0.95),
        std=stdev(samples_ms) if len(samples_ms) > 1 else 0.0,
        min=min(samples_ms),
        max=max(samples_ms),
    )


def coefficient_of_variation(samples: Sequence[float]) -> float | None:
    """Standard deviation over mean; None with fewer than two samples."""
    return stdev(samples) / fmean(samples) if len(samples) > 1 else None


def spread(round_fps: Sequence[float]) -> float:
    """Fastest minus slowest round, relative to their mean."""
    return (max(round_fps) - min(round_fps)) / fmean(round_fps)


def drift(round_fps: Sequence[float]) -> float:
    """How much faster the last round was than the first; negative where it was slower."""
    return round_fps[-1] / round_fps[0] - 1


def blocks(samples: Sequence[float], count: int = BLOCKS) -> list[float]:
    """Means of `count` runs of neighbouring samples of equal length; each sample itself where there are fewer."""
    length = max(len(samples) // count, 1)
    return [fmean(samples[start : start + length]) for start in range(0, len(samples) - length + 1, length)]


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
