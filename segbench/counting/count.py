"""Parameters and operations of a network under every counting rule, and one trace under one rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from segbench import limits
from segbench import resolution as sizes
from segbench.counting import macs, winograd
from segbench.counting.kinds import is_arithmetic
from segbench.counting.prices import Prices, all_prices, priced
from segbench.counting.rules import FFT_FLOPS, RULES, ModuleRule, OperationRule
from segbench.counting.trace import Operation, Trace
from segbench.counting.tracer import trace
from segbench.errors import BadType, FactoryError, UnknownName
from segbench.inputs import parse_all

LIVE = "live-macs"


def count(
    net: nn.Module,
    resolution: tuple[int, int],
    batch: int = 1,
    *,
    inputs: Sequence[str] = (),
    output: str | int | None = None,
    prices: Prices | None = None,
) -> dict[str, Any]:
    """Count parameters and operations of any network.

    `net` is left as it was: buffers, hooks, training flags, global flags and random state.

    Args:
        net: a network, on any device; counted in eval mode.
        resolution: height and width of the input.
        batch: images per forward.
        inputs: what it takes where that is not one image, such as ``("1x3xHxW", "1x1xHxW")``.
        output: key, field or index of the output that counts for ``live-macs``.
        prices: multiply-accumulates of operations that segbench does not know, or a better price for those that it
            does: a function of a `segbench.counting.trace.Operation` by name, such as ``{"mylib::op": function}``.

    Returns:
        ``{"params": int, "live_params": int, "operations": {rule: int}, "uncounted": {operation: times}}``;
        ``live-macs`` are the MACs that reach the output, ``live-macs-3x3`` and ``live-macs-3x1`` those of them in
        layers that Winograd's algorithm takes. Where anything is uncounted, the counts are lower bounds. A network
        that returns no tensor has neither these nor ``fvcore``, and ``live_params`` is None: what reaches an output is
        not known.

    Raises:
        BadType: `net` is no module, a size or the batch no whole number, `inputs` no texts, or `output` no name.
        BadOption: a size, the batch or an input out of range.
        PriceError: prices that are none, or of which one fails.
        SegbenchError: the network cannot be run with these inputs.

    Example:
        A 3x3 convolution from 3 to 19 channels: 9 * 3 * 19 weights and 19 biases, each weight once for each pixel.

        >>> counted = count(nn.Conv2d(3, 19, 3, padding=1), (64, 128))
        >>> counted["params"], counted["operations"]["macs"]
        (532, 4202496)

        ENet at the size at which its paper costs it; some of its parameters never reach the output:

        >>> from segbench import build
        >>> counted = count(build("enet"), (360, 640))
        >>> counted["params"], counted["live_params"]
        (360422, 357990)
        >>> for rule, operations in counted["operations"].items():
        ...     print(f"{rule:14} {operations:13,}")
        macs           1,811,116,800
        conv-macs      1,811,116,800
        2xmacs         3,622,233,600
        fvcore         1,866,643,200
        thop           3,092,601,600
        ptflops-0.6.3  1,913,529,600
        ptflops-0.6.9  2,710,252,800
        torchstat      1,689,580,800
        live-macs      1,811,116,800
        live-macs-3x3    615,859,200
        live-macs-3x1              0
    """
    if not isinstance(net, nn.Module):
        raise BadType(f"count takes a torch.nn.Module, as `segbench.build(name)` gives it: {type(net).__name__} given")
    height, width = sizes.pair(resolution)
    sizes.check(height, width)
    limits.check_integer("batch", batch)
    limits.check("batch", batch, 1, limits.BATCH)
    given = parse_all(() if inputs is None else inputs)
    if output is not None and (isinstance(output, bool) or not isinstance(output, (str, int))):
        raise BadType(f"output is a key, a field or an index: {output!r:.80} given")
    known = all_prices(prices)
    traced = trace(
        net,
        (batch, 3, height, width),
        inputs=given if inputs else None,
        output=None if output is None else str(output),
        whole=known,
    )
    return {
        "params": traced.params,
        "live_params": traced.live_params if traced.returned else None,
        "operations": operation_counts(traced, known),
        "uncounted": uncounted(traced, known),
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


def operation_counts(traced: Trace, prices: Prices | None = None) -> dict[str, int]:
    """The trace counted under every rule, and the MACs that reach the output: all of them, and of fast kernels.

    ``fft-flops`` stands beside them where there are Fourier transforms. What goes by the output is left out where no
    tensor is returned.
    """
    rules = [name for name, rule in RULES.items() if traced.returned or not getattr(rule, "returned_only", False)]
    counts = {rule: count_trace(traced, rule, prices=prices).total for rule in rules}
    if traced.returned:
        counts[LIVE] = count_trace(traced, "macs", reaching_output=True, prices=prices).total
        counts |= live_macs_by_kernel(traced)
    flops = sum(FFT_FLOPS[op.kind](op) for op in traced.operations if op.kind in FFT_FLOPS)
    return counts | ({"fft-flops": flops} if flops else {})


def live_macs_by_kernel(traced: Trace) -> dict[str, int]:
    """``live-macs-3x3`` and ``live-macs-3x1``: MACs that reach the output in layers that Winograd's algorithm takes."""
    found = {f"{LIVE}-{kernel}": 0 for kernel in winograd.FEWER}
    for index in traced.reaching_output:
        operation = traced.operations[index]
        kernel = winograd.kernel(operation)
        if kernel is not None:
            found[f"{LIVE}-{kernel}"] += macs.convolution(operation)
    return found


def uncounted(traced: Trace, prices: Prices | None = None) -> dict[str, int]:
    """Operations with arithmetic that no rule prices, and how often each ran: with any, the MACs are a lower bound."""
    found = count_trace(traced, "macs", prices=prices).unsupported
    return {kind: times for kind, times in found.items() if kind not in FFT_FLOPS}


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


def count_trace(traced: Trace, rule: str, reaching_output: bool = False, prices: Prices | None = None) -> Count:
    """What `rule` makes of a trace; pure, so a network is traced once and counted under every rule.

    Args:
        traced: from `segbench.counting.tracer.trace`.
        rule: a name of `RULES`.
        reaching_output: leave out what does not reach the main output (dead compute).
        prices: what ``macs`` and ``2xmacs`` charge for operations that segbench does not know.

    Raises:
        UnknownName: no such rule.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 19, 3, padding=1), nn.Softmax(dim=1))
        >>> traced = trace(network, (1, 3, 64, 128))
        >>> counted = count_trace(traced, "fvcore")
        >>> counted.total, dict(counted.unsupported)
        (4202496, {'softmax': 1})
    """
    if rule not in RULES:
        raise UnknownName("counting rule", rule, RULES)
    found = RULES[rule]
    if isinstance(found, ModuleRule):
        return _count_modules(found, traced, reaching_output)
    return _count_operations(priced(found, prices), traced, reaching_output)


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
    last = {call.path: index for index, call in enumerate(traced.calls)} if rule.last_call(traced) else {}
    for index, call in enumerate(traced.calls):
        counter = rule.counter(call.type)
        covered.append(counter is not None or (call.parent >= 0 and covered[call.parent]))
        if counter is None or last.get(call.path, index) != index:
            continue
        if not reaching_output or index in traced.calls_reaching_output:
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
