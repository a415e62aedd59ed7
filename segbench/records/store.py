"""Records on disk: appended line by line, read from JSON or JSONL."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from segbench.errors import OutputError, RecordError, legible
from segbench.files import require_writable, write_bytes, write_text
from segbench.records.record import Record

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

__all__ = ["append", "append_text", "dumps", "lines", "read", "require_writable", "write_bytes", "write_text"]

_LOG = logging.getLogger(__name__)


def append(path: Path, record: Record) -> None:
    """Add one Record to a ``.jsonl`` file as `append_text` does."""
    append_text(path, lines([record]))


def append_text(path: Path, text: str) -> None:
    """Add whole lines to a file; they are on disk when this returns.

    A line that a killed run left unfinished is closed first, so it can spoil no other.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file, _alone(file):
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(text.encode())
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

    A line of a JSONL file that a killed run cut short is skipped, and the log says so.

    Args:
        path: the file.
        tolerant: a file without a whole Record is none, as where a run was killed at its first.

    Raises:
        RecordError: no such file, unreadable, not JSON, or not Records; names the file, the line and the field.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    if not content.strip():
        if tolerant:
            return []
        raise RecordError(f"{path} is empty: Records as a JSON list, an object or JSONL are accepted")
    try:
        text = content.decode()
        items = _loads(text)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
    except (json.JSONDecodeError, UnicodeDecodeError):
        return _read_lines(path, content, tolerant)
    items = items if isinstance(items, list) else [items]
    records = []
    for index, item in enumerate(items):
        try:
            records.append(Record.from_json(item))
        except RecordError as error:
            raise RecordError(f"{path}, line {_line_of(text, index)}: {error}") from error
    return records


def _read_lines(path: Path, content: bytes, tolerant: bool) -> list[Record]:
    records, cut = [], []
    # At line feeds alone: JSON allows the other line separators inside of a text.
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            records.append(Record.from_json(_loads(line.decode())))
        except RecordError as error:
            raise RecordError(f"{where}: {error}") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            if not _is_cut_short(line, error):
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "not UTF-8 text"
                raise RecordError(f"{where}: not JSON ({reason}); the file may be truncated") from error
            cut.append(where)
    if not records and not tolerant:
        raise RecordError(f"{cut[0]}: not JSON but the beginning of a Record; the file may be truncated")
    for where in cut:
        _LOG.warning("%s is cut short, as by a run that was killed, and is left out", where)
    return records


def _is_cut_short(line: bytes, error: json.JSONDecodeError | UnicodeDecodeError) -> bool:
    """Whether a line is the beginning of a Record rather than no JSON at all."""
    if not line.startswith(b'{"'):
        return False
    at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(error.doc.rstrip())
    return at_end or not line.rstrip().endswith(b"}")


def _line_of(text: str, index: int) -> int:
    """The line of a JSON text on which the Record of this place in its list begins, or its only one."""
    decoder, place = json.JSONDecoder(), len(text) - len(text.lstrip())
    if text[place] == "[":
        for _ in range(index):
            _, place = decoder.raw_decode(text, _next(text, place + 1))
        place = _next(text, place + 1)
    return text.count("\n", 0, place) + 1


def _next(text: str, place: int) -> int:
    """The next character that is no space and no comma."""
    while text[place] in " \t\r\n,":
        place += 1
    return place


def _loads(text: str) -> object:
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
        raise RecordError("no Record is nested as deeply as this") from error
    except ValueError as error:
        raise RecordError("no Record has numbers of thousands of digits") from error


def lines(records: Iterable[Record]) -> str:
    """Records as JSONL, as `append` writes them."""
    return legible("".join(json.dumps(record.to_json(), ensure_ascii=False) + "\n" for record in records))


def dumps(records: Iterable[Record]) -> str:
    """Records as a JSON list, one a line group, ending in a newline."""
    return legible(json.dumps([record.to_json() for record in records], indent=1, ensure_ascii=False) + "\n")
