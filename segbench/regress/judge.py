"""Compare the Records of a run with those of a baseline: one outcome for all networks, and an exit status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from segbench.errors import SegbenchError
from segbench.records.processes import process_busy, process_latencies, process_peaks
from segbench.records.record import Record, now
from segbench.regress.difference import (
    Finding,
    accuracy_differences,
    compare_accuracies,
    compare_counts,
    explain,
    unsigned,
)
from segbench.regress.options import DEFAULT, METRICS, Options
from segbench.regress.power import process_noise, smallest_effect
from segbench.regress.rows import Key, label, mismatch, pairs
from segbench.regress.verdicts import SLOWER, UNDECIDED, Verdict, judge, noise_floor


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one network with its verdict, in the metric's own unit.

    Attributes:
        metric: key of `METRICS`.
        before: median over the baseline's processes.
        after: median over the current processes.
        verdict: the judgement.
        noise_floor: what two halves of one side differ by (A/A); None with too few processes.
        finds: smallest slowdown, as a ratio minus 1, that is found in 95 % of such runs; None where none is.
        accepted: why a slowdown does not count; empty where it does.
    """

    metric: str
    before: float
    after: float
    verdict: Verdict
    noise_floor: float | None
    finds: float | None = None
    accepted: str = ""

    def interval(self) -> tuple[float, float]:
        """Ends of the 90 % interval of the change of the metric, as ratios to the baseline."""
        if self.metric == "FPS":
            return 1 / self.verdict.high if self.verdict.high else 0.0, _inverse(self.verdict.low)
        return self.verdict.low, self.verdict.high

    def ratio(self) -> float:
        """Current value over the baseline's."""
        return 1 / self.verdict.ratio if self.metric == "FPS" else self.verdict.ratio


def _inverse(value: float) -> float:
    return 1 / value if value else float("inf")


@dataclass
class NetworkComparison:
    """One network beside its baseline.

    Attributes:
        name: the row of the baseline.
        title: network and resolution.
        before: the baseline's Record.
        after: the current one.
        findings: deterministic quantities that changed.
        modules: which modules changed, one line each.
        comparisons: the metrics that were judged.
        no_baseline: why the baseline has no measurement of it; empty where it has one.
        not_judged: why speed and memory were not; empty where they were, or where there is nothing to judge.
        not_compared: why two mIoUs were not: how their conditions differ; empty where they were.
        accepted: deterministic changes that do not count, each with its reason; a metric's is in its comparison.
        failure: why there is no current measurement; empty where there is one.
        notes: what was not compared, and why.
        seconds: that measuring it took; 0 where nothing was measured.
    """

    name: Key
    title: str
    before: Record
    after: Record
    findings: list[Finding] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    comparisons: list[MetricComparison] = field(default_factory=list)
    no_baseline: str = ""
    not_judged: str = ""
    not_compared: str = ""
    accepted: list[str] = field(default_factory=list)
    failure: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def verdicts(self, verdict: str) -> list[MetricComparison]:
        """The metrics with this verdict, but for slowdowns that are accepted."""
        return [item for item in self.comparisons if item.verdict.verdict == verdict and not item.accepted]

    @property
    def regressed(self) -> bool:
        """A deterministic change, a slowdown, or a measurement that failed."""
        return bool(self.findings or self.failure or self.verdicts(SLOWER))

    def unjudged(self) -> list[tuple[str, str]]:
        """What could not be judged, and why."""
        missing = f"the baseline has no measurement: {self.no_baseline}" if self.no_baseline else ""
        unlike = f"mIoU is not comparable: {self.not_compared}" if self.not_compared else ""
        found = [("counts and signature", missing), ("speed", self.not_judged), ("mIoU", unlike)]
        return [(what, why) for what, why in found if why]

    @property
    def open(self) -> bool:
        """Something that should have been judged was not."""
        return bool(self.unjudged() or self.verdicts(UNDECIDED))


@dataclass
class Outcome:
    """A whole check.

    Attributes:
        networks: those that are in the baseline and in the run.
        added: rows of the run that the baseline does not have.
        removed: rows of the baseline that could not be, or were not, measured.
        baseline: what it was compared with, in words.
        strict: what is open fails too.
        warnings: about the run as a whole.
        refused: what is wrong with networks of the user's own that cannot be imported or built.
        started: when, in UTC, such as ``2026-11-21T10:00:00Z``.
        stored: against a stored baseline, in which findings can be accepted.
    """

    networks: list[NetworkComparison]
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    baseline: str = ""
    strict: bool = False
    warnings: list[str] = field(default_factory=list)
    refused: list[SegbenchError] = field(default_factory=list)
    started: str = field(default_factory=now)
    stored: bool = False

    @property
    def status(self) -> int:
        """Exit status: 1 with a regression, or with anything open where `strict`."""
        if any(network.regressed for network in self.networks):
            return 1
        return int(self.strict and (bool(self.removed) or any(network.open for network in self.networks)))

    def records(self) -> list[Record]:
        """The current Records."""
        return [network.after for network in self.networks]


