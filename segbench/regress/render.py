"""An outcome for people: one line for every change, every verdict and everything that was not judged."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from segbench.conditions import TimingConditions
from segbench.record import Record
from segbench.regress.judge import METRICS, Comparison, Held, Outcome
from segbench.regress.verdicts import FASTER, SAME, SLOWER, UNDECIDED
from segbench.units import significant

STYLE = {SAME: "default", FASTER: "green", SLOWER: "bold red", UNDECIDED: "yellow"}


def lines(outcome: Outcome) -> Iterator[Text]:
    """Everything that an outcome says, a line at a time."""
    for held in outcome.networks:
        yield from _network(held)
    for name in outcome.removed:
        yield Text(f"{name}: in the baseline, not in the run", style="yellow")
    for name in outcome.added:
        yield Text(f"{name}: not in the baseline, so not judged", style="yellow")
    for warning in outcome.warnings:
        yield Text(f"warning: {warning}", style="yellow")
    yield Text(summary(outcome), style="bold red" if outcome.status else "bold")


def _network(held: Held) -> Iterator[Text]:
    state = "FAILED" if held.failure else "CHANGED" if held.findings else "unchanged"
    yield Text(f"{held.title}: {state}", style="bold red" if state != "unchanged" else "bold")
    if held.failure:
        yield Text(f"  {held.failure}", style="red")
    for finding in held.findings:
        yield Text(f"  {finding}", style="red")
    for module in held.modules:
        yield Text(f"  - {module}", style="red")
    for comparison in held.comparisons:
        yield Text(f"  {sentence(comparison)}", style=STYLE[comparison.verdict.verdict])
    if held.comparisons:
        yield Text(f"  measured {where(held.after)}", style="dim")
    if held.not_judged:
        yield Text(f"  {held.not_judged}", style="yellow")
    if held.not_compared:
        yield Text(f"  mIoU is not comparable: {held.not_compared}", style="yellow")
    for note in held.notes:
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
        "changed": sum(bool(held.findings) for held in networks),
        "failed": sum(bool(held.failure) for held in networks),
        "slower": sum(bool(held.verdicts(SLOWER)) for held in networks),
        "faster": sum(bool(held.verdicts(FASTER)) for held in networks),
        "undecided": sum(bool(held.verdicts(UNDECIDED)) for held in networks),
        "not judged for speed": sum(bool(held.not_judged) for held in networks),
        "not comparable in mIoU": sum(bool(held.not_compared) for held in networks),
        "removed": len(outcome.removed),
        "added": len(outcome.added),
    }
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing changed"
    words = "network" if len(networks) == 1 else "networks"
    against = f" against {outcome.baseline}" if outcome.baseline else ""
    return f"{len(networks)} {words}{against}: {found}: {'FAIL' if outcome.status else 'pass'}"
