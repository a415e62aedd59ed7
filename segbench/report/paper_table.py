"""A paper's table beside ours, for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segbench.claims import PAPERS
from segbench.claims.provenance import MARK
from segbench.report.escape import plain
from segbench.report.papers import PRINTED, Compared, PaperRow, PaperTable, Quantity, notes
from segbench.report.table import Cell, Column, Table, ranked, terminal_cell
from segbench.resolution import show
from segbench.units import DASH

if TYPE_CHECKING:
    from rich.console import RenderableType

_HEADINGS: dict[Quantity, str] = {"params": "Params (M)", "macs": "FLOPs (G)", "fps": "FPS", "miou": "mIoU (%)"}
_MORE: dict[Quantity, bool] = {"params": False, "macs": False, "fps": True, "miou": True}

# What a paper says below its table; everything else is for readers of the report.
_SHORT = (MARK, "\u2020", "FLOPs", "FPS")
_ALL_COLUMNS_FROM = 160
_GAP = 2

CSV_COLUMNS = (
    *("paper", "table", "row", "printed_name", "model", "dataset", "split", "height", "width", "gpu"),
    *("status", "measured_height", "measured_width"),
    *(f"{quantity}_{part}" for quantity in PRINTED for part in ("claimed", "measured", "ratio")),
    *("fps_measured_under", "miou_measured_under", "marks", "failure"),
)


@dataclass(frozen=True, slots=True)
class PaperView:
    """A paper's table, ready to be shown.

    Attributes:
        source: the rows.
        table: the same as cells, three columns a quantity.
    """

    source: PaperTable
    table: Table

    @property
    def name(self) -> str:
        """Name of its files, without the suffix."""
        return f"{self.source.paper}-table-{self.source.number}"

    def rich(self, width: int) -> RenderableType:
        """For a terminal of `width` columns; on a narrow one the three figures stand under each other."""
        from rich.console import Group
        from rich.text import Text

        title = Text(plain(self.table.title), style="bold")
        if width >= _ALL_COLUMNS_FROM:
            return Group(title, self.table.rich(width))
        figures = [
            max(len(_HEADINGS[quantity].split(" (")[0]), *(self._longest(row, quantity) for row in self.source.rows))
            for quantity in self.source.quantities
        ]
        names = [word for cells in self.table.rows for line in cells[0].lines for text in line for word in text.split()]
        needed = max(map(len, names), default=0) + len("measured") + sum(figures) + _GAP * (len(figures) + 1)
        shown = self._narrow() if width >= needed else self.table.listing()
        return Group(title, shown, *self.table.notes())

    @staticmethod
    def _longest(row: PaperRow, quantity: Quantity) -> int:
        item = row.quantities[quantity]
        return max(len(item.claimed_text), len(_short(item.text)), len(item.ratio_text))

    def _narrow(self) -> RenderableType:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
        names = [word for cells in self.table.rows for line in cells[0].lines for text in line for word in text.split()]
        table.add_column("Network", overflow="fold", min_width=max(map(len, names), default=0))
        table.add_column("", no_wrap=True, style="dim")
        for quantity in self.source.quantities:
            table.add_column(Text(_HEADINGS[quantity].replace(" (", "\n(")), justify="right", overflow="fold")
        for row, cells in zip(self.source.rows, self.table.rows, strict=True):
            name, where = cells[0], cells[1]
            under = " ".join(part for line in where.lines for part in line if part)
            figures = [row.quantities[quantity] for quantity in self.source.quantities]
            table.add_row(
                terminal_cell(Cell((*name.lines, ("", under)))),
                Text("claimed\nmeasured\nratio"),
                *(Text(f"{item.claimed_text}\n{_short(item.text)}\n{item.ratio_text}") for item in figures),
            )
        return table


def paper_view(source: PaperTable, judgements: Iterable[Mapping[str, Any]] = ()) -> PaperView:
    """The cells of a paper's table: claimed, measured and ratio of every quantity that it prints.

    Args:
        source: the rows.
        judgements: the audit's verdicts; what they know of a figure that differs, and of FPS that a card's peak does
            not allow, stands below the table.
    """
    columns = [Column("Network"), Column("Data set, size"), *([Column("GPU")] if "fps" in source.quantities else [])]
    first = len(columns)
    for quantity in source.quantities:
        columns += [Column(part, number=True, group=_HEADINGS[quantity]) for part in ("claimed", "measured", "ratio")]
    body = [[*_conditions(row, "fps" in source.quantities), *_figures(row, source.quantities)] for row in source.rows]
    _mark(source, body, first)
    failures = tuple(
        (row.claim.printed_name or row.claim.model, row.reason) for row in source.rows if row.status == "failed"
    )
    title = f"{PAPERS.get(source.paper, source.paper)}, Table {source.number}, beside measurements"
    table = Table(
        title,
        tuple(columns),
        tuple(map(tuple, body)),
        failures,
        (*notes(source), *_known(source, judgements)),
        CSV_COLUMNS,
        tuple(map(_csv_row, source.rows)),
        tuple(row.reason if row.status == "failed" else "" for row in source.rows),
        tuple(note for note in notes(source) if note.startswith(_SHORT)),
    )
    return PaperView(source, table)


def _known(source: PaperTable, judgements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What the audit knows of figures in this table that no counting rule meets, and of FPS beyond a card's peak."""
    lines = []
    for item in judgements:
        if item.get("explanation") and _of(item, source):
            figure = f"{item.get('claimed')} {'M parameters' if item.get('quantity') == 'params' else 'G'}"
            lines.append(f"{item.get('model')}, {figure}, {item.get('verdict')}: {item['explanation']}")
        elif str(item.get("verdict", "")).startswith("beyond") and _of(item, source):
            lines.append(f"{item.get('model')}, {item.get('printed')} FPS on a {item.get('card')}: {item['verdict']}.")
    yield from dict.fromkeys(lines)


