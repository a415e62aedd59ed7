"""Write a whole report from Records: tables, plots and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from segbench.catalog.references import bibliography
from segbench.claims import Claim, load_claims
from segbench.errors import BadOption, RecordError
from segbench.records import store
from segbench.records.record import Record
from segbench.records.timing_conditions import TimingConditions
from segbench.report.charts import claimed_against_measured, launch_bound, rule_spread, waterfalls
from segbench.report.folder import MANIFEST, files_of, replacing
from segbench.report.footers import Asked
from segbench.report.leaderboard import comparison_table
from segbench.report.long_table import long_table
from segbench.report.measured import Measured, measured
from segbench.report.page import page
from segbench.report.paper_table import PaperView, paper_view
from segbench.report.papers import paper_tables
from segbench.report.pareto import distances, pareto_plots, timings_note
from segbench.report.plots import SUFFIXES, Plot, write_plots
from segbench.report.style import Paper
from segbench.report.table import Table

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES: Mapping[str, Paper] = MappingProxyType({"screen": False, "paper": True, "paper-wide": "wide"})
"""The styles of plots, and what draws them."""
PLOTS: Mapping[str, Callable[[Sequence[Measured], Sequence[Claim]], Iterable[Plot]]] = MappingProxyType(
    {
        "pareto": pareto_plots,
        "claimed-against-measured": claimed_against_measured,
        "counting-rules": rule_spread,
        "launch-bound": launch_bound,
        "waterfall": waterfalls,
    }
)
"""The kinds of plots, and what draws each."""


@dataclass(frozen=True)
class Report:
    """A finished report, for the terminal.

    Attributes:
        papers: tables of papers beside measurements.
        table: the overall table.
        own_paper: whether the report is about one paper, whose tables then go first.
    """

    papers: tuple[PaperView, ...]
    table: Table
    own_paper: bool = False

    def rich(self, width: int) -> RenderableType:
        """What a terminal of `width` columns shows: the paper's tables where one was asked for, and the overall one."""
        from rich.console import Group
        from rich.text import Text

        shown: list[RenderableType] = []
        for view in self.papers if self.own_paper else ():
            shown += [view.rich(width), Text("")]
        if self.own_paper:
            shown.append(Text(self.table.title, style="bold"))
        return Group(*shown, self.table.rich(width))


def write_report(
    records: Sequence[Record],
    folder: Path,
    *,
    paper: str | None = None,
    judgements: Iterable[Mapping[str, Any]] = (),
    style: str = "screen",
    formats: Sequence[str] | None = None,
    plots: Sequence[str] = tuple(PLOTS),
    asked: Asked = MappingProxyType({}),
    reported: Sequence[Claim] = (),
) -> tuple[Report, list[Path]]:
    """Write tables, plots and the page; the same Records give the same bytes.

    The folder then holds ``index.html``, ``table.md|csv|tex``, ``table.bib`` (the papers that ``table.tex`` cites),
    ``long.csv`` (one figure a line), ``papers/<paper>-table-<n>.md|csv|tex`` with ``papers/papers.bib``,
    ``plots/*.svg|pdf|png`` and a list of these files. An error leaves an older report as it was.

    Args:
        records: in any order.
        folder: where the report goes.
        paper: take the claims of this paper only, and show its tables; all papers' otherwise.
        judgements: the audit's verdicts on printed costs, as ``segbench audit --json`` writes them.
        style: of the plots, of `STYLES`: for a screen, a column of a paper, or both its columns.
        formats: of the plots: ``svg``, ``pdf``, ``png``; those of `formats_of` by default.
        plots: kinds to draw, of `PLOTS`; none for an empty list.
        asked: sizes that were asked for and that a network does not take, as for `comparison_table`.
        reported: what the user gives for networks, as claims of `segbench.report.pairing.SELF_REPORTED`.

    Returns:
        The report, for the terminal, and the files written.

    Raises:
        BadOption: no such style, format or kind of plot.
        OutputError: the folder cannot be written.
    """
    formats = formats_of(style) if formats is None else formats
    check_style(style, formats, plots)
    claims, rows, judgements = [*load_claims(paper=paper), *reported], measured(records), list(judgements)
    views = tuple(paper_view(table, judgements) for table in paper_tables(rows, claims, paper))
    table = comparison_table(rows, claims, asked)
    note = timings_note(rows) if "pareto" in plots else ""
    table = replace(table, footers=(*table.footers, note)) if note else table
    drawn = [plot for kind, draw in PLOTS.items() if kind in plots for plot in draw(rows, claims)]
    where = [line for name in dict.fromkeys(claim.model for claim in reported) for line in distances(drawn, name)]
    table = replace(table, footers=(*table.footers, *where)) if where else table
    with replacing(folder) as draft:
        write_plots(drawn, draft / "plots", paper=STYLES[style], suffixes=formats)
        _write_tables(draft, table, views)
        store.write_text(draft / "long.csv", long_table(rows, claims))
        store.write_text(draft / "index.html", page(rows, claims, judgements, _summary(drawn, views, formats)))
    written = [folder / name for name in files_of(folder) if name != MANIFEST]
    return Report(views, table, paper is not None), written


