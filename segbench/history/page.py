"""The page of a history: one file with a picture of each series, its changes and its values. It loads nothing."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from segbench.history.changes import Change, levels
from segbench.history.commits import Commit
from segbench.history.listing import Searched, newest_first, number_of_commits, relation, sentence, shown, without
from segbench.history.series import MIOU, Series, Value
from segbench.report.escape import plain
from segbench.report.style import SCREEN, new_figure, plot_style
from segbench.results import Signature
from segbench.units import scaled

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
    about = f"{len(commits):,} commits from {_named(commits[0])} to {_named(commits[-1])}"
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{about}; {len(told):,} series, {len(changes):,} changes.</p>",
        *_changes(changes),
    ]
    network = None
    for series, found in told:
        if series.network != network:
            network = series.network
            parts.append(f"<h2>{_text(network)}</h2>")
        parts += _series(series, found, commits)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
    ]
    return "\n".join([*head, *parts, "</body></html>"]) + "\n"


def _text(text: str) -> str:
    return html.escape(plain(text))


def _named(commit: Commit) -> str:
    return f"<code>{commit.short}</code>{f' ({_text(commit.date[:10])})' if commit.date else ''}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> Iterator[str]:
    """A table; cells are HTML."""

    def line(tag: str, cells: Sequence[str]) -> str:
        marked = (f"<{tag}{' class=number' * (place in numbers)}>{cell}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr>{''.join(marked)}</tr>"

    yield '<div class="wide"><table>'
    yield line("th", headings)
    yield from (line("td", row) for row in rows)
    yield "</table></div>"


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "<p>No quantity changed.</p>"
        return
    rows = [
        (
            _text(change.series.network),
            _text(change.series.title),
            f"<code>{change.span}</code>",
            number_of_commits(change),
            _text(change.series.show(change.before)),
            _text(f"{change.series.show(change.after)} {change.series.unit}"),
            _text(relation(change)),
            _text(change.last.subject),
        )
        for change in changes
    ]
    headings = ("network", "quantity", "commits", "", "before", "after", "change", "last commit")
    yield from _table(headings, rows, frozenset({3, 4, 5, 6}))


def _series(series: Series, changes: Sequence[Change], commits: Sequence[Commit]) -> Iterator[str]:
    unit = f" ({series.unit})" if series.unit else ""
    yield f"<h3>{_text(series.title + unit)}</h3>"
    where = ", ".join(filter(None, (series.machine, series.conditions)))
    if where:
        yield f'<p class="quiet">{_text(where)}</p>'
    if series.cut:
        began = series.points[0].commit.short
        yield f"<p>Begins at <code>{began}</code>, not joined to what was before: {_text(series.cut)}.</p>"
    if levels(series):
        drawn = base64.b64encode(picture(series, changes, commits)).decode()
        about = f"{series.quantity} of {series.network} over {len(series.points)} commits"
        yield f'<img alt="{_text(about)}" src="data:image/svg+xml;base64,{drawn}">'
    yield from (f"<p>{_text(sentence(change))} {_text(change.last.subject)}</p>" for change in changes)
    if without(series):
        yield f'<p class="quiet">{without(series)}</p>'
    values: Sequence[Value] = levels(series) or [point.samples[0] for point in series.points]
    rows = [
        (
            f"<code>{point.commit.short}</code>",
            _text(point.commit.date[:10]),
            _text(series.show(value)),
            str(len(point.samples)),
            _text(point.commit.subject),
        )
        for point, value in zip(series.points, values, strict=True)
    ]
    yield f"<details><summary>{len(rows)} commits</summary>"
    yield from _table(("commit", "date", "value", "samples", "subject"), rows, frozenset({2, 3}))
    yield "</details>"


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
