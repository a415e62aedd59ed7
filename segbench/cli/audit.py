"""``segbench audit``: printed costs against counted ones, under every counting rule."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from segbench import store
from segbench.cli.options import PaperOrModel
from segbench.cli.output import check_json_target, console, progress


def audit(
    target: PaperOrModel = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the judgements as a JSON list.", show_default=False),
    ] = None,
    markdown_path: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="PATH", help="Write the audit as Markdown.", show_default=False),
    ] = None,
) -> None:
    """Find the counting rule behind each printed cost, and the figures that no rule explains.

    Example: segbench audit frmnet
    """
    check_json_target(json_path)
    check_json_target(str(markdown_path) if markdown_path else None)
    with progress("reading the published costs") as step:
        from segbench import audit as auditing
        from segbench.audit.render import markdown, rich_table

        claims = auditing.select(target)
        result = auditing.audit(claims, step)
    if json_path is not None:
        text = json.dumps([item.to_json() for item in result.judgements], indent=1, ensure_ascii=False) + "\n"
        if json_path == "-":
            sys.stdout.write(text)
        else:
            store.write_text(Path(json_path), text)
    if markdown_path is not None:
        store.write_text(markdown_path, markdown(result))
    if json_path != "-":
        console(json_path).print(rich_table(result))
