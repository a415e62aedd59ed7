"""A stored baseline: a file of Records, or a folder of such files, with rows of one or several machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from segbench.errors import RecordError
from segbench.records import store
from segbench.records.record import Record
from segbench.regress.acceptance import check_acceptances
from segbench.regress.rows import Key, by_machine, machine

_ENDINGS = (".json", ".jsonl")


@dataclass(frozen=True)
class Row:
    """A Record of a baseline, and the file that holds it."""

    record: Record
    file: Path


@dataclass(frozen=True)
class Baseline:
    """All rows of a baseline: of each network one for every machine, the newest first.

    Attributes:
        path: the file or folder.
        rows: by network and conditions without the machine.
    """

    path: Path
    rows: dict[Key, list[Row]]

    def records(self) -> list[Record]:
        """All Records."""
        return [row.record for rows in self.rows.values() for row in rows]

    def models(self) -> list[str]:
        """Names of its networks."""
        return sorted({record.model for record in self.records()})

    def newest(self) -> dict[Key, Record]:
        """Of each network the newest Record, whatever machine it is of."""
        return {name: rows[0].record for name, rows in self.rows.items()}

    def nearest(self, distance: Callable[[Record], int]) -> dict[Key, Record]:
        """Of each network the newest Record of this machine, or of the machine that differs least.

        Args:
            distance: in how many conditions a Record's timing differs from those here.
        """
        return {
            name: min((row.record for row in rows), key=distance) if len(rows) > 1 else rows[0].record
            for name, rows in self.rows.items()
        }

    def machines(self, name: Key) -> list[str]:
        """What machines a network has rows of."""
        return list(dict.fromkeys(machine(row.record) for row in self.rows[name]))

    def describe(self, chosen: Iterable[Record]) -> str:
        """Which rows a check compares with: the path, and machine and date where the baseline has several."""
        if all(len(rows) == 1 for rows in self.rows.values()):
            return str(self.path)
        found = {id(row.record): row for rows in self.rows.values() for row in rows}
        taken = [found[id(record)] for record in chosen if id(record) in found]
        names = dict.fromkeys(
            f"{row.file.name}, " * (row.file != self.path)
            + f"{machine(row.record)}, {row.record.created[:10] or 'no date'}"
            for row in taken
        )
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        return f"{self.path} [{'; '.join(list(names)[:2])}{more}]"


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Of a folder, such as one that keeps a file for each run on a branch, all files of Records are read; where several
    are of one machine, the newest counts.

    Raises:
        RecordError: missing, empty, truncated, of a newer schema, with duplicate rows, or with an acceptance of what
            is no quantity of its row.
    """
    if not path.exists():
        there = sorted(item.name for item in path.parent.glob("*")) if path.parent.is_dir() else []
        beside = f"; {path.parent} has {', '.join(there[:6])}" if there and path.parent != Path() else ""
        raise RecordError(
            f"there is no baseline {path}{beside}: `segbench baseline save MODEL... --baseline {path}` writes one"
        )
    files = [path]
    if path.is_dir():
        files = sorted(item for item in path.iterdir() if item.suffix in _ENDINGS)
        if not files:
            raise RecordError(f"{path} holds no file of Records (.json or .jsonl): `segbench baseline save` writes one")
    rows: dict[Key, list[Row]] = {}
    for file in files:
        for name, records in by_machine(store.read(file), str(file)).items():
            rows.setdefault(name, []).extend(Row(record, file) for record in records)
    for name, found in rows.items():
        rows[name] = sorted(found, key=lambda row: row.record.created, reverse=True)
        for row in found:
            check_acceptances(row.record, str(row.file))
    return Baseline(path, rows)
