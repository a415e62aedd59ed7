"""Text of Records and papers made safe for where it goes: Markdown, LaTeX, CSV, a terminal, a page, a file's name."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_LATEX: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        "[": "{[}",  # \\ takes what follows in brackets as its argument
        "]": "{]}",
        "\u00d7": r"$\times$",
        "\u00b1": r"$\pm$",
        "\u2020": r"$\dagger$",
        "\u2021": r"$\ddagger$",
        "\u2265": r"$\geq$",
    }
)


def plain(text: str) -> str:
    """One line without control characters: no line break, no terminal escape, no reversed writing direction."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = (
        " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character for character in text
    )
    return " ".join("".join(kept).split())


def markdown(text: str) -> str:
    """Text that GitHub's Markdown shows as it is, inside a table cell too."""
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|~$#!" else character for character in escaped)


def latex(text: str) -> str:
    """Text that LaTeX prints as it is, pdfLaTeX with its default fonts too.

    What those fonts lack is written as its code point, such as ``U+7F51``, rather than breaking the document.
    """
    escaped = "".join(_latex_character(character) for character in plain(text))
    # Neighbouring hyphens would become a dash.
    return escaped.replace("--", "-{}-").replace("--", "-{}-")


def _latex_character(character: str) -> str:
    known = _LATEX.get(character)
    if known is not None:
        return known
    decomposed = unicodedata.normalize("NFD", character)
    # Accented Latin letters, which LaTeX composes from a letter and an accent.
    if character.isascii() or (character.isalpha() and decomposed[0].isascii() and ord(character) <= 0x17F):
        return character
    return f"U+{ord(character):04X}"


def csv_cell(text: str) -> str:
    """Text that a spreadsheet does not run as a formula: one that could be gets a leading apostrophe."""
    line = plain(text)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def script_json(content: object) -> str:
    """JSON for a ``<script type="application/json">``: nothing in it ends the element or opens another."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escaped = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    # Line separators end a line of JavaScript, and lone surrogates cannot be written as UTF-8.
    escaped = escaped.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return "".join(
        f"\\u{ord(character):04x}" if "\ud800" <= character <= "\udfff" else character for character in escaped
    )


def slug(*parts: str) -> str:
    """The name of a file: lower case, hyphens for all but letters, digits and dots, what is long cut short."""
    return "-".join(filter(None, (re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-.")[:100] for part in parts)))
