"""Where results go: the terminal, a file, or standard output as JSON alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segbench import files, stopping
from segbench.cli.terminal import terminal
from segbench.records import store
from segbench.records.record import Record


def console(json_target: str | None = None) -> Console:
    """The console for human output: standard error where standard output is reserved for JSON."""
    return terminal(stderr=json_target == "-")


def progress_console() -> Console:
    """The console for progress: always standard error, and silent where that is no terminal."""
    return Console(stderr=True, highlight=False, quiet=not sys.stderr.isatty())


Step = Callable[[str, int, int | None], None]


@contextlib.contextmanager
def progress(first: str, *, disable: bool = False, ticking: bool = True) -> Iterator[Step]:
    """A bar with the time left on the progress console, gone when the block ends.

    Args:
        first: what it says at first.
        disable: show nothing.
        ticking: redraw ten times a second. Not where this process times something: a thread that draws would take
            part in it; the bar then changes when it is told something.

    Yields:
        A function that is told what is being done, how much of it is done, and of how much, where that is known.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = progress_console()
    with Progress(
        *columns, console=screen, transient=True, disable=disable or screen.quiet, auto_refresh=ticking
    ) as bar:
        task = bar.add_task(first, total=None)
        bar.refresh()

        def step(what: str, done: int = 0, total: int | None = None) -> None:
            if total != bar.tasks[0].total:
                # Another kind of work: its speed says nothing of the last one's.
                bar.reset(task, total=total, completed=done, description=what)
            bar.update(task, completed=done, description=what, refresh=not ticking)

        yield step


def check_targets(*, reads: Iterable[str | Path | None] = (), **targets: str | Path | None) -> None:
    """Refuse files that cannot be written, before anything is measured.

    Args:
        reads: files and folders that the call reads, which are not to be written over.
        targets: what options were given, by their names without dashes; ``-`` is standard output.

    Raises:
        OutputError: a file cannot be written.
        BadOption: two options name one file, or one what the call reads.
    """
    given = {f"--{name.replace('_', '-')}": target for name, target in targets.items()}
    files.require_apart(given.items())
    files.require_unread(given.items(), reads)
    for target in given.values():
        if target is not None and str(target) != "-":
            files.require_writable_file(Path(target))


_written: set[str] = set()


def written() -> bool:
    """Whether standard output holds a document already; asking forgets it."""
    found = bool(_written)
    _written.clear()
    return found


def write_out(target: str | Path | None, text: str) -> None:
    """Write a text to a file, or to standard output for ``-``; nowhere for None."""
    if target is None:
        return
    if str(target) == "-":
        _written.add(text[:1])
        sys.stdout.write(text)
    else:
        files.write_text(Path(target), text)


def forget_json(target: str | None) -> None:
    """Remove an older JSON file, which would stand for a call that failed; links, pipes and devices stay."""
    if target not in (None, "-") and os.environ.get("RANK", "0") == "0":
        path = Path(str(target))
        if path.is_file() and not path.is_symlink():
            with contextlib.suppress(OSError):
                path.unlink()
                stopping.keeps(f"the older {path} is gone")


def write_json(target: str | None, records: Iterable[Record]) -> None:
    """Write Records as a JSON list to a file, or to standard output for ``-``."""
    if target is not None:
        write_out(target, store.dumps(records))
