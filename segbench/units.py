"""Numbers as people read them: 18.31 G, 1.002 M, 9.43 ms. Imports no torch."""

from __future__ import annotations

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

AT_LEAST = "\u2265 "
"""Before a figure that is a lower bound."""

DASH = "-"


def scaled(value: float, digits: int = 4) -> str:
    """``18310205312`` as ``"18.31 G"``: `digits` significant digits and a decimal prefix."""
    for size, prefix in _PREFIXES:
        # 999,999 at 4 digits rounds up to 1000 k; it reads better as 1.000 M.
        if abs(value) >= size * (1 - 0.5 * 10**-digits):
            return f"{significant(value / size, digits)} {prefix}"
    return significant(value, digits) if value != int(value) else f"{int(value)}"


def significant(value: float, digits: int = 3) -> str:
    """A number with at least `digits` significant digits, without an exponent: 1234, 106, 9.43, 0.0123."""
    if value == 0:
        return "0"
    text = f"{value:#.{digits}g}"
    if "e" in text:
        return f"{value:.0f}" if abs(value) >= 1 else f"{float(text):f}".rstrip("0")
    return text.rstrip(".")


def plural(count: int, noun: str) -> str:
    """``"1 row"``, ``"2 rows"``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    """Time left: ``"42 s"``, ``"3 min 05 s"``, ``"1 h 02 min"``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
