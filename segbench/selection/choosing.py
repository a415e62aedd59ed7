"""Choose rows and columns of Records, and show them: terminal, Markdown, CSV, LaTeX and JSON. Nothing is measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.claims import Claim
from segbench.errors import BadOption, RecordError, UnknownName
from segbench.published_costs import published_costs
from segbench.report.escape import csv_cell, markdown
from segbench.report.gather import read_all
from segbench.report.listing import Listing
from segbench.report.measured import older_footers
from segbench.selection.chosen_latex import chosen_latex
from segbench.selection.columns import COLUMNS, Column, find_column
from segbench.selection.rows import PUBLISHED, Row, rows_of
from segbench.selection.where import Where
from segbench.units import DASH, significant

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("terminal", "markdown", "csv", "latex", "json")
_MOST_TOLD = 4
_TIMED = frozenset({"fps", "graph_fps", "latency", "busy_ms", "enqueue_ms", "energy_mj", "peak_mib", "ratio_fps"})
USUAL = (
    *("network", "variant", "source", "resolution", "classes", "params", "macs"),
    *("fps", "device_name", "miou", "miou_is"),
)
"""The columns that are shown by default, those without any figure left out."""
_DTYPES: dict[str, Any] = {"text": "string", "whole": "Int64", "number": "Float64"}


@dataclass(frozen=True)
class Choice:
    """Which rows of a table are wanted, in which order.

    Attributes:
        networks: names or patterns; every network where there is none.
        where: expressions that all have to hold.
        sort: columns by which rows are sorted, with a minus before one that goes downwards.
        top: how many rows; None for all.
    """

    networks: Sequence[str] = ()
    where: Sequence[Where] = ()
    sort: Sequence[str] = ()
    top: int | None = None


def comma_separated(text: str | None) -> list[str]:
    """``"enet, erfnet"`` as a list."""
    return [part for part in (item.strip() for item in (text or "").split(",")) if part]


Networks = Sequence[tuple[str, tuple[int, int]]]


def gather(
    paths: Sequence[Path], *, published: bool = True, report: Callable[[Networks], Sequence[Claim]] = lambda _: ()
) -> list[Row]:
    """The rows of Records in files and folders, and of the published costs, with what the user reports of networks.

    Args:
        paths: files and folders.
        published: take the published costs too.
        report: what the user reports of these networks, each with its size.

    Raises:
        BadOption: neither is asked for.
        RecordError: a file is unreadable or truncated, or there is no Record.
    """
    if not paths and not published:
        raise BadOption("--no-published leaves nothing to show: name files or folders of Records")
    own, others = read_all(paths) if paths else [], published_costs() if published else []
    return rows_of(own, others, report([(record.model, record.resolution) for record in (*own, *others)]))


def chosen(rows: Sequence[Row], choice: Choice, shown: Iterable[Column]) -> pd.DataFrame:
    """The wanted rows, with the columns that are shown or needed to choose.

    Raises:
        BadOption: a network is named twice.
        UnknownName: no such network or column.
    """
    import pandas as pd

    names = _networks(choice.networks, list(dict.fromkeys(row.row.model for row in rows)))
    if choice.networks:
        rows = [row for row in rows if row.row.model in names]
    order = [(find_column(text.removeprefix("-")), not text.startswith("-")) for text in choice.sort]
    needed = [*shown, *(column for column, _ in order)]
    needed += [COLUMNS[name] for where in choice.where for name in where.columns]
    try:
        frame = pd.DataFrame(
            {
                column.name: pd.array([column.value(row) for row in rows], dtype=_DTYPES[column.kind])
                for column in dict.fromkeys(needed)
            }
        )
    except OverflowError as error:
        raise RecordError("a Record has a count that is too large for a table") from error
    for where in choice.where:
        frame = frame[where.mask(frame)]
    if order:
        by, upwards = zip(*((column.name, up) for column, up in order), strict=True)
        frame = frame.sort_values(list(by), ascending=list(upwards), kind="stable", na_position="last")
    return frame if choice.top is None else frame.head(choice.top)


def columns_of(text: str | None) -> list[Column]:
    """The columns that ``--columns`` names, or `USUAL`.

    Raises:
        UnknownName: no such column.
        BadOption: one is named twice.
    """
    columns = [find_column(name) for name in comma_separated(text) or USUAL]
    twice = [column.name for place, column in enumerate(columns) if column in columns[:place]]
    if twice:
        raise BadOption(f"the column {twice[0]} is named twice")
    return columns


def _networks(wanted: Sequence[str], known: Sequence[str]) -> set[str]:
    """The networks that names and patterns mean."""
    found: set[str] = set()
    for place, name in enumerate(wanted):
        if name in wanted[:place]:
            raise BadOption(f"the network {name} is named twice")
        matching = {one for one in known if one == name or fnmatchcase(one.lower(), name.lower())}
        if not matching:
            raise UnknownName("network", name, known, "it is in none of these Records")
        found |= matching
    return found


def listed_columns() -> Listing:
    """What ``--columns list`` prints."""
    rows = [(column.name, column.meaning) for column in COLUMNS.values()]
    return Listing(("column", "meaning"), rows)


def not_shown(rows: Sequence[Row]) -> list[str]:
    """Which of the Records that were given have no row of their own, and why."""
    gathered = {id(row.row): row.row for row in rows if row.source != PUBLISHED}
    return list(older_footers(gathered.values()))


UNLIKE = ("timed_under", "miou_on", "miou_is")
"""Columns that tell apart what does not compare."""


def unlike(frame: pd.DataFrame, shown: Sequence[Column]) -> tuple[list[Column], list[str]]:
    """What a reader must see beside the figures: columns of unlike conditions, and a sentence about each.

    Args:
        frame: the rows, with the columns `UNLIKE`.
        shown: the columns that are shown.
    """
    names = {column.name for column in shown}
    timings = list(dict.fromkeys(frame["timed_under"][frame["timed_under"].notna()].tolist()))
    scores = list(dict.fromkeys(frame["miou_on"][frame["miou_is"].eq("measured").fillna(False)].tolist()))
    columns, sentences = [], []
    for values, told, column, what in (
        (timings, names & _TIMED, "timed_under", "timings"),
        (scores, names & {"miou", "measured_miou"}, "miou_on", "measured mIoUs"),
    ):
        if told and len(values) > 1:
            columns += [COLUMNS[column]] * (column not in names)
            more = "; ..." if len(values) > _MOST_TOLD else ""
            told_apart = "; ".join(values[:_MOST_TOLD])
            sentences.append(f"{what} under {len(values)} conditions do not compare: {told_apart}{more}")
    return columns, sentences


def without_empty(frame: pd.DataFrame, columns: Sequence[Column]) -> list[Column]:
    """The columns in which at least one row has something."""
    return [column for column in columns if frame.empty or bool(frame[column.name].notna().any())]


def as_text(frame: pd.DataFrame, columns: Sequence[Column], form: str) -> str:
    """The rows as Markdown, CSV, LaTeX or JSON; CSV and JSON have plain numbers in base units.

    LaTeX takes the columns of `segbench.selection.chosen_latex.NEEDED` too.
    """
    if form == "json":
        names = [column.name for column in columns]
        plain = [dict(zip(names, row, strict=True)) for row in _values(frame, columns)]
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for row in _values(frame, columns):
            writer.writerow([csv_cell(value) if isinstance(value, str) else _plain(value) for value in row])
        return out.getvalue()
    if form == "markdown":
        cells = list(_cells(frame, columns))
        rules = [":---" if column.kind == "text" else "---:" for column in columns]
        names = [markdown(column.name) for column in columns]
        lines = [names, rules, *([markdown(cell) for cell in row] for row in cells)]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return chosen_latex(frame, columns)


def listing(frame: pd.DataFrame, columns: Sequence[Column]) -> Listing:
    """The rows for a terminal."""
    numbers = frozenset(column.name for column in columns if column.kind != "text")
    return Listing(tuple(column.name for column in columns), list(_cells(frame, columns)), numbers)


def sources(frame: pd.DataFrame) -> str:
    """How many rows there are, and where they come from."""
    count = len(frame)
    published = int((frame["source"] == PUBLISHED).sum())
    words = "row" if count == 1 else "rows"
    return f"{count} {words}: {published} published with segbench, {count - published} from the files given"


def _values(frame: pd.DataFrame, columns: Sequence[Column]) -> Iterator[list[Any]]:
    import pandas as pd

    lists = [frame[column.name].tolist() for column in columns]
    for row in zip(*lists, strict=True):
        yield [None if value is pd.NA else value for value in row]


def _plain(value: float | None) -> str:
    """A whole number in full, another with as many digits as it has."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"


def _cells(frame: pd.DataFrame, columns: Sequence[Column]) -> Iterator[tuple[str, ...]]:
    for row in _values(frame, columns):
        yield tuple(
            DASH
            if value is None
            else value
            if isinstance(value, str)
            else f"{value:,}"
            if isinstance(value, int)
            else significant(value)
            for value in row
        )
