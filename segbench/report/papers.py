"""A paper's own tables, row by row in its own order: claimed, measured here, and the ratio of the two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from segbench.catalog import CATALOG
from segbench.catalog.known import KNOWN
from segbench.claims import Claim, Figure
from segbench.claims.provenance import MARK, mark
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.timing_conditions import TimingConditions, headings
from segbench.report.launching import headline
from segbench.report.measured import Measured
from segbench.report.pairing import classes_fit
from segbench.report.style import billions, millions, per_second
from segbench.units import DASH

Status = Literal["measured", "not measured", "not built", "failed"]
Quantity = Literal["params", "macs", "fps", "miou"]
Size = tuple[int, int]

PRINTED: Mapping[Quantity, Callable[[Claim], Figure | None]] = MappingProxyType(
    {
        "params": lambda claim: claim.params_m,
        "macs": lambda claim: claim.gflops,
        "fps": lambda claim: claim.fps,
        "miou": lambda claim: claim.miou_percent,
    }
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity of one printed row.

    Attributes:
        claimed: as printed; None where the row does not print it.
        measured: in the unit of the claim (millions, 1e9 MACs, frames per second, percent).
        ratio: measured / claimed; None where either is missing, or the two are not comparable: a CPU's FPS, or MACs
            and FPS where the paper prints no size; or an mIoU under another rule or of an incomplete split.
        text: what a table shows as measured: the number, or why there is none.
        under: what measured figures of a column must share to be ranked.
        mark: what else the claimed figure is of than its row says, where it was copied.
    """

    claimed: Figure | None
    measured: float | None
    ratio: float | None
    text: str
    under: TimingConditions | AccuracyConditions | None = None
    mark: str = ""

    @property
    def claimed_text(self) -> str:
        """As printed, with a sign where there is a mark; a dash where the row prints nothing."""
        return f"{self.claimed or DASH}{MARK if self.mark else ''}"

    @property
    def ratio_text(self) -> str:
        """``0.984``, or a dash."""
        return DASH if self.ratio is None else (f"{self.ratio:.3f}" if self.ratio < 10 else f"{self.ratio:.1f}")


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One printed row and what was measured for it.

    Attributes:
        claim: the printed row.
        status: whether its network was measured, could not be, or is not built.
        size: at which it was measured; None where it was not.
        quantities: each quantity that a table of this field prints.
        reason: why a measurement failed.
        bound: what a launch-bound FPS says of the network, in words; empty where launching bounds nothing.
    """

    claim: Claim
    status: Status
    size: Size | None
    quantities: Mapping[Quantity, Compared]
    reason: str = ""
    bound: str = ""

    @property
    def elsewhere(self) -> bool:
        """Whether it was measured at a size that the row does not print."""
        return self.size is not None and self.size != self.claim.size


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One table of one paper beside what was measured.

    Attributes:
        paper: key of the paper.
        number: of the table in it.
        rows: in the paper's own order.
        quantities: those that at least one row prints.
        conditions: of the measured FPS; None where none was measured.
        others: how many other sets of timing conditions there are.
    """

    paper: str
    number: str
    rows: tuple[PaperRow, ...]
    quantities: tuple[Quantity, ...]
    conditions: TimingConditions | None
    others: int = 0


def paper_tables(rows: Sequence[Measured], claims: Iterable[Claim], paper: str | None = None) -> list[PaperTable]:
    """The tables that the papers print, every row of them.

    A row is held against the Record of its network with its data set's classes at its printed size, or the nearest
    size that the network's reference code takes. Where a paper prints no size, it is held against the Record at the
    size of the paper's own network in that table, else at the network's default, else at the smallest one measured:
    `PaperRow.elsewhere` marks such rows.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: as from `segbench.claims.load_claims`.
        paper: every table of this paper; otherwise those tables of any paper that have a measured row.
    """
    printed = list(claims)
    by_model: dict[str, list[Measured]] = {}
    for row in rows:
        if row.record.batch == 1:
            by_model.setdefault(row.model, []).append(row)
    timings = _timings(rows)
    usual = timings[0] if timings else None
    tables = []
    for (key, number), own in _tables(printed).items():
        if paper not in (None, key):
            continue
        sizes = _own_sizes(own)
        compared = tuple(compare_claim(claim, by_model, usual, sizes.get(claim.dataset)) for claim in own)
        if paper is None and not any(row.status in ("measured", "failed") for row in compared):
            continue
        shown = tuple(quantity for quantity in PRINTED if any(PRINTED[quantity](claim) for claim in own))
        tables.append(PaperTable(key, number, compared, shown, usual, max(len(timings) - 1, 0)))
    return tables


