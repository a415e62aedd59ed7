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

from segbench import catalog
from segbench.catalog import CATALOG, FIDELITY_MEANING, KNOWN, Entry, KnownNetwork
from segbench.cli.options import Patterns
from segbench.cli.terminal import terminal
from segbench.report.listing import Listing
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
    out = terminal()
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
    out = terminal()
    for name in names:
        out.print(f"{library}:{name}", markup=False)
    out.print(f"{len(names)} networks; `segbench profile {library}:NAME` measures one.", style="dim", markup=False)


def _print_built(out: Console, entries: Sequence[Entry]) -> None:
    rows = [
        (entry.name, f"{entry.params:,}", show(entry.resolutions[0]), entry.fidelity, entry.family, entry.paper)
        for entry in entries
    ]
    headings = ("network", "params", "size", "fidelity", "family", "paper")
    out.print(Listing(headings, rows, frozenset({"params", "size"}), spare=frozenset({"family", "paper"})))
    shown = [fidelity for fidelity in FIDELITY_MEANING if any(entry.fidelity == fidelity for entry in entries)]
    out.print()
    out.print(f"{len(entries)} networks; parameters at each network's default class count.", style="dim")
    for fidelity in shown:
        out.print(f"{fidelity}: {FIDELITY_MEANING[fidelity]}", style="dim")


def _print_known(out: Console, networks: Sequence[KnownNetwork]) -> None:
    rows = [(network.name, network.paper) for network in networks]
    reasons = [network.reason for network in networks]
    # A line of its own: stacked rows have no headings.
    out.print("\nknown, not built:")
    out.print(Listing(("network", "paper"), rows, notes=reasons, noted="reason"))


def _known(patterns: Sequence[str]) -> list[KnownNetwork]:
    lowered = [pattern.lower() for pattern in patterns]
    return [network for name, network in KNOWN.items() if any(fnmatchcase(name, pattern) for pattern in lowered)]


def _plain(entry: Entry) -> dict[str, object]:
    content = asdict(entry)
    content["resolutions"] = [list(resolution) for resolution in entry.resolutions]
    return content
