"""What a network is made of, module by module: what a later comparison needs to say which module changed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

from torch import nn

from segbench.measure.operations import Ledger, modules
from segbench.measure.operations.copies import unwrapped

LONGEST_TEXT = 40


def structure(ledger: Ledger, net: nn.Module) -> list[dict[str, Any]]:
    """A Record's `modules` with settings and operations.

    Returns:
        For every module ``path``, ``type``, ``params`` and ``macs`` with everything inside it, ``settings`` (its
        public numbers, texts and tuples: kernel size, eps, slope, a user's own constants) and ``operations`` (how
        often each ran in its own forward, not in that of a module inside it).
    """
    own: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for operation in ledger.operations:
        if not operation.inside:
            own[operation.path][operation.kind] += 1
    found = dict(unwrapped(net).named_modules())
    return [
        {
            **row,
            "settings": settings(found[str(row["path"])]),
            "operations": dict(sorted(own[str(row["path"])].items())),
        }
        for row in modules(ledger, net)
    ]


def operation_totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How often each operation ran in the whole network; empty for rows without operations."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.get("operations") or {})
    return dict(sorted(total.items()))


def settings(module: nn.Module) -> dict[str, Any]:
    """The public constants of a module as JSON types: numbers, texts, flags and tuples of these."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or name == "training":
            continue
        plain = _plain(value)
        if plain is not None:
            found[name] = plain
    return found


def _plain(value: object) -> Any:
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        # A path or a text differs between checkouts and says nothing of what is computed.
        return value if len(value) <= LONGEST_TEXT and "/" not in value and "\\" not in value else None
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (tuple, list)) and value:
        parts = [_plain(part) for part in value]
        return None if any(part is None for part in parts) else parts
    return None