def _of(item: Mapping[str, Any], source: PaperTable) -> bool:
    return (item.get("paper"), item.get("table")) == (source.paper, source.number)


def _conditions(row: PaperRow, with_gpu: bool) -> Iterator[Cell]:
    claim = row.claim
    name = ((claim.printed_name, claim.model or "not identified"),)
    yield Cell(name, network=claim.model)
    where = f"{claim.dataset} {claim.split}".strip()
    size = show(claim.size) if claim.size else "size not printed"
    measured_at = f"\u2020 measured at {show(row.size)}" if row.elsewhere and row.size else ""
    yield Cell.of(", ".join(filter(None, (where, size))), measured_at)
    if with_gpu:
        yield Cell.of(claim.gpu or DASH)


def _figures(row: PaperRow, quantities: Sequence[Quantity]) -> Iterator[Cell]:
    for quantity in quantities:
        item = row.quantities[quantity]
        mark = "\u2020" if row.elsewhere and quantity in ("macs", "fps") and item.measured is not None else ""
        yield Cell.of(item.claimed_text)
        yield Cell.of(item.text + mark)
        yield Cell.of(item.ratio_text + (mark if item.ratio is not None else ""))


def _mark(source: PaperTable, body: Sequence[list[Cell]], first: int) -> None:
    """Mark the best of each column among rows that are alike; of several sizes on a data set those of most rows.

    The rows stay in the paper's order, so that a reader could not tell several bests of one data set apart.
    """
    for place, quantity in enumerate(source.quantities):
        for column, own, values in (
            (first + 3 * place, _claimed_under, [_claimed(row.quantities[quantity]) for row in source.rows]),
            (first + 3 * place + 1, _measured_under, [row.quantities[quantity].measured for row in source.rows]),
        ):
            groups: dict[str, dict[tuple[object, ...], list[int]]] = {}
            for index, row in enumerate(source.rows):
                under = own(row, quantity)
                if under is not None and values[index] is not None:
                    groups.setdefault(row.claim.dataset, {}).setdefault(under, []).append(index)
            for alike in groups.values():
                members = max(alike.values(), key=len)
                rows = [body[index] for index in members]
                ranked(rows, column, [values[index] for index in members], more=_MORE[quantity])


def _claimed_under(row: PaperRow, quantity: Quantity) -> tuple[object, ...] | None:
    """What two claims of a quantity must share to be ranked; None where the paper does not print all of it."""
    claim = row.claim
    if row.quantities[quantity].mark:
        return None  # copied from elsewhere, where the conditions are others
    needed: dict[Quantity, tuple[object, ...]] = {
        "params": (),
        "macs": (claim.size,),
        "fps": (claim.size, claim.gpu),
        "miou": (claim.size, claim.split),
    }
    return needed[quantity] if all(needed[quantity]) else None


def _measured_under(row: PaperRow, quantity: Quantity) -> tuple[object, ...] | None:
    """The same of what was measured; a row measured at another size than it prints is not ranked."""
    item = row.quantities[quantity]
    if quantity == "params":
        return ()
    return None if row.elsewhere and quantity in ("macs", "fps") else (row.size, item.under)


def _claimed(item: Compared) -> float | None:
    return None if item.claimed is None else float(item.claimed.value)


def _short(text: str) -> str:
    """Why nothing was measured, in as many letters as a figure has."""
    return {"not measured": "not meas.", "not built": "not built"}.get(text, text)


def _csv_row(row: PaperRow) -> dict[str, str]:
    claim = row.claim
    height, width = claim.size or ("", "")
    at_height, at_width = row.size or ("", "")
    cells = {
        "paper": claim.paper,
        "table": claim.table,
        "row": str(claim.line),
        "printed_name": claim.printed_name,
        "model": claim.model,
        "dataset": claim.dataset,
        "split": claim.split,
        "height": str(height),
        "width": str(width),
        "gpu": claim.gpu,
        "status": row.status,
        "measured_height": str(at_height),
        "measured_width": str(at_width),
        "marks": "; ".join(f"{quantity} {item.mark}" for quantity, item in row.quantities.items() if item.mark),
        "failure": row.reason,
    }
    for quantity, item in row.quantities.items():
        cells[f"{quantity}_claimed"] = item.claimed or ""
        cells[f"{quantity}_measured"] = "" if item.measured is None else f"{item.measured:.6g}"
        if item.under is not None and item.measured is not None:
            cells[f"{quantity}_measured_under"] = item.under.describe()
        cells[f"{quantity}_ratio"] = "" if item.ratio is None else f"{item.ratio:.4f}"
    return cells
