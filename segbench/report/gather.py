"""Find the Records that a report is made of: files, and folders with what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from segbench.errors import RecordError
from segbench.records import store
from segbench.records.processes import combine, is_process
from segbench.records.record import Record
from segbench.report.outdated import marked

# `compare --fresh` sets older measurements aside as records.1.jsonl.
_SET_ASIDE = re.compile(r".*\.\d+\.jsonl")


def read_all(paths: Iterable[Path]) -> list[Record]:
    """Read every Record of files and folders; of a folder its ``.jsonl`` files that are not set aside, ``record.json``.

    Args:
        paths: files of Records, or folders.

    Raises:
        RecordError: a file is unreadable, truncated or of a newer schema, or there is no Record at all.
    """
    given = list(paths)
    files = list(dict.fromkeys(path for item in given for path in _files(item)))
    records = [marked(record) for path in files for record in store.read(path)]
    if not records:
        where = ", ".join(str(path) for path in given)
        raise RecordError(f"no Records in {where}: a file of Records, or a folder with records.jsonl, is accepted")
    return combined(records)


def combined(records: Sequence[Record]) -> list[Record]:
    """The fresh processes in which a network was timed as one measurement; other Records as they are."""
    repeated = [record for record in records if _of_processes(record)]
    return [record for record in records if not _of_processes(record)] + combine(repeated)


def _of_processes(record: Record) -> bool:
    return is_process(record) or (record.process is not None and record.failure is not None)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(found for found in path.rglob("*.jsonl") if not _SET_ASIDE.fullmatch(found.name))
    # What `eval --out` writes.
    yield from sorted(path.rglob("record.json"))
