"""``segbench models``: every network that segbench knows."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from segbench import catalog
from segbench.catalog import CATALOG, FIDELITY_MEANING, Entry
from segbench.cli.options import Patterns
from segbench.resolution import show


def models(
    patterns: Patterns = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List the networks: family, paper, parameters, default resolution, fidelity.

    Example: segbench models 'eseg*' 'mfpnet*'
    """
    names = catalog.match(patterns) if patterns else catalog.list_models()
    entries = [CATALOG[name] for name in names]
    if as_json:
        sys.stdout.write(json.dumps([_plain(entry) for entry in entries], indent=1) + "\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False, caption_justify="left")
    for column in ("network", "family", "paper"):
        table.add_column(column, overflow="fold", no_wrap=column == "network")
    table.add_column("params", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("fidelity", no_wrap=True)
    for entry in entries:
        resolution = show(entry.resolutions[0])
        table.add_row(entry.name, entry.family, entry.paper, f"{entry.params:,}", resolution, entry.fidelity)
    out = Console(highlight=False)
    out.print(table)
    shown = [fidelity for fidelity in FIDELITY_MEANING if any(entry.fidelity == fidelity for entry in entries)]
    out.print()
    out.print(f"{len(entries)} networks; parameters at each network's default class count.", style="dim")
    for fidelity in shown:
        out.print(f"{fidelity}: {FIDELITY_MEANING[fidelity]}", style="dim")


def _plain(entry: Entry) -> dict[str, object]:
    content = asdict(entry)
    content["resolutions"] = [list(resolution) for resolution in entry.resolutions]
    return content
