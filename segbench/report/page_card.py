"""One network's card on the page: its source, where its MACs are, what papers print, how its FPS comes about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from segbench.catalog import CATALOG
from segbench.claims import Claim
from segbench.records.results import ModuleRow
from segbench.report.charts import waterfall_of
from segbench.report.measured import Measured, timings_of
from segbench.report.page_claims import verdict_on
from segbench.report.papers import PaperRow, compare_claim
from segbench.resolution import show

_MOST_STAGES, _MOST_NOTES = 14, 20
_LARGEST_STAGE, _LEAST_SHARE = 0.45, 0.01
_LONGEST_LIST, _LONGEST_TEXT, _DEEPEST = 24, 2000, 6


class Stage(NamedTuple):
    """A part of a network: module path, class, multiply-accumulates, parameters."""

    path: str
    type: str
    macs: float
    params: float


def card(
    model: str, rows: Sequence[Measured], claims: Sequence[Claim], verdicts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the page shows of one network beside its rows; fields without content are left out.

    Args:
        model: name of the network.
        rows: its measurements.
        claims: what papers print for it.
        verdicts: of the audit, on these claims.
    """
    entry = CATALOG.get(model)
    content: dict[str, Any] = {}
    if entry:
        content["source"] = entry.source
        content["note"] = entry.note
        content["checkpoints"] = [
            [item.where, item.dataset, item.classes, item.claimed_miou_percent] for item in entry.checkpoints
        ]
    content["live"] = next((row.record.live_params for row in rows if row.record.live_params != row.params), None)
    content["rules"] = [[show(row.resolution), row.record.classes, row.operations] for row in rows if row.operations]
    content["stages"] = [
        [show(row.resolution), stages(row.modules)] for row in rows if row.modules and stages(row.modules)
    ][:1]
    content["waterfalls"] = [
        [f"{show(row.resolution)}, {conditions.describe()}", [list(step) for step in steps]]
        for row in rows
        for conditions, record in sorted(row.timings.items(), key=lambda item: item[0].order())
        for steps in [waterfall_of(record)]
        if len(steps) > 1
    ]
    if claims:
        content["claims"] = _claims(model, rows, claims, verdicts)
    notes = [note for row in rows for note in row.record.notes]
    content["notes"] = list(dict.fromkeys(notes))[:_MOST_NOTES]
    return {key: value for key, value in content.items() if value}


def stages(modules: Sequence[ModuleRow]) -> list[Stage]:
    """The parts of a network in their order, with their MACs and parameters.

    Parts are the children of the network; one that has nearly half of the MACs is shown by its own children. Parts
    below one percent are summed up, as is what runs outside of any child.

    Args:
        modules: a Record's ``modules``, parents before children.
    """
    costs = {module.path: module for module in modules}
    macs = {path: float(module.macs or 0) for path, module in costs.items()}
    total = macs.get("") or sum(count for path, count in macs.items() if path and "." not in path)
    if not total:
        return []
    children: dict[str, list[str]] = {}
    for path in costs:
        if path:
            children.setdefault(path.rpartition(".")[0], []).append(path)
    shown = list(children.get("", ()))
    while True:
        large = [path for path in shown if macs[path] > _LARGEST_STAGE * total and len(children.get(path, ())) > 1]
        if not large or len(shown) + len(children[large[0]]) - 1 > _MOST_STAGES:
            break
        place = shown.index(large[0])
        shown[place : place + 1] = children[large[0]]
    parts = [Stage(path, costs[path].type, macs[path], costs[path].params or 0) for path in shown]
    large_enough = [part for part in parts if part.macs >= _LEAST_SHARE * total]
    largest = sorted(large_enough, key=lambda part: -part.macs)[:_MOST_STAGES]
    kept = [part for part in parts if part in largest]
    rest = total - sum(part.macs for part in kept)
    if rest > 0.0005 * total:
        params = sum(part.params for part in parts if part not in kept)
        kept.append(Stage("everything else", "", rest, params))
    return kept


def _claims(
    model: str, rows: Sequence[Measured], claims: Iterable[Claim], verdicts: Sequence[Mapping[str, Any]]
) -> list[list[Any]]:
    """Paper, where, data set, size, GPU, quantity, claimed, measured, ratio, verdict; one line a printed figure."""
    own = {model: [row for row in rows if row.record.batch == 1]}
    conditions = [found for found in timings_of(own[model]) if found.batch == 1]
    lines = []
    for claim in claims:
        compared = compare_claim(claim, own, conditions[0] if conditions else None)
        for quantity, item in compared.quantities.items():
            if item.claimed:
                lines.append(
                    [
                        claim.paper,
                        claim.where,
                        f"{claim.dataset} {claim.split}".strip(),
                        _size(claim, compared),
                        claim.gpu,
                        quantity,
                        item.claimed_text,
                        item.text,
                        item.ratio_text,
                        "; ".join(filter(None, (item.mark, str(verdict_on(claim, quantity, verdicts))))),
                    ]
                )
    return lines


def _size(claim: Claim, row: PaperRow) -> str:
    size = show(claim.size) if claim.size else "size not printed"
    return f"{size}, measured at {show(row.size)}" if row.elsewhere and row.size else size


def plain_json(content: Any, depth: int = 0) -> Any:
    """A field of a Record as JSON types that are short enough to show: no NaN, no bulk, no endless nesting."""
    if depth > _DEEPEST:
        return "..."
    if isinstance(content, Mapping):
        return {str(key): plain_json(value, depth + 1) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        short = len(content) <= _LONGEST_LIST
        return [plain_json(value, depth + 1) for value in content] if short else f"{len(content)} values"
    if content is None or isinstance(content, (bool, int)) or (isinstance(content, float) and math.isfinite(content)):
        return content
    if isinstance(content, float):
        return None
    text = str(content)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."
