"""Where a printed figure comes from: the source of each that was looked up, as data (``provenance.csv``).

A row is about one printed figure, keyed as the claims are. What the source prints stands beside it; whether both agree
in value, size and GPU follows from the two. Sources were read as their `EVIDENCE` says, often not in the papers
themselves. Imports no torch.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from segbench.claims.schema import Claim, Figure
from segbench.errors import ClaimsError
from segbench.gpus import cards_of
from segbench.resolution import show

QUANTITIES: Mapping[str, str] = MappingProxyType(
    {"params": "params_m", "flops": "gflops", "fps": "fps", "miou": "miou_percent"}
)
"""What a row may be about, and the field of a claim that holds it."""

VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        "copied": "the source prints it",
        "copied: other size": "the source prints it, for another input size",
        "copied: other variant": "the source prints it, for another variant of the network",
        "copied, not met": "the source prints it, and no count of public code meets it",
        "explained": "a count meets it, that the row names",
        "not found": "no source was found that prints it",
    }
)

EVIDENCE: Mapping[str, str] = MappingProxyType(
    {
        "paper text": "the paper's abstract or text, or a page that repeats it",
        "digest": "tables of the paper as others repeat them",
        "README": "the README of a repository",
        "plot script": "data in a script that draws a figure",
        "count": "no text: a count of code",
        "": "none",
    }
)
"""How a source was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The source of one printed figure.

    Attributes:
        paper: with the six after it, the figure, as in a claim.
        table: number of the table, or where else it stands.
        model: catalog name.
        dataset: as in the claim.
        split: as in the claim.
        quantity: a key of `QUANTITIES`.
        printed: the figure as printed.
        source: what prints it first, as far as is known; empty where nothing was found.
        where: in the source.
        value: what the source prints, in the unit of the claim; empty where nothing was found.
        size: height and width there; None where it names none.
        gpu: there, as printed.
        unit: ``2^30`` where the source's tool divides by that, else empty.
        evidence_kind: a key of `EVIDENCE`.
        evidence: where that can be read.
        own_count: what counting public code gives.
        verdict: a key of `VERDICTS`.
        note: what else is known.
        claim: the row that prints the figure.
    """

    paper: str
    table: str
    model: str
    dataset: str
    split: str
    quantity: str
    printed: Figure
    source: str
    where: str
    value: str
    size: tuple[int, int] | None
    gpu: str
    unit: str
    evidence_kind: str
    evidence: str
    own_count: str
    verdict: str
    note: str
    claim: Claim

    @property
    def agrees_in_value(self) -> str:
        """``yes`` where one is the other rounded, ``cut`` where digits were cut off, ``no``, or ``unknown``."""
        if not self.value:
            return "unknown"
        # Zeros at the end of the printed figure may fill up a column: 29.50 for 29.46.
        source, printed = Figure(self.value), Figure(f"{self.printed.value.normalize():f}")
        if printed.agrees_with(source.value) or source.agrees_with(printed.value):
            return "yes"
        step = Decimal(1).scaleb(-printed.decimals)
        return "cut" if source.value // step * step == printed.value else "no"

    @property
    def agrees_in_size(self) -> str:
        """``yes``, ``no``, ``not printed`` beside the figure, ``unknown`` of the source; ``n/a`` of parameters."""
        if self.quantity == "params":
            return "n/a"
        if self.claim.size is None:
            return "not printed"
        return "unknown" if self.size is None else _yes(self.size == self.claim.size)

    @property
    def agrees_in_gpu(self) -> str:
        """As `agrees_in_size`, of the card; ``n/a`` of all but FPS."""
        if self.quantity != "fps":
            return "n/a"
        if not cards_of(self.claim.gpu):
            return "not printed"
        return _yes(bool({*cards_of(self.gpu)} & {*cards_of(self.claim.gpu)})) if self.gpu else "unknown"

    @property
    def mark(self) -> str:
        """What a reader must know beside the figure: from what else it was copied; empty where nothing differs."""
        if self.verdict == "not found":
            return ""
        differs = []
        if self.agrees_in_size == "no" and self.size:
            differs.append(f"another size ({show(self.size)})")
        if self.agrees_in_gpu == "no":
            differs.append(f"another GPU ({self.gpu})")
        if self.verdict == "copied: other variant":
            differs.append("another variant")
        if self.unit:
            differs.append(f"another unit ({self.unit})")
        return f"of {', '.join(differs)}" if differs else ""

    def to_json(self) -> dict[str, Any]:
        """The row and what follows from it, as plain JSON types."""
        row = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "claim"}
        row |= {"printed": str(self.printed), "size": list(self.size) if self.size else None}
        agrees = {name: getattr(self, f"agrees_in_{name}") for name in ("value", "size", "gpu")}
        return row | {f"agrees_in_{name}": agrees[name] for name in agrees} | {"mark": self.mark}


def load_provenance(claims: Iterable[Claim]) -> list[Provenance]:
    """The sources of figures among `claims`, in the order of the file.

    Raises:
        ClaimsError: a row is malformed; names its line.
    """
    printed = {(claim.paper, *key): claim for claim in claims for key in _keys(claim)}
    rows = []
    for line, row in _rows():
        claim = printed.get(tuple(row[name] for name in _KEY))
        if claim is not None:
            rows.append(_parse(row, claim, line))
    return rows


def source_of(claim: Claim, quantity: str) -> Provenance | None:
    """What is known of where a figure of this row comes from.

    Args:
        claim: the row.
        quantity: a key of `QUANTITIES`.
    """
    figure = getattr(claim, QUANTITIES[quantity])
    key = (claim.paper, claim.table, claim.model, claim.dataset, claim.split, quantity, str(figure))
    found = _by_key().get(key) if figure is not None else None
    return _parse(found[1], claim, found[0]) if found else None


def mark(claim: Claim, quantity: str) -> str:
    """What must stand beside a printed figure that was copied from another size, GPU, unit or variant; else empty.

    Args:
        claim: the row.
        quantity: a key of `QUANTITIES`; reports call ``flops`` ``macs``.
    """
    source = source_of(claim, "flops" if quantity == "macs" else quantity)
    return source.mark if source else ""


MARK = "\u2021"
"""The sign that tables put beside a figure with a `mark`, which stands below them."""

_KEY = ("paper", "table", "model", "dataset", "split", "quantity", "printed")
_COLUMNS = (
    *_KEY,
    *("source", "where", "value", "height", "width", "gpu", "unit", "evidence_kind", "evidence", "own_count"),
    *("verdict", "note"),
)


def _keys(claim: Claim) -> Iterable[tuple[str, ...]]:
    for quantity, field in QUANTITIES.items():
        figure = getattr(claim, field)
        if figure is not None:
            yield claim.table, claim.model, claim.dataset, claim.split, quantity, str(figure)


@functools.cache
def _rows() -> tuple[tuple[int, Mapping[str, str]], ...]:
    path = Path(str(resources.files("segbench.claims").joinpath("provenance.csv")))
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ClaimsError(f"{path.name}: its columns are {', '.join(_COLUMNS)}")
        return tuple((reader.line_num, row) for row in reader)


@functools.cache
def _by_key() -> Mapping[tuple[str, ...], tuple[int, Mapping[str, str]]]:
    return {tuple(row[name] for name in _KEY): (line, row) for line, row in _rows()}


def _parse(row: Mapping[str, str], claim: Claim, line: int) -> Provenance:
    for name, accepted in (("quantity", QUANTITIES), ("evidence_kind", EVIDENCE), ("verdict", VERDICTS)):
        if row[name] not in accepted:
            raise ClaimsError(f"provenance.csv, line {line}: {name} is one of {', '.join(accepted)}: {row[name]} given")
    size = (int(row["height"]), int(row["width"])) if row["height"] else None
    plain = {name: row[name] for name in _COLUMNS if name not in {"height", "width", "printed"}}
    return Provenance(**plain, printed=Figure(row["printed"]), size=size, claim=claim)


def _yes(same: bool) -> str:
    return "yes" if same else "no"
