"""A history on disk: a folder for each machine, a file of JSON Lines for each commit, to which is only ever added.

Two branches that measure different commits write different files, and two that measure the same commit are merged line
by line (`.gitattributes`), so a history in a repository merges without a conflict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segbench import files
from segbench.errors import BadOption, RecordError
from segbench.history.commits import Commit
from segbench.records import reading, store
from segbench.records.processes import combine, without_frames
from segbench.records.record import Record
from segbench.report.escape import slug

SCHEMA = 1
_ATTRIBUTES = "*.jsonl merge=union\n"
# What of a line is no commit's.
_OWN = ("schema", "machine", "record")


@dataclass(frozen=True)
class Entry:
    """A Record of a commit on a machine."""

    commit: Commit
    machine: str
    record: Record

    def line(self) -> str:
        """The entry as one line of JSON."""
        content = {
            "schema": SCHEMA,
            **reading.plain(self.commit),
            "machine": self.machine,
            "record": self.record.to_json(),
        }
        return json.dumps(content, ensure_ascii=False)


def add(records: Iterable[Record], folder: Path, commit: Commit, machine: str | None = None) -> tuple[int, int]:
    """Add Records of a commit, processes of one comparison as one; what is there already is not added again.

    Args:
        records: as `segbench.records.store.read` gives them.
        folder: of the history; made if it is missing.
        commit: what they measured.
        machine: on which machine; by default its GPU and its processor, as each Record names them.

    Returns:
        How many were added, and how many were there already.

    Raises:
        OutputError: the folder cannot be written.
        RecordError: a file of the history is not one.
    """
    files.require_writable(folder)
    places: dict[Path, list[Entry]] = {}
    for record in combine(records):
        entry = Entry(commit, machine or machine_of(record), _lean(record))
        places.setdefault(folder / (slug(entry.machine) or "machine") / f"{commit.commit}.jsonl", []).append(entry)
    known = {path: set(_read(path)) if path.exists() else set() for path in places}
    added = there = 0
    for path, entries in places.items():
        lines = dict.fromkeys(entry.line() for entry in entries)
        new = [line for line in lines if line.encode() not in known[path]]
        added, there = added + len(new), there + len(entries) - len(new)
        if new:
            store.append_text(path, "".join(f"{line}\n" for line in new))
    attributes = folder / ".gitattributes"
    if not attributes.exists():
        files.write_text(attributes, _ATTRIBUTES)
    return added, there


def machine_of(record: Record) -> str:
    """The machine as a Record names it: its GPU, where that was timed, and its processor."""
    speed = record.speed
    gpu = speed.device_name if speed and speed.device != "cpu" else None
    return ", ".join(str(part) for part in (gpu, record.environment.get("cpu")) if part) or "unknown machine"


def _lean(record: Record) -> Record:
    """Without what no series is made of: frames, modules, waterfall."""
    sign = record.signature
    return replace(
        record,
        speed=without_frames(record.speed) if record.speed else None,
        modules=None,
        waterfall=None,
        signature=replace(sign, modules=None) if sign else None,
    )


def read(folder: Path) -> list[Entry]:
    """All entries of a history, each once.

    Raises:
        RecordError: there is no history, or a line of it is none, or is of a newer segbench; names file and line.
    """
    if not folder.is_dir():
        raise RecordError(f"there is no history {folder}: `segbench history add RECORDS --to {folder}` begins one")
    paths = sorted(folder.glob("*/*.jsonl"))
    entries = {line: entry for path in paths for line, entry in _read(path).items()}
    if not entries:
        raise RecordError(f"{folder} holds no history: `segbench history add RECORDS --to {folder}` begins one")
    return list(entries.values())


def _read(path: Path) -> dict[bytes, Entry]:
    """The entries of a file by their lines; a line that a merge brought twice is one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    found: dict[bytes, Entry] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip() or line in found:
            continue
        try:
            found[line] = _parsed(json.loads(line))
        except RecordError as error:
            raise RecordError(f"{path}, line {number}: {error}") from error
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{path}, line {number}: not JSON; a merge or a copy may have cut it") from error
    return found


def _parsed(content: Any) -> Entry:
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise RecordError("not a line of a history: it has no `schema`")
    if content["schema"] != SCHEMA:
        raise RecordError(
            f"the history has schema {content['schema']}, and this segbench reads {SCHEMA}: update segbench"
        )
    machine = content.get("machine")
    if not isinstance(machine, str) or not machine:
        raise RecordError("machine: a name is accepted")
    commit = reading.read(Commit, {name: value for name, value in content.items() if name not in _OWN})
    return Entry(commit, machine, Record.from_json(content.get("record")))


def check_machine(name: str | None) -> str | None:
    """The name of a machine that a user gives.

    Raises:
        BadOption: an empty one.
    """
    if name is not None and not name.strip():
        raise BadOption("--machine takes a name, such as h100-runner: an empty one given")
    return name
