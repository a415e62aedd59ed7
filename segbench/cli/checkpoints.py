"""``segbench checkpoints``: released weights of every network, or where they were looked for."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from segbench.catalog import CATALOG, list_models, match
from segbench.checkpoints import released
from segbench.cli import options


def checkpoints(
    models: options.Patterns = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON on standard output.")] = False,
) -> None:
    """List released weights: where they are, their licence, and the mIoU that is claimed for them.

    Nothing is downloaded. `segbench eval` recognises the files whose SHA-256 is known and applies their conditions.

    Example: segbench checkpoints espnet
    """
    names = match(models) if models else list_models()
    if as_json:
        found = [item.to_json() for item in released(names)]
        none = [{"model": name, "searched": CATALOG[name].searched} for name in names if not CATALOG[name].checkpoints]
        sys.stdout.write(json.dumps([*found, *none], indent=1) + "\n")
        return
    screen = Console(highlight=False, soft_wrap=True)
    for name in names:
        screen.print(name, style="bold")
        for item in released([name]):
            weights = item.checkpoint
            claimed = f"claimed {item.claimed}" if item.claimed else "no mIoU printed"
            screen.print(
                f"  {weights.dataset}, {weights.classes} outputs; {claimed}; licence {item.licence}", markup=False
            )
            screen.print(f"    {weights.where}", style="dim", markup=False)
            if weights.sha256:
                screen.print(f"    recognised by its SHA-256 {weights.sha256}", style="dim", markup=False)
        if not CATALOG[name].checkpoints:
            screen.print(f"  none known; searched: {CATALOG[name].searched}", markup=False)
