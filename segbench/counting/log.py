"""What is written down while a network is traced: hooks for its module calls, and numbers for storages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.hooks import RemovableHandle

from segbench.counting.copies import name_of, tensors_of
from segbench.counting.trace import OPAQUE, ModuleCall, Operation, Setting, Shape, StoredTensor, Trace
from segbench.errors import FactoryError
from segbench.models.outputs import main_output, selected, taken, tensors_in

# What the rules ask a module.
_SETTINGS = (
    "kernel_size",
    "in_channels",
    "out_channels",
    "in_features",
    "groups",
    "bias",
    "affine",
    "elementwise_affine",
    "mode",
    "dim",
    "num_heads",
    "batch_first",
    "in_proj_bias",
    "input_size",
    "hidden_size",
    "num_layers",
    "bidirectional",
)

# Their storage holds nothing yet.
_UNINITIALISED = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"})

# `Tensor.numpy` and `tolist` begin with it; what is done with the values then, no mode sees.
_LEAVES_TORCH = frozenset({"resolve_neg"})


@dataclass
class _OpenCall:
    path: str
    module: nn.Module
    parent: int
    inputs: tuple[Shape, ...]
    settings: Mapping[str, Setting]
    occurrences: int
    outputs: tuple[Shape, ...] = ()


@dataclass
class Log:
    """What is written down while the network runs; puts its hooks on `net`, which is a copy.

    Attributes:
        net: the copy.
        given: the tensors that it is run on.
        operations: in the order in which they ran.
        calls: module calls in the order in which they began.
        open: indices of the calls that have not ended, the innermost last.
    """

    net: nn.Module
    given: tuple[Tensor, ...] = ()
    operations: list[Operation] = field(default_factory=list)
    calls: list[_OpenCall] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._storages: dict[int, int] = {}
        # While something refers to a storage, even weakly, no other one gets its address.
        self._kept: list[StorageWeakRef | Tensor] = []
        self._empty: set[int] = set()
        self._opaque: dict[int, StorageWeakRef | Tensor] = {}
        self._weights: dict[int, tuple[str, int]] = {}
        self._serial = 0
        self._hooks: list[RemovableHandle] = []
        self._paths = {module: path for path, module in self.net.named_modules()}
        self._settings = {module: _settings(module) for module in self._paths}
        self._occurrences = _occurrences(self.net)
        self._registered = {id(parameter) for parameter in self.net.parameters()}
        self._names = {}
        for name, tensor in tensors_of(self.net).items():
            self._names[self.storage(tensor)] = name
        for tensor in self.given:
            self.storage(tensor)
        for module in self._paths:
            if not isinstance(module, torch.jit.ScriptModule):
                self._hooks.append(module.register_forward_pre_hook(self._begin, prepend=True, with_kwargs=True))
                self._hooks.append(module.register_forward_hook(self._end))

        if isinstance(self.net, torch.jit.ScriptModule):
            # It takes no hooks: one call for all.
            self._begin(self.net, tuple(self.given), {})

    def unhook(self) -> None:
        """Take the hooks off again."""
        for hook in self._hooks:
            hook.remove()

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.open[-1] if self.open else -1
        inputs = shapes_of(tensors_in((args, kwargs)))
        call = _OpenCall(self._paths[module], module, parent, inputs, self._settings[module], self._occurrences[module])
        self.open.append(len(self.calls))
        self.calls.append(call)

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.calls[self.open.pop()].outputs = shapes_of(tensors_in(output))

    def storage(self, tensor: Tensor, fresh: bool = False) -> int:
        """A number for the tensor's storage; a new one for `fresh`."""
        address = address_of(tensor)
        if fresh or address not in self._storages:
            self._serial += 1
            self._storages[address] = self._serial
            self._kept.append(_keeper(tensor))
        return self._storages[address]

    def note_reads(self, kind: str, tensors: Iterable[Tensor], writes: Iterable[int]) -> None:
        """Note weights that no module registers, and storages that nobody was seen to write, before an operation."""
        writes = set(writes)
        for tensor in tensors:
            if isinstance(tensor, nn.Parameter) and id(tensor) not in self._registered:
                self._note_weight(kind, tensor)
            # A number that meets a tensor comes as a tensor of no dimensions, made where no mode sees it.
            if tensor.is_meta or tensor.numel() < 2:
                continue
            storage = self._storages.get(address_of(tensor))
            if storage is None or (storage in self._empty and writes and storage not in writes):
                self._note_opaque(tensor)

    def note_lifted(self, tensors: Iterable[Tensor]) -> None:
        """Note tensors that are made of what Python has, where NumPy or Python had values of the network before."""
        if any(operation.kind in _LEAVES_TORCH for operation in self.operations):
            for tensor in tensors:
                if not tensor.is_meta and tensor.numel() > 1:
                    self._note_opaque(tensor)

    def _note_weight(self, kind: str, tensor: Tensor) -> None:
        storage = self.storage(tensor)
        name = self._names.get(storage) or f"a weight of {kind}{self._place()}"
        self._weights[storage] = (name, tensor.numel())

    def note_packed(self, kind: str, key: int, weight: Tensor) -> None:
        """Note a weight that a quantised layer keeps packed, as no parameter; `key` tells it from others."""
        self._weights[-key] = (f"the packed weight of {kind}{self._place()}", weight.numel())

    def _place(self) -> str:
        path = self.calls[self.open[-1]].path if self.open else ""
        return f" in {path}" if path else ""

    def _note_opaque(self, tensor: Tensor) -> None:
        """What is in the tensor may depend on all that ran before it."""
        before = {storage for operation in self.operations for storage in operation.writes}
        before.update(self._storages.values())
        self._empty.discard(self._storages.get(address_of(tensor), 0))
        call = self.open[-1] if self.open else 0
        self._opaque[len(self.operations)] = _keeper(tensor)
        self.operations.append(
            Operation(
                kind=OPAQUE,
                overload="",
                path=self.calls[call].path,
                call=call,
                inputs=(),
                outputs=(tuple(tensor.shape),),
                reads=tuple(sorted(before)),
                writes=(self.storage(tensor),),
            )
        )

    def note_writes(self, kind: str, writes: Iterable[int]) -> None:
        """Note which storages hold something from here on."""
        if kind in _UNINITIALISED:
            self._empty.update(writes)
        else:
            self._empty.difference_update(writes)

    @property
    def changed_parameters(self) -> bool:
        """Whether the run made parameters, or modules, that were not there before it."""
        return {id(parameter) for parameter in self.net.parameters()} != self._registered

    def finished(self, shape: Shape, output: object, label: str, which: str | None = None) -> Trace:
        """The trace of what was written down.

        Args:
            shape: of the first input.
            output: what the network returned.
            label: what it ran on.
            which: the user's name for the output that counts.
        """
        returned = list(tensors_in(output))
        chosen = selected(output, which, name_of(self.net))
        if which is not None and next(tensors_in(chosen), None) is None:
            raise FactoryError(f"{name_of(self.net)} returns no tensor as {which!r}, but {type(chosen).__name__}")
        main = main_output(chosen) if returned else None
        parameters = {
            name: StoredTensor(parameter.numel(), self.storage(parameter))
            for name, parameter in self.net.named_parameters()
        }
        main_storages = frozenset() if main is None else frozenset({self.storage(main)})
        returned_storages = frozenset(self.storage(tensor) for tensor in returned)
        return Trace(
            input_shape=tuple(shape),
            output_shape=() if main is None else tuple(main.shape),
            device=label,
            operations=self._without_constants(returned_storages),
            calls=tuple(
                ModuleCall(
                    call.path,
                    type(call.module),
                    call.parent,
                    call.inputs,
                    call.outputs,
                    call.settings,
                    call.occurrences,
                )
                for call in self.calls
            ),
            parameters=parameters,
            main=main_storages,
            returned=returned_storages,
            unregistered=dict(self._weights.values()),
            taken=(taken(chosen) or "") if which is None else "",
        )

    def _without_constants(self, returned: frozenset[int]) -> tuple[Operation, ...]:
        """The operations; a storage that outlives the run was no result of it, but a tensor that the code holds."""
        constants = {
            index
            for index, keeper in self._opaque.items()
            if not (isinstance(keeper, StorageWeakRef) and keeper.expired())
            and returned.isdisjoint(self.operations[index].writes)
        }
        return tuple(operation for index, operation in enumerate(self.operations) if index not in constants)


