"""HTML made of text that is only ever text: elements, tables, lists of facts, bars, choices."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from segbench.units import DASH


class Markup(str):
    """HTML that `element` made; every other text is escaped where it is put into an element."""

    __slots__ = ()


Content = str | None
_UNCLOSED = {"img", "input", "dd", "dt", "li", "option", "td", "th", "tr"}
"""Elements that HTML closes by itself: thousands of cards are a quarter smaller."""


def element(tag: str, *content: Content, **attributes: str | bool | None) -> Markup:
    """An element; attributes lose an underscore at their end, and have hyphens for the others.

    An attribute that is True stands without a value, one that is None or False is left out, and so is content that is
    None.
    """
    named = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(value, quote=True)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    inside = "".join(
        piece if isinstance(piece, Markup) else html.escape(piece, quote=False) for piece in content if piece
    )
    return Markup(f"<{tag}{named}>{inside}" + ("" if tag in _UNCLOSED else f"</{tag}>"))


def written(parts: Iterable[Markup]) -> str:
    """Elements one after the other, with a question mark for each half of a character."""
    return "".join(parts).encode("utf-8", "replace").decode("utf-8")


def table(headings: Sequence[str], lines: Iterable[Sequence[str]], numbers: Set[str] = frozenset()) -> Markup:
    """A table; columns without content are left out.

    Its cells are bare: the page gives them the headings and classes of their columns when it shows them.

    Args:
        headings: of the columns.
        lines: of cells; an empty one is a dash.
        numbers: headings of columns that are aligned at the right.
    """
    lines = list(lines)
    places = [place for place in range(len(headings)) if any(line[place] not in ("", DASH) for line in lines)]
    head = (element("th", headings[place], class_="number" if headings[place] in numbers else None) for place in places)
    body = (element("tr", *(element("td", line[place] or DASH) for place in places)) for line in lines)
    found = element("table", element("thead", element("tr", *head)), element("tbody", *body), class_="stack")
    return element("div", found, class_="inner-scroll")


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Names and what is so called; those without content are left out."""
    told = (element("dt", name) + element("dd", value) for name, value in pairs if value)
    return element("dl", *map(Markup, told), class_="facts")


def bars(headings: Sequence[str], lines: Iterable[tuple[str, float, Sequence[str], str]]) -> Markup:
    """A table with a bar in each row, as long as its number against the largest.

    Args:
        headings: over the names, and over each text.
        lines: name, number, texts, class of the bar.
    """
    lines = list(lines)
    largest = max((number for _, number, _, _ in lines), default=0) or 1
    first, *others = headings
    over = (element("th", heading, scope="col", class_="number") for heading in others)
    head = element("tr", element("th", first, scope="col"), element("td"), *over)
    body = (
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", element("div", class_=f"bar {kind}".strip(), style=f"width: {100 * number / largest:.1f}%")),
            *(element("td", text, class_="number") for text in texts),
        )
        for name, number, texts, kind in lines
    )
    return element("table", element("thead", head), element("tbody", *body), class_="bars")


def select(label: str, name: str, options: Mapping[str, str], chosen: str = "") -> Markup:
    """A labelled choice; `options` are what is sent and what is read."""
    choices = (element("option", text, value=value, selected=value == chosen) for value, text in options.items())
    return element("label", f"{label} ", element("select", *choices, id=name, name=name), class_="field")


def checkbox(label: str, name: str, *, checked: bool = False) -> Markup:
    """A labelled box."""
    box = element("input", type="checkbox", id=name, name=name, checked=checked)
    return element("label", box, f" {label}", class_="check")


def flat(content: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as pairs whose names are joined by dots; what is empty is left out."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif value not in (None, "", []):
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
