"""Which printed figures stand beside which measurement.

A claim belongs to a Record when all of these hold:

- it names the same network;
- its data set has as many classes as the Record's network (19: Cityscapes or BDD100K, 11: CamVid, 150: ADE20K),
  because the classifier is part of the cost; a network that its authors train with one class more keeps it;
- the input size that it prints is the Record's resolution. Where a paper prints no size, the claim is kept apart and
  marked "size not printed": it may stand beside parameters, which have no size, never beside MACs or FPS.

Where a paper prints several mIoU figures for one network, data set and size, the test split goes before val, val before
the others, and an unstated split comes last; a table goes before an abstract or prose; then the row printed first goes
first. A claim without a size gives way to one with a size in the same paper. Figures of different papers are never
merged: each is kept with its paper. What lost its place to an earlier row of the same rank (81.7 with extra training
data, after 80.1 without) is in `Claimed.others`, and tables list it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim, Figure
from segbench.records.record import Record

Size = tuple[int, int] | None

SELF_REPORTED = "self-reported"
"""In place of a paper: what the user gives for a network."""

_SPLIT_ORDER = {"test": 0, "val": 1, "trainval": 2, "train": 3, "": 4}


@dataclass(frozen=True, slots=True)
class Claimed:
    """The figure of one paper for one network on one data set at one size, with the row that prints it.

    Attributes:
        figure: as printed.
        claim: the row that prints it.
        others: different figures that the same paper prints in places of the same rank.
    """

    figure: Figure
    claim: Claim
    others: tuple[Figure, ...] = ()


def classes_fit(dataset: str, record: Record) -> bool:
    """Whether a Record's network has a data set's classes, or one more where its authors train it so (unlabelled)."""
    classes = DATASET_CLASSES.get(dataset)
    if classes is None or record.classes == classes:
        return classes is not None
    entry = CATALOG.get(record.model)
    return entry is not None and record.classes == entry.classes == classes + 1


def belongs(claim: Claim, record: Record) -> bool:
    """Whether a claim is on this Record's network, for its classes, at its size or without one."""
    return (
        claim.model == record.model and classes_fit(claim.dataset, record) and claim.size in (record.resolution, None)
    )


class Pairing:
    """The preferred claims of each network, looked up by Record.

    Attributes:
        claims: all of them.
        preferred: every preferred mIoU, as from `claimed_miou`.
    """

    def __init__(self, claims: Iterable[Claim]) -> None:
        """Gather all claims, not those of one Record: what a paper prints at another size decides too."""
        self.claims = list(claims)
        self._claims: dict[str, list[Claim]] = {}
        for claim in self.claims:
            self._claims.setdefault(claim.model, []).append(claim)
        self._costs: dict[Claim, dict[str, list[float]]] = {}
        self.preferred = claimed_miou(self.claims)
        self._miou, self._fps = _by_model(self.preferred), _by_model(claimed_fps(self.claims))

    def miou(self, record: Record) -> list[Claimed]:
        """The mIoU that papers print for this network, with its classes, at its size or without one."""
        return [claimed for claimed in self._miou.get(record.model, ()) if belongs(claimed.claim, record)]

    def fps(self, record: Record) -> list[Claimed]:
        """The FPS that papers print for this network, with its classes, at its size or without one."""
        return [claimed for claimed in self._fps.get(record.model, ()) if belongs(claimed.claim, record)]

    def printed(self, record: Record, field: str) -> Claim | None:
        """The row that prints a cost (``params_m`` or ``gflops``) for this network, with its classes, at its size.

        Parameters have no size. Of several rows the first, tables before prose.
        """
        own = [
            claim
            for claim in self._claims.get(record.model, ())
            if getattr(claim, field) is not None
            and classes_fit(claim.dataset, record)
            and (field == "params_m" or (claim.size == record.resolution and record.batch == 1))
        ]
        return min(own, key=_place, default=None)

    def costs(self, claim: Claim) -> dict[str, list[float]]:
        """What the paper of a claim prints for the same network, data set and size: parameters (M) and MACs (1e9)."""
        if claim not in self._costs:
            key = (claim.paper, claim.model, claim.dataset)
            same = [other for other in self.claims if (other.paper, other.model, other.dataset) == key]
            sized = [other for other in same if claim.size is not None and other.size == claim.size]
            params, macs = claimed_cost(same, _params), claimed_cost(sized, _gflops)
            printed = {"params": params, "macs": macs}
            self._costs[claim] = {name: [float(figure.value)] for name, figure in printed.items() if figure}
        return self._costs[claim]


def _params(claim: Claim) -> Figure | None:
    return claim.params_m


def _gflops(claim: Claim) -> Figure | None:
    return claim.gflops


def _by_model(claims: Iterable[Claimed]) -> dict[str, list[Claimed]]:
    found: dict[str, list[Claimed]] = {}
    for claimed in claims:
        found.setdefault(claimed.claim.model, []).append(claimed)
    return found


def claimed_miou(claims: Iterable[Claim]) -> list[Claimed]:
    """The preferred mIoU of each paper for each network, data set and size, in the order of the claims.

    Give it all claims, not those of one Record: what a paper prints at another size decides too.
    """
    return _preferred(claims, lambda claim: claim.miou_percent, by_split=True)


def claimed_fps(claims: Iterable[Claim]) -> list[Claimed]:
    """The preferred FPS of each paper for each network, data set, size and GPU, in the order of the claims."""
    return _preferred(claims, lambda claim: claim.fps, by_split=False)


def claimed_cost(claims: Iterable[Claim], quantity: Callable[[Claim], Figure | None]) -> Figure | None:
    """The first figure printed for a cost, tables before prose; None where none is printed."""
    printing = [claim for claim in claims if quantity(claim) is not None]
    return quantity(min(printing, key=_place)) if printing else None


def _place(claim: Claim) -> int:
    return 0 if claim.table.isdigit() else 1


def _preferred(claims: Iterable[Claim], quantity: Callable[[Claim], Figure | None], *, by_split: bool) -> list[Claimed]:
    groups: dict[tuple[object, ...], list[Claim]] = {}
    for claim in claims:
        if quantity(claim) is not None and claim.model and claim.dataset:
            condition = "" if by_split else claim.gpu
            groups.setdefault((claim.paper, claim.model, claim.dataset, condition, claim.size), []).append(claim)
    sized = {(*key[:3],) for key in groups if key[-1] is not None}
    chosen = []
    for key, rows in groups.items():
        if key[-1] is None and key[:3] in sized:
            continue

        def rank(claim: Claim) -> tuple[int, int]:
            return _SPLIT_ORDER[claim.split] if by_split else 0, _place(claim)

        best = min(rows, key=rank)
        figures = dict.fromkeys(quantity(claim) for claim in rows if rank(claim) == rank(best))
        first, *others = [figure for figure in figures if figure is not None]
        chosen.append(Claimed(first, best, tuple(others)))
    return chosen
