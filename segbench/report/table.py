"""A table for people and programs: terminal, Markdown, CSV and LaTeX from the same cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from segbench.report.escape import csv_cell, markdown, plain
from segbench.report.latex_table import BEST, SECOND, Figure, Heading, floats
from segbench.units import DASH

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["BEST", "SECOND", "Cell", "Column", "Table", "ranked", "terminal_cell"]

WIDE = 120
_MOST_ON_TERMINAL = 500
# A longer heading over figures takes several lines.
_LONGEST_UNBROKEN = 16
# Letters between two columns on a terminal: one of padding and the rule's own.
_BETWEEN = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table for people: one line for each figure, and under it in small print what it stands for.

    Attributes:
        lines: figure and small print, pair by pair.
        ranks: of each line, `BEST` or `SECOND` among the column's comparable figures; 0, or nothing, for the others.
        network: whose name it holds, which a paper prints in its own way and cites.
        note: what a paper says of it below the table.
    """

    lines: tuple[tuple[str, str], ...] = ()
    ranks: tuple[int, ...] = ()
    network: str = ""
    note: str = ""

    @classmethod
    def of(cls, text: str, small: str = "") -> Cell:
        """A cell with a single figure."""
        return cls(((text, small),))

    def rank(self, line: int = 0) -> int:
        """Rank of one of the figures."""
        return self.ranks[line] if line < len(self.ranks) else 0


