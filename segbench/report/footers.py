"""What stands below a table: the conditions of each column, what was counted, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from segbench.catalog import FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, beside, headings
from segbench.report.launching import LAUNCH_BOUND
from segbench.report.measured import Measured, older_footers
from segbench.resolution import show
from segbench.spec import is_own
from segbench.units import AT_LEAST

OWN = "own"
Asked = Mapping[tuple[str, tuple[int, int]], tuple[int, int]]
ELSEWHERE = "\u2020"
"""Beside a size that is not the one asked for."""


def condition_footers(rows: Sequence[Measured], timings: Sequence[TimingConditions]) -> Iterator[str]:
    """What stands behind each column of timings: all conditions, dates, and what differs within it."""
    for conditions, title in zip(timings, headings(timings), strict=True):
        timed = [row.timings[conditions] for row in rows if conditions in row.timings]
        dates = sorted({record.created[:10] for record in timed if record.created})
        parts = [f"measured, {conditions.describe()}", *_beside(timed)]
        if dates:
            parts.append(" to ".join(dict.fromkeys((dates[0], dates[-1]))))
        if conditions.on_cpu:
            parts.append("a CPU timing, not comparable with a GPU's")
        yield f"{title}: {'; '.join(parts)}"
    if not timings:
        yield "Speed was not measured."


def _beside(records: Sequence[Record]) -> Iterator[str]:
    """Versions and the length of the measurement: versions that are the same once, and every value that differs."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        facts = beside(record)
        for name in {**found, **facts}:
            found.setdefault(name, {})[facts.get(name, "unknown")] = None
    same = [f"{name} {next(iter(values))}" for name, values in found.items() if len(values) == 1]
    versions = [text for text in same if text.startswith(("torch ", "CUDA ", "cuDNN ", "driver "))]
    if versions:
        yield ", ".join(versions)
    for name, values in found.items():
        if len(values) > 1:
            yield f"{name} differs: {' or '.join(sorted(values))}"


def bound_footer(rows: Iterable[Measured]) -> str:
    """What is not in MACs that are lower bounds; empty where all are exact."""
    missing = [
        f"{row.model} ({', '.join(f'{kind}, {times} times' for kind, times in row.uncounted.items())})"
        for row in rows
        if row.uncounted
    ]
    return f"{AT_LEAST}MACs: a lower bound; not counted: {'; '.join(dict.fromkeys(missing))}." if missing else ""


COUNTING_RULE = (
    "Params and MACs: counted here. Counting rule macs: multiply-accumulates of convolutions, transposed convolutions "
    "(input grid), linear layers and matrix products."
)


def fidelity_footer(fidelities: Iterable[str | None]) -> str:
    """What the fidelities that appear mean; empty where none does."""
    present = set(fidelities)
    meanings = [f"{fidelity}: {meaning}" for fidelity, meaning in FIDELITY_MEANING.items() if fidelity in present]
    return f"Fidelity: {'. '.join(meanings)}." if meanings else ""


def short_notes(rows: Sequence[Measured], papers: Sequence[str]) -> Iterator[str]:
    """What a paper says below its table."""
    yield "Parameters and MACs counted by segbench (one multiply-accumulate is one MAC)."
    if papers:
        yield "Claimed: as the cited papers print it, on their own GPUs."
    lower = bound_footer(rows)
    if lower:
        yield lower


def nearest_footers(rows: Iterable[Measured], asked: Asked) -> Iterator[str]:
    """Which networks were measured at another size than was asked for."""
    named = [
        f"{row.model} at {show(row.resolution)}"
        for row in rows
        if (row.model, row.resolution) in asked and not row.failure
    ]
    if named:
        yield (
            f"{ELSEWHERE} measured at the nearest size that the network takes, so neither ranked with the others nor "
            f"on their frontier: {', '.join(named)}."
        )


def reported_footers(claims: Sequence[Claim]) -> Iterator[str]:
    """What a self-reported figure is; nothing where none is shown."""
    if claims:
        yield "Self-reported: given by the caller of segbench; neither measured here nor printed by a paper."


def table_footers(
    rows: Sequence[Measured], timings: Sequence[TimingConditions], titles: Sequence[str], papers: Iterable[str]
) -> Iterator[str]:
    """What stands below the overall table, but what is said of sizes and of self-reported figures."""
    yield from condition_footers(rows, timings)
    bound = [
        f"{row.model} {show(row.resolution)}"
        for row in rows
        if any(record.speed and record.speed.verdict == LAUNCH_BOUND for record in row.timings.values())
    ]
    if bound:
        yield (
            f"Launch-bound: the host launches the kernels of {', '.join(bound)} more slowly than the GPU runs them, so "
            "that their FPS is about their number of kernels; as a CUDA graph one call launches all of them."
        )
    yield COUNTING_RULE
    order = f"by {titles[0]}, then by MACs where it was not measured" if titles else "by MACs"
    yield f"Order: networks with the same classes and size together, the size with most networks first; {order}."
    yield from older_footers(rows)
    named = [paper for paper in PAPERS if paper in set(papers)]
    if named:
        yield "Claimed: as printed, on the paper's own GPU; " + "; ".join(
            f"({paper}) {PAPERS[paper]}" for paper in named
        )
    lower = bound_footer(rows)
    if lower:
        yield lower
    meaning = fidelity_footer(row.record.fidelity for row in rows)
    if meaning:
        yield meaning
    if any(is_own(row.model) for row in rows):
        yield f"{OWN}: a network from outside the catalog, of the user or of a library."
