"""A call that is stopped, by Ctrl-C or a signal: it ends as on an error, cleans up, and says what is kept.

Signals are handled before anything else is imported, so this imports little.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import FrameType

NOTHING = "files are as they were before"
_kept = NOTHING
_told = False
_raised: weakref.ref[Stopped] | None = None


class Stopped(BaseException):
    """A signal asked this process to end; no KeyboardInterrupt, of which the parser of the command line makes its own.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the block with `Stopped`, so that drafts and child processes go with it."""
    before = arm()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def arm() -> dict[int, Any]:
    """Let the first of these signals raise `Stopped` from now on; the handlers that this replaced.

    Those that follow it change nothing: they would end the cleaning up.
    """
    global _told  # noqa: PLW0603
    keeps(NOTHING)
    _told = False
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            # What nohup, or a shell for its background jobs, ignores stays ignored.
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, _stop)
    return before


def ignore() -> None:
    """Ignore what `arm` handles: Python, as it ends, gives signals back their defaults, which change its status."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    global _raised  # noqa: PLW0603
    # A library may have swallowed the one before.
    if not _told and (_raised is None or _raised() is None):
        error = Stopped(number)
        _raised = weakref.ref(error)
        try:
            raise error
        finally:
            del error  # or its traceback would keep it alive


def keeps(what: str) -> None:
    """From now on, this is what a call that is stopped has kept, and how it goes on."""
    global _kept  # noqa: PLW0603
    _kept = what


def keeps_in(targets: Iterable[str | Path | None], what: str) -> None:
    """From now on, files or folders hold this when a call is stopped; nothing changes where none was asked for."""
    names = [str(target) for target in targets if target is not None and str(target) != "-"]
    if names:
        keeps(f"{' and '.join(names)}: {what}")


def in_words(number: int = signal.SIGINT) -> tuple[str, int]:
    """What to say of a call that a signal stopped, and its exit status: 128 and the signal's number."""
    global _told  # noqa: PLW0603
    _told = True
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"stopped{by}; {_kept}", 128 + number
