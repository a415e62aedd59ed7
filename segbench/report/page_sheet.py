"""One network's card on the page, as HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.counting.meanings import MEANINGS
from segbench.report.measured import Measured
from segbench.report.page_card import plain_json
from segbench.report.page_html import Content, bars, element, facts, flat, table
from segbench.units import AT_LEAST, significant

_QUANTITIES = {"params": "Params (M)", "macs": "FLOPs (G)", "fps": "FPS", "miou": "mIoU (%)"}
_CLAIMS = ("Printed in", "Data set, size", "GPU", "Quantity", "Claimed", "Measured", "Ratio", "Audit")
_MEASURED = {
    **{"size": "Size", "classes": "Classes", "batch": "Batch", "macs": "MACs (G)", "fps": "FPS"},
    **{"interval": "95 % interval", "latency": "Latency (ms)", "memory": "Memory (MiB)", "energy": "Energy (mJ)"},
    **{"busy": "GPU busy", "bound": "Bound by", "miou": "mIoU (%)", "conditions": "Conditions", "failure": "Failure"},
}
_TEXTS = {"size", "bound", "conditions", "failure"}


def sheet(
    model: str, rows: Sequence[Measured], shown: Sequence[Mapping[str, Any]], content: Mapping[str, Any]
) -> Iterator[Element]:
    """What the card says, part by part.

    Args:
        model: name of the network.
        rows: its measurements.
        shown: its rows on the page.
        content: as from `segbench.report.page_card.card`.
    """
    entry, first = CATALOG.get(model), rows[0]
    fidelity = first.record.fidelity
    usual = [row for row in rows if entry is None or row.record.classes == entry.classes] or rows
    counted = next(((row.params, row.record.classes) for row in usual if row.params is not None), None)
    live = content.get("live")
    yield facts(
        (
            ("Name here", model),
            ("Family", entry.family if entry else ""),
            ("Paper", entry.paper if entry else ""),
            ("Fidelity", f"{fidelity}: {FIDELITY_MEANING[fidelity]}" if fidelity else "your own network"),
            ("Reference code", content.get("source")),
            ("Parameters", f"{counted[0]:,} with {counted[1]} classes" if counted else ""),
            ("Live parameters", f"{live:,} reach the output" if live else ""),
            ("Not counted", next((row["uncounted"] for row in shown if row["uncounted"]), "")),
            ("Note", content.get("note")),
        )
    )
    yield element("h3", "Measured")
    numbers = {heading for key, heading in _MEASURED.items() if key not in _TEXTS}
    yield table(tuple(_MEASURED.values()), [[_measured(row, key) for key in _MEASURED] for row in shown], numbers)
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
    yield from _environments(rows, shown)


def _measured(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if value in (None, "", []) or (key == "batch" and value == 1):
        return ""
    if key in _TEXTS or key in ("classes", "batch"):
        return str(value)
    if key == "interval":
        return " to ".join(significant(end) for end in value)
    if key == "macs":
        return f"{AT_LEAST if row['uncounted'] else ''}{value:.2f}"
    if key == "busy":
        return f"{100 * value:.0f} %"
    return f"{value:.1f} {row['miouOn']}" if key == "miou" else significant(value)


def _step(name: str, fps: float, factor: float | None, kept: bool) -> tuple[str, float, tuple[str, str], str]:
    told = f"\u00d7{factor:.2f}" if factor else ""
    kind = "" if not factor else "gain" if factor >= 1 else "loss"
    return name, fps, (significant(fps), told if kept else f"{told}, not kept"), kind


def _printed(content: Mapping[str, Any]) -> Iterator[Element]:
    """What papers print, the counts under every rule, released weights, notes."""
    if content.get("claims"):
        yield element("h3", "What papers print, and what was measured")
        lines = [
            [f"{line[0]} {line[1]}", ", ".join(filter(None, line[2:4])), line[4], _QUANTITIES[line[5]], *line[6:]]
            for line in content["claims"]
        ]
        yield table(_CLAIMS, lines, {"Claimed", "Measured", "Ratio"}, {"Printed in", "Quantity"})
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
        yield element("p", "; ".join(f"{rule}: {MEANINGS[rule]}" for rule in rules if rule in MEANINGS), class_="note")
    if content.get("checkpoints"):
        yield element("h3", "Released checkpoints")
        lines = [[str(cell) for cell in line] for line in content["checkpoints"]]
        yield table(("Where", "Data set", "Classes", "Claimed mIoU (%)"), lines, {"Classes", "Claimed mIoU (%)"})
    if content.get("notes"):
        yield element("h3", "Notes")
        yield element("ul", *(element("li", note) for note in content["notes"]))


def _environments(rows: Sequence[Measured], shown: Sequence[Mapping[str, Any]]) -> Iterator[Element]:
    """What each measurement ran on, the same environment once."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for row in rows:
        for record in row.timings.values() or (row.record,):
            environment = plain_json(record.environment)
            found.setdefault(json.dumps(environment, sort_keys=True), (environment, record.created[:10]))
    for environment, date in found.values():
        pairs: list[tuple[str, Content]] = [*flat(environment)]
        if pairs:
            heading = f"Environment{f' of {date}' if len(found) > 1 and date else ''}"
            yield element("h3", heading)
            yield facts([*pairs, ("date", date)])
