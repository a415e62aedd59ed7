"""Where parameters and multiply-accumulates are: a network module by module."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from segbench.counting.copies import unwrapped
from segbench.counting.prices import Prices
from segbench.counting.rules import MACS
from segbench.counting.trace import Trace
from segbench.records.results import ModuleRow

LONGEST_TEXT = 40


def modules(
    traced: Trace, net: nn.Module, with_settings: bool = False, prices: Prices | None = None
) -> list[ModuleRow]:
    """A Record's `modules`: one row per module, parents before children.

    Operations belong to the module in whose forward they ran, so a shared module keeps its work wherever it is called
    from, and children add up to no more than their parent.

    Args:
        traced: from `segbench.counting.tracer.trace`.
        net: the network that was traced.
        with_settings: say also what each module is made of, so that a later comparison can say what changed.
        prices: multiply-accumulates of operations that segbench does not know.

    Returns:
        For every module ``path`` (the first under which the network holds it; empty for the network), ``type`` (the
        name of its class), ``params`` inside it (a shared one once), ``macs`` inside it over all calls, ``share`` of
        the network's MACs (0 to 1) and ``output`` (the shape that its last call returned; None where it was never
        called, or returned no tensor). With settings also ``settings`` (its public numbers, texts and tuples: kernel
        size, eps, slope, a user's own constants) and ``operations`` (how often each ran in its own forward, not in
        that of a module inside it).
    """
    macs = _macs_inside(traced, {**MACS, **(prices or {})})
    total = macs[""]
    outputs = {call.path: list(call.outputs[0]) for call in traced.calls if call.outputs}
    own = _own_operations(traced) if with_settings else {}
    rows = []
    for path, module in unwrapped(net).named_modules():
        rows.append(
            ModuleRow(
                path=path,
                type=type(module).__name__,
                params=_params(module),
                macs=macs[path],
                share=macs[path] / total if total else 0.0,
                output=outputs.get(path),
                settings=settings(module) if with_settings else None,
                operations=dict(sorted(own.get(path, {}).items())) if with_settings else None,
            )
        )
    return rows


def operation_totals(rows: Iterable[ModuleRow]) -> dict[str, int]:
    """How often each operation ran in the whole network; empty for rows without operations."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row.operations or {})
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


def _own_operations(traced: Trace) -> Mapping[str, Counter[str]]:
    own: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for operation in traced.operations:
        if not operation.inside:
            own[operation.path][operation.kind] += 1
    return own


def _macs_inside(traced: Trace, counters: Prices) -> Counter[str]:
    inside: Counter[str] = Counter()
    for operation in traced.operations:
        counter = counters.get(operation.kind)
        if counter is None or operation.divided:
            continue
        macs = counter(operation)
        path = operation.path
        inside[path] += macs
        while path:
            path = path.rpartition(".")[0]
            inside[path] += macs
    return inside


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if not nn.parameter.is_lazy(parameter))
