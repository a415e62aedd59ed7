"""What is written down while a network is traced: hooks for its module calls, and numbers for storages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from segbench.counting.copies import name_of
from segbench.counting.trace import ModuleCall, Operation, Setting, Shape, StoredTensor, Trace
from segbench.errors import FactoryError
from segbench.models.outputs import main_output, tensors_in

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
)


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
    """What is written down while the network runs; puts its hooks on `net`, which is a copy."""

    net: nn.Module
    operations: list[Operation] = field(default_factory=list)
    calls: list[_OpenCall] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._storages: dict[int, int] = {}
        self._serial = 0
        self._paths = {module: path for path, module in self.net.named_modules()}
        self._settings = {module: _settings(module) for module in self._paths}
        self._occurrences = _occurrences(self.net)
        self.parameters = {
            name: StoredTensor(parameter.numel(), self.storage(parameter))
            for name, parameter in self.net.named_parameters()
        }
        for module in self._paths:
            if not isinstance(module, torch.jit.ScriptModule):
                module.register_forward_pre_hook(self._begin, prepend=True, with_kwargs=True)
                module.register_forward_hook(self._end)

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        parent = self.open[-1] if self.open else -1
        inputs = shapes_of(tensors_in((args, kwargs)))
        call = _OpenCall(self._paths[module], module, parent, inputs, self._settings[module], self._occurrences[module])
        self.open.append(len(self.calls))
        self.calls.append(call)

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.calls[self.open.pop()].outputs = shapes_of(tensors_in(output))

    def storage(self, tensor: Tensor, fresh: bool = False) -> int:
        """A number for the tensor's storage; a new one for `fresh`, because addresses are used again."""
        address = address_of(tensor)
        if fresh or address not in self._storages:
            self._serial += 1
            self._storages[address] = self._serial
        return self._storages[address]

    def finished(self, shape: Shape, output: object, label: str) -> Trace:
        """The trace of what was written down."""
        returned = list(tensors_in(output))
        if not returned:
            raise FactoryError(f"{name_of(self.net)} returns no tensor, but {type(output).__name__}")
        main = main_output(output)
        return Trace(
            input_shape=tuple(shape),
            output_shape=tuple(main.shape),
            device=label,
            operations=tuple(self.operations),
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
            parameters=self.parameters,
            main=frozenset({self.storage(main)}),
            returned=frozenset(self.storage(tensor) for tensor in returned),
        )


def shapes_of(tensors: Iterable[Tensor]) -> tuple[Shape, ...]:
    """Their shapes, in order."""
    return tuple([tuple(tensor.shape) for tensor in tensors])


def address_of(tensor: Tensor) -> int:
    """Where a tensor's storage is; of no use once the tensor is gone."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse and other tensors without one storage of their own
        return id(tensor)


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
