"""A profile in one line, and the profiles of several networks side by side with the ratios to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from segbench.claims import Claim, load_claims
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.report.listing import Listing
from segbench.report.pairing import belongs
from segbench.resolution import show
from segbench.units import AT_LEAST, DASH, scaled, significant


def _latency(record: Record) -> float | None:
    return record.speed.latency_ms.median if record.speed and record.speed.latency_ms else None


_QUANTITIES: tuple[tuple[str, Callable[[Record], float | None], Callable[[float], str]], ...] = (
    ("parameters", lambda record: record.params, scaled),
    ("MACs", lambda record: record.operations.get("macs"), scaled),
    ("FPS", lambda record: record.speed.fps if record.speed else None, significant),
    ("latency (ms)", _latency, significant),
    ("GPU busy (ms)", lambda record: record.speed.gpu_busy_ms if record.speed else None, significant),
    ("energy (mJ)", lambda record: record.speed.energy_mj if record.speed else None, significant),
    ("peak memory (MiB)", lambda record: record.memory.peak_mib if record.memory else None, significant),
)


def costs_and_speed(record: Record) -> str:
    """Parameters, MACs and FPS of a Record, or why there are none."""
    parts = []
    if record.params is not None:
        parts.append(f"{scaled(record.params)} parameters")
    macs = record.operations.get("macs")
    if macs is not None:
        parts.append(f"{AT_LEAST if record.uncounted else ''}{significant(macs / 1e9, 4)} GMACs")
    if record.speed:
        device = "CPU" if record.speed.device == "cpu" else record.speed.device_name or record.speed.device
        parts.append(f"{significant(record.speed.fps)} FPS on {device}")
    return ", ".join(parts) or record.failure or "nothing measured"


def headline(record: Record) -> str:
    """Parameters, MACs and FPS of a Record in one line, and its share of what a paper prints at this size."""
    batch = f", batch {record.batch}" if record.batch > 1 else ""
    text = f"{record.model} at {show(record.resolution)}{batch}: {costs_and_speed(record)}"
    claimed = "; ".join(_shares(record))
    return f"{text}; {claimed}" if claimed else text


def side_by_side(records: Sequence[Record]) -> RenderableType:
    """A column for each Record and the ratio of each further one to the first, quantity by quantity."""
    alike = len({record.resolution for record in records}) == 1
    together = len({record.batch for record in records}) == 1
    names = [
        record.model + ("" if alike else f" {show(record.resolution)}") + ("" if together else f" batch {record.batch}")
        for record in records
    ]
    ratios = [f"{name} / {names[0]}" if len(names) > 2 else "ratio" for name in names[1:]]
    rows = [_row(*quantity, records) for quantity in _QUANTITIES]
    rows = [row for row in rows if any(cell != DASH for cell in row[1:])]
    size = f"{show(records[0].resolution)}, " if alike else ""
    under = dict.fromkeys(filter(None, map(TimingConditions.of, records)))
    conditions = [Text(f"measured, {item.describe()}", style="dim") for item in under]
    warnings = {
        f"- {record.model}: {note}": None
        for record in records
        if record.speed
        for note in (*record.speed.warnings, *([record.speed.shortened] if record.speed.shortened else []))
    }
    batch = f"batch {records[0].batch}; " if together else ""
    title = Text(f"side by side, {size}{batch}ratios are to {names[0]}", style="bold")
    headings = ("", *names, *ratios)
    return Group(
        title,
        Listing(headings, rows, frozenset(headings[1:])),
        *conditions,
        *(Text(line, style="yellow") for line in warnings),
    )


def _row(
    name: str, value: Callable[[Record], float | None], words: Callable[[float], str], records: Sequence[Record]
) -> tuple[str, ...]:
    values = [value(record) for record in records]
    cells = [DASH if number is None else words(number) for number in values]
    first = values[0]
    ratios = [f"{significant(number / first)}x" if first and number is not None else DASH for number in values[1:]]
    return (name, *cells, *ratios)


def _shares(record: Record) -> Iterator[str]:
    """What was measured over what a paper prints; FPS alone where both are CUDA's."""
    claims = [claim for claim in load_claims() if belongs(claim, record) and claim.size == record.resolution]
    macs = record.operations.get("macs")
    printed = _first(claims, lambda claim: claim.gflops is not None)
    if macs is not None and printed is not None and printed.gflops is not None and record.batch == 1:
        share = macs / (float(printed.gflops.value) * 1e9)
        yield f"{share:.0%} of the claimed {printed.gflops} G ({printed.paper} {printed.where})"
    printed = _first(claims, lambda claim: claim.fps is not None)
    if record.speed and record.speed.device == "cuda" and printed is not None and printed.fps is not None:
        share = record.speed.fps / float(printed.fps.value)
        yield f"{share:.0%} of the claimed {printed.fps} FPS on {printed.gpu or 'a GPU not printed'}"


def _first(claims: Iterable[Claim], prints: Callable[[Claim], bool]) -> Claim | None:
    """The first that prints a figure, tables before prose."""
    found = sorted(filter(prints, claims), key=lambda claim: not claim.table.isdigit())
    return found[0] if found else None
