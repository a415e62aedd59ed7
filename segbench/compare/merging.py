"""Put the folders of several `segbench compare` calls together, such as those of shards. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from segbench.catalog import CATALOG
from segbench.errors import BadOption, RecordError
from segbench.records import store
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions, beside
from segbench.resolution import show

RECORDS = "records.jsonl"
COSTS = ("params", "live_params", "operations", "uncounted")
Key = tuple[object, ...]


def merged(folders: Sequence[Path], out: Path) -> list[Record]:
    """The Records of several folders, each once, in catalog order.

    Args:
        folders: each with a ``records.jsonl``.
        out: where they are to go; Records that it holds already must be among those of `folders`.

    Raises:
        BadOption: a folder is named twice, or `out` holds other Records.
        RecordError: a folder without Records, a malformed one, or two folders that disagree: on the costs of a network,
            or on the timing of one process of it.
    """
    real = [folder.resolve() for folder in folders]
    twice = [str(folder) for folder, path in zip(folders, real, strict=True) if real.count(path) > 1]
    if twice:
        raise BadOption(f"{twice[0]} is named twice")
    if (out / RECORDS).exists() and out.resolve() not in real:
        raise BadOption(f"{out} holds Records already: name it among the folders, or choose another --out")
    found: list[Record] = []
    costs: dict[Key, tuple[Path, Record]] = {}
    results: dict[Key, tuple[Path, Record]] = {}
    for folder in folders:
        records = store.read(folder / RECORDS, tolerant=True)
        for record in records:
            _require_same_costs(costs, folder, record)
        known = dict(results)
        for record in records:
            key = _key(record)
            if not record.failure and key in known:
                _require_same_timing(*known[key], folder, record)
                continue
            results[key] = folder, record
            found.append(record)
    order = {name: place for place, name in enumerate(CATALOG)}
    return sorted(found, key=lambda record: (order.get(record.model, len(order)), record.model, *_place(record)))


def without_superseded(records: Iterable[Record]) -> list[Record]:
    """Records without failures that another Record of the same network and process makes good."""
    records = list(records)
    good = {_process(record) for record in records if not record.failure}
    return [record for record in records if not record.failure or _process(record) not in good]


def sizes_asked(records: Iterable[Record]) -> dict[tuple[str, tuple[int, int]], tuple[int, int]]:
    """For each network that does not take the size that was asked for: the one that it was measured at, and that."""
    return {
        (record.model, record.resolution): record.run.asked for record in records if record.run and record.run.asked
    }


def _place(record: Record) -> tuple[object, ...]:
    return record.resolution, record.batch, record.process.index if record.process else 0


def _process(record: Record) -> Key:
    return record.model, *_place(record)


def _network(record: Record) -> Key:
    own = (tuple(record.inputs), record.output, repr(record.options))
    return record.model, record.classes, record.resolution, record.batch, record.segbench, *own


def _key(record: Record) -> Key:
    process = record.process
    which = (process.index, process.of, process.seed) if process else None
    timing = TimingConditions.of(record)
    return *_network(record), which, timing, tuple(beside(record).items()) if timing else None, bool(record.failure)


def _require_same_costs(seen: dict[Key, tuple[Path, Record]], folder: Path, record: Record) -> None:
    if record.params is None or record.failure:
        return
    at, other = seen.setdefault(_network(record), (folder, record))
    unlike = [name for name in COSTS if getattr(other, name) != getattr(record, name)]
    if unlike:
        shown = _shown(other, record, unlike[0])
        raise RecordError(
            f"{at} and {folder} disagree on {', '.join(unlike)} of {_title(record)}: {shown}; leave one of them out"
        )


def _shown(one: Record, other: Record, name: str) -> str:
    before, after = getattr(one, name), getattr(other, name)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        key = next(key for key in {**before, **after} if before.get(key) != after.get(key))
        return f"{key} {before.get(key, 'none')} and {after.get(key, 'none')}"
    return f"{before} and {after}"


def _require_same_timing(at: Path, other: Record, folder: Path, record: Record) -> None:
    if record.speed is None or record.speed == other.speed:
        return
    which = f", process {record.process.index + 1} of {record.process.of}" if record.process else ""
    fps = f"{other.speed.fps:.4g} and {record.speed.fps:.4g} FPS" if other.speed else ""
    raise RecordError(
        f"{at} and {folder} disagree on the timing of {_title(record)}{which}: {fps}; leave one of them out"
    )


def _title(record: Record) -> str:
    return f"{record.model} {show(record.resolution)}" + (f" batch {record.batch}" if record.batch > 1 else "")
