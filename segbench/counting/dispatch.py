"""Write down the operations of a network while it runs: a dispatch mode that sees each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from segbench.counting import kinds, rules
from segbench.counting.log import Log, address_of, shapes_of
from segbench.counting.shapes import KNOWN
from segbench.counting.trace import Operation, Shape
from segbench.models.outputs import tensors_in

# Composite operations that rules count or call free as they are; any other composite is recorded with its parts.
_WHOLE = frozenset(rules.MACS) | (frozenset(rules.FVCORE) - {"einsum"}) | kinds.MOVES_DATA | kinds.NO_PRODUCTS


class OperationMode(TorchDispatchMode):
    """Writes every operation into a log."""

    # flex_attention and others that take functions; without it torch refuses to run them under a mode.
    supports_higher_order_operators = True

    def __init__(self, log: Log, whole: Iterable[str] = ()) -> None:
        """Write into `log`; the kinds in `whole` are recorded as they are, composite or not."""
        super().__init__()
        self.log = log
        self.inside = ""
        self.whole = frozenset(whole)

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, by its parts where no rule knows the whole, and write it down."""
        arguments = {} if kwargs is None else kwargs
        about = _describe(func) if isinstance(func, torch._ops.OpOverload) else _describe_higher_order(func)
        divided = about.composite and about.kind not in self.whole
        log = self.log
        given = list(tensors_in((args, arguments)))
        if not about.lifts:
            log.note_reads(about.kind, given, ())
        reads = tuple([log.storage(tensor, fresh=about.lifts) for tensor in given])
        if about.lifts:
            log.note_lifted(given)
        result: Any = NotImplemented
        if divided:
            outer, self.inside = self.inside, self.inside or about.kind
            try:
                with self:
                    result = func.decompose(*args, **arguments)
            finally:
                self.inside = outer
            divided = result is not NotImplemented
        named = dict(zip(about.names, args, strict=False)) | arguments
        if not divided:
            quick = KNOWN.get((about.kind, about.overload)) if given and given[0].is_meta else None
            known = quick(named) if quick is not None else None
            result = func(*args, **arguments) if known is None else known
        self._write_down(about, named, given, list(tensors_in(result)), reads, divided)
        return result

    def _write_down(
        self,
        about: _About,
        arguments: Mapping[str, Any],
        given: list[Tensor],
        produced: list[Tensor],
        reads: tuple[int, ...],
        divided: bool,
    ) -> None:
        log = self.log
        kind, kernel, stride = _geometry(about.kind, arguments)
        writes = self._writes(about, arguments, given, produced, divided)
        if not divided:
            log.note_reads(kind, given, writes)
            log.note_writes(kind, writes)
        packed = []
        for argument in arguments.values():
            weight = _packed_weight(argument)
            if weight is not None:
                packed.append(weight)
                log.note_packed(kind, id(argument), weight)
        complex_factors = sum(tensor.is_complex() for tensor in given[:2])
        call = log.open[-1] if log.open else 0
        log.operations.append(
            Operation(
                kind=kind,
                overload=about.overload,
                path=log.calls[call].path,
                call=call,
                inputs=shapes_of([*given, *packed]),
                outputs=shapes_of(produced),
                groups=arguments.get("groups", 1) if kernel else 1,
                kernel=kernel,
                stride=stride,
                affine=arguments.get("weight") is not None,
                training=bool(arguments.get("training", False)),
                equation=arguments.get("equation", ""),
                reads=reads,
                writes=writes,
                inside=self.inside,
                divided=divided,
                pointwise=about.pointwise,
                real_products=(1, 2, 4)[complex_factors],
                dims=tuple(arguments["dim"]) if kind.startswith("_fft_") else (),
                stored=next((tensor._nnz() for tensor in given if tensor.layout is not torch.strided), None),
            )
        )

    def _writes(
        self,
        about: _About,
        arguments: Mapping[str, Any],
        given: list[Tensor],
        produced: list[Tensor],
        divided: bool,
    ) -> tuple[int, ...]:
        """Storages that were changed in address, and new ones."""
        taken = {address_of(tensor) for tensor in given}
        writes = {self.log.storage(tensor) for name in about.written for tensor in tensors_in(arguments.get(name))}
        for tensor in produced:
            address = address_of(tensor)
            if address not in taken:
                taken.add(address)
                writes.add(self.log.storage(tensor, fresh=not divided))  # the parts have named it already
        return tuple(writes)


def _packed_weight(argument: object) -> Tensor | None:
    """The weight in what a quantised convolution or linear layer keeps packed."""
    if not isinstance(argument, torch.ScriptObject):
        return None
    try:
        weight = argument.unpack()[0]  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError, TypeError):
        return None
    return weight if isinstance(weight, Tensor) else None


def _geometry(kind: str, arguments: Mapping[str, Any]) -> tuple[str, Shape, Shape]:
    """The kind with the dimensions of a convolution in its name, its kernel and its stride."""
    weight = arguments.get("weight")
    if "conv" not in kind or weight is None:
        return kind, (), ()
    kernel = tuple(weight.shape[2:])
    if kind in ("convolution", "_convolution"):
        kind = f"conv{'_transpose' if arguments.get('transposed') else ''}{len(kernel)}d"
    return kind, kernel, _filled(arguments.get("stride", 1), len(kernel))


def _filled(value: object, length: int) -> Shape:
    if isinstance(value, (list, tuple)):
        return tuple(value) * (length if len(value) == 1 else 1)
    return (value,) * length if isinstance(value, int) else ()


@dataclass(frozen=True, slots=True)
class _About:
    kind: str
    overload: str
    names: tuple[str, ...]
    written: tuple[str, ...]
    composite: bool
    lifts: bool
    pointwise: bool


@cache
def _describe(func: Any) -> _About:
    """What the schema says of an ATen operation."""
    schema = func._schema
    kind = schema.name.removeprefix("aten::")
    if kind.endswith("_") and not kind.endswith("__"):
        kind = kind[:-1]
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    return _About(
        kind=kind,
        overload=func._overloadname,
        names=tuple(argument.name for argument in schema.arguments),
        written=tuple(a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write),
        composite=composite and kind not in _WHOLE,
        lifts=kind == "lift_fresh",
        pointwise=torch.Tag.pointwise in func.tags,
    )


@cache
def _describe_higher_order(func: Any) -> _About:
    """An operator that takes functions (`torch.cond`, `flex_attention`): known by its name alone."""
    return _About(str(func), "", ("query", "key", "value"), (), False, False, False)