def _write_tables(folder: Path, table: Table, views: Sequence[PaperView]) -> None:
    """Write the tables and the bibliographies of their citations, one text after the other: they may be large."""
    cited = {"table.bib": "", "papers/papers.bib": ""}
    for name, text in _texts(table, views):
        store.write_text(folder / name, text)
        if name == "table.tex":
            cited["table.bib"] = bibliography(text)
        elif name.startswith("papers/"):
            cited["papers/papers.bib"] += text
    cited["papers/papers.bib"] = bibliography(cited["papers/papers.bib"])
    for name, text in cited.items():
        if text:
            store.write_text(folder / name, text)


def formats_of(style: str) -> tuple[str, ...]:
    """The formats of a style's plots where none are asked for: a paper takes PDF and SVG."""
    return SUFFIXES if style == "screen" else ("pdf", "svg")


def check_style(style: str, formats: Sequence[str] = SUFFIXES, plots: Sequence[str] = tuple(PLOTS)) -> None:
    """Refuse a style, a format or a kind of plots that does not exist.

    Raises:
        BadOption: names those that do.
    """
    if style not in STYLES:
        raise BadOption(f"unknown plot style {style!r}; accepted: {', '.join(STYLES)}")
    unknown = [suffix for suffix in formats if suffix not in SUFFIXES]
    if unknown or not formats:
        raise BadOption(f"unknown plot format {', '.join(unknown)!r}; accepted: {', '.join(SUFFIXES)}")
    unknown = [kind for kind in plots if kind not in PLOTS]
    if unknown:
        raise BadOption(f"unknown kind of plot {', '.join(unknown)!r}; accepted: {', '.join(PLOTS)}")


def require_one_device(records: Iterable[Record]) -> None:
    """Refuse timings from several devices; unlike conditions on one device are columns that say what they are.

    Raises:
        RecordError: the timings come from more than one device; names them, and what else differs.
    """
    conditions = [found for found in map(TimingConditions.of, records) if found is not None]
    devices = sorted({found.chip() for found in conditions})
    if len(devices) > 1:
        also = [
            item.metadata["label"]
            for item in fields(TimingConditions)
            if item.name not in ("device", "device_name") and len({getattr(one, item.name) for one in conditions}) > 1
        ]
        raise RecordError(
            f"the Records were timed on {len(devices)} devices: {', '.join(devices)}"
            + (f" (and differ in {', '.join(also)})" if also else "")
            + "; --allow-mixed reports them together, in columns of their own"
        )


def _texts(table: Table, views: Iterable[PaperView]) -> Iterator[tuple[str, str]]:
    for name, title, cells in [
        ("table", "tab:segbench", table),
        *((f"papers/{view.name}", f"tab:segbench-{view.name}", view.table) for view in views),
    ]:
        yield f"{name}.md", cells.markdown()
        yield f"{name}.csv", cells.csv()
        yield f"{name}.tex", cells.latex(title)


def _summary(plots: Iterable[Plot], views: Iterable[PaperView], formats: Sequence[str]) -> dict[str, Any]:
    """The other files of the report, which the page links to."""
    return {
        "plots": [[plot.name, plot.title] for plot in plots],
        "papers": [[view.name, view.table.title] for view in views],
        "formats": list(formats),
    }
