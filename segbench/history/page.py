"""The page of a history: one file with a picture of each series, its changes and its values. It loads nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from segbench.history.changes import Change, levels
from segbench.history.commits import Commit
from segbench.history.listing import Searched, newest_first, number_of_commits, relation, sentence, shown, without
from segbench.history.series import MIOU, Series, Value
from segbench.records.results import Signature
from segbench.report.escape import plain
from segbench.report.page_html import Markup, element
from segbench.report.style import SCREEN, new_figure, plot_style
from segbench.units import plural, scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (8.0, 2.4)
_MOST_NAMED = 8
_LINE, _SPREAD, _CHANGE = "#1f77b4", "#9ecae1", "#c0392b"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-bottom: 1px solid #ddd; margin-top: 2.5rem; overflow-wrap: anywhere; }
h3 { margin-bottom: 0; }
p { margin: .3rem 0; overflow-wrap: anywhere; }
img { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #eee; vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
code { font-size: .9em; white-space: nowrap; }
.quiet { color: #666; }
"""


def page(searched: Searched, commits: Sequence[Commit], title: str) -> str:
    """A history as one HTML document.

    Args:
        searched: its series with their changes.
        commits: all of its commits, in order.
        title: what the history is of.
    """
    told, changes = shown(searched), newest_first(searched, commits)
    ends = [part for commit in (commits[0], commits[-1]) for part in (" to ", *_named(commit))][1:]
    parts = [
        element("h1", plain(title)),
        element(
            "p",
            f"{plural(len(commits), 'commit')} from ",
            *ends,
            f"; {len(told):,} series, {plural(len(changes), 'change')}.",
        ),
        _changes(changes),
    ]
    network = None
    for series, found in told:
        if series.network != network:
            network = series.network
            parts.append(element("h2", plain(network)))
        parts += _series(series, found, commits)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        element("title", plain(title)),
        f"<style>{_STYLE}</style></head><body>",
    ]
    return "\n".join([*head, *parts, "</body></html>"]) + "\n"


def _named(commit: Commit) -> tuple[str, ...]:
    return element("code", commit.short), f" ({plain(commit.date[:10])})" if commit.date else ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> Markup:
    def line(tag: str, cells: Sequence[str]) -> Markup:
        kinds = ("number" if place in numbers else None for place in range(len(cells)))
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in zip(cells, kinds, strict=True)))

    return element("div", element("table", line("th", headings), *(line("td", row) for row in rows)), class_="wide")


def _changes(changes: Sequence[Change]) -> Markup:
    if not changes:
        return element("p", "No quantity changed.")
    rows = [
        (
            plain(change.series.network),
            plain(change.series.title),
            element("code", change.span),
            number_of_commits(change),
            plain(change.series.show(change.before)),
            plain(f"{change.series.show(change.after)} {change.series.unit}"),
            plain(relation(change)),
            plain(change.last.subject),
        )
        for change in changes
    ]
    headings = ("network", "quantity", "commits", "", "before", "after", "change", "last commit")
    return _table(headings, rows, frozenset({3, 4, 5, 6}))


def _series(series: Series, changes: Sequence[Change], commits: Sequence[Commit]) -> Iterator[Markup]:
    yield element("h3", plain(series.title + (f" ({series.unit})" if series.unit else "")))
    where = ", ".join(filter(None, (series.machine, series.conditions)))
    if where:
        yield element("p", plain(where), class_="quiet")
    if series.cut:
        began = element("code", series.points[0].commit.short)
        yield element("p", "Begins at ", began, f", not joined to what was before: {plain(series.cut)}.")
    if levels(series):
        drawn = base64.b64encode(picture(series, changes, commits)).decode()
        about = f"{series.quantity} of {series.network} over {plural(len(series.points), 'commit')}"
        yield element("img", alt=plain(about), src=f"data:image/svg+xml;base64,{drawn}")
    yield from (element("p", plain(f"{sentence(change)} {change.last.subject}")) for change in changes)
    if without(series):
        yield element("p", without(series), class_="quiet")
    values: Sequence[Value] = levels(series) or [point.samples[0] for point in series.points]
    rows = [
        (
            element("code", point.commit.short),
            plain(point.commit.date[:10]),
            plain(series.show(value)),
            str(len(point.samples)),
            plain(point.commit.subject),
        )
        for point, value in zip(series.points, values, strict=True)
    ]
    table = _table(("commit", "date", "value", "samples", "subject"), rows, frozenset({2, 3}))
    yield element("details", element("summary", plural(len(rows), "commit")), table)


def picture(series: Series, changes: Sequence[Change], commits: Sequence[Commit]) -> bytes:
    """A series as SVG: the median of each commit, the spread of its samples, and the ranges of its changes.

    Args:
        series: of numbers.
        changes: of the series.
        commits: all of the history, so that commits without a measurement leave a gap.
    """
    with plot_style():
        figure = new_figure(*_SIZE)
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.11, right=0.98, bottom=0.2, top=0.95)
        _draw(axes, series, changes, {commit.commit: place for place, commit in enumerate(commits)})
        named = range(0, len(commits), max(-(-len(commits) // _MOST_NAMED), 1))
        axes.set_xticks(list(named), [commits[place].short[:7] for place in named])
        axes.set_xlim(-0.5, len(commits) - 0.5)
        axes.set_ylabel(series.unit or series.quantity, fontsize=SCREEN.label[0], parse_math=False)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "segbench"})
    return out.getvalue()


def _draw(axes: Axes, series: Series, changes: Sequence[Change], places: dict[str, int]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    across, values = [places[point.commit.commit] for point in series.points], levels(series)
    for place, point in zip(across, series.points, strict=True):
        numbers = [sample for sample in point.samples if not isinstance(sample, Signature)]
        if len(numbers) > 1:
            axes.plot([place, place], [min(numbers), max(numbers)], color=_SPREAD, linewidth=2, solid_capstyle="butt")
    axes.plot(across, values, color=_LINE, linewidth=0.8, marker="o", markersize=3)
    for change in changes:
        first, last = places[change.first.commit], places[change.last.commit]
        axes.axvspan(first + 0.5, max(last - 0.5, first + 0.6), color=_CHANGE, alpha=0.15, linewidth=0)
        axes.axvline(across[change.place] - 0.5, color=_CHANGE, linewidth=1.2)
    if series.exact and series.quantity != MIOU:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value)))
