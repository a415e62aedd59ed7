"""A long run for the one who waits: a line as each network ends, on any stream, and what a stop leaves behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from segbench.records.record import Record
from segbench.report.side_by_side import costs_and_speed
from segbench.resolution import show
from segbench.units import duration


class LongRun:
    """What is done of a sweep.

    Attributes:
        done: networks whose Records are kept.
        total: all of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count.

        Args:
            clock: seconds.
        """
        self.done = self.total = 0
        self._clock, self._began, self._ended = clock, clock(), 0

    def started(self, done: int, total: int) -> None:
        """Told before each network: how many are done, those of an earlier run included, and of how many."""
        self.done, self.total = done, total

    def ended(self, record: Record, done: int) -> str:
        """One line: which of how many, what was found, and the time left."""
        self.done = done
        self._ended += 1
        batch = f" batch {record.batch}" if record.batch > 1 else ""
        line = f"{done} of {self.total}: {record.model} {show(record.resolution)}{batch}: {costs_and_speed(record)}"
        rest = self.total - done
        if not rest:
            return line
        return f"{line}; about {duration((self._clock() - self._began) / self._ended * rest)} left"

    def kept(self, path: Path) -> str:
        """What a stop leaves behind; how many are kept is known from the first network on."""
        kept = f"{self.done} of {self.total} kept" if self.total else "what was measured is kept"
        return f"{kept} in {path}; the same command goes on from there"


def say(line: str) -> None:
    """Print a line on standard error, at once, whatever that is; a bar that is drawn there stays below it."""
    print(line, file=sys.stderr, flush=True)
