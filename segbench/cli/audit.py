"""``segbench audit``: printed costs against counted ones, under every counting rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.options import PaperOrModel
from segbench.cli.output import check_targets, console, progress, write_out
from segbench.published_costs import published_costs
from segbench.records import store


def audit(
    target: PaperOrModel = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the judgements as a JSON list.", show_default=False),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--records",
            metavar="PATH",
            help="Take counts of these Records, too, where network, size, classes and version match; repeatable.",
            show_default=False,
        ),
    ] = None,
    speed: Annotated[
        bool, typer.Option("--speed", help="Hold the printed FPS against the peak of the cards instead.")
    ] = False,
    markdown_path: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="PATH|-", help="Write the audit as Markdown.", show_default=False),
    ] = None,
) -> None:
    """Find the counting rule behind each printed cost, and the figures that no rule explains.

    With --speed: what rate of arithmetic each printed FPS demands of its card.

    Example: segbench audit frmnet
    """
    check_targets(reads=records or (), json=json_path, markdown=markdown_path)
    with progress("reading the published costs") as step:
        from segbench import audit as auditing
        from segbench.audit import render

        claims = auditing.select(target)
        known = [*published_costs(), *(record for path in records or () for record in store.read(path))]
        whole = auditing.audit(claims, step, known) if not speed or markdown_path else None
        speeds = auditing.audit_speed(claims, known) if speed or markdown_path else []
    rows = [item.to_json() for item in (speeds if speed else whole.judgements if whole else ())]
    if json_path is not None:
        write_out(json_path, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    if whole is not None:
        write_out(markdown_path, render.markdown(whole, speeds) if markdown_path else "")
    if "-" not in (json_path, str(markdown_path)):
        table = render.speed_table(speeds) if speed or whole is None else render.rich_table(whole)
        console().print(table)
