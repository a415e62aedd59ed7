"""The ``segbench`` command, which is ``python -m segbench`` too."""

from __future__ import annotations

import contextlib
import os
import sys

from segbench import stopping


def main() -> None:
    """Run the command line and exit: 0 done, 1 a measurement failed or regressed, 2 the call or its input was wrong."""
    stopping.arm()
    # A closed stream would give its number to the next file that is opened, here or in a process that is started.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number: that of the stream
            os.set_inheritable(nowhere, True)
            setattr(sys, name, open(nowhere, "r" if name == "stdin" else "w"))  # noqa: PTH123, SIM115
    try:
        # Its own imports take long enough to be stopped.
        from segbench.cli import run

        status = run(sys.argv[1:])
    except stopping.Stopped as error:  # while it was imported, or while another error was told
        message, status = stopping.in_words(error.number)
        with contextlib.suppress(OSError):
            print(f"segbench: {message}", file=sys.stderr)
    stopping.ignore()
    sys.exit(status)


if __name__ == "__main__":
    main()
