"""An outcome for people: one line for every change, every verdict and everything that was not judged."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.regress.judge import MetricComparison, NetworkComparison, Outcome
from segbench.regress.options import METRICS
from segbench.regress.verdicts import FASTER, SAME, SLOWER, UNDECIDED
from segbench.units import plural, significant

STYLE = {SAME: "default", FASTER: "green", SLOWER: "bold red", UNDECIDED: "yellow"}


def lines(outcome: Outcome) -> Iterator[Text]:
    """Everything that an outcome says, a line at a time."""
    for network in outcome.networks:
        yield from _network(network)
    for name in outcome.removed:
        yield Text(f"{name}: in the baseline, not in the run", style="yellow")
    for name in outcome.added:
        yield Text(f"{name}: not in the baseline, so not judged", style="yellow")
    for warning in outcome.warnings:
        yield Text(f"warning: {warning}", style="yellow")
    if command := how_to_accept(outcome):
        yield Text(f"what is meant is accepted by: {command}", style="dim")
    if said := power(outcome):
        yield Text(said, style="dim")
    yield Text(summary(outcome), style="bold red" if outcome.status else "bold")


def _network(network: NetworkComparison) -> Iterator[Text]:
    found = state(network)
    yield Text(f"{network.title}: {found}", style="bold red" if found.isupper() else "bold")
    if network.failure:
        yield Text(f"  {network.failure}", style="red")
    for finding in network.findings:
        yield Text(f"  {finding}", style="red")
    for module in network.modules:
        yield Text(f"  - {module}", style="red")
    for text in network.accepted:
        yield Text(f"  accepted: {text}", style="yellow")
    for comparison in network.comparisons:
        yield Text(f"  {sentence(comparison)}", style=STYLE[comparison.verdict.verdict])
    if network.comparisons:
        yield Text(f"  measured {where(network.after)}", style="dim")
    for _, why in network.unjudged():
        yield Text(f"  {why}", style="yellow")
    for note in network.notes:
        yield Text(f"  note: {note}", style="dim")


def how_to_accept(outcome: Outcome) -> str:
    """How to let the findings of a failed check pass; empty where there is none that a baseline can accept."""
    titles = [network.title for network in outcome.networks if network.findings or network.verdicts(SLOWER)]
    if not titles or not outcome.stored:
        return ""
    return f"segbench accept '{titles[0]}: QUANTITY' --reason TEXT"


def state(network: NetworkComparison) -> str:
    """What became of the deterministic quantities, in a word."""
    if network.failure:
        return "FAILED"
    if network.findings:
        return "CHANGED"
    if network.no_baseline:
        return "not compared"
    return "accepted" if network.accepted else "unchanged"


def sentence(comparison: MetricComparison) -> str:
    """One verdict with its numbers, such as ``SLOWER FPS 100 -> 90.9 images/s (-9.1 %, 90 % interval ...)``."""
    verdict = comparison.verdict
    low, high = comparison.interval()
    before, after = verdict.samples
    parts = [f"{comparison.ratio() - 1:+.1%}"]
    if high < float("inf") and low > 0:
        parts.append(f"90 % interval {low - 1:+.1%} to {high - 1:+.1%}")
    parts.append(f"p {verdict.p:.2g} over the whole run")
    parts.append(f"{before} and {after} processes")
    if comparison.noise_floor is not None:
        parts.append(f"noise floor (A/A) {comparison.noise_floor:.1%}")
    if comparison.finds is not None:
        parts.append(f"finds {comparison.finds:.1%}")
    text = (
        f"{verdict.verdict} {comparison.metric} {significant(comparison.before)} -> {significant(comparison.after)} "
        f"{METRICS[comparison.metric]} ({'; '.join(parts)})"
    )
    text = f"{text}: {verdict.reason}" if verdict.reason else text
    return f"{text}: accepted ({comparison.accepted})" if comparison.accepted else text


def where(record: Record) -> str:
    """On what and how a Record was timed; a CPU's and a simulated device's timings are called so."""
    conditions = TimingConditions.of(record)
    if conditions is None:
        return "not timed"
    kind = "CPU timing, not comparable with CUDA's" if conditions.on_cpu else ""
    kind = "simulated timing" if conditions.device_name == "simulated" else kind
    return f"on {conditions.describe()}{f' ({kind})' if kind else ''}"


def power(outcome: Outcome) -> str:
    """What slowdown the run could have found, by metric and of its noisiest network; empty where it timed nothing."""
    parts = []
    for metric in METRICS:
        found = [
            (item.finds, network)
            for network in outcome.networks
            for item in network.comparisons
            if item.metric == metric
        ]
        known = [(finds, network.title) for finds, network in found if finds is not None]
        if len(known) < len(found):
            parts.append(f"{metric} none (too few processes)")
        elif known:
            finds, title = max(known)
            parts.append(f"{metric} {finds:.1%}" + (f" ({title})" if len(known) > 1 else ""))
    return f"a slowdown that this run finds in 95 % of cases: {', '.join(parts)}" if parts else ""


def summary(outcome: Outcome) -> str:
    """The whole check in one line."""
    networks = outcome.networks
    counts = {
        "changed": sum(bool(network.findings) for network in networks),
        "failed": sum(bool(network.failure) for network in networks),
        "slower": sum(bool(network.verdicts(SLOWER)) for network in networks),
        "accepted": sum(
            bool(network.accepted or any(item.accepted for item in network.comparisons)) for network in networks
        ),
        "faster": sum(bool(network.verdicts(FASTER)) for network in networks),
        "undecided": sum(bool(network.verdicts(UNDECIDED)) for network in networks),
        "not compared": sum(bool(network.no_baseline) for network in networks),
        "not judged for speed": sum(bool(network.not_judged) for network in networks),
        "not comparable in mIoU": sum(bool(network.not_compared) for network in networks),
        "removed": len(outcome.removed),
        "added": len(outcome.added),
    }
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing changed"
    against = f" against {outcome.baseline}" if outcome.baseline else ""
    return f"{plural(len(networks), 'network')}{against}: {found}: {'FAIL' if outcome.status else 'pass'}"
