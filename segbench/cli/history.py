"""``segbench history``: what a project's networks cost and scored, commit by commit."""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench import files
from segbench.cli.output import check_targets, console, progress_console, write_out
from segbench.errors import RecordError
from segbench.units import plural

if TYPE_CHECKING:
    from segbench.history.changes import Change
    from segbench.history.commits import Commit
    from segbench.history.series import Series

app = typer.Typer(help="Keep Records by commit, and find what changed: add, show, plot, report.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the history.", show_default=False)]
Network = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Only networks whose name matches.", show_default=False)
]
MinEffect = Annotated[str, typer.Option(metavar="SHARE", help="Smallest change of a timing that matters.")]


@app.command()
def add(
    records: Annotated[list[Path], typer.Argument(metavar="RECORDS...", help="Files of Records.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder of the history.", show_default=False)],
    commit: Annotated[str, typer.Option(metavar="SHA", help="The commit that they measured.")] = "HEAD",
    date: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="When it was committed, where git does not know it.", show_default=False),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where they were; its GPU and processor by default.", show_default=False),
    ] = None,
) -> None:
    """Add the Records of a commit to a history.

    Example: segbench history add records.json --to history --commit HEAD
    """
    from segbench.history import commits, entries
    from segbench.records import store

    machine = entries.check_machine(machine)
    found = [record for path in records for record in store.read(path)]
    place = commits.find(commit, date)
    added, there = entries.add(found, to, place, machine)
    already = f", {there} already there" if there else ""
    subject = f" {place.subject}" if place.subject else ""
    what = f"{added} {'Record' if added == 1 else 'Records'}"
    console().print(f"{what} of {place.short}{subject} added to {to}{already}", markup=False, soft_wrap=True)


@app.command()
def show(folder: Folder, network: Network = None, min_effect: MinEffect = "3%") -> None:
    """Show every series with its changes; a series whose conditions change is cut, never joined.

    Example: segbench history show history
    """
    searched, commits = _searched(folder, network, min_effect)
    from segbench.history.listing import series_table, shown

    out = console()
    out.print(series_table(searched))
    left_out = len(searched) - len(shown(searched))
    more = f"; {left_out} counts under further rules, all unchanged" if left_out else ""
    out.print(f"{plural(len(commits), 'commit')}, {len(searched) - left_out} series{more}", style="dim", markup=False)


@app.command()
def report(
    folder: Folder,
    network: Network = None,
    min_effect: MinEffect = "3%",
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the changes as a JSON list.", show_default=False),
    ] = None,
) -> None:
    """List every change with the range of commits that it may be, the newest first.

    First is the last commit known to be before the change, last the first one known to have it: `git log FIRST..LAST`
    lists the commits that may be the change, and `segbench bisect FIRST LAST MODEL` finds it.

    Example: segbench history report history --json -
    """
    check_targets(reads=(folder,), json=json_path)
    searched, commits = _searched(folder, network, min_effect)
    from segbench.history.listing import as_json, change_table, newest_first, shown

    changes, out = newest_first(searched, commits), console(json_path)
    if changes:
        out.print(change_table(changes))
    what = plural(len(changes), "change")
    out.print(f"{what} in {len(shown(searched))} series of {plural(len(commits), 'commit')}", style="dim", markup=False)
    if json_path is not None:
        write_out(json_path, json.dumps(as_json(changes), indent=1, ensure_ascii=False) + "\n")


@app.command()
def plot(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page.")] = Path("history.html"),
    network: Network = None,
    min_effect: MinEffect = "3%",
) -> None:
    """Write a page with a picture of every series, its changes and its values; one file that loads nothing.

    Example: segbench history plot history --out history.html
    """
    check_targets(reads=(folder,), out=out)
    with progress_console().status("drawing"):
        searched, commits = _searched(folder, network, min_effect)
        from segbench.history.listing import shown
        from segbench.history.page import page

        files.write_text(out, page(searched, commits, f"History {folder.resolve().name}"))
    console().print(f"{len(shown(searched))} series in {out}", markup=False, soft_wrap=True)


def _searched(
    folder: Path, network: str | None, min_effect: str
) -> tuple[list[tuple[Series, list[Change]]], list[Commit]]:
    """The series of a history with their changes, and its commits in order."""
    from segbench.history.changes import find_changes
    from segbench.history.commits import in_order, of_several_branches
    from segbench.history.entries import read
    from segbench.history.series import series_of
    from segbench.regress.options import parse_effect

    effect = parse_effect(min_effect)
    entries = read(folder)
    commits = in_order(entry.commit for entry in entries)
    clash = of_several_branches(commits)
    if clash:
        both = f"{clash[0].short} and {clash[1].short} are both number {clash[0].number} of their branches"
        print(f"segbench: note: {both}: keep a history for each branch", file=sys.stderr)
    # All are searched together whatever is shown, so that a change does not depend on the view.
    searched = find_changes(series_of(entries), effect)
    wanted = [item for item in searched if network is None or fnmatchcase(item[0].network.split(" ")[0], network)]
    if not wanted:
        names = ", ".join(sorted({series.network for series, _ in searched})[:8]) or "no network that was measured"
        raise RecordError(f"{folder} has no series of {network or 'any network'}: it has {names}")
    return wanted, commits
