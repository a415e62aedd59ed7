"""One figure a line, for programs: what was measured here, what papers print and what the user reports, with its unit.

The same names hold on every line, so that pandas reads it as it is: ``pandas.read_csv("long.csv")``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from segbench.claims import Claim
from segbench.counting.meanings import MEANINGS, identifier
from segbench.report.escape import csv_cell
from segbench.report.measured import Measured
from segbench.report.pairing import SELF_REPORTED, belongs
from segbench.resolution import show

COLUMNS = ("network", "size", "quantity", "kind", "value", "unit", "conditions")
"""``size`` is empty where a paper prints none; ``kind`` is measured, claimed or self-reported."""

Line = tuple[str, str, str, str, str, str, str]
# Quantity, its name in a Record's timing, and its unit.
_TIMED = (
    ("fps", "fps", "images/s"),
    ("graph_fps", "graph_fps", "images/s"),
    ("latency", "latency", "ms"),
    ("busy_ms", "gpu_busy_ms", "ms"),
    ("enqueue_ms", "enqueue_ms", "ms"),
    ("launches", "launches", "kernels"),
    ("energy_mj", "energy", "mJ"),
)
# Quantity, the field of a claim, the power of ten of its unit, and the unit of the line.
_PRINTED = (
    ("params", "params_m", 6, "parameters"),
    ("flops", "gflops", 9, "operations"),
    ("fps", "fps", 0, "images/s"),
    ("miou", "miou_percent", 0, "percent"),
)


def long_table(rows: Sequence[Measured], claims: Iterable[Claim]) -> str:
    """CSV of every figure of the rows, and of every claim on them, in base units.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: those of papers, and what the user reports.
    """
    printed: dict[str, list[Claim]] = {}
    for claim in claims:
        printed.setdefault(claim.model, []).append(claim)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    # Claims belong to several rows of a network; of tens of thousands of Records nothing else is kept.
    claimed: set[Line] = set()
    for row in rows:
        new = [line for line in dict.fromkeys(_claimed(row, printed.get(row.model, ()))) if line not in claimed]
        claimed.update(new)
        writer.writerows([csv_cell(cell) for cell in line] for line in (*dict.fromkeys(_measured(row)), *new))
    return out.getvalue()


def _measured(row: Measured) -> Iterator[Line]:
    record = row.record
    at = f"{record.classes} classes" + (f", batch {record.batch}" if record.batch != 1 else "")
    at += f", {row.variant}" if row.variant else ""

    def line(quantity: str, value: float | None, unit: str, conditions: str) -> Iterator[Line]:
        if value is not None:
            yield (
                row.model,
                show(row.resolution),
                quantity,
                "measured",
                str(value) if isinstance(value, int) else f"{value:.6g}",
                unit,
                conditions,
            )

    yield from line("params", row.params, "parameters", at)
    yield from line("live_params", record.live_params, "parameters", f"{at}; those that reach the output")
    bound = "; a lower bound" if row.uncounted else ""
    for rule, meaning in MEANINGS.items():
        yield from line(identifier(rule), row.operations.get(rule), "operations", f"{at}; {meaning}{bound}")
    yield from line("live_macs", row.operations.get("live-macs"), "operations", f"{at}; those that reach the output")
    for conditions, timed in sorted(row.timings.items(), key=lambda item: item[0].order()):
        for quantity, name, unit in _TIMED:
            yield from line(quantity, row.number(conditions, name), unit, f"{at}; {conditions.describe()}")
        peak = timed.memory.peak_mib if timed.memory else None
        yield from line("peak_mib", peak, "MiB", f"{at}; {conditions.describe()}")
    for scored, percent in row.scores():
        marks = "".join(f"; {mark}" for mark in scored.marks().values())
        yield from line("miou", percent, "percent", f"{at}; {scored.dataset} {scored.split}".rstrip() + marks)


def _claimed(row: Measured, claims: Iterable[Claim]) -> Iterator[Line]:
    for claim in claims:
        if not belongs(claim, row.record) or row.record.batch != 1:
            continue
        own = claim.paper == SELF_REPORTED
        on = f"{claim.dataset} {claim.split or 'split not printed'}"
        size = show(claim.size) if claim.size else ""
        for quantity, field, exponent, unit in _PRINTED:
            figure = getattr(claim, field)
            if figure is None:
                continue
            gpu = f"; {claim.gpu or 'GPU not printed'}" if quantity == "fps" else ""
            conditions = on if own else f"{claim.paper} {claim.where}; {on}{gpu}"
            value = f"{figure.value.scaleb(exponent):f}"
            yield (row.model, size, quantity, SELF_REPORTED if own else "claimed", value, unit, conditions)
