"""The overall table: every measured network, what it cost and scored here, and what papers print for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.claims.provenance import mark
from segbench.counting.meanings import MEANINGS, identifier
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, beside, headings
from segbench.report.launching import LAUNCH_BOUND, steady
from segbench.report.measured import Measured, benchmarks_of, older_footers, small_prints, timings_of
from segbench.report.pairing import SELF_REPORTED, Claimed, Pairing, belongs
from segbench.report.style import billions, millions, per_second
from segbench.report.table import Cell, Column, Table, ranked
from segbench.resolution import show
from segbench.spec import is_own
from segbench.units import AT_LEAST, DASH

OWN = "own"
Group = tuple[int, tuple[int, int], int]
Asked = Mapping[tuple[str, tuple[int, int]], tuple[int, int]]
ELSEWHERE = "\u2020"
"""Beside a size that is not the one asked for."""
_MOST_TIMING_COLUMNS = 2

# Names of columns that are older than the conditions; every other condition's column has its own name.
_TIMING_NAMES = {"device": "device_kind", "device_name": "device"}
TIMING_COLUMNS = {item.name: _TIMING_NAMES.get(item.name, item.name) for item in fields(TimingConditions)}
ACCURACY_COLUMNS = {item.name: f"measured_{item.name}" for item in fields(AccuracyConditions)}
CSV_COLUMNS = tuple(
    dict.fromkeys(
        (
            *("model", "family", "paper", "fidelity", "classes", "height", "width", "batch", "variant"),
            *("params", "live_params", "macs", "fps", "fps_cuda", "fps_cpu", "mode", "precision", "device"),
            *("macs_not_counted", *map(identifier, MEANINGS), "live_macs"),
            *TIMING_COLUMNS.values(),
            *("latency_median_ms", "gpu_busy_ms", "enqueue_ms", "launches", "graph_fps", "bound_by"),
            *("peak_mib", "energy_mj"),
            *ACCURACY_COLUMNS.values(),
            *("measured_miou_percent", "measured_not_official"),
            *("claimed_in", "claimed_dataset", "claimed_split", "claimed_miou_percent"),
            *("claimed_params_in", "claimed_params", "claimed_flops_in", "claimed_flops"),
            *("claimed_fps_in", "claimed_fps", "claimed_gpu"),
            *("self_reported_dataset", "self_reported_split", "self_reported_miou_percent", "failure", "created"),
        )
    )
)


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
        lines += list(_csv_lines(row, pairing, reported))
    at = [place for place, row in enumerate(rows) if (row.model, row.resolution) not in asked]
    _mark([rows[place] for place in at], [body[place] for place in at], timings, 4 + len(timings))
    return Table(
        "Measured networks beside the figures that papers print",
        columns,
        tuple(map(tuple, body)),
        tuple(failures),
        (*_footers(rows, timings, titles, papers), *_nearest_footers(rows, asked), *_reported_footers(reported)),
        CSV_COLUMNS,
        tuple(lines),
        tuple(row.failure for row in rows),
        (*_short_notes(rows, papers), *_nearest_footers(rows, asked), *_reported_footers(reported)),
        tuple(place for place in range(1, len(rows)) if _group(rows[place], asked) != _group(rows[place - 1], asked)),
    )


def _known_how(row: Measured) -> str:
    """What a paper must say of a network that is not the authors' own code or a port of it."""
    if is_own(row.model):
        return ""
    fidelity = row.record.fidelity
    return {"reconstruction": "reconstructed from its paper", "exact": "rebuilt from its paper"}.get(fidelity or "", "")


def _short_notes(rows: Sequence[Measured], papers: Sequence[str]) -> Iterator[str]:
    """What a paper says below its table."""
    yield "Parameters and MACs counted by segbench (one multiply-accumulate is one MAC)."
    if papers:
        yield "Claimed: as the cited papers print it, on their own GPUs."
    lower = bound_footer(rows)
    if lower:
        yield lower


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


def _macs(row: Measured) -> Cell:
    return Cell.of((AT_LEAST if row.uncounted and row.macs is not None else "") + billions(row.macs))


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


def _nearest_footers(rows: Iterable[Measured], asked: Asked) -> Iterator[str]:
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


def _reported_footers(claims: Sequence[Claim]) -> Iterator[str]:
    if claims:
        yield "Self-reported: given by the caller of segbench; neither measured here nor printed by a paper."


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


