"""The overall table: every measured network, what it cost and scored here, and what papers print for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from segbench.catalog import CATALOG
from segbench.claims import Claim
from segbench.claims.provenance import mark
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.timing_conditions import TimingConditions, headings
from segbench.report.footers import ELSEWHERE, OWN, Asked, nearest_footers, reported_footers, short_notes, table_footers
from segbench.report.launching import steady
from segbench.report.leaderboard_csv import CSV_COLUMNS, csv_lines
from segbench.report.measured import Measured, benchmarks_of, small_prints, timings_of
from segbench.report.pairing import SELF_REPORTED, Claimed, Pairing, belongs
from segbench.report.style import billions, millions, per_second
from segbench.report.table import Cell, Column, Table, ranked
from segbench.resolution import show
from segbench.spec import is_own
from segbench.units import AT_LEAST, DASH

Group = tuple[int, tuple[int, int], int]
_MOST_TIMING_COLUMNS = 2


def comparison_table(
    rows: Sequence[Measured],
    claims: Iterable[Claim],
    asked: Asked = MappingProxyType({}),
) -> Table:
    """What was measured, beside what the papers print for the same network, classes and size.

    Measured and claimed figures never share a column, nor do timings under unlike conditions: each set of conditions
    has a column of its own. Measured mIoUs share one, each over what it was scored on and how; only those of the same
    benchmark (`AccuracyConditions.benchmark`) are ranked with each other. `segbench.report.pairing` has the rules by
    which a claim belongs to a row. Networks with as many classes at the same size stand together, the size with most
    networks first; among them the fastest first, those that were not timed after them by their MACs.

    In the CSV a cell holds one number: parameters, operations and claimed costs in base units; of several claims for a
    network at its size the first, in tables before prose. Claims without a printed size are in the long table alone
    (`segbench.report.long_table`), with all others. Every condition is a column, and a network has a line for each
    timing with each accuracy.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: as from `segbench.claims.load_claims`.
        asked: for a network and the size at which it was measured, the size that was asked for and that it does not
            take. Such a row stands with those of the size asked for, is marked, and is not ranked.
    """
    reported = [claim for claim in claims if claim.paper == SELF_REPORTED]
    claims = [claim for claim in claims if claim.paper != SELF_REPORTED]
    pairing, timings = Pairing(claims), timings_of(rows)
    sizes = Counter(_group(row, asked) for row in rows)
    rows = sorted(rows, key=lambda row: _rank(row, timings, sizes, asked))
    titles, benchmarks = headings(timings), benchmarks_of(rows)
    scored, several = bool(benchmarks), len({row.record.classes for row in rows}) > 1
    columns = (
        Column("Network"),
        Column("Size"),
        Column("Params (M)", number=True),
        Column("MACs (G)", number=True),
        *(
            # Many columns of timings share one on a narrow terminal.
            Column(
                title,
                number=True,
                joined=("Timings", title) if len(titles) > _MOST_TIMING_COLUMNS else None,
                brief="FPS" if len(titles) == 1 else title,
                note=f"measured, {conditions.describe()}",
            )
            for title, conditions in zip(titles, timings, strict=True)
        ),
        *([Column("Measured mIoU (%)", brief="mIoU (%)", aligned=True)] if scored else []),
        *([Column("Self-reported mIoU (%)", aligned=True)] if reported else []),
        Column("Claimed mIoU (%)", joined=("Claimed", "mIoU"), first=True, aligned=True),
        Column("Claimed FPS", joined=("Claimed", "FPS"), first=True, aligned=True),
        Column("Fidelity", stacked=True),
        Column("Paper", stacked=True),
    )
    body: list[list[Cell]] = []
    failures, lines, papers = [], [], []
    unsized: set[Claim] = set()
    for row in rows:
        fps = pairing.fps(row.record)
        # A score whose size is not printed stands once: on every row of its network it would read as scored there.
        miou = [claimed for claimed in pairing.miou(row.record) if claimed.claim not in unsized]
        unsized |= {claimed.claim for claimed in miou if claimed.claim.size is None}
        papers += [claimed.claim.paper for claimed in (*miou, *fps)]
        cells = [
            Cell(((row.model, row.variant),), network=row.model, note=_known_how(row)),
            _size(row, several, asked.get((row.model, row.resolution))),
            Cell.of(millions(row.params)),
            _macs(row),
        ]
        cells += [_fps(row, conditions) for conditions in timings]
        if scored:
            cells.append(_measured_miou(row, benchmarks))
        if reported:
            cells.append(_self_reported(row, reported))
        cells += [
            Cell(tuple(_miou_lines(miou))) if miou else Cell.of(DASH),
            Cell(tuple(_fps_lines(fps))) if fps else Cell.of(DASH),
        ]
        entry = CATALOG.get(row.model)
        cells += [
            Cell.of(row.record.fidelity or (OWN if is_own(row.model) else DASH)),
            Cell.of(entry.paper if entry else DASH),
        ]
        body.append(cells)
        if row.failure:
            failures.append((_label(cells), row.failure))
        lines += list(csv_lines(row, pairing, reported))
    at = [place for place, row in enumerate(rows) if (row.model, row.resolution) not in asked]
    _mark([rows[place] for place in at], [body[place] for place in at], timings, 4 + len(timings))
    return Table(
        "Measured networks beside the figures that papers print",
        columns,
        tuple(map(tuple, body)),
        tuple(failures),
        (*table_footers(rows, timings, titles, papers), *nearest_footers(rows, asked), *reported_footers(reported)),
        CSV_COLUMNS,
        tuple(lines),
        tuple(row.failure for row in rows),
        (*short_notes(rows, papers), *nearest_footers(rows, asked), *reported_footers(reported)),
        tuple(place for place in range(1, len(rows)) if _group(rows[place], asked) != _group(rows[place - 1], asked)),
    )


def _known_how(row: Measured) -> str:
    """What a paper must say of a network that is not the authors' own code or a port of it."""
    if is_own(row.model):
        return ""
    fidelity = row.record.fidelity
    return {"reconstruction": "reconstructed from its paper", "exact": "rebuilt from its paper"}.get(fidelity or "", "")


