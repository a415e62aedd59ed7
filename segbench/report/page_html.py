"""HTML made of text that is only ever text: elements, tables, lists of facts, bars, choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from xml.etree.ElementTree import Element, tostring

from segbench.units import DASH

Content = Element | str | None


def element(tag: str, *content: Content, **attributes: str | bool | None) -> Element:
    """An element; attributes lose an underscore at their end, and have hyphens for the others.

    A text is escaped when the element is written. An attribute that is True stands without a value, one that is None
    or False is left out, and so is content that is None.
    """
    node = Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            node.set(name.rstrip("_").replace("_", "-"), "" if value is True else value)
    for piece in content:
        if isinstance(piece, Element):
            node.append(piece)
        elif piece and len(node):
            node[-1].tail = (node[-1].tail or "") + piece
        elif piece:
            node.text = (node.text or "") + piece
    return node


def html(nodes: Iterable[Element]) -> str:
    """Elements as HTML, with a question mark for each half of a character."""
    text = "".join(tostring(node, encoding="unicode", method="html") for node in nodes)
    return text.encode("utf-8", "replace").decode("utf-8")


def table(
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    numbers: Set[str] = frozenset(),
    unbroken: Set[str] = frozenset(),
) -> Element:
    """A table, whose rows a narrow screen shows one below the other; columns without content are left out.

    Args:
        headings: of the columns.
        lines: of cells; an empty one is a dash.
        numbers: headings of columns that are aligned at the right.
        unbroken: headings of columns whose cells have one line.
    """
    lines = list(lines)
    places = [place for place in range(len(headings)) if any(line[place] not in ("", DASH) for line in lines)]

    def classes(place: int, cell: str = DASH) -> str | None:
        kinds = {
            "number": headings[place] in numbers,
            "nowrap": headings[place] in unbroken,
            "empty": cell == "",
        }
        return " ".join(kind for kind, holds in kinds.items() if holds) or None

    head = element("tr", *(element("th", headings[place], scope="col", class_=classes(place)) for place in places))
    body = (
        element(
            "tr",
            *(
                element("td", line[place] or DASH, class_=classes(place, line[place]), data_label=headings[place])
                for place in places
            ),
        )
        for line in lines
    )
    found = element("table", element("thead", head), element("tbody", *body), class_="stack")
    return element("div", found, class_="inner-scroll")


def facts(pairs: Iterable[tuple[str, Content]]) -> Element:
    """Names and what is so called; those without content are left out."""
    found = element("dl", class_="facts")
    for name, value in pairs:
        if value not in (None, ""):
            found.extend((element("dt", name), element("dd", value)))
    return found


def bars(headings: Sequence[str], lines: Iterable[tuple[str, float, Sequence[str], str]]) -> Element:
    """A table with a bar in each row, as long as its number against the largest.

    Args:
        headings: over the names, and over each text.
        lines: name, number, texts, class of the bar.
    """
    lines = list(lines)
    largest = max((number for _, number, _, _ in lines), default=0) or 1
    first, *others = headings
    head = element("tr", element("th", first, scope="col"), element("td"))
    head.extend(element("th", heading, scope="col", class_="number") for heading in others)
    body = (
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", element("div", class_=f"bar {kind}", style=f"width: {100 * number / largest:.1f}%")),
            *(element("td", text, class_="number") for text in texts),
        )
        for name, number, texts, kind in lines
    )
    return element("table", element("thead", head), element("tbody", *body), class_="bars")


def select(label: str, name: str, options: Mapping[str, str], chosen: str = "", **attributes: str | bool) -> Element:
    """A labelled choice; `options` are what is sent and what is read."""
    choices = (element("option", text, value=value, selected=value == chosen) for value, text in options.items())
    return element("label", f"{label} ", element("select", *choices, id=name, name=name, **attributes), class_="field")


def checkbox(label: str, name: str, *, checked: bool = False) -> Element:
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
