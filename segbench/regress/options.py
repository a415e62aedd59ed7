"""How a check judges: minimum effects, how many processes, what is timed and for how long."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from segbench import limits
from segbench.errors import BadOption
from segbench.records.record import Record

PROCESSES = 10
"""Fresh processes a side."""

MIN_EFFECT = 0.03
"""Smallest relative change of a timing that matters."""

SHARE_OF_FIND = 2 / 3
"""Minimum effect of a check that is to find a given slowdown, as a share of it: with less, an unchanged network is more
often UNDECIDED; with more, the estimate of that slowdown falls below the minimum effect too often."""

TOLERANCE_POINTS = 0.005
"""Largest change of an mIoU that is none, in percentage points."""

METRICS = {"FPS": "images/s", "GPU busy": "ms", "latency": "ms", "memory": "MiB"}
"""What is judged statistically, and its unit; latency is the median over the frames of a process. GPU-busy time is the
steady figure of a network whose FPS the launching host decides."""


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of single metrics and networks, as ``[check]`` of a run file gives them.

    Attributes:
        metrics: smallest relative change that matters, by metric; of ``mIoU`` in percentage points.
        networks: the same by name or pattern; of several that a network matches the last one counts.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def of(self, model: str, metric: str) -> float | None:
        """The threshold of a network's metric; None where none is given."""
        found = self.metrics.get(metric)
        for pattern, metrics in self.networks.items():
            if fnmatch.fnmatchcase(model, pattern):
                found = metrics.get(metric, found)
        return found


@dataclass(frozen=True)
class Options:
    """How a check judges.

    Attributes:
        min_effect: smallest relative change of a timing that matters, where no threshold says otherwise; None for 3 %,
            or for two thirds of `find` where that is less.
        processes: fresh processes a side.
        find: slowdown that the check is to find in 95 % of runs, which chooses the processes; None for `processes`.
        strict: what could not be judged fails too.
        force: judge timings of other machines.
        speed: judge speed and memory at all.
        budget_s: on a CPU, seconds for one process's timing.
        gpu_budget_s: the same on a GPU; None for the whole protocol.
        device: which device of the baseline's kind is timed, such as ``cuda:1``; None for the first.
        timeout_s: longest time of one process.
        thresholds: of single metrics and networks.
    """

    min_effect: float | None = None
    processes: int = PROCESSES
    find: float | None = None
    strict: bool = False
    force: bool = False
    speed: bool = True
    budget_s: float = 10.0
    gpu_budget_s: float | None = None
    device: str | None = None
    timeout_s: float = 600.0
    thresholds: Thresholds = field(default_factory=Thresholds)

    def check(self) -> Options:
        """The options themselves.

        Raises:
            BadOption: one of them is out of range.
        """
        for name, share in (("--min-effect", self.min_effect), ("--for", self.find)):
            if share is not None and not 0 < share < 1:
                raise BadOption(f"{name} must be above 0 % and below 100 %, as in 3%: {share:.4g} given")
        if self.find is not None and self.min_effect is not None and self.min_effect >= self.find:
            raise BadOption(
                f"--min-effect must be below --for, or the slowdown looked for does not matter: {self.min_effect:.3g} "
                f"and {self.find:.3g} given; without --min-effect it is two thirds of --for"
            )
        if self.processes < 2:
            raise BadOption(f"--processes must be 2 or more, as verdicts rest on repeats: {self.processes} given")
        limits.check("--processes", self.processes, 2, limits.PROCESSES)
        limits.check("--budget", self.budget_s, 0, limits.SECONDS, above=True, unit=" seconds")
        limits.check("--timeout", self.timeout_s, 0, limits.SECONDS, above=True, unit=" seconds")
        return self

    def min_effect_of(self, model: str, metric: str) -> float:
        """Smallest relative change of a network's metric that matters."""
        given = self.thresholds.of(model, metric)
        if given is None:
            given = self.min_effect
        return min(MIN_EFFECT, SHARE_OF_FIND * (self.find or 1)) if given is None else given

    def find_of(self, model: str, metric: str) -> float:
        """Slowdown of a network's metric that is to be found: `find`, or what lies above a threshold that is larger."""
        limit = self.min_effect_of(model, metric)
        return self.find if self.find is not None and self.find > limit else limit / SHARE_OF_FIND

    def tolerance_of(self, before: Record) -> float:
        """Largest change of a Record's mIoU that is none, in percentage points: the run file's or the baseline's."""
        given = self.thresholds.of(before.model, "mIoU")
        if given is None and before.accuracy is not None:
            given = before.accuracy.tolerance_points
        return TOLERANCE_POINTS if given is None else given


DEFAULT = Options()


def parse_effect(text: str, name: str = "--min-effect") -> float:
    """A share as a user writes it: ``3%`` or ``0.03``.

    Args:
        text: the share.
        name: of the option, for the message.

    Raises:
        BadOption: no number, or not above 0 % and below 100 %.
    """
    try:
        value = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise BadOption(f"{name} {text!r} is no share, as in 3% or 0.03") from None
    if math.isnan(value) or not 0 < value < 1:
        raise BadOption(f"{name} must be above 0 % and below 100 %, as in 3%: {text!r} given")
    return value
