"""The comparison table: what was measured beside what the papers print, for terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import PAPERS, Claim
from segbench.record import Record
from segbench.report.measured import Condition, Measured, measured
from segbench.report.pairing import Claimed, belongs, claimed_fps, claimed_miou
from segbench.report.style import as_number, billions, millions, per_second
from segbench.resolution import show
from segbench.units import DASH

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDE = 120

CSV_COLUMNS = (
    *("model", "family", "paper", "fidelity", "classes", "height", "width", "batch", "params", "live_params", "macs"),
    *("fps_cuda", "fps_cpu", "mode", "precision", "device", "latency_median_ms", "peak_mib"),
    *("measured_dataset", "measured_split", "measured_miou_percent"),
    *("claimed_in", "claimed_dataset", "claimed_split", "claimed_size", "claimed_miou_percent"),
    *("claimed_fps_in", "claimed_fps", "claimed_gpu", "failure", "created"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table for people: one line for each figure, and under it in small print what it stands for."""

    lines: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, text: str, small: str = "") -> Cell:
        """A cell with a single figure."""
        return cls(((text, small),))


@dataclass(frozen=True, slots=True)
class Column:
    """Heading of a column, and whether it holds numbers."""

    heading: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A comparison, ready to be shown.

    Attributes:
        columns: of `rows`.
        rows: one for each network, size, class count and batch.
        failures: networks that could not be measured, and why.
        footers: device, mode, precision, counting rule, papers, dates.
        records: the rows of the CSV, by column.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    failures: tuple[tuple[str, str], ...]
    footers: tuple[str, ...]
    records: tuple[Mapping[str, str], ...]

    def rich(self, width: int) -> RenderableType:
        """The table for a terminal of `width` columns: under `WIDE`, fidelity and paper stand under the name."""
        from rich import box
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        narrow = width < WIDE
        table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False, show_edge=False)
        stacked = {"Fidelity", "Paper"} if narrow else set()
        shown = [place for place, column in enumerate(self.columns) if column.heading not in stacked]
        for place in shown:
            column = self.columns[place]
            heading = _plain(column.heading)
            table.add_column(
                Text(heading.replace(" (", "\n(") if narrow else heading),
                justify="right" if column.number else "left",
                no_wrap=column.number or column.heading in {"Size", "Fidelity"},
                overflow="fold",
                min_width=len("reconstruction") if narrow and place == 0 else None,
            )
        fidelity = next(place for place, column in enumerate(self.columns) if column.heading == "Fidelity")
        for row in self.rows:
            cells = list(row)
            if narrow:
                cells[0] = Cell(((cells[0].lines[0][0], row[fidelity].lines[0][0]),))
            table.add_row(*(_terminal_cell(cells[place]) for place in shown))
        parts: list[RenderableType] = [table]
        if self.failures:
            parts.append(Text(""))
            parts += [Text(f"failed: {_plain(name)}: {_plain(why)}", style="red") for name, why in self.failures]
        parts.append(Text(""))
        parts += [Text(_plain(footer), style="dim") for footer in self.footers]
        return Group(*parts)

    def markdown(self) -> str:
        """The table in GitHub's Markdown, footers below it; every text of a Record is escaped."""
        reasons = dict(self.failures)
        headings = [column.heading for column in self.columns]
        rules = ["---:" if column.number else ":---" for column in self.columns]
        if reasons:
            headings.append("Failure")
            rules.append(":---")
        lines = [_markdown_row(map(_markdown, headings)), _markdown_row(rules)]
        for row in self.rows:
            cells = [_markdown_cell(cell) for cell in row]
            if reasons:
                cells.append(_markdown(reasons.get(_label(row), DASH)))
            lines.append(_markdown_row(cells))
        return "\n".join([*lines, "", *(f"- {_markdown(footer)}" for footer in self.footers)]) + "\n"

    def csv(self) -> str:
        """Plain numbers under `CSV_COLUMNS`, nothing where nothing was measured or printed.

        Parameters and MACs are integers, claimed figures the printed text; several claims stand in one cell, separated
        by semicolons, in the same order in every ``claimed_`` column. Text that a spreadsheet would run as a formula
        gets a leading apostrophe.
        """
        out = io.StringIO()
        writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: _no_formula(text) for column, text in row.items()} for row in self.records)
        return out.getvalue()


