"""Numbers that a call gives: finite, and within what can be served. Imports no torch."""

from __future__ import annotations

import contextlib
import math
import operator
import re

from segbench.errors import BadOption, BadType, DeviceError

DEVICE = re.compile(r"auto|cpu|cuda(?::(\d{1,4}))?")
"""A device as users name it."""

CLASSES = 65_535
"""Output classes: as many as a label map of 16 bits tells apart."""

BATCH = 65_535

ELEMENTS, TIMES_THE_INPUT = 2**32, 4_096
"""Of one tensor of a forward: above both it is a mistake. Attention at stride 8 on 2048x4096 makes 2**34 elements, 683
times its input."""

ROUNDS = 100_000
PROCESSES = 1_000

SECONDS = 10_000_000.0
"""Some hundred days: longer than any measurement."""


def check_device(spec: str) -> str:
    """A device's name as it was given, whether this machine has it or not.

    Raises:
        DeviceError: no name of a device.
    """
    if DEVICE.fullmatch(spec) is None:
        raise DeviceError(f"unknown device {spec!r}: accepted are auto, cpu, cuda and cuda:N, as in cuda:1")
    return spec


def check_integer(name: str, given: object) -> None:
    """Refuse what is no whole number.

    Raises:
        BadType: says what was given.
    """
    with contextlib.suppress(Exception):  # of a user's own type, or an array of several numbers
        operator.index(given)  # type: ignore[arg-type]
        if not isinstance(given, bool):
            return
    raise BadType(f"{name} must be a whole number: {given!r:.80} given")


def check(name: str, given: float | None, least: float, most: float, *, above: bool = False, unit: str = "") -> None:
    """Refuse a number that is not finite or out of range; None is no number.

    Args:
        name: of the option or argument.
        given: its value.
        least: the smallest that is accepted.
        most: the largest that is accepted.
        above: `least` itself is not accepted.
        unit: behind the limits, with a space before it.

    Raises:
        BadOption: says what was given and what is accepted.
    """
    if given is None:
        return
    if isinstance(given, float) and not math.isfinite(given):
        raise BadOption(f"{name} must be a finite number: {given} given")
    if given < least or (above and given == least):
        raise BadOption(
            f"{name} must be {f'above {least:g}' if above else f'{least:g} or more'}{unit}: {_short(given)} given"
        )
    if given > most:
        raise BadOption(f"{name} must be at most {most:,.0f}{unit}: {_short(given)} given")


def _short(given: float) -> str:
    text = f"{given:g}" if isinstance(given, float) else f"{given:,}"
    return text if len(text) < 40 else f"a number of {len(text)} characters"
