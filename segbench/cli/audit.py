"""``segbench audit``: printed costs against counted ones, under every counting rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.options import PaperOrModel
from segbench.cli.output import check_targets, console, progress, write_out


def audit(
    target: PaperOrModel = None,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the judgements as a JSON list.", show_default=False),
    ] = None,
    markdown_path: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="PATH|-", help="Write the audit as Markdown.", show_default=False),
    ] = None,
) -> None:
    """Find the counting rule behind each printed cost, and the figures that no rule explains.

    Example: segbench audit frmnet
    """
    check_targets(json=json_path, markdown=markdown_path)
    with progress("importing torch") as step:
        from segbench import audit as auditing
        from segbench.audit.render import markdown, rich_table

        claims = auditing.select(target)
        result = auditing.audit(claims, step)
    if json_path is not None:
        text = json.dumps([item.to_json() for item in result.judgements], indent=1, ensure_ascii=False) + "\n"
        write_out(json_path, text)
    write_out(markdown_path, markdown(result))
    if "-" not in (json_path, str(markdown_path)):
        console().print(rich_table(result))
