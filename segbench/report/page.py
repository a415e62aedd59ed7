"""The page: one file that holds the data, the plotting library and everything else; it asks no network for anything."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

from segbench.claims import Claim
from segbench.report.escape import script_json
from segbench.report.measured import Measured
from segbench.report.page_data import page_data

SCRIPTS = ("data", "filters", "table", "plot", "card", "frame")  # in the order in which they define what the next use
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
    data = page_data(rows, list(claims), judgements, files or {})
    parts = {
        "policy": html.escape(policy, quote=True),
        "title": html.escape(TITLE),
        "style": style,
        "data": script_json(data),
        "library": library,
        "script": script,
    }
    # Pieces between the markers, so that nothing in the data is taken for a marker.
    text = []
    for place, piece in enumerate(_asset("page.html").split("@@")):
        text.append(parts[piece] if place % 2 else piece)
    return "".join(text)


def _script() -> str:
    """The page's own script: its files in one function, whose names reach no other script."""
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _asset(name: str) -> str:
    return resources.files("segbench.report").joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
