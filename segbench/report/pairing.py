"""Which printed figures stand beside which measurement.

A claim belongs to a Record when all of these hold:

- it names the same network;
- its data set has as many classes as the Record's network (19: Cityscapes or BDD100K, 11: CamVid, 150: ADE20K),
  because the classifier is part of the cost;
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

from segbench.claims import DATASET_CLASSES, Claim, Figure
from segbench.record import Record

Size = tuple[int, int] | None
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


def belongs(claim: Claim, record: Record) -> bool:
    """Whether a claim is on this Record's network, for its classes, at its size or without one."""
    return (
        claim.model == record.model
        and DATASET_CLASSES.get(claim.dataset) == record.classes
        and claim.size in (record.resolution, None)
    )


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
