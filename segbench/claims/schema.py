"""One printed figure, one row of printed figures, and the checks that a claims file must pass."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from segbench.errors import ClaimsError

DATASET_CLASSES: Mapping[str, int] = MappingProxyType({"Cityscapes": 19, "CamVid": 11, "BDD100K": 19, "ADE20K": 150})
"""The data sets of the papers, and the classes that a network has when it is trained on each."""

SPLITS = ("train", "val", "trainval", "test")

_PLAIN_NUMBER = re.compile(r"\d+(\.\d+)?")
_MODEL_ID = re.compile(r"[a-z0-9.]+(-[a-z0-9.]+)*")
_LARGEST_SIDE = 16384


class Figure(str):
    """A number as a paper prints it: the text itself, so that 5.80 stays apart from 5.8."""

    __slots__ = ()

    @property
    def value(self) -> Decimal:
        """The number, exactly as printed."""
        return Decimal(self)

    @property
    def decimals(self) -> int:
        """Digits printed after the decimal point."""
        return len(self.partition(".")[2])

    @property
    def digits(self) -> int:
        """Significant digits printed: leading zeros do not count, trailing ones do."""
        return len(self.replace(".", "").lstrip("0"))

    @property
    def interval(self) -> tuple[Decimal, Decimal]:
        """The closed interval of numbers that round to the printed text: half a unit of the last digit each way."""
        half = Decimal(5).scaleb(-self.decimals - 1)
        return self.value - half, self.value + half

    def agrees_with(self, number: int | float | Decimal) -> bool:
        """Whether `number`, in the unit of the figure, rounds to the printed digits."""
        low, high = self.interval
        return low <= Decimal(number) <= high


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One row of a paper: what it prints for one network, under the conditions that it names.

    A row may hold settings only. Text that a paper does not print is empty, a figure or size that it does not print
    is None. Doubts about a row are in its `note`; no figure is corrected.

    Attributes:
        paper: key of the paper, as in `segbench.claims.PAPERS`.
        table: number of the table, or where else the figure stands (``abstract``, ``prose`` ...).
        printed_name: the network as the row names it.
        model: catalog name of the network, or the name it would have there; empty where the row is no network.
        backbone: as printed.
        dataset: one of `DATASET_CLASSES`, or empty.
        split: one of `SPLITS`, or empty.
        height: input height in pixels.
        width: input width in pixels.
        params_m: parameters in millions.
        gflops: "FLOPs" in units of 1e9, under a counting rule that papers seldom state.
        fps: frames per second.
        gpu: as printed.
        miou_percent: mean intersection over union in percent.
        note: doubts about the row, and where its conditions were found.
        file: name of the claims file.
        line: line of the row in that file; the header is line 1.
    """

    paper: str
    table: str
    printed_name: str
    model: str
    backbone: str
    dataset: str
    split: str
    height: int | None
    width: int | None
    params_m: Figure | None
    gflops: Figure | None
    fps: Figure | None
    gpu: str
    miou_percent: Figure | None
    note: str
    file: str
    line: int

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the input, or None where the paper does not print them."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    @property
    def where(self) -> str:
        """Where the figures are printed, such as ``Table 2`` or ``abstract``."""
        return f"Table {self.table}" if self.table.isdigit() else self.table


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassClaim:
    """The IoU that a paper prints for one class of one network.

    Attributes:
        paper: key of the paper.
        table: number of the table.
        model: catalog name of the network.
        dataset: one of `DATASET_CLASSES`.
        split: one of `SPLITS`.
        class_abbrev: the class as the column head prints it.
        class_name: the class by its full name; ``class mean (mIoU)`` for the mean that the row prints.
        iou: in percent.
        notes: doubts about the figure.
        file: name of the claims file.
        line: line of the row in that file.
    """

    paper: str
    table: str
    model: str
    dataset: str
    split: str
    class_abbrev: str
    class_name: str
    iou: Figure
    notes: str
    file: str
    line: int


# Unit and range of the figures: parameters counted one by one, or an mIoU as a fraction, fall outside.
_FIGURES: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {
        "params_m": ("millions", 1e-3, 1e4),
        "gflops": ("1e9 operations", 1e-3, 1e5),
        "fps": ("frames per second", 1e-3, 1e5),
        "miou_percent": ("percent", 1, 100),
        "iou": ("percent", 0, 100),
    }
)
_COLUMNS = tuple(item.name for item in fields(Claim))[:-2]
_CLASS_COLUMNS = tuple(item.name for item in fields(ClassClaim))[:-2]