def compare_claim(
    claim: Claim,
    by_model: Mapping[str, Sequence[Measured]],
    usual: TimingConditions | None,
    preferred: Size | None = None,
) -> PaperRow:
    """Hold one printed row against what was measured of its network.

    Args:
        claim: the row.
        by_model: measurements of each network.
        usual: conditions of the FPS to compare with.
        preferred: where to look first when the row prints no size.
    """
    if claim.model not in CATALOG and claim.model not in by_model:
        return _unmeasured(claim, "not built")
    found = _find(claim, by_model.get(claim.model, ()), preferred)
    if found is None:
        return _unmeasured(claim, "not measured")
    status: Status = "failed" if found.failure and found.params is None and found.macs is None else "measured"
    timed = usual if usual in found.timings else min(found.timings, key=TimingConditions.order, default=None)
    fps = found.number(timed, "fps")
    scored, percent, score = _scored(claim, found)
    numbers: dict[Quantity, tuple[float | None, str]] = {
        "params": (_scaled(found.params, 1e6), millions(found.params)),
        "macs": (_scaled(found.macs, 1e9), billions(found.macs)),
        "fps": (fps, per_second(fps) + _otherwise(timed, usual)),
        "miou": (percent, score),
    }
    under = {"fps": timed, "miou": scored.benchmark() if scored else None}
    quantities = {}
    for quantity, (number, text) in numbers.items():
        figure = PRINTED[quantity](claim)
        comparable = quantity in ("params", "miou") or claim.size is not None
        if (quantity == "fps" and timed and timed.on_cpu) or (quantity == "miou" and scored and scored.marks()):
            comparable = False
        ratio = number / float(figure.value) if figure and number is not None and comparable else None
        missing = ("failed" if found.failure else "not measured") if figure else DASH
        shown = missing if number is None else text
        quantities[quantity] = Compared(figure, number, ratio, shown, under.get(quantity), mark(claim, quantity))
    speed = found.timings[timed].speed if timed else None
    bound = headline(speed) if speed else ""
    return PaperRow(claim, status, found.resolution, MappingProxyType(quantities), found.failure, bound)


def _tables(claims: Iterable[Claim]) -> dict[tuple[str, str], list[Claim]]:
    """The rows of every numbered table that prints a figure; settings alone are no comparison."""
    tables: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        if claim.table.isdigit():
            tables.setdefault((claim.paper, claim.table), []).append(claim)
    ordered = sorted(
        tables, key=lambda key: (list(dict.fromkeys(paper for paper, _ in tables)).index(key[0]), int(key[1]))
    )
    return {
        key: tables[key]
        for key in ordered
        if any(figure(claim) for claim in tables[key] for figure in PRINTED.values())
    }


def _own_sizes(rows: Sequence[Claim]) -> dict[str, Size]:
    """For each data set, the size that the table prints most often, which is that of the paper's own network."""
    sizes: dict[str, list[Size]] = {}
    for claim in rows:
        if claim.size:
            sizes.setdefault(claim.dataset, []).append(claim.size)
    return {dataset: max(dict.fromkeys(found), key=found.count) for dataset, found in sizes.items()}


def _find(claim: Claim, candidates: Sequence[Measured], preferred: Size | None) -> Measured | None:
    own = [row for row in candidates if not claim.dataset or classes_fit(claim.dataset, row.record)]
    if not own:
        return None
    entry = CATALOG.get(claim.model)

    def accepted(size: Size) -> list[Size]:
        return [size] + ([entry.size_rule.nearest(size)] if entry else [])

    wanted: list[Size] = []
    for size in (claim.size,) if claim.size else (preferred, *(entry.resolutions if entry else ())):
        if size is not None:
            wanted += accepted(size)
    for size in wanted:
        for row in own:
            if row.resolution == size:
                return row
    return None if claim.size else min(own, key=lambda row: (row.resolution[0] * row.resolution[1], row.resolution))