def _macs(row: Measured) -> Cell:
    return Cell.of((AT_LEAST if row.uncounted and row.macs is not None else "") + billions(row.macs))


def _group(row: Measured, asked: Asked = MappingProxyType({})) -> Group:
    """Networks that can be compared have as many classes, at the same size and batch."""
    return row.record.classes, asked.get((row.model, row.resolution), row.resolution), row.record.batch


def _rank(
    row: Measured, timings: Sequence[TimingConditions], sizes: Mapping[Group, int], asked: Asked
) -> tuple[object, ...]:
    """Networks that can be compared stand together; the fastest first, under the first conditions that have it."""
    _, (height, width), _ = _group(row, asked)
    group = (
        *(-_usual(row.record.classes), row.record.classes, -sizes[_group(row, asked)]),
        *(height * width, (height, width), row.record.batch),
    )
    for place, conditions in enumerate(timings):
        fps = row.number(conditions, "fps")
        if fps is not None:
            return *group, place, -fps
    return *group, len(timings), float("inf") if row.macs is None else row.macs


def _usual(classes: int) -> int:
    """Cityscapes' class count goes first, as in the papers."""
    return {19: 3, 20: 2, 11: 1}.get(classes, 0)


def _mark(
    rows: Sequence[Measured], body: Sequence[list[Cell]], timings: Sequence[TimingConditions], score_column: int
) -> None:
    """Mark the best of each measured column among the networks with the same classes, size and batch."""
    groups: dict[Group, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(_group(row), []).append(place)
    for places in groups.values():
        own, cells = [rows[place] for place in places], [body[place] for place in places]
        ranked(cells, 2, [row.params for row in own], more=False)
        ranked(cells, 3, [row.macs for row in own], more=False)
        for column, conditions in enumerate(timings, 4):
            ranked(cells, column, [row.number(conditions, "fps") for row in own], more=True)
        alike: dict[AccuracyConditions, list[tuple[list[Cell], float, int]]] = {}
        for row, row_cells in zip(own, cells, strict=True):
            for line, (scored, percent) in enumerate(row.scores()):
                alike.setdefault(scored.benchmark(), []).append((row_cells, percent, line))
        for scores in alike.values():
            members, percents, lines = zip(*scores, strict=True)
            ranked(members, score_column, percents, more=True, lines=lines)


def _label(row: Sequence[Cell]) -> str:
    (name, _), (size, details) = row[0].lines[0], row[1].lines[0]
    return ", ".join(filter(None, (f"{name} {size}", details)))


def _size(row: Measured, several: bool, asked: tuple[int, int] | None) -> Cell:
    details = [f"{row.record.classes} classes"] if several else []
    if asked is not None and not row.failure:
        details.append(f"{ELSEWHERE} {show(asked)} asked")
    if row.record.batch != 1:
        details.append(f"batch {row.record.batch}")
    return Cell.of(show(row.resolution), ", ".join(details))


def _fps(row: Measured, conditions: TimingConditions) -> Cell:
    """The FPS, and under it what says whether it is the network's or the launching host's."""
    timed = row.timings.get(conditions)
    if timed is None or timed.speed is None:
        return Cell.of(DASH)
    return Cell.of(per_second(timed.speed.fps), steady(timed.speed))


def _self_reported(row: Measured, claims: Iterable[Claim]) -> Cell:
    """The mIoU that the user gives for a network, on which data set and split."""
    lines = [
        (str(claim.miou_percent), f"{claim.dataset} {claim.split}")
        for claim in claims
        if belongs(claim, row.record) and not row.failure
    ]
    return Cell(tuple(lines)) if lines else Cell.of(DASH)


def _measured_miou(row: Measured, benchmarks: Sequence[AccuracyConditions]) -> Cell:
    """A line for each measured mIoU, over its data set, what is not official about it and what tells it apart."""
    texts = small_prints(row, benchmarks)
    lines = tuple((f"{percent:.1f}", text) for (_, percent), text in zip(row.scores(), texts, strict=True))
    return Cell(lines) if lines else Cell.of(DASH)


def _miou_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        unprinted = [what for what, printed in (("split", claim.split), ("size", claim.size)) if not printed]
        conditions = f"{claim.dataset} {claim.split}".rstrip()
        if unprinted:
            conditions += f", {' and '.join(unprinted)} not printed"
        conditions += _copied(claim, "miou")
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _fps_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        conditions = (claim.gpu or "GPU not printed") + ("" if claim.size else ", size not printed")
        conditions += _copied(claim, "fps")
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _copied(claim: Claim, quantity: str) -> str:
    of = mark(claim, quantity)
    return f", {of}" if of else ""
