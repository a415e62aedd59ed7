"""Records gathered by network and size: the latest costs, and the latest figure under each set of conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from segbench.catalog import CATALOG
from segbench.records.accuracy_conditions import AccuracyConditions, small_print
from segbench.records.conditions import network_of, variant
from segbench.records.record import Record
from segbench.records.results import ModuleRow
from segbench.records.timing_conditions import TimingConditions, unlike_beside
from segbench.resolution import show
from segbench.units import significant

_MOST_NAMED = 20


@dataclass(slots=True)
class Measured:
    """Everything measured for one network at one size, class count and batch.

    Attributes:
        record: the latest Record, which has the fidelity.
        records: all of them, the latest last.
        params: parameters, from the latest Record that has them.
        macs: multiply-accumulates of one forward, from the latest Record that has them.
        uncounted: operations that are not in `macs` and how often each ran; with any, `macs` is a lower bound.
        timings: the latest Record timed under each set of conditions.
        accuracies: the latest Record scored under each set of conditions.
        operations: count under every rule, from the latest Record that has them.
        modules: costs module by module, from the latest Record that has them.
    """

    record: Record
    records: list[Record] = field(default_factory=list)
    params: int | None = None
    macs: int | None = None
    uncounted: dict[str, int] = field(default_factory=dict)
    timings: dict[TimingConditions, Record] = field(default_factory=dict)
    accuracies: dict[AccuracyConditions, Record] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)
    modules: list[ModuleRow] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Name of the network."""
        return self.record.model

    @property
    def variant(self) -> str:
        """Inputs, output and options that are not the usual ones."""
        return variant(self.record)

    @property
    def resolution(self) -> tuple[int, int]:
        """Height and width of the input."""
        return self.record.resolution

    @property
    def failure(self) -> str:
        """Why the latest measurement could not be made; empty where it could."""
        return self.record.failure or ""

    def number(self, conditions: TimingConditions | None, quantity: str) -> float | None:
        """A timed quantity under conditions: ``fps``, median ``latency`` in ms, ``energy`` in mJ a frame."""
        timed = self.timings.get(conditions) if conditions else None
        if timed is None or timed.speed is None:
            return None
        if quantity == "latency":
            return timed.speed.latency_ms.median if timed.speed.latency_ms else None
        number: float | None = getattr(timed.speed, {"energy": "energy_mj"}.get(quantity, quantity))
        return number

    def scores(self) -> list[tuple[AccuracyConditions, float]]:
        """The measured mIoUs in percent, the official one of a whole split first."""
        return [
            (conditions, 100 * record.accuracy.miou)
            for conditions, record in sorted(self.accuracies.items(), key=lambda item: item[0].order())
            if record.accuracy is not None and record.accuracy.miou is not None
        ]


def measured(records: Iterable[Record]) -> list[Measured]:
    """Gather Records: catalog order, a user's own networks after it by name, then the smaller size first.

    Figures under unlike conditions are all kept. Under the very same conditions the latest counts, and `older_footers`
    says which are not shown.
    """
    rows: dict[tuple[object, ...], Measured] = {}
    for record in _in_order(records):
        row = rows.setdefault(network_of(record), Measured(record))
        row.record = record
        row.records.append(record)
        row.params = row.params if record.params is None else record.params
        if "macs" in record.operations:
            row.macs, row.uncounted = record.operations["macs"], dict(record.uncounted)
        row.operations = {**row.operations, **record.operations}
        row.modules = record.modules or row.modules
        row.timings.update(_timings(record))
        accuracy = AccuracyConditions.of(record)
        if accuracy is not None and record.accuracy is not None and record.accuracy.miou is not None:
            row.accuracies[accuracy] = record
    places = {name: place for place, name in enumerate(CATALOG)}

    def order(row: Measured) -> tuple[object, ...]:
        height, width = row.resolution
        place = places.get(row.model, len(places))
        return place, row.model, height * width, row.resolution, row.record.classes, row.record.batch

    return sorted(rows.values(), key=order)


def timings_of(rows: Iterable[Measured]) -> list[TimingConditions]:
    """The conditions of every timing, CUDA before CPU."""
    return sorted({conditions for row in rows for conditions in row.timings}, key=TimingConditions.order)


def benchmarks_of(rows: Iterable[Measured]) -> list[AccuracyConditions]:
    """What the measured mIoUs were scored on and how, a network's own weights and normalisation left out."""
    return sorted(
        {conditions.benchmark() for row in rows for conditions in row.accuracies}, key=AccuracyConditions.order
    )


