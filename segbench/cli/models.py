"""``segbench models``: every network that segbench knows."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from segbench import catalog
from segbench.catalog import CATALOG, FIDELITY_MEANING, KNOWN, Entry, KnownNetwork
from segbench.cli.options import Patterns
from segbench.resolution import show


def models(
    patterns: Patterns = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
    library: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="List the networks of smp, torchvision, hf or another.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List apart, with the reason, the networks that are known and not built.")
    ] = False,
) -> None:
    """List the networks: family, paper, parameters, default resolution, fidelity.

    Example: segbench models 'eseg*' 'mfpnet*'
    """
    chosen = patterns or ["*"]
    if library is not None:
        _print_library(library, chosen, as_json)
        return
    known = _known(chosen) if everything else []
    # A pattern that finds a network which is not built need not find one in the catalog.
    names = catalog.match(
        pattern for pattern in chosen if catalog.list_models(pattern) or not (everything and _known([pattern]))
    )
    entries = [CATALOG[name] for name in names]
    if as_json:
        listed = [*(_plain(entry) for entry in entries), *(asdict(network) for network in known)]
        sys.stdout.write(json.dumps(listed, indent=1) + "\n")
        return
    out = Console(highlight=False)
    if entries:
        _print_built(out, entries)
    if known:
        _print_known(out, known)


def _print_library(library: str, patterns: Sequence[str], as_json: bool) -> None:
    from segbench.libraries import listed

    names = [name for name in listed(library) if any(fnmatchcase(name.lower(), given.lower()) for given in patterns)]
    if as_json:
        sys.stdout.write(json.dumps([f"{library}:{name}" for name in names], indent=1) + "\n")
        return
    out = Console(highlight=False)
    for name in names:
        out.print(f"{library}:{name}", markup=False)
    out.print(f"{len(names)} networks; `segbench profile {library}:NAME` measures one.", style="dim", markup=False)


def _print_built(out: Console, entries: Sequence[Entry]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, caption_justify="left")
    for column in ("network", "family", "paper"):
        table.add_column(column, overflow="fold", no_wrap=column == "network")
    table.add_column("params", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("fidelity", no_wrap=True)
    for entry in entries:
        resolution = show(entry.resolutions[0])
        table.add_row(entry.name, entry.family, entry.paper, f"{entry.params:,}", resolution, entry.fidelity)
    out.print(table)
    shown = [fidelity for fidelity in FIDELITY_MEANING if any(entry.fidelity == fidelity for entry in entries)]
    out.print()
    out.print(f"{len(entries)} networks; parameters at each network's default class count.", style="dim")
    for fidelity in shown:
        out.print(f"{fidelity}: {FIDELITY_MEANING[fidelity]}", style="dim")


def _print_known(out: Console, networks: Sequence[KnownNetwork]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("known, not built", "paper", "reason"):
        table.add_column(column, overflow="fold", no_wrap=column.startswith("known"))
    for network in networks:
        table.add_row(network.name, network.paper, network.reason)
    out.print()
    out.print(table)


def _known(patterns: Sequence[str]) -> list[KnownNetwork]:
    lowered = [pattern.lower() for pattern in patterns]
    return [network for name, network in KNOWN.items() if any(fnmatchcase(name, pattern) for pattern in lowered)]


def _plain(entry: Entry) -> dict[str, object]:
    content = asdict(entry)
    content["resolutions"] = [list(resolution) for resolution in entry.resolutions]
    return content