def comparison_table(records: Iterable[Record], claims: Iterable[Claim]) -> Table:
    """What was measured, beside what the papers print for the same network, classes and size.

    Measured and claimed figures never share a column, nor do CPU and CUDA timings, nor timings under different modes,
    precisions or devices: each has a column of its own. `segbench.report.pairing` has the rules by which a claim
    belongs to a row. Rows are in catalog order, a user's own networks last, smaller sizes first.

    Args:
        records: in any order; of several measurements of the same thing the latest counts.
        claims: as from `segbench.claims.load_claims`.
    """
    rows, printed = measured(records), list(claims)
    all_miou, all_fps = claimed_miou(printed), claimed_fps(printed)
    conditions = list(dict.fromkeys(condition for row in rows for condition in row.speeds))
    conditions.sort(key=Condition.order)
    headings = _fps_headings(conditions)
    columns = (
        Column("Network"),
        Column("Size"),
        Column("Params (M)", number=True),
        Column("MACs (G)", number=True),
        *(Column(heading, number=True) for heading in headings),
        *([Column("Measured mIoU (%)", number=True)] if any(row.accuracy for row in rows) else []),
        Column("Claimed mIoU (%)"),
        Column("Claimed FPS"),
        Column("Fidelity"),
        Column("Paper"),
    )
    body, failures, lines, papers = [], [], [], []
    for row in rows:
        miou = [claimed for claimed in all_miou if belongs(claimed.claim, row.record)]
        fps = [claimed for claimed in all_fps if belongs(claimed.claim, row.record)]
        papers += [claimed.claim.paper for claimed in (*miou, *fps)]
        cells = [
            Cell.of(row.model),
            _size(row, rows),
            Cell.of(millions(row.params)),
            Cell.of(billions(row.macs)),
        ]
        cells += [Cell.of(_fps(row.speeds.get(condition))) for condition in conditions]
        if any(other.accuracy for other in rows):
            cells.append(Cell.of(_measured_miou(row)))
        cells += [
            Cell(tuple(_miou_lines(miou))) if miou else Cell.of(DASH),
            Cell(tuple(_fps_lines(fps))) if fps else Cell.of(DASH),
        ]
        entry = CATALOG.get(row.model)
        cells += [Cell.of(row.record.fidelity or DASH), Cell.of(entry.paper if entry else DASH)]
        body.append(tuple(cells))
        if row.failure:
            failures.append((_label(cells), row.failure))
        lines += list(_csv_lines(row, miou, fps))
    return Table(
        columns, tuple(body), tuple(failures), tuple(_footers(rows, conditions, headings, papers)), tuple(lines)
    )


def _label(row: Sequence[Cell]) -> str:
    (name, _), (size, details) = row[0].lines[0], row[1].lines[0]
    return ", ".join(filter(None, (f"{name} {size}", details)))


def _fps_headings(conditions: Sequence[Condition]) -> list[str]:
    """The shortest headings that tell the conditions apart: the device, then mode, precision, batch, device name."""
    for detail in range(5):
        headings = [condition.heading(detail) for condition in conditions]
        if len(set(headings)) == len(headings):
            return headings
    return headings


def _size(row: Measured, rows: Sequence[Measured]) -> Cell:
    details = []
    if len({other.record.classes for other in rows}) > 1:
        details.append(f"{row.record.classes} classes")
    if row.record.batch != 1:
        details.append(f"batch {row.record.batch}")
    return Cell.of(show(row.resolution), ", ".join(details))


def _fps(record: Record | None) -> str:
    return DASH if record is None or record.speed is None else per_second(record.speed.get("fps"))


def _measured_miou(row: Measured) -> str:
    if row.accuracy is None:
        return DASH
    return f"{100 * row.accuracy.miou:.1f} {row.accuracy.dataset} {row.accuracy.split}".strip()


def _miou_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        unprinted = [what for what, printed in (("split", claim.split), ("size", claim.size)) if not printed]
        conditions = f"{claim.dataset} {claim.split}".rstrip()
        if unprinted:
            conditions += f", {' and '.join(unprinted)} not printed"
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _fps_lines(claims: Iterable[Claimed]) -> Iterator[tuple[str, str]]:
    for claimed in claims:
        claim = claimed.claim
        conditions = (claim.gpu or "GPU not printed") + ("" if claim.size else ", size not printed")
        yield " / ".join((claimed.figure, *claimed.others)), f"{conditions} ({claim.paper})"


