"""Where parameters and multiply-accumulates are: a network module by module."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from torch import nn

from segbench.counting.copies import unwrapped
from segbench.counting.rules import MACS
from segbench.counting.trace import Shape, Trace

LONGEST_TEXT = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One module with everything inside it.

    Attributes:
        path: the first path under which the network holds it; empty for the network.
        type: name of its class.
        depth: 0 for the network.
        params: parameters inside, a shared one once.
        macs: multiply-accumulates inside, over all calls.
        output: shape that its last call returned; None where it was never called, or returned no tensor.
        share: of the network's multiply-accumulates, 0 to 1.
    """

    path: str
    type: str
    depth: int
    params: int
    macs: int
    output: Shape | None
    share: float


def breakdown(traced: Trace, net: nn.Module, depth: int | None = None) -> list[Row]:
    """One row per module down to `depth` (0 is the network alone; None is all), parents before children.

    Operations belong to the module in whose forward they ran, so a shared module keeps its work wherever it is called
    from, and children add up to no more than their parent.
    """
    net = unwrapped(net)
    inside = _macs_inside(traced)
    outputs = {call.path: call.outputs[0] for call in traced.calls if call.outputs}
    total = inside[""]
    rows = []
    for path, module in net.named_modules():
        level = path.count(".") + 1 if path else 0
        if depth is not None and level > depth:
            continue
        macs = inside[path]
        params = _params(module)
        share = macs / total if total else 0.0
        rows.append(Row(path, type(module).__name__, level, params, macs, outputs.get(path), share))
    return rows


def modules(traced: Trace, net: nn.Module) -> list[dict[str, str | int]]:
    """The rows of `breakdown` as a Record keeps them: path, type, params and macs of every module."""
    return [
        {"path": row.path, "type": row.type, "params": row.params, "macs": row.macs} for row in breakdown(traced, net)
    ]


def module_costs(traced: Trace, net: nn.Module) -> list[dict[str, Any]]:
    """Parameters, MACs, share of the MACs and output shape module by module, as a Record keeps them."""
    return [
        {
            "path": row.path,
            "type": row.type,
            "params": row.params,
            "macs": row.macs,
            "share": row.share,
            "output": None if row.output is None else list(row.output),
        }
        for row in breakdown(traced, net)
    ]


def structure(traced: Trace, net: nn.Module) -> list[dict[str, Any]]:
    """A Record's `modules` with settings and operations.

    Returns:
        For every module ``path``, ``type``, ``params`` and ``macs`` with everything inside it, ``settings`` (its
        public numbers, texts and tuples: kernel size, eps, slope, a user's own constants) and ``operations`` (how
        often each ran in its own forward, not in that of a module inside it).
    """
    own: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for operation in traced.operations:
        if not operation.inside:
            own[operation.path][operation.kind] += 1
    found = dict(unwrapped(net).named_modules())
    return [
        {
            **row,
            "settings": settings(found[str(row["path"])]),
            "operations": dict(sorted(own[str(row["path"])].items())),
        }
        for row in modules(traced, net)
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


def _macs_inside(traced: Trace) -> Counter[str]:
    inside: Counter[str] = Counter()
    for operation in traced.operations:
        counter = MACS.get(operation.kind)
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