@dataclass(frozen=True, slots=True)
class Column:
    """Heading of a column, and how it is shown.

    Attributes:
        heading: of the column.
        number: whether it holds numbers.
        group: heading over several neighbouring columns.
        stacked: on a narrow terminal, whether it stands under the first column instead.
        joined: on a narrow terminal, the heading of the column that it shares with its neighbours, and its name there.
        brief: the heading in a paper, where it is shorter there.
        note: what a paper says of it below the table.
        first: whether a paper shows the first line of each cell alone.
        aligned: whether a paper aligns its figures though it holds small print too.
    """

    heading: str
    number: bool = False
    group: str = ""
    stacked: bool = False
    joined: tuple[str, str] | None = None
    brief: str = ""
    note: str = ""
    first: bool = False
    aligned: bool = False

    @property
    def full(self) -> str:
        """The heading in one line, where nothing stands over it."""
        return f"{self.group} {self.heading}".strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A comparison, ready to be shown.

    Attributes:
        title: what the table shows, in one line.
        columns: of `rows`.
        rows: what people read.
        failures: networks that could not be measured, and why.
        footers: device, mode, precision, counting rule, papers, dates.
        csv_columns: of the CSV.
        records: the rows of the CSV, by column.
        reasons: for each row why it could not be measured, or an empty text.
        short_notes: what a paper says below the table in place of the footers; None for these.
        breaks: rows that are not compared with those before them.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    failures: tuple[tuple[str, str], ...]
    footers: tuple[str, ...]
    csv_columns: tuple[str, ...]
    records: tuple[Mapping[str, str], ...]
    reasons: tuple[str, ...] = field(default=())
    short_notes: tuple[str, ...] | None = None
    breaks: tuple[int, ...] = ()

    def rich(self, width: int) -> RenderableType:
        """The table for a terminal of `width` columns: under `WIDE`, stacked columns stand under the first one."""
        from rich import box
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        narrow = width < WIDE
        table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
        shown = [place for place, column in enumerate(self.columns) if not (narrow and column.stacked)]
        # The first stacked column stands under the name; the others are for wider terminals and for files.
        under = next((place for place, column in enumerate(self.columns) if narrow and column.stacked), None)
        places = [[place] for place in shown] if not narrow else _joined(shown, self.columns)
        headings = [self._heading(own, narrow=narrow) for own in places]
        body = []
        for row in self.rows[:_MOST_ON_TERMINAL]:
            cells = list(row)
            if under is not None:
                cells[0] = Cell(((cells[0].lines[0][0], row[under].lines[0][0]),))
            body.append([_together(own, cells, self.columns) for own in places])
        widths = _widths(headings, body, [self.columns[own[0]].number for own in places], width)
        more = len(self.rows) - _MOST_ON_TERMINAL
        left_out = [Text(f"{more:,} more rows are in the files.")] if more > 0 else []
        if widths is None:
            return Group(self.listing(), *left_out, *self.notes())
        for own, heading, room in zip(places, headings, widths, strict=True):
            justify: Literal["left", "right"] = "right" if self.columns[own[0]].number else "left"
            table.add_column(Text(heading), justify=justify, overflow="fold", width=room)
        for row_cells in body:
            table.add_row(*map(terminal_cell, row_cells))
        return Group(table, *left_out, *self.notes())

    def _heading(self, places: Sequence[int], *, narrow: bool) -> str:
        """What stands over a column of the terminal's table."""
        column = self.columns[places[0]]
        name = column.joined[0] if len(places) > 1 and column.joined else column.heading
        heading = plain(name).replace(" (", "\n(") if narrow else plain(name)
        return f"{plain(column.group)}\n{heading}" if column.group else heading

    def listing(self) -> RenderableType:
        """The rows one under the other, for a terminal that is too narrow for the table."""
        from segbench.report.listing import Listing

        rows = [
            tuple("; ".join(" ".join(filter(None, map(plain, line))) for line in cell.lines) for cell in row)
            for row in self.rows[:_MOST_ON_TERMINAL]
        ]
        return Listing(tuple(plain(column.full) for column in self.columns), rows)

    def notes(self) -> list[RenderableType]:
        """What stands below the table on a terminal: failures with their reasons, then the footers."""
        from rich.text import Text

        parts: list[RenderableType] = []
        if self.failures:
            parts.append(Text(""))
            shown = self.failures[:_MOST_ON_TERMINAL]
            parts += [Text(f"failed: {plain(name)}: {plain(why)}", style="red") for name, why in shown]
        parts.append(Text(""))
        return parts + [Text(plain(footer), style="dim") for footer in self.footers]

    def markdown(self) -> str:
        """The table in GitHub's Markdown, footers below it; every text of a Record is escaped."""
        headings = [column.full for column in self.columns]
        rules = ["---:" if column.number else ":---" for column in self.columns]
        failed = any(self.reasons)
        if failed:
            headings.append("Failure")
            rules.append(":---")
        lines = [_markdown_row(map(markdown, headings)), _markdown_row(rules)]
        for place, row in enumerate(self.rows):
            cells = [_markdown_cell(cell) for cell in row]
            if failed:
                cells.append(markdown(self.reasons[place] or DASH))
            lines.append(_markdown_row(cells))
        return "\n".join([*lines, "", *(f"- {markdown(footer)}" for footer in self.footers)]) + "\n"

    def csv(self) -> str:
        """Plain numbers under `csv_columns`, nothing where nothing was measured or printed.

        Text that a spreadsheet would run as a formula gets a leading apostrophe.
        """
        out = io.StringIO()
        writer = csv.DictWriter(out, self.csv_columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: csv_cell(text) for column, text in row.items()} for row in self.records)
        return out.getvalue()

    def latex(self, label: str) -> str:
        """A float to paste into a paper, as `segbench.report.latex_table` makes it.

        Columns that stack, and those of figures that have none, are left out.

        Args:
            label: of the table, for references to it; of several floats, of the first.
        """
        shown = [
            place
            for place, column in enumerate(self.columns)
            if not (column.stacked or (column.number and all(row[place] == Cell.of(DASH) for row in self.rows)))
        ]
        headings = [
            Heading(column.brief or column.heading, column.number or column.aligned, column.group, column.note)
            for column in (self.columns[place] for place in shown)
        ]
        rows = [[list(_figures(row[place], self.columns[place])) for place in shown] for row in self.rows]
        failed = [f"Failed: {name}: {why}." for name, why in self.failures]
        notes = self.footers if self.short_notes is None else self.short_notes
        return floats(self.title, label, headings, rows, (*failed, *notes), set(self.breaks))


