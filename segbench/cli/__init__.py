"""The command line: parse, call one function, print. No torch is imported before a command needs it."""

from __future__ import annotations

import re
import shlex
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

import typer
from rich.console import Console

from segbench.cli import commands
from segbench.errors import SegbenchError, Stopped

_STOPPED = 130
# What other tools call a command.
_MEANT = {"list": "models", "ls": "models", "run": "profile", "bench": "profile", "benchmark": "profile"}
_KEPT = "stopped; what was measured is on disk"

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a measurement failed or regressed, 2 the call or its input was wrong."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status. ``--debug`` anywhere shows tracebacks."""
    debug = "--debug" in arguments
    rest = [argument for argument in arguments if argument != "--debug"] or ["--help"]
    command = typer.main.get_command(app)
    try:
        status = command.main(args=rest, prog_name="segbench", standalone_mode=False)
        # Some versions of Typer make an exit status of Ctrl-C, without a word.
        if status != _STOPPED:
            return status if isinstance(status, int) else 0
        return _complain(_KEPT, debug=False, status=_STOPPED)
    except SegbenchError as error:
        return _complain(str(error), debug, status=_STOPPED if isinstance(error, Stopped) else 2)
    except (typer.Abort, KeyboardInterrupt):
        return _complain(_KEPT, debug, status=_STOPPED)
    except BrokenPipeError:
        return 1
    except Exception as error:
        # Typer carries its own copy of click from 0.16 on, so its errors have no one base class to name here.
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            raise
        told = _nearer(error, format_message().rstrip("."))
        return _complain(f"{told} (given: {shlex.join(rest)})", debug)


def _nearer(error: Exception, message: str) -> str:
    """What Click says of an unknown command or option, without offers that have little to do with it."""
    unknown = re.match(r"No such command '(.+?)'", message)
    if unknown:
        names = [*(command.name for command in app.registered_commands if command.name), "baseline"]
        offers = [_MEANT[unknown[1]]] if unknown[1] in _MEANT else get_close_matches(unknown[1], names, cutoff=0.6)
        return _offer(unknown[0], offers, "segbench --help")
    option = getattr(error, "option_name", None)
    if option is None or not message.startswith("No such option"):
        return message
    offers = get_close_matches(option, getattr(error, "possibilities", None) or (), cutoff=0.7)
    return _offer(f"No such option {option}", offers, "--help")


def _offer(message: str, offers: Sequence[str], otherwise: str) -> str:
    return f"{message}: did you mean {', '.join(offers)}?" if offers else f"{message}: see `{otherwise}`"


def _complain(message: str, debug: bool, status: int = 2) -> int:
    if debug:
        traceback.print_exc()
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"segbench: {message}", markup=False)
    return status
