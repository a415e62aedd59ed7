"""An outcome for people: one line for every change, every verdict and everything that was not judged."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from segbench.conditions import TimingConditions
from segbench.record import Record
from segbench.regress.judge import METRICS, Comparison, NetworkComparison, Outcome
from segbench.regress.verdicts import FASTER, SAME, SLOWER, UNDECIDED
from segbench.units import significant

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
    yield Text(summary(outcome), style="bold red" if outcome.status else "bold")


def _network(network: NetworkComparison) -> Iterator[Text]:
    state = "FAILED" if network.failure else "CHANGED" if network.findings else "unchanged"
    yield Text(f"{network.title}: {state}", style="bold red" if state != "unchanged" else "bold")
    if network.failure:
        yield Text(f"  {network.failure}", style="red")
    for finding in network.findings:
        yield Text(f"  {finding}", style="red")
    for module in network.modules:
        yield Text(f"  - {module}", style="red")
    for comparison in network.comparisons:
        yield Text(f"  {sentence(comparison)}", style=STYLE[comparison.verdict.verdict])
    if network.comparisons:
        yield Text(f"  measured {where(network.after)}", style="dim")
    if network.not_judged:
        yield Text(f"  {network.not_judged}", style="yellow")
    if network.not_compared:
        yield Text(f"  mIoU is not comparable: {network.not_compared}", style="yellow")
    for note in network.notes:
        yield Text(f"  note: {note}", style="dim")


def sentence(comparison: Comparison) -> str:
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
    text = (
        f"{verdict.verdict} {comparison.metric} {significant(comparison.before)} -> {significant(comparison.after)} "
        f"{METRICS[comparison.metric]} ({'; '.join(parts)})"
    )
    return f"{text}: {verdict.reason}" if verdict.reason else text


def where(record: Record) -> str:
    """On what and how a Record was timed; a CPU's and a simulated device's timings are called so."""
    conditions = TimingConditions.of(record)
    if conditions is None:
        return "not timed"
    kind = "CPU timing, not comparable with CUDA's" if conditions.on_cpu else ""
    kind = "simulated timing" if conditions.device_name == "simulated" else kind
    return f"on {conditions.describe()}{f' ({kind})' if kind else ''}"


def summary(outcome: Outcome) -> str:
    """The whole check in one line."""
    networks = outcome.networks
    counts = {
        "changed": sum(bool(network.findings) for network in networks),
        "failed": sum(bool(network.failure) for network in networks),
        "slower": sum(bool(network.verdicts(SLOWER)) for network in networks),
        "faster": sum(bool(network.verdicts(FASTER)) for network in networks),
        "undecided": sum(bool(network.verdicts(UNDECIDED)) for network in networks),
        "not judged for speed": sum(bool(network.not_judged) for network in networks),
        "not comparable in mIoU": sum(bool(network.not_compared) for network in networks),
        "removed": len(outcome.removed),
        "added": len(outcome.added),
    }
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing changed"
    words = "network" if len(networks) == 1 else "networks"
    against = f" against {outcome.baseline}" if outcome.baseline else ""
    return f"{len(networks)} {words}{against}: {found}: {'FAIL' if outcome.status else 'pass'}"
