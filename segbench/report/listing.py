"""Rows for a terminal of any width: a table where one fits, stacked rows where none does; nothing is cut or broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

from segbench.units import DASH

Shown = str | Text
_GAP = 2


@dataclass(frozen=True)
class Listing:
    """Rows under headings, for rich.

    As wide as the terminal allows: all columns and the notes in one line; the notes beneath their rows; without the
    columns of `spare`; and below that each row by itself, its figures after their names.

    Attributes:
        headings: of the columns; a line break in one is kept.
        rows: a cell for each heading.
        numbers: headings of the columns that are aligned at the right.
        notes: what is said about each row, or nothing.
        noted: the heading over the notes.
        spare: headings of columns that may be left out before rows are stacked, all at once.
        keys: leading columns that name a row.
    """

    headings: tuple[str, ...]
    rows: Sequence[tuple[Shown, ...]]
    numbers: frozenset[str] = frozenset()
    notes: Sequence[str] = ()
    noted: str = "note"
    spare: frozenset[str] = frozenset()
    keys: int = 1

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As wide as the widest line it would print."""
        lines = list(self._lines(options.max_width))
        widest = max((line.cell_len for line in lines), default=0)
        return Measurement(min(widest, options.max_width), min(widest, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines for this width."""
        for line in self._lines(options.max_width):
            # Rows fit; what wraps here is running text.
            yield from line.wrap(console, options.max_width) if line.cell_len > options.max_width else (line,)

    def _lines(self, width: int) -> Iterator[Text]:
        everything = range(len(self.headings))
        fewer = [place for place in everything if self.headings[place] not in self.spare]
        noted = any(self.notes)
        longest = max([len(self.noted), *map(len, self.notes)], default=0) + _GAP if noted else 0
        if self._width(everything) + longest <= width:
            yield from self._table(everything, beside=noted)
        elif self._width(everything) <= width:
            yield from self._table(everything, width=width)
        elif self._width(fewer) <= width:
            yield from self._table(fewer, width=width)
            if self.spare:
                left_out = ", ".join(heading for heading in self.headings if heading in self.spare)
                yield Text(f"{left_out}: on a wider terminal, or in a pipe", style="dim")
        else:
            yield from self._stacked(width)

    def _widths(self, places: Iterable[int]) -> list[int]:
        return [
            max([*map(len, self.headings[place].split("\n")), *(_text(row[place]).cell_len for row in self.rows)])
            for place in places
        ]

    def _width(self, places: Iterable[int]) -> int:
        widths = self._widths(places)
        return sum(widths) + _GAP * (len(widths) - 1)

    def _table(self, places: Sequence[int], *, beside: bool = False, width: int = 0) -> Iterator[Text]:
        """The rows under headings; notes at their ends where they stand `beside` them, otherwise beneath."""
        widths = self._widths(places)
        headings = [self.headings[place].split("\n") for place in places]
        height = max(map(len, headings))
        for level in range(height):
            # Shorter headings stand on the last line, next to their figures.
            cells = [([""] * (height - len(heading)) + heading)[level] for heading in headings]
            line = self._aligned([Text(cell) for cell in cells], widths, places)
            if beside and level == height - 1:
                line = self._beside(line, self.noted, sum(widths) + _GAP * len(widths))
            line.stylize("bold")
            yield line
        for number, row in enumerate(self.rows):
            line = self._aligned([_text(row[place]) for place in places], widths, places)
            note = self.notes[number] if self.notes else ""
            yield self._beside(line, note, sum(widths) + _GAP * len(widths)) if beside else line
            if note and not beside:
                yield from _indented(note, width)

    @staticmethod
    def _beside(line: Text, note: str, column: int) -> Text:
        return Text.assemble(line, " " * (column - line.cell_len), (note, "dim")) if note else line

    def _aligned(self, cells: Sequence[Text], widths: Sequence[int], places: Sequence[int]) -> Text:
        line = Text()
        for cell, room, place in zip(cells, widths, places, strict=True):
            missing = " " * (room - cell.cell_len)
            right = self.headings[place] in self.numbers
            line.append_text(Text.assemble(missing, cell) if right else Text.assemble(cell, missing))
            line.append(" " * _GAP)
        line.rstrip()
        return line

    def _stacked(self, width: int) -> Iterator[Text]:
        """Each row by itself: its name, then each figure after its heading, as many to a line as fit."""
        for number, row in enumerate(self.rows):
            parts = [_text(cell) for cell in row[: self.keys] if str(cell) not in ("", DASH)]
            for heading, cell in zip(self.headings[self.keys :], row[self.keys :], strict=True):
                if str(cell) not in ("", DASH):
                    parts.append(Text.assemble((f"{heading} ".replace("\n", " "), "dim"), _text(cell)))
            line = Text()
            for part in parts:
                if line.cell_len and line.cell_len + _GAP + part.cell_len > width:
                    yield line
                    line = Text("  ")
                elif line.cell_len:
                    line.append(" " * _GAP)
                line.append_text(part)
            yield line
            if self.notes and self.notes[number]:
                yield from _indented(self.notes[number], width)


def _text(cell: Shown) -> Text:
    return Text(cell) if isinstance(cell, str) else cell


def _indented(note: str, width: int) -> Iterator[Text]:
    """Running text beneath a row, wrapped between words."""
    line = Text("   ", style="dim")
    for word in note.split():
        if line.cell_len > 3 and line.cell_len + 1 + len(word) > width:
            yield line
            line = Text("   ", style="dim")
        line.append(f" {word}")
    yield line
