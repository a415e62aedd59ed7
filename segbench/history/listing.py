"""Series and changes as text: tables for a terminal of any width, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segbench.history.changes import Change, levels
from segbench.history.commits import Commit
from segbench.history.series import COUNTS, LAUNCHES, LOGITS, MACS, MIOU, Series
from segbench.history.shifts import LEAST
from segbench.records.results import Signature
from segbench.report.escape import plain
from segbench.report.listing import Listing
from segbench.units import DASH, plural

Searched = Sequence[tuple[Series, list[Change]]]

# Of what is exact, that which is shown without a change too; there are a dozen counting rules beside it.
_ALWAYS = (COUNTS[0], MACS, LAUNCHES, MIOU)


def shown(searched: Searched) -> list[tuple[Series, list[Change]]]:
    """The series that people look at: all with a change, and without one the usual quantities."""
    return [(series, found) for series, found in searched if found or not series.exact or series.quantity in _ALWAYS]


def series_table(searched: Searched) -> Listing:
    """Every series with its first and last value, and beneath it what changed and where it is cut."""
    rows, notes = [], []
    for series, found in shown(searched):
        first, last = _ends(series)
        commits, newest = f"{len(series.points):,}", series.points[-1].commit.short
        rows.append((plain(series.network), series.title, commits, first, last, newest, str(len(found))))
        notes.append("; ".join(filter(None, (_under(series), *map(sentence, found), without(series)))))
    headings = ("network", "quantity", "commits", "first", "last", "last commit", "changes")
    return Listing(headings, rows, frozenset({"commits", "first", "last", "changes"}), notes, keys=2)


def _ends(series: Series) -> tuple[str, str]:
    values = levels(series)
    if not values:
        return DASH, DASH
    return series.show(values[0]), f"{series.show(values[-1])}{_unit(series)}"


def _unit(series: Series) -> str:
    return f" {series.unit}" if series.unit else ""


def _under(series: Series) -> str:
    """Machine and conditions, and how these differ from those of the series before."""
    where = ", ".join(plain(part) for part in (series.machine, series.conditions) if part)
    cut = f"begins at {series.points[0].commit.short}, not joined to what was before: {plain(series.cut)}"
    return "; ".join(filter(None, (where, cut if series.cut else "")))


def without(series: Series) -> str:
    """Why a series is not searched for changes; empty where it is."""
    if series.exact or len(series.points) >= LEAST:
        return ""
    return f"{len(series.points)} of the {LEAST} commits from which on changes are looked for"


def sentence(change: Change) -> str:
    """A change in words: ``1,011 -> 2,035 (+101.3 %) in 0123456789..abcdef0123 (1 commit)``."""
    series = change.series
    relative = "" if change.ratio is None else f" ({relation(change)})"
    values = f"{series.show(change.before)} -> {series.show(change.after)}{_unit(series)}{relative}"
    return f"{values} in {change.span} ({number_of_commits(change)})"


def relation(change: Change) -> str:
    """The change as a share: percentage points of an mIoU, a percentage of all else; `DASH` where there is none."""
    before, after = change.before, change.after
    if isinstance(before, Signature) or isinstance(after, Signature) or not before:
        return DASH
    return f"{after - before:+.3f} points" if change.series.quantity == MIOU else f"{after / before - 1:+.1%}"


def number_of_commits(change: Change) -> str:
    """``1 commit``, ``3 commits``, or words where a commit has no number."""
    count = change.commits
    return "number of commits unknown" if count is None else plural(count, "commit")


def change_table(changes: Sequence[Change]) -> Listing:
    """Every change with its range of commits, values before and after, and the newest commit of the range in words."""
    rows = [
        (
            plain(change.series.network),
            change.series.title,
            change.first.short,
            change.last.short,
            DASH if change.commits is None else f"{change.commits:,}",
            change.series.show(change.before),
            f"{change.series.show(change.after)}{_unit(change.series)}",
            relation(change),
        )
        for change in changes
    ]
    headings = ("network", "quantity", "first commit", "last commit", "commits", "before", "after", "change")
    notes = [", ".join(filter(None, map(plain, (change.series.machine, change.last.subject)))) for change in changes]
    return Listing(
        headings, rows, frozenset({"commits", "before", "after", "change"}), notes, "machine, last commit", keys=2
    )


def newest_first(searched: Searched, commits: Sequence[Commit]) -> list[Change]:
    """All changes, by the last commit that each may be; of one commit in the order of the series.

    Args:
        searched: the series with their changes.
        commits: of the history, in order.
    """
    places = {commit.commit: place for place, commit in enumerate(commits)}
    changes = [change for _, found in searched for change in found]
    return sorted(changes, key=lambda change: -places[change.last.commit])


def as_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The changes as plain JSON types; a pair of logits as text."""
    return [
        {
            "network": change.series.network,
            "quantity": change.series.quantity,
            "first_commit": change.first.commit,
            "last_commit": change.last.commit,
            "commits": change.commits,
            "before": _value(change, change.before),
            "after": _value(change, change.after),
            "unit": change.series.unit,
            "ratio": change.ratio,
            "exact": change.series.exact,
            "machine": change.series.machine,
            "conditions": change.series.conditions,
            "last_date": change.last.date,
            "last_subject": change.last.subject,
        }
        for change in changes
    ]


def _value(change: Change, value: Any) -> float | int | str:
    if isinstance(value, Signature):
        return change.series.show(value)
    return int(value) if change.series.exact and change.series.quantity not in (MIOU, LOGITS) else float(value)
