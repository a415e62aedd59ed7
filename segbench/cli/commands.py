"""The commands by name; each lives in a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from segbench import __version__
from segbench.cli import baseline, history
from segbench.cli.accept import accept
from segbench.cli.audit import audit
from segbench.cli.bisect import bisect
from segbench.cli.check import check
from segbench.cli.checkpoints import checkpoints
from segbench.cli.claims import claims
from segbench.cli.compare import compare
from segbench.cli.env import env
from segbench.cli.eval import evaluate
from segbench.cli.merge import merge
from segbench.cli.models import models
from segbench.cli.plot import plot
from segbench.cli.profile import profile
from segbench.cli.report import report
from segbench.cli.roof import roof
from segbench.cli.synthetic import synthetic
from segbench.cli.table import find, table


def register(app: typer.Typer) -> None:
    """Add every command to the application."""

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
        ] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; accepted anywhere.")] = False,
    ) -> None:
        """What a segmentation network really costs and really scores, on your GPU, beside what its paper claims."""

    commands: tuple[tuple[str, Callable[..., None]], ...] = (
        ("profile", profile),
        ("compare", compare),
        ("merge", merge),
        ("audit", audit),
        ("claims", claims),
        ("roof", roof),
        ("models", models),
        ("checkpoints", checkpoints),
        ("eval", evaluate),
        ("synthetic", synthetic),
        ("check", check),
        ("bisect", bisect),
        ("accept", accept),
        ("report", report),
        ("table", table),
        ("find", find),
        ("plot", plot),
        ("env", env),
    )
    for name, command in commands:
        app.command(name)(command)
    app.add_typer(baseline.app, name="baseline")
    app.add_typer(history.app, name="history")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segbench {__version__}")
        raise typer.Exit
