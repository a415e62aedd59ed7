"""Parameters and operations of a network under every counting rule, and one trace under one rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from segbench import limits
from segbench import resolution as sizes
from segbench.counting.kinds import is_arithmetic
from segbench.counting.rules import RULES, ModuleRule, OperationRule
from segbench.counting.trace import Operation, Trace
from segbench.counting.tracer import trace
from segbench.errors import BadType, FactoryError, UnknownName


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
        BadType: `net` is no module, or a size or the batch no whole number.
        SegbenchError: the network cannot be run with one image of this size.
    """
    if not isinstance(net, nn.Module):
        raise BadType(f"count takes a torch.nn.Module, as `segbench.build(name)` gives it: {type(net).__name__} given")
    height, width = sizes.pair(resolution)
    sizes.check(height, width)
    limits.check_integer("batch", batch)
    limits.check("batch", batch, 1, limits.BATCH)
    traced = trace(net, (batch, 3, height, width))
    return {
        "params": parameters(net),
        "live_params": traced.live_params,
        "operations": operation_counts(traced),
    }


def parameters(net: nn.Module) -> int:
    """All parameters, trainable or not; one that is shared counts once.

    Raises:
        FactoryError: `net` has lazy modules, whose parameters have no shape before the first run.
    """
    if any(is_lazy(parameter) for parameter in net.parameters()):
        raise FactoryError(
            f"{type(net).__name__} has lazy modules, whose parameters have no shape yet: "
            "run it once, or take `params` of its trace"
        )
    return sum(parameter.numel() for parameter in net.parameters())


def operation_counts(traced: Trace) -> dict[str, int]:
    """The trace counted under every rule, and ``live-macs``."""
    counts = {rule: count_trace(traced, rule).total for rule in RULES}
    counts["live-macs"] = count_trace(traced, "macs", reaching_output=True).total
    return counts


@dataclass(frozen=True, slots=True)
class Count:
    """What a rule makes of a trace.

    Attributes:
        total: the figure.
        unsupported: kinds of operations that compute something and that the rule does not see, with their number.
        by_kind: the figure by kind of operation or type of module; what the rule holds to be free is there with 0.
    """

    total: int
    unsupported: Mapping[str, int]
    by_kind: Mapping[str, int]


def count_trace(traced: Trace, rule: str, reaching_output: bool = False) -> Count:
    """What `rule` makes of a trace; pure, so a network is traced once and counted under every rule.

    Args:
        traced: from `segbench.counting.tracer.trace`.
        rule: a name of `RULES`.
        reaching_output: leave out what does not reach the main output (dead compute).

    Raises:
        UnknownName: no such rule.
    """
    if rule not in RULES:
        raise UnknownName("counting rule", rule, RULES)
    found = RULES[rule]
    if isinstance(found, ModuleRule):
        return _count_modules(found, traced, reaching_output)
    return _count_operations(found, traced, reaching_output)


def _count_operations(rule: OperationRule, traced: Trace, reaching_output: bool) -> Count:
    by_kind: Counter[str] = Counter()
    unsupported: Counter[str] = Counter()
    for operation in _seen(rule, traced, reaching_output):
        counter = None if rule.is_invisible(operation) else rule.counters.get(operation.kind)
        if counter is not None:
            by_kind[operation.kind] += counter(operation)
        elif rule.is_free(operation):
            by_kind[operation.kind] += 0
        else:
            unsupported[operation.kind] += 1
    return Count(sum(by_kind.values()), MappingProxyType(dict(unsupported)), MappingProxyType(dict(by_kind)))


def _seen(rule: OperationRule, traced: Trace, reaching_output: bool) -> Iterator[Operation]:
    for index, operation in enumerate(traced.operations):
        if reaching_output and index not in traced.reaching_output:
            continue
        if rule.returned_only and index not in traced.reaching_returned:
            continue
        if operation.inside if rule.whole else operation.divided:
            continue
        yield operation


def _count_modules(rule: ModuleRule, traced: Trace, reaching_output: bool) -> Count:
    by_kind: Counter[str] = Counter()
    covered: list[bool] = []
    for index, call in enumerate(traced.calls):
        counter = rule.counters.get(call.type)
        covered.append(counter is not None or (call.parent >= 0 and covered[call.parent]))
        if counter is not None and (not reaching_output or index in traced.calls_reaching_output):
            by_kind[call.type.__name__] += counter(call) * rule.times(call)
    unsupported = Counter(
        operation.kind
        for index, operation in enumerate(traced.operations)
        if not covered[operation.call]
        and not operation.inside
        and is_arithmetic(operation)
        and (not reaching_output or index in traced.reaching_output)
    )
    total = sum(by_kind.values())
    if rule.per_image:
        total //= traced.input_shape[0]
    return Count(total, MappingProxyType(dict(unsupported)), MappingProxyType(dict(by_kind)))