def _csv_lines(row: Measured, miou: Sequence[Claimed], fps: Sequence[Claimed]) -> Iterator[dict[str, str]]:
    entry, record = CATALOG.get(row.model), row.record
    common = {
        "model": row.model,
        "family": entry.family if entry else "",
        "paper": entry.paper if entry else "",
        "fidelity": record.fidelity or "",
        "classes": str(record.classes),
        "height": str(row.resolution[0]),
        "width": str(row.resolution[1]),
        "batch": str(record.batch),
        "params": _csv_number(row.params),
        "live_params": _csv_number(record.live_params),
        "macs": _csv_number(row.macs),
        "measured_dataset": row.accuracy.dataset if row.accuracy else "",
        "measured_split": row.accuracy.split if row.accuracy else "",
        "measured_miou_percent": f"{100 * row.accuracy.miou:.2f}" if row.accuracy else "",
        "claimed_in": "; ".join(f"{claimed.claim.paper} {claimed.claim.where}" for claimed in miou),
        "claimed_dataset": "; ".join(claimed.claim.dataset for claimed in miou),
        "claimed_split": "; ".join(claimed.claim.split or "not printed" for claimed in miou),
        "claimed_size": "; ".join(
            show(claimed.claim.size) if claimed.claim.size else "not printed" for claimed in miou
        ),
        "claimed_miou_percent": "; ".join(" / ".join((claimed.figure, *claimed.others)) for claimed in miou),
        "claimed_fps_in": "; ".join(f"{claimed.claim.paper} {claimed.claim.where}" for claimed in fps),
        "claimed_fps": "; ".join(" / ".join((claimed.figure, *claimed.others)) for claimed in fps),
        "claimed_gpu": "; ".join(claimed.claim.gpu or "not printed" for claimed in fps),
        "failure": row.failure,
    }
    if not row.speeds:
        yield {**common, "created": record.created}
    for condition, timed in sorted(row.speeds.items(), key=lambda item: item[0].order()):
        speed = timed.speed or {}
        latency = speed.get("latency_ms")
        yield {
            **common,
            f"fps_{condition.kind}": _csv_number(speed.get("fps")),
            "mode": condition.mode,
            "precision": condition.precision,
            "device": condition.device,
            "latency_median_ms": _csv_number(latency.get("median") if isinstance(latency, dict) else None),
            "peak_mib": _csv_number((timed.memory or {}).get("peak_mib")),
            "created": timed.created,
        }


def _footers(
    rows: Sequence[Measured], conditions: Sequence[Condition], headings: Sequence[str], papers: Iterable[str]
) -> Iterator[str]:
    for condition, heading in zip(conditions, headings, strict=True):
        dates = sorted({row.speeds[condition].created[:10] for row in rows if condition in row.speeds})
        text = f"{heading}: measured, {condition.describe()}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}"
        yield text + ("; a CPU timing, not comparable with a GPU's" if condition.kind == "cpu" else "")
    if not conditions:
        yield "Speed was not measured."
    yield (
        "Params and MACs: counted here. Counting rule macs: multiply-accumulates of convolutions, transposed "
        "convolutions (input grid), linear layers and matrix products."
    )
    named = [paper for paper in PAPERS if paper in set(papers)]
    if named:
        yield "Claimed: as printed, on the paper's own GPU; " + "; ".join(
            f"({paper}) {PAPERS[paper]}" for paper in named
        )
    present = {row.record.fidelity for row in rows}
    meanings = [f"{fidelity}: {meaning}" for fidelity, meaning in FIDELITY_MEANING.items() if fidelity in present]
    if meanings:
        yield "Fidelity: " + ". ".join(meanings) + "."


def _terminal_cell(cell: Cell) -> RenderableType:
    from rich.text import Text

    text = Text(overflow="fold")
    for place, (figure, small) in enumerate(cell.lines):
        text.append("\n" if place else "")
        text.append(_plain(figure))
        if small:
            text.append(f"\n{_plain(small)}", style="dim")
    return text


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    return "<br>".join(_markdown(f"{figure} {small}" if small else figure) for figure, small in cell.lines)


def _markdown(text: str) -> str:
    escaped = _plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]|~$#!" else character for character in escaped)


def _plain(text: str) -> str:
    """One line without control characters: no line break, no terminal escape, no reversed writing direction."""
    kept = (
        " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character for character in text
    )
    return " ".join("".join(kept).split())


def _no_formula(text: str) -> str:
    plain = _plain(text)
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain


def _csv_number(value: object) -> str:
    number = as_number(value)
    if number is None:
        return ""
    return str(number) if isinstance(number, int) else f"{number:.6g}"
