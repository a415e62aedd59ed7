"""The overall table: every measured network, what it cost and scored here, and what papers print for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.record import Record
from segbench.report.measured import Condition, Measured, Rows, measured
from segbench.report.pairing import Claimed, Pairing
from segbench.report.style import as_number, billions, millions, per_second
from segbench.report.table import Cell, Column, Table, ranked
from segbench.resolution import show
from segbench.units import DASH

Group = tuple[int, tuple[int, int], int]

CSV_COLUMNS = (
    *("model", "family", "paper", "fidelity", "classes", "height", "width", "batch", "params", "live_params", "macs"),
    *("fps_cuda", "fps_cpu", "mode", "precision", "device", "latency_median_ms", "peak_mib", "energy_mj"),
    *("measured_dataset", "measured_split", "measured_miou_percent"),
    *("claimed_in", "claimed_dataset", "claimed_split", "claimed_size", "claimed_miou_percent"),
    *("claimed_fps_in", "claimed_fps", "claimed_gpu", "failure", "created"),
)


def comparison_table(records: Iterable[Record] | Rows, claims: Iterable[Claim]) -> Table:
    """What was measured, beside what the papers print for the same network, classes and size.

    Measured and claimed figures never share a column, nor do CPU and CUDA timings, nor timings under different modes,
    precisions or devices: each has a column of its own. `segbench.report.pairing` has the rules by which a claim
    belongs to a row. Networks with as many classes at the same size stand together, the size with most networks first;
    among them the fastest first, those that were not timed after them by their MACs.

    In the CSV, parameters and MACs are integers, claimed figures the printed text; several claims stand in one cell,
    separated by semicolons, in the same order in every ``claimed_`` column.

    Args:
        records: in any order; of several measurements of the same thing the latest counts.
        claims: as from `segbench.claims.load_claims`.
    """
    rows, pairing = measured(records), Pairing(claims)
    conditions = list(dict.fromkeys(condition for row in rows for condition in row.speeds))
    conditions.sort(key=Condition.order)
    sizes = Counter(_group(row) for row in rows)
    rows.sort(key=lambda row: _rank(row, conditions, sizes))
    headings = fps_headings(conditions)
    scored, several = any(row.accuracy for row in rows), len({row.record.classes for row in rows}) > 1
    columns = (
        Column("Network"),
        Column("Size"),
        Column("Params (M)", number=True),
        Column("MACs (G)", number=True),
        *(Column(heading, number=True) for heading in headings),
        *([Column("Measured mIoU (%)")] if scored else []),
        Column("Claimed mIoU (%)", joined=("Claimed", "mIoU")),
        Column("Claimed FPS", joined=("Claimed", "FPS")),
        Column("Fidelity", stacked=True),
        Column("Paper", stacked=True),
    )
    body: list[list[Cell]] = []
    failures, lines, papers = [], [], []
    for row in rows:
        miou, fps = pairing.miou(row.record), pairing.fps(row.record)
        papers += [claimed.claim.paper for claimed in (*miou, *fps)]
        cells = [Cell.of(row.model), _size(row, several), Cell.of(millions(row.params)), Cell.of(billions(row.macs))]
        cells += [Cell.of(_fps(row.speeds.get(condition))) for condition in conditions]
        if scored:
            cells.append(_measured_miou(row))
        cells += [
            Cell(tuple(_miou_lines(miou))) if miou else Cell.of(DASH),
            Cell(tuple(_fps_lines(fps))) if fps else Cell.of(DASH),
        ]
        entry = CATALOG.get(row.model)
        cells += [Cell.of(row.record.fidelity or DASH), Cell.of(entry.paper if entry else DASH)]
        body.append(cells)
        if row.failure:
            failures.append((_label(cells), row.failure))
        lines += list(_csv_lines(row, miou, fps))
    _mark(rows, body, conditions, scored)
    return Table(
        "Measured networks beside the figures that papers print",
        columns,
        tuple(map(tuple, body)),
        tuple(failures),
        tuple(_footers(rows, conditions, headings, papers)),
        CSV_COLUMNS,
        tuple(lines),
        tuple(row.failure for row in rows),
    )


def fps_headings(conditions: Sequence[Condition]) -> list[str]:
    """The shortest headings that tell the conditions apart: the device, then mode, precision, batch, device name."""
    headings: list[str] = []
    for detail in range(5):
        headings = [condition.heading(detail) for condition in conditions]
        if len(set(headings)) == len(headings):
            break
    return headings


def condition_footers(rows: Sequence[Measured], conditions: Sequence[Condition]) -> Iterator[str]:
    """What stands behind each column of timings: device, mode, precision, software, dates."""
    for condition, heading in zip(conditions, fps_headings(conditions), strict=True):
        timed = [row.speeds[condition] for row in rows if condition in row.speeds]
        dates = sorted({str(record.created)[:10] for record in timed if record.created})
        software = sorted({row.software[condition] for row in rows if condition in row.speeds} - {""})
        text = f"{heading}: measured, {'; or '.join([condition.describe(), *software[1:]])}"
        if dates:
            text += f"; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}"
        yield text + ("; a CPU timing, not comparable with a GPU's" if condition.kind == "cpu" else "")
    if not conditions:
        yield "Speed was not measured."


COUNTING_RULE = (
    "Params and MACs: counted here. Counting rule macs: multiply-accumulates of convolutions, transposed convolutions "
    "(input grid), linear layers and matrix products."
)


def fidelity_footer(fidelities: Iterable[str | None]) -> str:
    """What the fidelities that appear mean; empty where none does."""
    present = set(fidelities)
    meanings = [f"{fidelity}: {meaning}" for fidelity, meaning in FIDELITY_MEANING.items() if fidelity in present]
    return f"Fidelity: {'. '.join(meanings)}." if meanings else ""


def _group(row: Measured) -> Group:
    """Networks that can be compared have as many classes, at the same size and batch."""
    return row.record.classes, row.resolution, row.record.batch


def _rank(row: Measured, conditions: Sequence[Condition], sizes: Mapping[Group, int]) -> tuple[object, ...]:
    """Networks that can be compared stand together; the fastest first, under the first condition that has it."""
    height, width = row.resolution
    group = (
        *(-_usual(row.record.classes), row.record.classes, -sizes[_group(row)]),
        *(height * width, row.resolution, row.record.batch),
    )
    for place, condition in enumerate(conditions):
        timed = row.speeds.get(condition)
        if timed is not None and timed.speed is not None:
            return *group, place, -(as_number(timed.speed.get("fps")) or 0.0)
    return *group, len(conditions), float("inf") if row.macs is None else row.macs


def _usual(classes: int) -> int:
    """Cityscapes' class count goes first, as in the papers."""
    return {19: 3, 20: 2, 11: 1}.get(classes, 0)


