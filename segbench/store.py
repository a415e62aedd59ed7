"""Records on disk: appended line by line, read from JSON or JSONL, written whole only atomically."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from segbench.errors import OutputError, RecordError
from segbench.record import Record

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]


def append(path: Path, record: Record) -> None:
    """Add one Record to a ``.jsonl`` file; it is on disk when this returns.

    A line that a killed run left unfinished is closed first, so it can spoil no other.

    Raises:
        OutputError: the file cannot be written.
    """
    line = json.dumps(record.to_json(), ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file, _alone(file):
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def _alone(file: IO[bytes]) -> Iterator[None]:
    """Keep other processes that append to the same file waiting, where the system can; closing the file ends it."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0, os.SEEK_END)
    yield


def read(path: Path, *, tolerant: bool = False) -> list[Record]:
    """Read Records from a JSON list, a single JSON object, or JSONL.

    Args:
        path: the file.
        tolerant: skip lines of a JSONL file that are no JSON, such as the one a killed run was writing.

    Raises:
        RecordError: no such file, unreadable, not JSON, or not Records; names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    if not text.strip():
        if tolerant:
            return []
        raise RecordError(f"{path} is empty: Records as a JSON list, an object or JSONL are accepted")
    try:
        content = _loads(text, str(path))
    except json.JSONDecodeError:
        return _read_lines(path, text, tolerant)
    items = content if isinstance(content, list) else [content]
    return [_parse(item, f"{path}, Record {index}") for index, item in enumerate(items, 1)]


def _read_lines(path: Path, text: str, tolerant: bool) -> list[Record]:
    records = []
    # At line feeds alone: JSON allows the other line separators inside of a text.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            item = _loads(line, f"{path}, line {number}")
        except json.JSONDecodeError as error:
            if tolerant:
                continue
            raise RecordError(f"{path}, line {number}: not JSON ({error.msg}); the file may be truncated") from error
        records.append(_parse(item, f"{path}, line {number}"))
    return records


def _loads(text: str, where: str) -> object:
    """JSON, with what Python cannot read of it refused as what it is.

    Raises:
        JSONDecodeError: not JSON.
        RecordError: nested too deeply, or a number with thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise RecordError(f"{where}: no Record is nested as deeply as this file") from error
    except ValueError as error:
        raise RecordError(f"{where}: no Record has numbers of thousands of digits") from error


def _parse(item: object, where: str) -> Record:
    try:
        return Record.from_json(item)
    except RecordError as error:
        raise RecordError(f"{where}: {error}") from error


def dumps(records: Iterable[Record]) -> str:
    """Records as a JSON list, one a line group, ending in a newline."""
    return json.dumps([record.to_json() for record in records], indent=1, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a reader never sees half of it, a failure leaves the old one.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def require_writable(folder: Path) -> None:
    """Make `folder` and prove that files can be put there, before anything is measured.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}") from error


def check_writable(folder: Path) -> None:
    """Prove that `folder` can be made and written, and make nothing: a call that is refused leaves no empty folders.

    Raises:
        OutputError: it cannot.
    """
    existing = next((place for place in (folder, *folder.absolute().parents) if place.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}") from error
