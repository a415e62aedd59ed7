"""One network's card on the page, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.counting.meanings import MEANINGS
from segbench.report.measured import Measured
from segbench.report.page_card import plain_json
from segbench.report.page_html import Markup, bars, element, facts, flat, table
from segbench.units import significant

_QUANTITIES = {"params": "Params (M)", "macs": "FLOPs (G)", "fps": "FPS", "miou": "mIoU (%)"}
_CLAIMS = ("Printed in", "Data set, size", "GPU", "Quantity", "Claimed", "Measured", "Ratio", "Audit")
Environment = tuple[str, str]
"""What a measurement ran on, as JSON, and the day."""


def sheet(
    model: str, rows: Sequence[Measured], places: Mapping[Environment, int], content: Mapping[str, Any]
) -> Iterator[Markup]:
    """What the card says, part by part; its rows, and what other cards say too, are put in where they are named.

    Args:
        model: name of the network.
        rows: its measurements.
        places: numbers of the environments.
        content: as from `segbench.report.page_card.card`.
    """
    entry, first = CATALOG.get(model), rows[0]
    fidelity = first.record.fidelity
    usual = [row for row in rows if entry is None or row.record.classes == entry.classes] or rows
    counted = next(((row.params, row.record.classes) for row in usual if row.params is not None), None)
    live = content.get("live")
    yield facts(
        (
            ("Name here", model if entry else ""),
            ("Family", entry.family if entry else ""),
            ("Paper", entry.paper if entry else ""),
            ("Fidelity", f"{fidelity}: {FIDELITY_MEANING[fidelity]}" if fidelity else "your own network"),
            ("Reference code", content.get("source")),
            ("Parameters", f"{counted[0]:,} with {counted[1]} classes" if counted else ""),
            ("Live parameters", f"{live:,} reach the output" if live else ""),
            ("Note", content.get("note")),
        )
    )
    yield element("h3", "Measured and claimed")
    yield element("div", data_rows="own")
    for size, parts in content.get("stages", ()):
        total = sum(part.macs for part in parts)
        yield element("h3", f"Where the MACs are, at {size}")
        yield bars(
            ("Part", "MACs (G)", "Share", "Params (M)"),
            [
                (
                    f"{part.path} ({part.type})" if part.type else part.path,
                    part.macs,
                    (f"{part.macs / 1e9:.2f}", f"{100 * part.macs / total:.0f} %", f"{part.params / 1e6:.2f}"),
                    "",
                )
                for part in parts
            ],
        )
    for title, steps in content.get("waterfalls", ()):
        yield element("h3", f"FPS as each switch is applied ({title})")
        yield bars(("Switch", "FPS", "Factor"), [_step(*step) for step in steps])
    yield from _printed(content)
    for environment in environments(rows):
        yield element("div", data_from=f"on-{places[environment]}")


def _step(name: str, fps: float, factor: float | None, kept: bool) -> tuple[str, float, tuple[str, str], str]:
    told = f"\u00d7{factor:.2f}" if factor else ""
    kind = "" if not factor else "gain" if factor >= 1 else "loss"
    return name, fps, (significant(fps), told if kept else f"{told}, not kept"), kind


def _printed(content: Mapping[str, Any]) -> Iterator[Markup]:
    """What papers print, the counts under every rule, released weights, notes."""
    if content.get("claims"):
        yield element("h3", "What papers print, and what was measured")
        lines = [
            [f"{line[0]} {line[1]}", ", ".join(filter(None, line[2:4])), line[4], _QUANTITIES[line[5]], *line[6:]]
            for line in content["claims"]
        ]
        yield table(_CLAIMS, lines, {"Claimed", "Measured", "Ratio"})
        yield element(
            "p",
            "Ratio: measured / claimed; of FLOPs, with the MACs counted under the rule macs. The audit's verdict is "
            "under the counting rule that fits best; where that is another one, it names it with its own ratio.",
            class_="note",
        )
    if content.get("rules"):
        rules = list(dict.fromkeys(rule for _, _, counts in content["rules"] for rule in counts))
        yield element("h3", "Operations under each counting rule (G)")
        counted = [
            [f"{size}, {classes} classes", *(f"{counts[rule] / 1e9:.2f}" if rule in counts else "" for rule in rules)]
            for size, classes, counts in content["rules"]
        ]
        yield table(["Size", *rules], list(dict.fromkeys(map(tuple, counted))), set(rules))
        yield element("div", data_from="rules")
    if content.get("checkpoints"):
        yield element("h3", "Released checkpoints")
        lines = [[str(cell) for cell in line] for line in content["checkpoints"]]
        yield table(("Where", "Data set", "Classes", "Claimed mIoU (%)"), lines, {"Classes", "Claimed mIoU (%)"})
    if content.get("notes"):
        yield element("h3", "Notes")
        yield element("ul", *(element("li", note) for note in content["notes"]))


def environments(rows: Iterable[Measured]) -> list[Environment]:
    """What the measurements ran on, the same environment once."""
    found: dict[Environment, None] = {}
    for row in rows:
        for record in row.timings.values() or (row.record,):
            if record.environment:
                found[json.dumps(plain_json(record.environment), sort_keys=True), record.created[:10]] = None
    return list(found)


def shared(found: Sequence[Environment]) -> Iterator[Markup]:
    """Templates of what many cards say: each environment, and what the counting rules mean."""
    for place, (environment, date) in enumerate(found):
        pairs = facts([*flat(json.loads(environment)), ("date", date)])
        yield element("template", element("h3", f"Environment{f' of {date}' if date else ''}"), pairs, id=f"on-{place}")
    meanings = "; ".join(f"{rule}: {meaning}" for rule, meaning in MEANINGS.items())
    yield element("template", element("p", meanings, class_="note"), id="rules")