def _unmeasured(claim: Claim, status: Status) -> PaperRow:
    quantities = {}
    for quantity, printed in PRINTED.items():
        figure = printed(claim)
        quantities[quantity] = Compared(figure, None, None, status if figure else DASH, mark=mark(claim, quantity))
    return PaperRow(claim, status, None, MappingProxyType(quantities))


def _timings(rows: Iterable[Measured]) -> list[TimingConditions]:
    """The conditions of timings with batch 1: CUDA before CPU, fp32 before others, those of most timings first."""
    counts = Counter(conditions for row in rows for conditions in row.timings if conditions.batch == 1)
    return sorted(counts, key=lambda item: (item.on_cpu, item.precision != "fp32", -counts[item], item.order()))


def _otherwise(found: TimingConditions | None, usual: TimingConditions | None) -> str:
    """In what a timing's conditions are unlike those of the table; empty where they are the same."""
    if found is None or usual is None or found == usual:
        return ""
    return f" ({headings([found, usual])[0].partition('(')[2]}"


def _scored(claim: Claim, row: Measured) -> tuple[AccuracyConditions | None, float | None, str]:
    """The measured mIoU on the claim's data set, on its split if there is one, the official score first."""
    found = [score for score in row.scores() if score[0].dataset == claim.dataset]
    if not found:
        return None, None, DASH
    conditions, percent = min(found, key=lambda score: (len(score[0].marks()), score[0].split != claim.split))
    said = [] if conditions.split == claim.split else [conditions.split or "split?"]
    said += conditions.marks().values()
    said += [f"{len(found) - 1} more under other conditions"] * (len(found) > 1)
    return conditions, percent, f"{percent:.1f}" + (f" ({', '.join(said)})" if said else "")


def _scaled(count: float | None, unit: float) -> float | None:
    return None if count is None else count / unit


def notes(table: PaperTable) -> Iterator[str]:
    """What a reader of the table must know."""
    status = [row.status for row in table.rows]
    counts = [f"{status.count(kind)} {kind}" for kind in ("measured", "not measured", "failed", "not built")]
    yield f"{len(status)} printed rows: {', '.join(text for text in counts if not text.startswith('0 '))}."
    missing = dict.fromkeys(row.claim.model for row in table.rows if row.status == "not built")
    for network in (KNOWN[name] for name in missing if name in KNOWN):
        yield f"Not built: {network.name}: {network.reason}"
    yield from dict.fromkeys(
        f"{MARK} {row.claim.printed_name}, {item.claimed}: {item.mark}."
        for row in table.rows
        for item in row.quantities.values()
        if item.mark
    )
    if any(row.elsewhere for row in table.rows):
        yield (
            "\u2020 measured at the size shown: the row prints none, and then FLOPs and FPS have no ratio, or prints "
            "one that the network's reference code does not take."
        )
    if "macs" in table.quantities:
        yield (
            "FLOPs are claimed under the paper's own counting rule, often unstated; measured are MACs under the rule "
            "macs. A ratio of 2 or 0.5 is a difference of unit: see segbench audit."
        )
    if "fps" in table.quantities and table.conditions is not None:
        yield f"FPS claimed on the GPU that the row names; measured on {table.conditions.describe()}" + (
            "; a CPU timing, not comparable with a GPU's." if table.conditions.on_cpu else "."
        )
        yield from dict.fromkeys(
            f"Launch-bound: {row.claim.printed_name}, {row.bound}." for row in table.rows if row.bound
        )
        if table.others:
            yield "Timings under other conditions are in the overall table."
    if "miou" in table.quantities and not any(row.quantities["miou"].measured for row in table.rows):
        yield "mIoU was not measured: it needs the authors' weights and the data set (segbench eval)."
