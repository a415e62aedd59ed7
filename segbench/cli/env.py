"""``segbench env``: the machine as results will state it, with warnings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from segbench.cli.terminal import terminal


def env(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Show the environment that is stored with every measurement, and what may spoil a timing on it."""
    from segbench.measure.environment import describe_environment, environment_warnings

    environment = describe_environment()
    warnings = environment_warnings()
    if as_json:
        sys.stdout.write(json.dumps({"environment": environment, "warnings": warnings}, indent=1) + "\n")
        return
    from segbench.report.listing import Listing

    out = terminal()
    out.print(Listing(("fact", "value"), list(_flat(environment))))
    for warning in warnings:
        out.print(f"\n{warning['seen']}", style="yellow", markup=False)
        out.print(f"  {warning['meaning']} {warning['advice']}", markup=False)


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "-" if value is None else str(value)
