"""Two looks: judge, measure again what is not settled, judge all samples together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from segbench import limits
from segbench.errors import BadOption
from segbench.processes import with_timings
from segbench.record import Record
from segbench.regress.judge import NetworkComparison, Outcome, compare_records, costs
from segbench.regress.rows import Key
from segbench.regress.verdicts import SAME, beside_drift, drift

PROCESSES = 10
"""Processes a side at the first look."""

Sides = tuple[Mapping[Key, list[Record]], Mapping[Key, list[Record]]]
"""Timings of the baseline's side and of the current one, one Record per process; none of a stored baseline."""

Measure = Callable[[Sequence[Key], int], Sides]
"""Times some networks; told which look it is, 0 or 1."""


@dataclass(frozen=True)
class Options:
    """How a check judges.

    Attributes:
        min_effect: smallest relative change of a timing that matters.
        processes: fresh processes a side at the first look.
        strict: what could not be judged fails too.
        force: judge timings of other machines.
        speed: judge speed and memory at all.
        budget_s: on a CPU, seconds for one process's timing.
        gpu_budget_s: the same on a GPU; None for the whole protocol.
        device: which device of the baseline's kind is timed, such as ``cuda:1``; None for the first.
        timeout_s: longest time of one process.
    """

    min_effect: float = 0.03
    processes: int = PROCESSES
    strict: bool = False
    force: bool = False
    speed: bool = True
    budget_s: float = 10.0
    gpu_budget_s: float | None = None
    device: str | None = None
    timeout_s: float = 600.0

    def check(self) -> Options:
        """The options themselves.

        Raises:
            BadOption: one of them is out of range.
        """
        if not 0 < self.min_effect < 1:
            raise BadOption(f"--min-effect must be above 0 % and below 100 %, as in 3%: {self.min_effect:.4g} given")
        if self.processes < 2:
            raise BadOption(f"--processes must be 2 or more, as verdicts rest on repeats: {self.processes} given")
        limits.check("--processes", self.processes, 2, limits.PROCESSES)
        limits.check("--budget", self.budget_s, 0, limits.SECONDS, above=True, unit=" seconds")
        limits.check("--timeout", self.timeout_s, 0, limits.SECONDS, above=True, unit=" seconds")
        return self


def measure_twice(
    baseline: Mapping[Key, Record],
    counted: Mapping[Key, Record],
    timed: Sequence[Key],
    measure: Measure,
    options: Options,
) -> Outcome:
    """Judge counts, then timings in two looks.

    Args:
        baseline: the rows to compare with; with their samples, or counted only where `measure` times both sides.
        counted: the current rows under the baseline's keys, without timings.
        timed: which of them to time.
        measure: does it.
        options: how to judge.
    """
    before: dict[Key, list[Record]] = {name: [] for name in timed}
    after: dict[Key, list[Record]] = {name: [] for name in timed}

    def add(names: Sequence[Key], look: int) -> None:
        for side, more in zip((before, after), measure(names, look) if names else ({}, {}), strict=True):
            for name, records in more.items():
                side[name] = [*side[name], *records]

    def judged() -> Outcome:
        return compare_records(
            {
                name: with_timings(record, before[name]) if before.get(name) else record
                for name, record in baseline.items()
            },
            {
                name: with_timings(record, after[name]) if after.get(name) else record
                for name, record in counted.items()
            },
            min_effect=options.min_effect,
            force=options.force,
            strict=options.strict,
            speed=bool(timed),
        )

    add(timed, 0)
    outcome = judged()
    again = [network.name for network in outcome.networks if network.name in after and _unsettled(network)]
    if not again:
        return outcome
    first = {name: len(after[name]) for name in again}
    add(again, 1)
    outcome = judged()
    if not any(before.values()):
        _guard_against_drift(
            outcome, {name: (after[name][: first[name]], after[name][first[name] :]) for name in again}
        )
    return outcome


def _unsettled(network: NetworkComparison) -> bool:
    """Whether anything but SAME was said: a first look raises no alarm and gives no other all-clear."""
    return any(comparison.verdict.verdict != SAME for comparison in network.comparisons)


def _guard_against_drift(outcome: Outcome, looks: Mapping[Key, tuple[Sequence[Record], Sequence[Record]]]) -> None:
    """Decide nothing that the machine may have caused, since a stored baseline cannot be measured again beside it."""
    pairs = [(_times(first), _times(second)) for first, second in looks.values()]
    ratio = drift([(first, second) for first, second in pairs if first and second])
    if ratio is None:
        return
    outcome.warnings.append(
        f"the machine's times changed by {ratio - 1:+.1%} between the first look and the second, all networks together"
    )
    for network in outcome.networks:
        if network.name in looks:
            network.comparisons = [
                replace(comparison, verdict=beside_drift(comparison.verdict, ratio))
                for comparison in network.comparisons
            ]


def _times(records: Sequence[Record]) -> list[float]:
    return [cost for record in records for cost in costs(record).get("FPS", [])]


def parse_effect(text: str) -> float:
    """A minimum effect as a user writes it: ``3%`` or ``0.03``.

    Raises:
        BadOption: no number, or not above 0 % and below 100 %.
    """
    try:
        value = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise BadOption(f"--min-effect {text!r} is no share, as in 3% or 0.03") from None
    if not 0 < value < 1:
        raise BadOption(f"--min-effect must be above 0 % and below 100 %, as in 3%: {text!r} given")
    return value
