"""The page: one file that holds the data, the plotting library and everything else; it asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import segbench
from segbench.claims import Claim
from segbench.records.timing_conditions import labels
from segbench.report import page_controls
from segbench.report.charts import rank_correlation_of
from segbench.report.escape import script_json
from segbench.report.footers import COUNTING_RULE, condition_footers
from segbench.report.measured import Measured, older_footers, timings_of
from segbench.report.page_card import card
from segbench.report.page_data import by_model, decoded, judged_by_model, page_data
from segbench.report.page_html import Markup, element, written
from segbench.report.page_sheet import environments, shared, sheet

SCRIPTS = ("data", "view", "filters", "table", "plot", "sheet", "start")  # each uses those before it
TITLE = "segbench: what segmentation networks really cost and really score"


def page(
    rows: Sequence[Measured],
    claims: Iterable[Claim],
    judgements: Iterable[Mapping[str, Any]] = (),
    files: Mapping[str, Any] | None = None,
) -> str:
    """The page as one HTML document.

    A content security policy allows the two scripts of the page by their hashes and forbids every request, so even
    text that got past the escaping could neither run nor load anything.

    Args:
        rows: as `segbench.report.measured.measured` gathers them.
        claims: as from `segbench.claims.load_claims`.
        judgements: the audit's verdicts on printed costs, as ``segbench audit --json`` writes them.
        files: names and titles of the plots and papers' tables beside the page.
    """
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped, unused-ignore]

    claims, judgements = list(claims), list(judgements)
    library, script, style = get_plotlyjs(), _script(), _asset("page.css")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(library)} {_hash(script)}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    about = _about_data(rows, claims, judgements)
    footers = [*condition_footers(rows, timings_of(rows)), COUNTING_RULE, *older_footers(rows)]
    footers += filter(None, (rank_correlation_of(rows, claims),))
    parts = {
        "policy": html.escape(policy, quote=True),
        "title": html.escape(TITLE),
        "style": style,
        "summary": written([element("p", _summary(rows), class_="summary")]),
        **about,
        "footers": written(element("li", footer) for footer in footers),
        "files": written(page_controls.files(files or {})),
        "version": segbench.__version__,
        "cards": written(_cards(rows, claims, judgements)),
        "library": library,
        "script": script,
    }
    # Pieces between the markers, so that nothing in the data is taken for a marker.
    text = []
    for place, piece in enumerate(_asset("page.html").split("@@")):
        text.append(parts[piece] if place % 2 else piece)
    return "".join(text)


def _about_data(
    rows: Sequence[Measured], claims: Sequence[Claim], judgements: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """The data and the controls made from it, as text: of tens of thousands of rows nothing else is kept."""
    data = page_data(rows, claims, judgements)
    shown = decoded(data)
    controls = {
        "filters": written(page_controls.filters(shown, data)),
        "axes": written(page_controls.axes(shown, data)),
        "columns": written(page_controls.columns(data)),
        "order": written([page_controls.order(data)]),
    }
    del shown
    return {**controls, "data": script_json(data)}


def _summary(rows: Sequence[Measured]) -> str:
    """How much was measured, on what, and when."""
    records = [record for row in rows for record in row.records]
    failed = sum(1 for row in rows if row.failure)
    dates = sorted({record.created[:10] for record in records if record.created})
    parts = [_several(len({row.model for row in rows}), "network"), _several(len(records), "record")]
    parts += [f"{failed} failed"] if failed else []
    parts.append("; ".join(labels(timings_of(rows))) or "speed not measured")
    parts += [" to ".join(dict.fromkeys((dates[0], dates[-1])))] if dates else []
    return " \u00b7 ".join(parts)


def _several(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _cards(
    rows: Sequence[Measured], claims: Sequence[Claim], judgements: Sequence[Mapping[str, Any]]
) -> Iterator[Markup]:
    """A template for each network, in the order in which the rows number them, and those that they share."""
    printed, verdicts = by_model(claims), judged_by_model(judgements)
    own: dict[str, list[Measured]] = {}
    for row in rows:
        own.setdefault(row.model, []).append(row)
    places = {environment: place for place, environment in enumerate(environments(rows))}
    for place, (model, mine) in enumerate(own.items()):
        content = card(model, mine, printed.get(model, ()), verdicts.get(model, ()))
        yield element("template", *sheet(model, mine, places, content), id=f"card-{place}")
    yield from shared(list(places))


def _script() -> str:
    """The page's own script: its files in one function, whose names reach no other script."""
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _asset(name: str) -> str:
    return resources.files("segbench.report").joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