def small_prints(row: Measured, benchmarks: Sequence[AccuracyConditions]) -> list[str]:
    """What stands under each of a row's `scores`, told apart from every one of `benchmarks`."""
    return small_print([conditions for conditions, _ in row.scores()], benchmarks)


def panels(rows: Iterable[Measured]) -> dict[tuple[AccuracyConditions, tuple[int, int]], str]:
    """On which plot each measured mIoU belongs, by its benchmark and size: unlike scores are never on one plot.

    The plot that bears the data set's name alone also shows what papers claim: of each data set and size, one official
    and complete benchmark stands there. Any other has a plot of its own, named by its conditions.
    """
    sizes: dict[tuple[int, int], list[Measured]] = {}
    for row in rows:
        if row.accuracies:
            sizes.setdefault(row.resolution, []).append(row)
    found: dict[tuple[AccuracyConditions, tuple[int, int]], str] = {}
    for size, own in sizes.items():
        benchmarks, taken = benchmarks_of(own), set()
        for benchmark, text in zip(benchmarks, small_print(benchmarks), strict=True):
            beside_claims = not benchmark.marks() and benchmark.dataset not in taken
            found[benchmark, size] = benchmark.dataset if beside_claims else text
            taken.add(benchmark.dataset if beside_claims else "")
    return found


def older_footers(rows: Iterable[Measured]) -> Iterator[str]:
    """Which Records are not shown because later ones under the same conditions are."""
    older, recounted, unlike = [], [], []
    for row in rows:
        shown = {id(timed.speed) for timed in row.timings.values()}
        shown |= {id(scored.accuracy) for scored in row.accuracies.values()}
        name = " ".join(filter(None, (row.model, show(row.resolution), row.variant)))
        hidden = []
        for record in row.records:
            if not _hidden(record, row, shown):
                continue
            later = row.timings.get(conditions) if (conditions := TimingConditions.of(record)) else None
            differs = unlike_beside([record, later]) if later is not None else []
            if differs and record.speed is not None:
                unlike.append(f"{name} ({significant(record.speed.fps)} FPS, {'; '.join(differs)})")
            else:
                hidden.append(record)
        if hidden:
            older.append(f"{name} ({_dates(hidden)})")
        counts = {
            (record.params, record.operations.get("macs"))
            for record in row.records
            if record.params not in (None, row.params) or record.operations.get("macs") not in (None, row.macs)
        }
        recounted += [f"{name} (parameters {params}, MACs {macs})" for params, macs in sorted(counts, key=str)]
    if older:
        yield f"Not shown, because later Records under the same conditions are: {_listed(older)}."
    if unlike:
        yield f"Not shown, because later timings with other versions, hosts or lengths are: {_listed(unlike)}."
    if recounted:
        yield f"Not shown, because later Records count otherwise: {_listed(recounted)}."


def _hidden(record: Record, row: Measured, shown: set[int]) -> bool:
    accuracy = record.accuracy
    return (
        (record.speed is not None and id(record.speed) not in shown)
        or (accuracy is not None and accuracy.miou is not None and id(accuracy) not in shown)
        or (bool(record.failure) and record is not row.record)
    )


def _dates(records: Sequence[Record]) -> str:
    dates = sorted({record.created[:10] for record in records if record.created})
    number = f"{len(records)} {'Record' if len(records) == 1 else 'Records'}"
    return ", ".join(filter(None, (number, " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "")))


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_NAMED
    return "; ".join(texts[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _timings(record: Record) -> Iterator[tuple[TimingConditions, Record]]:
    """The timing of a Record, and that of its fast mode as one of its own."""
    speed = record.speed
    if speed is None:
        return
    fast = replace(record, speed=speed.optimized, memory=None, waterfall=None) if speed.optimized else None
    for timed in (record, fast):
        conditions = TimingConditions.of(timed) if timed else None
        if conditions is not None and timed is not None:
            yield conditions, timed


def _in_order(records: Iterable[Record]) -> list[Record]:
    """Records by their date; those of one moment by their content, so that the order of files does not matter."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.created, record.model, str(record.resolution)), []).append(record)
    for key, group in groups.items():
        if len(group) > 1:
            groups[key] = sorted(group, key=lambda record: json.dumps(record.to_json(), sort_keys=True, default=str))
    return [record for key in sorted(groups) for record in groups[key]]
