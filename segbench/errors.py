"""What goes wrong for a user: one or two lines that say what was given and what is accepted.

The command line prints a `SegbenchError` without a traceback and ends with exit status 2; with 1 for a `ForwardError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def legible(text: str) -> str:
    """Text that every file and terminal takes: a name of undecodable bytes has halves of surrogate pairs in it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, at most 200 characters; the name of its type where it has no text."""
    lines = legible(str(error)).strip().splitlines()
    return lines[0].strip().rstrip(".")[:200] if lines else type(error).__name__


def one_line(error: BaseException, most: int | None = 300) -> str:
    """An exception of a user's own code: its type and its text, of which `most` characters are kept.

    All lines of it, because such code may say what matters on its last one.
    """
    try:
        text = " ".join(legible(str(error)).split())
    except BaseException:  # the class is the user's own too
        text = ""
    return f"{type(error).__name__}: {text[:most]}" if text else type(error).__name__


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and three dots where there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


class SegbenchError(Exception):
    """A call, or its input, that cannot be served; the message is meant for the user."""


class UnknownName(SegbenchError, ValueError):
    """A name that is in no list: of networks, devices, counters, data sets."""

    def __init__(self, kind: str, given: str, accepted: Iterable[str], hint: str = "") -> None:
        """Name what was given and the nearest accepted names.

        Args:
            kind: what the name should have been, such as ``"network"``.
            given: the name as the user typed it.
            accepted: every accepted name.
            hint: what to run to see all of them; without it the accepted names themselves are listed.
        """
        self.kind, self.given, self.hint = kind, given, hint
        names = list(accepted)
        self.nearest = difflib.get_close_matches(given.lower(), names, n=3, cutoff=0.5)
        offer = f"did you mean {', '.join(self.nearest)}?" if self.nearest else ""
        accepts = hint if hint else f"accepted: {', '.join(names)}"
        super().__init__(f"unknown {kind} {given!r}: " + "; ".join(part for part in (offer, accepts) if part))


class CatalogError(SegbenchError):
    """A file of the catalog that does not hold entries as it should."""


class BadOption(SegbenchError, ValueError):
    """An option or argument whose value is malformed or out of range."""


class BadType(SegbenchError, TypeError):
    """An argument of a type that cannot be used."""


class BadResolution(BadOption):
    """A resolution that is malformed, too small, or that the network's reference code rejects."""


class FactoryError(SegbenchError, ValueError):
    """A user's own network that cannot be imported or built, does not take its inputs, or returns no logits."""


class ForwardError(FactoryError):
    """A network that was built and whose forward fails: a measurement that failed, and no wrong call."""


class DeviceError(SegbenchError):
    """A device, or a precision on it, that this machine does not have."""


class CheckpointError(SegbenchError):
    """A checkpoint that is unreadable, unsafe, or of another network."""


class RecordError(SegbenchError):
    """A file of Records that is unreadable, truncated, or of a newer schema."""


class ClaimsError(SegbenchError):
    """A row of printed figures that is malformed; names the file and the line."""


class OutputError(SegbenchError):
    """A file or folder that cannot be written."""