def costs(record: Record) -> dict[str, list[float]]:
    """What each process showed, as costs (more is worse): seconds per image, latency in ms, memory in MiB.

    A Record of one process has one sample of each.
    """
    speed, memory = record.speed, record.memory
    found = {
        "FPS": [1 / fps for fps in speed.process_fps or [speed.fps]] if speed else [],
        "GPU busy": process_busy(speed) if speed else [],
        "latency": process_latencies(speed) if speed else [],
        "memory": [peak for peak in process_peaks(memory) if peak > 0] if memory else [],
    }
    return {metric: values for metric, values in found.items() if values}


def compare_records(
    baseline: Mapping[Key, Record],
    current: Mapping[Key, Record],
    options: Options = DEFAULT,
    *,
    accuracy: bool = False,
) -> Outcome:
    """Judge every network that both sides have; nothing is measured here.

    Args:
        baseline: by `segbench.regress.rows.key`.
        current: the same.
        options: how to judge.
        accuracy: compare mIoUs too, of which one that is gone is a finding; not where nothing was evaluated again.
    """
    names = pairs(baseline, current)
    taken = set(names.values())
    outcome = Outcome(
        networks=[
            _compare_network(one, baseline[one], current[other], options, accuracy) for one, other in names.items()
        ],
        added=[label(record) for name, record in current.items() if name not in taken],
        removed=[label(record) for name, record in baseline.items() if name not in names],
        strict=options.strict,
    )
    if options.speed:
        judge_speed(outcome.networks, options)
    return outcome


def _compare_network(name: Key, before: Record, after: Record, options: Options, accuracy: bool) -> NetworkComparison:
    network = NetworkComparison(name, label(before), before, after)
    if after.failure:
        network.failure = after.failure
        return network
    if before.failure:
        network.no_baseline = before.failure
        return network
    same_torch = before.environment.get("torch") == after.environment.get("torch")
    same_machine = bool(before.speed and after.speed) and not mismatch(before, after)
    network.findings = compare_counts(before, after, same_torch=same_torch, same_machine=same_machine)
    if network.findings:
        network.modules = explain(before, after)
    if accuracy:
        network.findings += compare_accuracies(before, after, options.tolerance_of(before))
        network.not_compared = "; ".join(accuracy_differences(before, after))
    elif before.accuracy:
        network.notes.append("the mIoU was not evaluated again: --miou takes Records of `segbench eval`")
    if before.params is not None and after.params is not None:
        network.notes += _not_kept(before, after)
    return network


def _not_kept(before: Record, after: Record) -> Iterator[str]:
    """What one of two Records, or neither, has to compare."""
    for what in ("signature", "modules"):
        old, new = getattr(before, what), getattr(after, what)
        reason = unsigned(before) if what == "signature" else ""
        if not old and not new:
            yield f"neither side has {'a ' * (what == 'signature')}{what}{f': {reason}' if reason else ''}"
        elif not old:
            yield f"the baseline has no {what}: {reason or '`segbench baseline save` keeps it'}"
        elif not new and not unsigned(after):
            yield f"the current Record has no {what}"


def judge_speed(networks: Sequence[NetworkComparison], options: Options) -> None:
    """Fill in the verdicts of all networks at once, because they share one level."""
    family: list[tuple[NetworkComparison, str, list[float], list[float]]] = []
    for network in networks:
        network.comparisons, network.not_judged = [], ""
        if network.failure or not network.before.speed:
            continue
        if not network.after.speed:
            network.not_judged = "speed was not measured"
            continue
        differ = mismatch(network.before, network.after)
        if differ and not options.force:
            network.not_judged = (
                f"other conditions than the baseline's ({'; '.join(differ)}); --force judges all the same"
            )
            continue
        if differ:
            network.notes.append(f"judged by force under other conditions ({'; '.join(differ)})")
        before, after = costs(network.before), costs(network.after)
        shared = [metric for metric in METRICS if metric in before and metric in after]
        family += [(network, metric, before[metric], after[metric]) for metric in shared]
    if not family:
        return
    limits = [options.min_effect_of(network.before.model, metric) for network, metric, _, _ in family]
    verdicts = judge([(old, new) for _, _, old, new in family], limits)
    for (network, metric, old, new), limit, verdict in zip(family, limits, verdicts, strict=True):
        middle = [median(values) for values in (old, new)]
        if metric == "FPS":
            middle = [1 / value for value in middle]
        noise = process_noise(old, new)
        finds = None if noise is None else smallest_effect(noise, verdict.samples, len(family), limit)
        network.comparisons.append(
            MetricComparison(metric, middle[0], middle[1], verdict, noise_floor(old, new), finds)
        )
