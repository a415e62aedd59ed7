"""Which operations reach the output: a walk back from it over storages.

Storages, not tensors: a view shares its storage with the tensor it looks at, and an in-place operation changes a
storage while the operations that filled it before still matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

# Their value goes to Python, where it can decide what runs next.
STEERING = frozenset({"item", "_local_scalar_dense", "is_nonzero", "equal", "allclose"})


class Dataflow(Protocol):
    """What the walk needs of an operation."""

    @property
    def kind(self) -> str:
        """ATen name."""

    @property
    def reads(self) -> tuple[int, ...]:
        """Storages read."""

    @property
    def writes(self) -> tuple[int, ...]:
        """Storages created or changed."""


def reaching(operations: Sequence[Dataflow], targets: Iterable[int], steering: bool) -> frozenset[int]:
    """Indices of the operations that a value in one of the `targets` depends on.

    Args:
        operations: in the order in which they ran.
        targets: storages of the outputs of interest.
        steering: count an operation whose value Python read (``.item()``) as reaching the output.
    """
    wanted = set(targets)
    alive = []
    for index in range(len(operations) - 1, -1, -1):
        operation = operations[index]
        if not wanted.isdisjoint(operation.writes) or (steering and operation.kind in STEERING):
            alive.append(index)
            wanted.update(operation.reads)
    return frozenset(alive)
