"""What samples say: quantiles, spread, drift, and an interval of the FPS.

Outliers are part of the measurement: nothing is ever dropped. Imports no torch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, harmonic_mean, stdev

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
