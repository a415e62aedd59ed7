"""Parameters and operation counts of a network, under every counting rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from segbench import resolution as sizes
from segbench.errors import SegbenchError
from segbench.measure.operations import RULES, Ledger, breakdown, price, record
from segbench.measure.parameters import live_parameters, parameters
from segbench.measure.subject import Subject
from segbench.measure.tools import run_tool


def count(net: nn.Module, resolution: tuple[int, int], batch: int = 1) -> dict[str, Any]:
    """Count parameters and operations of any network that takes one image tensor.

    `net` is left as it was: buffers, hooks, training flags, global flags and random state.

    Args:
        net: a network ``(N, 3, H, W)`` to logits, on any device; counted in eval mode.
        resolution: height and width of the input.
        batch: images per forward.

    Returns:
        ``{"params": int, "live_params": int, "operations": {rule: int}}``; ``live-macs`` are the MACs that reach the
        output.

    Raises:
        SegbenchError: the network cannot be run with one image of this size.
    """
    sizes.check(*resolution)
    ledger = record(net, (batch, 3, *resolution))
    return {
        "params": parameters(net),
        "live_params": live_parameters(net, ledger),
        "operations": operation_counts(ledger),
    }


def operation_counts(ledger: Ledger) -> dict[str, int]:
    """The ledger priced under every rule, and ``live-macs``."""
    counts = {rule: price(ledger, rule).total for rule in RULES}
    counts["live-macs"] = price(ledger, "macs", live_only=True).total
    return counts


def module_costs(ledger: Ledger, net: nn.Module) -> list[dict[str, Any]]:
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
        for row in breakdown(ledger, net)
    ]


def tool_counts(
    subject: Subject, resolution: tuple[int, int], tools: Iterable[str], batch: int = 1
) -> tuple[dict[str, int], list[str]]:
    """What the real fvcore and thop packages report, each on a fresh instance because they change what they count.

    Returns:
        Counts by tool, and one sentence for each tool that failed.
    """
    counts: dict[str, int] = {}
    notes: list[str] = []
    for tool in tools:
        try:
            counts[tool] = run_tool(tool, subject.build(), (batch, 3, *resolution)).total
        except SegbenchError as error:
            notes.append(str(error))
    return counts, notes
