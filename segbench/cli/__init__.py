"""The command line: parse, call one function, print. No torch is imported before a command needs it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import typer
from rich.console import Console

from segbench import stopping
from segbench.cli import commands, output
from segbench.errors import ForwardError, SegbenchError, first_line

# What other tools call a command.
_MEANT = {"list": "models", "ls": "models", "run": "profile", "bench": "profile", "benchmark": "profile"}

app = typer.Typer(
    name="segbench",
    help="What a segmentation network really costs and really scores, on your GPU, under one stated protocol, "
    "beside what its paper claims.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.register(app)

FAILED, WRONG, UNEXPECTED, INTERRUPTED = 1, 2, 3, 130
"""Exit status of a failed measurement, of a wrong call, of an error that is segbench's own fault, and of Ctrl-C."""
# Why standard output takes no more; files that results go to say so themselves, with their names.
_FULL = frozenset({errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EFBIG, errno.EDQUOT})


# What a path that is given can be, whoever looks for it.
_NO_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP})


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status. ``--debug`` anywhere shows tracebacks."""
    debug = "--debug" in arguments
    rest = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    for name in ("COLUMNS", "LINES", "TERMINAL_WIDTH"):
        # rich and typer take what they cannot read, such as a superscript digit, for a width.
        if re.fullmatch("[1-9][0-9]{0,8}", os.environ.get(name, "1")) is None:
            del os.environ[name]
    notes = _Notes()
    logging.getLogger("segbench").addHandler(notes)
    try:
        with stopping.signals():
            return _command(rest, debug)
    finally:
        logging.getLogger("segbench").removeHandler(notes)


def _command(rest: Sequence[str], debug: bool) -> int:
    command, raised = typer.main.get_command(app), None
    output.written()
    try:
        _require_current_folder()
        status = command.main(args=list(rest), prog_name="segbench", standalone_mode=False)
        sys.stdout.flush()
        if status != INTERRUPTED:
            return status if isinstance(status, int) else 0
        # By Ctrl-C where signals cannot be handled: outside of the main thread.
        message, status = stopping.in_words()
    except stopping.Stopped as error:
        message, status = stopping.in_words(error.number)
    except (typer.Abort, KeyboardInterrupt):
        message, status = stopping.in_words()
    except Exception as error:
        (message, status), raised = _in_words(error, rest), error
    if debug and raised is not None:
        traceback.print_exception(raised)
    if raised is not None and status in (FAILED, WRONG, UNEXPECTED) and _wants_json(rest) and not output.written():
        # A program that reads standard output learns why there are no Records.
        with contextlib.suppress(OSError):
            print(json.dumps({"error": {"message": message, "status": status}}), flush=True)
    with contextlib.suppress(OSError):  # standard error is full or closed too
        if message:
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"segbench: {message}", markup=False)
    return status


def _require_current_folder() -> None:
    """Without one neither relative paths nor torch's libraries are found."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise SegbenchError("the current folder does not exist any more: change to one that does") from None


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether standard output is reserved for JSON."""
    pairs = itertools.pairwise(arguments)
    return "--json=-" in arguments or ("--json", "-") in pairs


def _nearer(error: Exception, message: str) -> str:
    """What Click says of an unknown command or option, without offers that have little to do with it."""
    unknown = re.match(r"No such command '(.+?)'", message)
    if unknown:
        known = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
        names = [name for name in known if name]
        offers = [_MEANT[unknown[1]]] if unknown[1] in _MEANT else get_close_matches(unknown[1], names, cutoff=0.6)
        return _offer(unknown[0], offers, "segbench --help")
    option = getattr(error, "option_name", None)
    if option is None or not message.startswith("No such option"):
        return message
    offers = get_close_matches(option, getattr(error, "possibilities", None) or (), cutoff=0.7)
    return _offer(f"No such option {option}", offers, "--help")


def _offer(message: str, offers: Sequence[str], otherwise: str) -> str:
    return f"{message}: did you mean {', '.join(offers)}?" if offers else f"{message}: see `{otherwise}`"


def _in_words(error: Exception, rest: Sequence[str]) -> tuple[str, int]:
    """What to say of an error, and the exit status."""
    # Typer carries its own copy of click from 0.16 on, so its errors have no one base class to name here.
    format_message = getattr(error, "format_message", None)
    if isinstance(error, SegbenchError):
        return str(error), FAILED if isinstance(error, ForwardError) else WRONG
    if format_message is not None:
        return f"{_nearer(error, format_message().rstrip('.'))} (given: {shlex.join(rest)})", WRONG
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        _drop_output()
        # A reader that has seen enough, such as `head`, is no error to speak of.
        broken = isinstance(error, BrokenPipeError)
        return ("", 1) if broken else (f"standard output cannot be written: {error.strerror}", WRONG)
    if isinstance(error, OSError) and error.errno in _NO_PATH and error.filename:
        return f"no file can have the name {error.filename!s:.80}: {(error.strerror or '').lower()}", WRONG
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected error: {type(error).__name__}: {first_line(error)} ({Path(place.filename).name}:{place.lineno})\n"
        "This is a fault of segbench: please report it to its developers with what the same call prints with --debug"
    ), UNEXPECTED


def _drop_output() -> None:
    """What is left for standard output must not fail once more when Python ends."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class _Notes(logging.Handler):
    """Prints what the package logs, a line each, once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print it on standard error."""
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            Console(stderr=True, highlight=False, soft_wrap=True).print(f"segbench: note: {text}", markup=False)