def _mark(rows: Sequence[Measured], body: Sequence[list[Cell]], conditions: Sequence[Condition], scored: bool) -> None:
    """Mark the best of each measured column among the networks with the same classes, size and batch."""
    groups: dict[Group, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(_group(row), []).append(place)
    for places in groups.values():
        own, cells = [rows[place] for place in places], [body[place] for place in places]
        ranked(cells, 2, [row.params for row in own], more=False)
        ranked(cells, 3, [row.macs for row in own], more=False)
        for column, condition in enumerate(conditions, 4):
            ranked(cells, column, [row.number(condition, "fps") for row in own], more=True)
        if scored:
            ranked(
                cells,
                4 + len(conditions),
                [row.accuracy.miou if row.accuracy else None for row in own],
                more=True,
            )


def _label(row: Sequence[Cell]) -> str:
    (name, _), (size, details) = row[0].lines[0], row[1].lines[0]
    return ", ".join(filter(None, (f"{name} {size}", details)))


def _size(row: Measured, several: bool) -> Cell:
    details = [f"{row.record.classes} classes"] if several else []
    if row.record.batch != 1:
        details.append(f"batch {row.record.batch}")
    return Cell.of(show(row.resolution), ", ".join(details))


def _fps(record: Record | None) -> str:
    return DASH if record is None or record.speed is None else per_second(record.speed.get("fps"))


def _measured_miou(row: Measured) -> Cell:
    if row.accuracy is None:
        return Cell.of(DASH)
    return Cell.of(f"{100 * row.accuracy.miou:.1f}", f"{row.accuracy.dataset} {row.accuracy.split}".strip())


def _miou_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        unprinted = [what for what, printed in (("split", claim.split), ("size", claim.size)) if not printed]
        conditions = f"{claim.dataset} {claim.split}".rstrip()
        if unprinted:
            conditions += f", {' and '.join(unprinted)} not printed"
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _fps_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        conditions = (claim.gpu or "GPU not printed") + ("" if claim.size else ", size not printed")
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _csv_lines(row: Measured, miou: Sequence[Claimed], fps: Sequence[Claimed]) -> Iterator[dict[str, str]]:
    entry, record = CATALOG.get(row.model), row.record
    common = {
        "model": row.model,
        "family": entry.family if entry else "",
        "paper": entry.paper if entry else "",
        "fidelity": record.fidelity or "",
        "classes": str(record.classes),
        "height": str(row.resolution[0]),
        "width": str(row.resolution[1]),
        "batch": str(record.batch),
        "params": _csv_number(row.params),
        "live_params": _csv_number(record.live_params),
        "macs": _csv_number(row.macs),
        "measured_dataset": row.accuracy.dataset if row.accuracy else "",
        "measured_split": row.accuracy.split if row.accuracy else "",
        "measured_miou_percent": f"{100 * row.accuracy.miou:.2f}" if row.accuracy else "",
        "claimed_in": "; ".join(f"{claimed.claim.paper} {claimed.claim.where}" for claimed in miou),
        "claimed_dataset": "; ".join(claimed.claim.dataset for claimed in miou),
        "claimed_split": "; ".join(claimed.claim.split or "not printed" for claimed in miou),
        "claimed_size": "; ".join(
            show(claimed.claim.size) if claimed.claim.size else "not printed" for claimed in miou
        ),
        "claimed_miou_percent": "; ".join(" / ".join((claimed.figure, *claimed.others)) for claimed in miou),
        "claimed_fps_in": "; ".join(f"{claimed.claim.paper} {claimed.claim.where}" for claimed in fps),
        "claimed_fps": "; ".join(" / ".join((claimed.figure, *claimed.others)) for claimed in fps),
        "claimed_gpu": "; ".join(claimed.claim.gpu or "not printed" for claimed in fps),
        "failure": row.failure,
    }
    if not row.speeds:
        yield {**common, "created": str(record.created)}
    for condition, timed in sorted(row.speeds.items(), key=lambda item: item[0].order()):
        yield {
            **common,
            f"fps_{condition.kind}": _csv_number(row.number(condition, "fps")),
            "mode": condition.mode,
            "precision": condition.precision,
            "device": condition.device,
            "latency_median_ms": _csv_number(row.number(condition, "latency")),
            "peak_mib": _csv_number((timed.memory or {}).get("peak_mib")),
            "energy_mj": _csv_number(row.number(condition, "energy")),
            "created": str(timed.created),
        }


def _footers(
    rows: Sequence[Measured], conditions: Sequence[Condition], headings: Sequence[str], papers: Iterable[str]
) -> Iterator[str]:
    yield from condition_footers(rows, conditions)
    yield COUNTING_RULE
    order = f"by {headings[0]}, then by MACs where it was not measured" if headings else "by MACs"
    yield f"Order: networks with the same classes and size together, the size with most networks first; {order}."
    named = [paper for paper in PAPERS if paper in set(papers)]
    if named:
        yield "Claimed: as printed, on the paper's own GPU; " + "; ".join(
            f"({paper}) {PAPERS[paper]}" for paper in named
        )
    meaning = fidelity_footer(row.record.fidelity for row in rows)
    if meaning:
        yield meaning


def _csv_number(value: object) -> str:
    number = as_number(value)
    if number is None:
        return ""
    return str(number) if isinstance(number, int) else f"{number:.6g}"
