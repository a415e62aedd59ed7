"""Where parameters and multiply-accumulates are: a network module by module."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import nn

from segbench.measure.operations.copies import unwrapped
from segbench.measure.operations.ledger import Ledger, Shape
from segbench.measure.operations.macs import MACS


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


def breakdown(ledger: Ledger, net: nn.Module, depth: int | None = None) -> list[Row]:
    """One row per module down to `depth` (0 is the network alone; None is all), parents before children.

    Operations belong to the module in whose forward they ran, so a shared module keeps its work wherever it is called
    from, and children add up to no more than their parent.
    """
    net = unwrapped(net)
    inside = _macs_inside(ledger)
    outputs = {call.path: call.outputs[0] for call in ledger.calls if call.outputs}
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


def modules(ledger: Ledger, net: nn.Module) -> list[dict[str, str | int]]:
    """The rows of `breakdown` as a Record keeps them: path, type, params and macs of every module."""
    return [
        {"path": row.path, "type": row.type, "params": row.params, "macs": row.macs} for row in breakdown(ledger, net)
    ]


def _macs_inside(ledger: Ledger) -> Counter[str]:
    inside: Counter[str] = Counter()
    for operation in ledger.operations:
        price = MACS.get(operation.kind)
        if price is None or operation.divided:
            continue
        macs = price(operation)
        path = operation.path
        inside[path] += macs
        while path:
            path = path.rpartition(".")[0]
            inside[path] += macs
    return inside


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if not nn.parameter.is_lazy(parameter))
