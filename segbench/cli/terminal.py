"""How wide the terminal is: a pipe or a file has no width, so that nothing in it is wrapped, cut or broken."""

from __future__ import annotations

import os
import re
import sys
from typing import IO, Any, cast

from rich.console import Console

from segbench.errors import legible

UNLIMITED = 100_000


def terminal(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or as the variable ``COLUMNS`` says; without limit where neither says."""
    stream = sys.stderr if stderr else sys.stdout
    limited = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    if limited:
        return Console(stderr=stderr, highlight=False)
    return Console(file=cast(IO[str], _WithoutFilling(stream)), highlight=False, width=UNLIMITED)


class _WithoutFilling:
    """A stream that leaves out the blanks with which lines are filled up to a width that is no width."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(re.sub(r" +(?=\n)", "", legible(text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