def shapes_of(tensors: Iterable[Tensor]) -> tuple[Shape, ...]:
    """Their shapes, in order."""
    return tuple([tuple(tensor.shape) for tensor in tensors])


def address_of(tensor: Tensor) -> int:
    """Where a tensor's storage is; of no use once the tensor is gone."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse and other tensors without one storage of their own
        return id(tensor)


def _keeper(tensor: Tensor) -> StorageWeakRef | Tensor:
    try:
        return StorageWeakRef(tensor.untyped_storage())
    except (NotImplementedError, RuntimeError):
        return tensor


def _settings(module: nn.Module) -> Mapping[str, Setting]:
    """The attributes that rules read; only of torch's own layers and what derives from one: no rule counts another."""
    settings: dict[str, Setting] = {}
    if any(parent.__module__.startswith("torch.nn.") for parent in type(module).__mro__ if parent is not nn.Module):
        for name in _SETTINGS:
            value = getattr(module, name, None)
            if isinstance(value, (Tensor, bool)) or name in ("bias", "in_proj_bias"):
                settings[name] = value is not None and value is not False
            elif isinstance(value, (int, float, str, tuple)):
                settings[name] = value
    return settings


def _occurrences(net: nn.Module) -> Mapping[nn.Module, int]:
    """Under how many paths the network holds each module; twice in one parent is one path, as for the tools."""
    counts: Counter[nn.Module] = Counter()

    def visit(module: nn.Module) -> None:
        counts[module] += 1
        for child in module.children():
            visit(child)

    visit(net)
    return counts