def _csv_lines(row: Measured, pairing: Pairing, reported: Iterable[Claim]) -> Iterator[dict[str, str]]:
    entry, record = CATALOG.get(row.model), row.record
    miou = next((claimed for claimed in pairing.miou(record) if claimed.claim.size), None)
    fps = next((claimed for claimed in pairing.fps(record) if claimed.claim.size), None)
    own = next((claim for claim in reported if belongs(claim, record)), None)
    printed = {name: pairing.printed(record, name) for name in ("params_m", "gflops")}
    common = {
        "model": row.model,
        "family": entry.family if entry else "",
        "paper": entry.paper if entry else "",
        "fidelity": record.fidelity or "",
        "classes": str(record.classes),
        "height": str(row.resolution[0]),
        "width": str(row.resolution[1]),
        "batch": str(record.batch),
        "variant": row.variant,
        "params": _csv_text(row.params),
        "live_params": _csv_text(record.live_params),
        "macs": _csv_text(row.macs),
        "macs_not_counted": "; ".join(f"{kind}, {times} times" for kind, times in row.uncounted.items()),
        **{identifier(rule): _csv_text(row.operations.get(rule)) for rule in MEANINGS},
        "live_macs": _csv_text(row.operations.get("live-macs")),
        **(_csv_claim("claimed_in", miou.claim) if miou else {}),
        "claimed_dataset": miou.claim.dataset if miou else "",
        "claimed_split": miou.claim.split if miou else "",
        "claimed_miou_percent": miou.figure if miou else "",
        **_csv_claim("claimed_params_in", printed["params_m"]),
        "claimed_params": _csv_cost(printed["params_m"], "params_m", 6),
        **_csv_claim("claimed_flops_in", printed["gflops"]),
        "claimed_flops": _csv_cost(printed["gflops"], "gflops", 9),
        **(_csv_claim("claimed_fps_in", fps.claim) if fps else {}),
        "claimed_fps": fps.figure if fps else "",
        "claimed_gpu": fps.claim.gpu if fps else "",
        "self_reported_dataset": own.dataset if own else "",
        "self_reported_split": own.split if own else "",
        "self_reported_miou_percent": (own.miou_percent or "") if own else "",
        "failure": row.failure,
    }
    scores = [_csv_score(conditions, percent) for conditions, percent in row.scores()] or [{}]
    timings = [_csv_timing(row, *item) for item in sorted(row.timings.items(), key=lambda item: item[0].order())]
    for timing in timings or [{"created": record.created}]:
        for score in scores:
            yield {**common, **timing, **score}


def _csv_claim(column: str, claim: Claim | None) -> dict[str, str]:
    return {column: f"{claim.paper} {claim.where}" if claim else ""}


def _csv_cost(claim: Claim | None, field: str, exponent: int) -> str:
    """A printed cost in base units."""
    return str(round(getattr(claim, field).value.scaleb(exponent))) if claim else ""


def _csv_timing(row: Measured, conditions: TimingConditions, timed: Record) -> dict[str, str]:
    fps = _csv_text(row.number(conditions, "fps"))
    return {
        **{column: _csv_text(getattr(conditions, name)) for name, column in TIMING_COLUMNS.items()},
        "fps": fps,
        **({f"fps_{conditions.device}": fps} if conditions.device in ("cuda", "cpu") else {}),
        "latency_median_ms": _csv_text(row.number(conditions, "latency")),
        **{
            name: _csv_text(row.number(conditions, name))
            for name in ("gpu_busy_ms", "enqueue_ms", "launches", "graph_fps")
        },
        "bound_by": (timed.speed.verdict or "") if timed.speed else "",
        "peak_mib": _csv_text(timed.memory.peak_mib if timed.memory else None),
        "energy_mj": _csv_text(row.number(conditions, "energy")),
        "created": timed.created,
    }


def _csv_score(conditions: AccuracyConditions, percent: float) -> dict[str, str]:
    return {
        **{column: _csv_text(getattr(conditions, name)) for name, column in ACCURACY_COLUMNS.items()},
        "measured_miou_percent": f"{percent:.2f}",
        "measured_not_official": "; ".join(conditions.marks().values()),
    }


def _footers(
    rows: Sequence[Measured], timings: Sequence[TimingConditions], titles: Sequence[str], papers: Iterable[str]
) -> Iterator[str]:
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


def _csv_text(value: object) -> str:
    """A number, a text or a condition as a cell: nothing for what is not known, settings as a JSON object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return json.dumps({name: json.loads(setting) for name, setting in value})
    return str(value)
