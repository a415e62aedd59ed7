"""Where results go: the terminal, a file, or standard output as JSON alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from segbench import store
from segbench.errors import OutputError
from segbench.record import Record


def console(json_target: str | None = None) -> Console:
    """The console for human output: standard error where standard output is reserved for JSON."""
    return Console(stderr=json_target == "-", highlight=False)


def progress_console() -> Console:
    """The console for progress: always standard error, and silent where that is no terminal."""
    return Console(stderr=True, highlight=False, quiet=not sys.stderr.isatty())


def check_json_target(target: str | None) -> None:
    """Refuse a JSON file that cannot be written, before anything is measured.

    Raises:
        OutputError: its folder cannot be written.
    """
    if target not in (None, "-"):
        assert target is not None
        path = Path(target)
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder, --json takes a file or -")
        store.require_writable(path.parent)


def write_json(target: str | None, records: Iterable[Record]) -> None:
    """Write Records as a JSON list to a file, or to standard output for ``-``."""
    if target == "-":
        sys.stdout.write(store.dumps(records))
    elif target is not None:
        store.write_text(Path(target), store.dumps(records))
