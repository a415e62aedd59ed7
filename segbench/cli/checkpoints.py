"""``segbench checkpoints``: released weights of every network, or where they were looked for."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from segbench.catalog import CATALOG, list_models, match
from segbench.checkpoints import released
from segbench.cli import options
from segbench.cli.terminal import terminal


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
    screen = terminal()

    def say(text: str) -> None:
        screen.print(Padding(Text(text), (0, 0, 0, 2)))

    def whole(text: str) -> None:
        """An address or a digest, to be copied: never broken here."""
        screen.print(f"    {text}", style="dim", markup=False, soft_wrap=True)

    for name in names:
        screen.print(name, style="bold")
        for item in released([name]):
            weights = item.checkpoint
            claimed = f"claimed {item.claimed}" if item.claimed else "no mIoU printed"
            say(f"{weights.dataset}, {weights.classes} outputs; {claimed}; licence {item.licence}")
            whole(weights.where)
            if weights.sha256:
                whole(f"recognised by its SHA-256 {weights.sha256}")
        if not CATALOG[name].checkpoints:
            say(f"none known; searched: {CATALOG[name].searched}")