def read_claims(path: Path) -> list[Claim]:
    """Read a file of claims, ``<paper>.csv``.

    Raises:
        ClaimsError: the file is unreadable, or a row is malformed; names file and line.
    """
    claims = []
    for line, row in _checked_rows(path, _COLUMNS, paper=path.stem):
        where = f"{path.name}, line {line}"
        height, width = (_side(row[column], column, where) for column in ("height", "width"))
        if (height is None) != (width is None):
            raise ClaimsError(
                f"{where}: height and width belong together: {row['height']!r} and {row['width']!r} given"
            )
        figures = {column: _figure(row[column], column, where) for column in _FIGURES if column in row}
        claims.append(
            Claim(
                paper=row["paper"],
                table=row["table"],
                printed_name=row["printed_name"],
                model=row["model"],
                backbone=row["backbone"],
                dataset=row["dataset"],
                split=row["split"],
                height=height,
                width=width,
                params_m=figures["params_m"],
                gflops=figures["gflops"],
                fps=figures["fps"],
                gpu=row["gpu"],
                miou_percent=figures["miou_percent"],
                note=row["note"],
                file=path.name,
                line=line,
            )
        )
    return claims


def read_class_claims(path: Path) -> list[ClassClaim]:
    """Read a file of IoUs per class, ``<paper>_per_class.csv``.

    Raises:
        ClaimsError: the file is unreadable, or a row is malformed; names file and line.
    """
    claims = []
    for line, row in _checked_rows(path, _CLASS_COLUMNS, paper=path.stem.removesuffix("_per_class")):
        where = f"{path.name}, line {line}"
        empty = [column for column in _CLASS_COLUMNS if column != "notes" and not row[column]]
        if empty:
            raise ClaimsError(f"{where}: {empty[0]} is empty")
        iou = _figure(row["iou"], "iou", where)
        assert iou is not None
        texts = {column: text for column, text in row.items() if column != "iou"}
        claims.append(ClassClaim(**texts, iou=iou, file=path.name, line=line))
    return claims


def _checked_rows(path: Path, columns: Sequence[str], paper: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line that each starts on, after the checks that every claims file shares."""
    seen: dict[tuple[str, ...], int] = {}
    for line, cells in _rows(path, columns):
        where = f"{path.name}, line {line}"
        if len(cells) != len(columns):
            raise ClaimsError(f"{where}: {len(cells)} cells, and the header names {len(columns)} columns")
        row = dict(zip(columns, cells, strict=True))
        _check_words(row, paper, where)
        # Notes are commentary: two rows that differ in nothing else print the same thing twice.
        content = tuple(text for column, text in row.items() if column not in {"note", "notes"})
        if content in seen:
            raise ClaimsError(f"{where}: duplicate of line {seen[content]}")
        seen[content] = line
        yield line, row


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if start == 1:
                _check_header(cells, columns, f"{path.name}, line 1")
            elif cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise ClaimsError(f"{path.name}, line {start}: not CSV ({error})") from error
    if start == 1:
        raise ClaimsError(f"{path.name}, line 1: the file is empty; the header must be {','.join(columns)}")


def _check_header(cells: Sequence[str], columns: Sequence[str], where: str) -> None:
    for problem, names in (
        ("unknown", [name for name in cells if name not in columns]),
        ("missing", [name for name in columns if name not in cells]),
    ):
        if names:
            raise ClaimsError(
                f"{where}: {problem} column {', '.join(map(repr, names))}; the header must be {','.join(columns)}"
            )
    if tuple(cells) != tuple(columns):
        raise ClaimsError(f"{where}: columns in another order or repeated; the header must be {','.join(columns)}")


def _check_words(row: Mapping[str, str], paper: str, where: str) -> None:
    for column, text in row.items():
        if text != text.strip():
            raise ClaimsError(f"{where}: {column} {text!r} has blanks around it")
    checks: tuple[tuple[str, Callable[[str], bool], str], ...] = (
        ("paper", lambda text: text == paper, f"the file holds the claims of {paper!r}"),
        ("table", bool, "the number of a table, or where else the figure is printed"),
        ("model", lambda text: not text or bool(_MODEL_ID.fullmatch(text)), "a catalog name: lower case with hyphens"),
        ("dataset", lambda text: not text or text in DATASET_CLASSES, f"one of {', '.join(DATASET_CLASSES)}, or empty"),
        ("split", lambda text: not text or text in SPLITS, f"one of {', '.join(SPLITS)}, or empty"),
    )
    for column, accepts, accepted in checks:
        if not accepts(row[column]):
            raise ClaimsError(f"{where}: {column} {row[column]!r}; accepted: {accepted}")


def _figure(text: str, column: str, where: str) -> Figure | None:
    if not text:
        return None
    unit, smallest, largest = _FIGURES[column]
    if not _PLAIN_NUMBER.fullmatch(text):
        raise ClaimsError(f"{where}: {column} {text!r}; accepted: a plain number in {unit}, without sign or unit")
    figure = Figure(text)
    if not smallest <= figure.value <= largest:
        raise ClaimsError(f"{where}: {column} {text!r} is out of range; accepted: {smallest:g} to {largest:g} {unit}")
    return figure


def _side(text: str, column: str, where: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LARGEST_SIDE:
        raise ClaimsError(f"{where}: {column} {text!r}; accepted: whole pixels, 1 to {_LARGEST_SIDE}")
    return int(text)
