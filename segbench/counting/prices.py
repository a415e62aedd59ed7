"""Prices for operations that segbench does not know: those of a call, and those that installed packages register.

A package registers its own by an entry point of the group ``segbench.prices`` that names a mapping from operation to
function, as `segbench.count` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import entry_points

from segbench.counting.macs import nothing, twice
from segbench.counting.rules import OperationCounter, OperationRule
from segbench.counting.trace import Operation
from segbench.errors import SegbenchError, first_line, one_line

GROUP = "segbench.prices"
Prices = Mapping[str, OperationCounter]


class PriceError(SegbenchError, ValueError):
    """Prices that cannot be loaded, are none, or fail."""


def all_prices(given: Prices | None = None) -> Prices:
    """The prices of a call before those of installed packages, by kind of operation.

    Raises:
        PriceError: an entry point does not load, or something is no mapping from names to functions.
    """
    found = dict(_registered())
    found.update(_checked({} if given is None else given, "prices"))
    return found


def priced(rule: OperationRule, prices: Prices | None) -> OperationRule:
    """`rule` with further prices: multiply-accumulates for the rules of MACs; no tool knows them."""
    if not prices:
        return rule
    if rule.name == "macs":
        further = dict(prices)
    elif rule.name == "2xmacs":
        further = {kind: twice(counter) for kind, counter in prices.items()}
    elif rule.name == "conv-macs":
        further = {kind: rule.counters.get(kind, nothing) for kind in prices}
    else:
        return rule
    return replace(rule, counters={**rule.counters, **further})


@cache
def _registered() -> Prices:
    found: dict[str, OperationCounter] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            prices = point.load()
        except Exception as error:
            raise PriceError(f"the prices {point.name!r} ({point.value}) do not load: {first_line(error)}") from error
        found.update(_checked(prices, f"{point.name!r} ({point.value})"))
    return found


def _checked(prices: object, where: str) -> dict[str, OperationCounter]:
    if not isinstance(prices, Mapping) or not all(isinstance(k, str) and callable(v) for k, v in prices.items()):
        raise PriceError(
            f'{where}: a mapping from operations to functions is accepted, as in {{"mylib::op": function}}'
        )
    return {kind.removeprefix("aten::"): partial(_price, function, kind, where) for kind, function in prices.items()}


def _price(function: OperationCounter, kind: str, where: str, operation: Operation) -> int:
    """What a price says of an operation, which has to be a number of operations."""
    try:
        found = function(operation)
    except Exception as error:
        raise PriceError(f"{where}: the price of {kind} fails: {one_line(error)}") from error
    if isinstance(found, bool) or not hasattr(found, "__index__") or found < 0:
        raise PriceError(f"{where}: the price of {kind} is {found!r:.80}: a whole number of 0 or more is accepted")
    return int(found)
