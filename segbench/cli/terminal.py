"""How wide the terminal is: a pipe or a file has no width, so that nothing in it is wrapped, cut or broken."""

from __future__ import annotations

import os
import sys

from rich.console import Console

UNLIMITED = 100_000


def terminal(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or as the variable ``COLUMNS`` says; without limit where neither says."""
    stream = sys.stderr if stderr else sys.stdout
    limited = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(stderr=stderr, highlight=False, width=None if limited else UNLIMITED)
