"""Trace a network: run a copy of it once and write down its operations and its module calls.

The run is on the meta device (shapes only: no memory, no arithmetic) and in inference mode, where operations arrive as
the network called them: ``linear`` and not ``mm`` or ``addmm``, ``scaled_dot_product_attention`` and not its parts.
Hooks write down the module calls, a dispatch mode the operations.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from segbench.counting import copies, kinds, rules, shapes
from segbench.counting.trace import ModuleCall, Operation, Setting, Shape, StoredTensor, Trace
from segbench.errors import BadResolution, FactoryError, SegbenchError, first_line
from segbench.models.outputs import main_output, tensors_in

# Composite operations that rules count or call free as they are; any other composite is recorded with its parts.
_WHOLE = frozenset(rules.MACS) | (frozenset(rules.FVCORE) - {"einsum"}) | kinds.MOVES_DATA | kinds.NO_PRODUCTS

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


def trace(net: nn.Module, shape: tuple[int, int, int, int]) -> Trace:
    """Run `net` once in eval mode on an image (N, C, H, W) and write down what it does.

    The network is copied first: it is neither moved nor changed, and a large one costs no memory. Where it does not
    run on meta (control flow on values, an operation without a meta kernel), the copy runs on real tensors on the CPU.

    Raises:
        FactoryError: the network does not take one image, cannot be copied, or fails on this image.
        BadResolution: the shape is not four positive integers, or the network rejects the size.
    """
    if len(shape) != 4 or any(size < 1 for size in shape):
        raise BadResolution(f"an image has four sizes (N, C, H, W) of 1 or more: {tuple(shape)} given")
    net = copies.unwrapped(net)
    _check_takes_one_image(net)
    try:
        return _run(copies.on_meta(net), shape, "meta", "meta")
    except SegbenchError:
        raise
    except Exception as error:
        reason = first_line(error)
    try:
        return _run(copies.on_cpu(net), shape, "cpu", f"real tensors ({reason})")
    except SegbenchError:
        raise
    except Exception as error:
        size = "x".join(map(str, shape))
        raise FactoryError(
            f"{copies.called(net)} fails on an image of {size} (NxCxHxW): {first_line(error)}"
        ) from error


def _check_takes_one_image(net: nn.Module) -> None:
    try:
        signature = inspect.signature(net.forward)
    except ValueError:
        return
    try:
        signature.bind(torch.empty(0, device="meta"))
    except TypeError as error:
        name = copies.called(net)
        raise FactoryError(f"{name}.forward{signature} does not take one image tensor alone: {error}") from error


def _run(net: nn.Module, shape: tuple[int, int, int, int], device: str, label: str) -> Trace:
    with copies.undisturbed(), torch.device(device):
        if any(is_lazy(tensor) for tensor in (*net.parameters(), *net.buffers())):
            # Lazy modules take their shapes, and their final classes, from a first run; not in inference mode, whose
            # tensors cannot become parameters.
            with torch.no_grad():
                net(torch.zeros(shape))
        with torch.inference_mode():
            log = Log(net)
            image = copies.image(net, shape, device)
            with OperationMode(log):
                output = net(image)
        return log.finished(shape, output, label)


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
        inputs = tuple(tuple(tensor.shape) for tensor in tensors_in((args, kwargs)))
        call = _OpenCall(self._paths[module], module, parent, inputs, self._settings[module], self._occurrences[module])
        self.open.append(len(self.calls))
        self.calls.append(call)

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.calls[self.open.pop()].outputs = tuple(tuple(tensor.shape) for tensor in tensors_in(output))

    def storage(self, tensor: Tensor, fresh: bool = False) -> int:
        """A number for the tensor's storage; a new one for `fresh`, because addresses are used again."""
        address = _address(tensor)
        if fresh or address not in self._storages:
            self._serial += 1
            self._storages[address] = self._serial
        return self._storages[address]

    def finished(self, shape: Shape, output: object, label: str) -> Trace:
        """The trace of what was written down."""
        returned = list(tensors_in(output))
        if not returned:
            raise FactoryError(f"{copies.called(self.net)} returns no tensor, but {type(output).__name__}")
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


class OperationMode(TorchDispatchMode):
    """Writes every operation into a log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log
        self.inside = ""

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, by its parts where no rule knows the whole, and write it down."""
        arguments = {} if kwargs is None else kwargs
        about = _describe(func)
        divided = about.composite
        log = self.log
        given = list(tensors_in((args, arguments)))
        reads = tuple([log.storage(tensor, fresh=about.lifts) for tensor in given])
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
            quick = shapes.KNOWN.get((about.kind, about.overload)) if given and given[0].is_meta else None
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
        taken = {_address(tensor) for tensor in given}
        writes = {log.storage(tensor) for name in about.written for tensor in tensors_in(arguments.get(name))}
        for tensor in produced:
            address = _address(tensor)
            if address not in taken:
                taken.add(address)
                writes.add(log.storage(tensor, fresh=not divided))  # the parts have named it already
        weight = arguments.get("weight")
        kind = about.kind
        kernel: Shape = ()
        stride: Shape = ()
        if "conv" in kind and weight is not None:
            kernel = tuple(weight.shape[2:])
            stride = _filled(arguments.get("stride", 1), len(kernel))
            if kind in ("convolution", "_convolution"):
                kind = f"conv{'_transpose' if arguments.get('transposed') else ''}{len(kernel)}d"
        call = log.open[-1] if log.open else 0
        log.operations.append(
            Operation(
                kind=kind,
                overload=about.overload,
                path=log.calls[call].path,
                call=call,
                inputs=tuple([tuple(tensor.shape) for tensor in given]),
                outputs=tuple([tuple(tensor.shape) for tensor in produced]),
                groups=arguments.get("groups", 1) if kernel else 1,
                kernel=kernel,
                stride=stride,
                affine=weight is not None,
                training=bool(arguments.get("training", False)),
                equation=arguments.get("equation", ""),
                reads=reads,
                writes=tuple(writes),
                inside=self.inside,
                divided=divided,
                pointwise=about.pointwise,
            )
        )


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


def _address(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse and other tensors without one storage of their own
        return id(tensor)


def _filled(value: object, length: int) -> Shape:
    if isinstance(value, (list, tuple)):
        return tuple(value) * (length if len(value) == 1 else 1)
    return (value,) * length if isinstance(value, int) else ()


def _settings(module: nn.Module) -> Mapping[str, Setting]:
    """The attributes that rules read; only of torch's own modules, as no rule counts another."""
    settings: dict[str, Setting] = {}
    if type(module).__module__.startswith("torch.nn."):
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
