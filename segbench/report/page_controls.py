"""What a reader of the page can choose: filters, ranges, axes, columns, order. A control's name is in the address."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segbench.claims import PAPERS
from segbench.report.page_columns import COSTS
from segbench.report.page_data import SIZE_NOT_PRINTED
from segbench.report.page_html import Markup, checkbox, element, select

FILTERS = {
    **{"family": "Family", "printedIn": "Printed in", "size": "Size (HxW)", "fidelity": "Fidelity"},
    **{"miouOn": "mIoU measured on", "classes": "Classes"},
}
"""Fields of a row that a row can be chosen by, and what they are called."""


def filters(rows: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[Markup]:
    """A choice for each field that differs between rows, the ranges, and the switch for ablations."""
    for key, label in FILTERS.items():
        found = {str(value) for row in rows for value in (row[key] if isinstance(row[key], list) else [row[key]])}
        values = sorted(found - {""}, key=_natural)
        if len(found) > 1:
            yield select(label, key, {"": "all", **{value: PAPERS.get(value, value) for value in values}})
    ranged = [column for column in data["columns"] if column["ranged"]]
    if ranged:
        inputs = (_range(column["key"], column["label"]) for column in ranged)
        yield element(
            "details", element("summary", "Ranges"), element("div", *inputs, class_="ranges"), class_="dropdown"
        )
    networks = {row["network"] for row in rows if row["ablation"]}
    if networks:
        yield checkbox(f"Ablations ({len(networks)} networks)", "ablations")


def _range(key: str, label: str) -> Markup:
    ends = (("min", "least"), ("max", "greatest"))
    inputs = (
        element(
            "input",
            **{"type": "number", "step": "any", "name": f"{key}.{end}", "aria_label": f"{label}, {word}"},
            placeholder=word,
        )
        for end, word in ends
    )
    return element("fieldset", element("legend", label), *inputs)


def axes(rows: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[Markup]:
    """Cost, the plot's other axis, data set and size; the plot opens where most networks have both."""
    costs = {cost: COSTS[cost] for cost in data["costs"]}
    first = next(iter(costs), "")
    placed = Counter(
        f"{point[0]}, {point[1]}" for row in rows if not row["ablation"] and row.get(first) for point in row["points"]
    )
    groups = sorted({f"{point[0]}, {point[1]}" for row in rows for point in row["points"]}, key=_natural)
    sized = [group for group in groups if not group.endswith(SIZE_NOT_PRINTED)]
    chosen = max(sized or groups, key=lambda group: placed[group], default="")
    others = {"miou": "mIoU"} if groups else {}
    up = next(iter(others), next((cost for cost in costs if cost != first), first))
    yield select("Cost", "cost", costs, first)
    timings = list(dict.fromkeys(row["conditions"] for row in rows if row["conditions"]))
    if len(timings) > 1:
        yield select("Timed under", "timing", {**{name: name for name in timings}, "": "all timings"}, timings[0])
    yield select("Plot's other axis", "up", {**others, **costs}, up)
    yield select("Data set and size", "group", {**{group: group for group in groups}, "": "all, no mIoU"}, chosen)
    yield checkbox("Logarithmic", "log", checked=True)
    yield checkbox("Claimed points", "rings", checked=True)
    yield checkbox("Frontier of the highlighted only", "only")


def columns(data: Mapping[str, Any]) -> Iterator[Markup]:
    """A box for each column but the first."""
    for column in data["columns"][1:]:
        yield checkbox(column["label"], f"col.{column['key']}", checked=column["on"])


def order(data: Mapping[str, Any]) -> Markup:
    """The choice of the table's order."""
    options = {"": "by cost, claimed ones first"}
    for column in data["columns"]:
        up, down = ("lowest", "highest") if column["format"] is not None else ("A", "Z")
        options[f"{column['key']} up"] = f"{column['label']}, {up} first"
        options[f"{column['key']} down"] = f"{column['label']}, {down} first"
    return select("Sort by", "sort", options)


def files(listed: Mapping[str, Any]) -> Iterator[Markup]:
    """Links to the plots and tables beside the page."""
    if "plots" not in listed:
        return
    papers = [(f"papers/{name}", title) for name, title in listed.get("papers", ())]
    plots = [(f"plots/{name}", title) for name, title in listed["plots"]]
    for heading, items, suffixes in (
        ("Tables", [("table", "Every network"), *papers], ("md", "csv", "tex")),
        ("Plots", plots, listed.get("formats", ())),
    ):
        lines = (
            element("li", f"{title}: ", *(element("a", f"{end} ", href=f"{name}.{end}") for end in suffixes))
            for name, title in items
        )
        if items:
            summary = element("summary", f"{heading} ({len(items)})")
            yield element("details", summary, element("ul", *lines), class_="file-group")


def _natural(text: str) -> list[tuple[int, str | int]]:
    """Numbers within a text by their value."""
    return [(0, int(part)) if part.isdigit() and part.isascii() else (1, part) for part in re.split(r"(\d+)", text)]
