"""The counting rules by name, and what each makes of a ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from segbench.errors import UnknownName
from segbench.measure.operations import fvcore_rule, macs, ptflops_rule, thop_rule
from segbench.measure.operations.kinds import MOVES_DATA, has_no_products, is_arithmetic
from segbench.measure.operations.ledger import Ledger, ModuleCall, Operation


@dataclass(frozen=True, slots=True)
class Price:
    """What a rule makes of a ledger.

    Attributes:
        total: the figure.
        unpriced: kinds of operations that compute something and that the rule does not see, with their number.
        by_kind: the figure by kind of operation or type of module; what the rule holds to be free is there with 0.
    """

    total: int
    unpriced: Mapping[str, int]
    by_kind: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OperationRule:
    """Prices operations.

    Attributes:
        name: what users type.
        counts: one sentence that says what it counts.
        prices: a price for each kind.
        is_free: what is rightly without a price.
        traced_only: leave out what reaches no returned tensor.
        whole: price a composite operation as a whole and not by its parts.
        is_invisible: what is not priced in spite of its kind.
    """

    name: str
    counts: str
    prices: Mapping[str, macs.PriceOperation]
    is_free: Callable[[Operation], bool]
    traced_only: bool = False
    whole: bool = False
    is_invisible: Callable[[Operation], bool] = lambda operation: False

    def price(self, ledger: Ledger, live_only: bool = False) -> Price:
        """Price the operations of `ledger`; with `live_only` those that reach the main output."""
        by_kind: Counter[str] = Counter()
        unpriced: Counter[str] = Counter()
        for operation in self._seen(ledger, live_only):
            price = None if self.is_invisible(operation) else self.prices.get(operation.kind)
            if price is not None:
                by_kind[operation.kind] += price(operation)
            elif self.is_free(operation):
                by_kind[operation.kind] += 0
            else:
                unpriced[operation.kind] += 1
        return Price(sum(by_kind.values()), MappingProxyType(dict(unpriced)), MappingProxyType(dict(by_kind)))

    def _seen(self, ledger: Ledger, live_only: bool) -> Iterator[Operation]:
        for index, operation in enumerate(ledger.operations):
            if live_only and index not in ledger.live:
                continue
            if self.traced_only and index not in ledger.traced:
                continue
            if operation.inside if self.whole else operation.divided:
                continue
            yield operation


@dataclass(frozen=True, slots=True)
class ModuleRule:
    """Prices calls of modules of exact types.

    Attributes:
        name: what users type.
        counts: one sentence that says what it counts.
        prices: a price for each type.
        times: how often the tool counts a call, for modules that the network holds under several paths.
        per_image: divide by the batch size.
    """

    name: str
    counts: str
    prices: Mapping[type[nn.Module], thop_rule.PriceCall]
    times: Callable[[ModuleCall], int]
    per_image: bool = False

    def price(self, ledger: Ledger, live_only: bool = False) -> Price:
        """Price the module calls of `ledger`; with `live_only` those in which a live operation ran."""
        by_kind: Counter[str] = Counter()
        covered: list[bool] = []
        for index, call in enumerate(ledger.calls):
            price = self.prices.get(call.type)
            covered.append(price is not None or (call.parent >= 0 and covered[call.parent]))
            if price is not None and (not live_only or index in ledger.live_calls):
                by_kind[call.type.__name__] += price(call) * self.times(call)
        unpriced = Counter(
            operation.kind
            for index, operation in enumerate(ledger.operations)
            if not covered[operation.call]
            and not operation.inside
            and is_arithmetic(operation)
            and (not live_only or index in ledger.live)
        )
        total = sum(by_kind.values())
        if self.per_image:
            total //= ledger.input_shape[0]
        return Price(total, MappingProxyType(dict(unpriced)), MappingProxyType(dict(by_kind)))


def _free_in_fvcore(operation: Operation) -> bool:
    return operation.kind in MOVES_DATA or operation.kind in fvcore_rule.FREE


RULES: Mapping[str, OperationRule | ModuleRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            OperationRule(
                "macs",
                "multiply-accumulates of convolutions, transposed convolutions (input grid), linear layers and matrix "
                "products, attention included",
                macs.MACS,
                has_no_products,
            ),
            OperationRule("conv-macs", "as macs, without the matrix products", macs.CONV_MACS, has_no_products),
            OperationRule("2xmacs", "twice macs", macs.TWICE_MACS, has_no_products),
            OperationRule(
                "fvcore",
                "multiply-accumulates, 2 per batch-normalised element, 4 per bilinearly resized element, of what "
                "reaches the output; no scaled_dot_product_attention",
                fvcore_rule.FVCORE,
                _free_in_fvcore,
                traced_only=True,
                whole=True,
                is_invisible=fvcore_rule.is_invisible,
            ),
            ModuleRule(
                "thop",
                "modules of exact types: convolutions (transposed ones on the output grid), 4 per normalised element",
                thop_rule.THOP,
                thop_rule.times_counted,
            ),
            ModuleRule(
                "ptflops-0.6.3",
                "modules of exact types, per image: convolutions (transposed ones on the input grid) and biases, 2 per "
                "batch-normalised element, activation elements, pooling inputs",
                ptflops_rule.PTFLOPS_0_6_3,
                ptflops_rule.once,
                per_image=True,
            ),
            ModuleRule(
                "ptflops-0.6.9",
                "as ptflops-0.6.3, with GELU, and transposed convolutions on the output grid",
                ptflops_rule.PTFLOPS_0_6_9,
                ptflops_rule.per_path,
                per_image=True,
            ),
        )
    }
)


def price(ledger: Ledger, rule: str, live_only: bool = False) -> Price:
    """What `rule` makes of `ledger`; pure, so a ledger is recorded once and priced under every rule.

    Args:
        ledger: from `record`.
        rule: a name of `RULES`.
        live_only: leave out what does not reach the main output (dead compute).

    Raises:
        UnknownName: no such rule.
    """
    if rule not in RULES:
        raise UnknownName("counting rule", rule, RULES)
    return RULES[rule].price(ledger, live_only)