def _figures(cell: Cell, column: Column) -> Iterator[Figure]:
    """The lines of a cell as a paper shows them, small print as notes."""
    for line, (figure, small) in enumerate(cell.lines[:1] if column.first else cell.lines):
        note = "" if cell.network else small.partition(";")[0] if column.number else small
        shown = figure.partition(" / ")[0] if column.first else figure
        yield Figure(shown, "; ".join(filter(None, (note, cell.note))), cell.rank(line), cell.network)


def _widths(
    headings: Sequence[str], body: Sequence[Sequence[Cell]], numbers: Sequence[bool], width: int
) -> list[int] | None:
    """Letters for each column so that no figure and no word is broken; None where the terminal is too narrow."""
    least, natural = [], []
    for place, heading in enumerate(headings):
        cells = [row[place] for row in body]
        lines = [heading, *(text for cell in cells for line in cell.lines for text in line)]
        # A figure stays in one line, and so does a short heading over figures.
        whole = [line[0] for cell in cells for line in cell.lines] if numbers[place] or place == 0 else []
        if numbers[place] and max(map(len, heading.split("\n"))) <= _LONGEST_UNBROKEN:
            whole += heading.split("\n")
        words = [word for line in lines for word in line.split()]
        least.append(max(map(len, (*whole, *words)), default=0))
        natural.append(max((len(part) for line in lines for part in line.split("\n")), default=0))
    room = width - _BETWEEN * (len(headings) - 1)
    if sum(least) > room:
        return None
    spare, wanted = room - sum(least), sum(natural) - sum(least)
    if spare >= wanted:
        return natural
    return [low + (high - low) * spare // wanted for low, high in zip(least, natural, strict=True)]


def _joined(shown: Iterable[int], columns: Sequence[Column]) -> list[list[int]]:
    """The places of columns, those that share one on a narrow terminal together."""
    groups: list[list[int]] = []
    for place in shown:
        joined, before = columns[place].joined, columns[groups[-1][-1]].joined if groups else None
        if joined and before and joined[0] == before[0]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _together(places: Sequence[int], cells: Sequence[Cell], columns: Sequence[Column]) -> Cell:
    """The cell of one column, or of several that share one: each figure then follows the name of its column."""
    if len(places) == 1:
        return cells[places[0]]
    lines: list[tuple[str, str]] = []
    for place in places:
        joined = columns[place].joined
        name = joined[1] if joined else ""
        lines += [(f"{name} {figure}", small) for figure, small in cells[place].lines if figure != DASH]
    return Cell(tuple(lines)) if lines else Cell.of(DASH)


def ranked(
    rows: Sequence[list[Cell]],
    column: int,
    values: Sequence[float | None],
    *,
    more: bool,
    lines: Sequence[int] | None = None,
) -> None:
    """Mark the best and the second best figure of a column in place, where at least three rows have one.

    Args:
        rows: lists of cells that are compared with each other.
        column: which cell of each row.
        values: the number of each row, or None where there is none.
        more: whether more is better.
        lines: the line of each row's cell that has the number; the first by default.
    """
    known = sorted({value for value in values if value is not None}, reverse=more)
    if len({id(row) for row, value in zip(rows, values, strict=True) if value is not None}) < 3:
        return
    for row, value, line in zip(rows, values, lines or [0] * len(rows), strict=True):
        if value is not None and value in known[:2]:
            ranks = [row[column].rank(place) for place in range(len(row[column].lines))]
            ranks[line] = BEST if value == known[0] else SECOND
            row[column] = replace(row[column], ranks=tuple(ranks))


def terminal_cell(cell: Cell) -> RenderableType:
    """A cell for rich, its small print dimmed; markup in it is text."""
    from rich.text import Text

    text = Text(overflow="fold")
    for place, (figure, small) in enumerate(cell.lines):
        text.append("\n" if place else "")
        text.append(plain(figure))
        if small:
            text.append(f"\n{plain(small)}", style="dim")
    return text


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    return "<br>".join(markdown(f"{figure} {small}" if small else figure) for figure, small in cell.lines)
