"""Copies of a network for counters to use up, so that the user's own module stays as it was."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from segbench.errors import FactoryError, first_line
from segbench.inputs import Input
from segbench.models.samples import samples


def unwrapped(net: nn.Module) -> nn.Module:
    """The network inside DataParallel, DistributedDataParallel and torch.compile."""
    while True:
        if isinstance(net, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            net = net.module
        elif isinstance(getattr(net, "_orig_mod", None), nn.Module):
            net = net._orig_mod  # type: ignore[assignment]
        else:
            return net


def name_of(net: nn.Module) -> str:
    """What to call a network in a message: the ``package.module:factory`` that the user gave, else its class."""
    spec = getattr(net, "spec", None)
    return spec if isinstance(spec, str) else type(net).__name__


def on_meta(net: nn.Module) -> nn.Module:
    """A copy in eval mode whose tensors are on meta: shapes without memory, whatever the size of `net`.

    Raises:
        FactoryError: `net` cannot be copied.
    """
    return _copied(net, lambda tensor: torch.empty_like(tensor.detach(), device="meta"), "meta").eval()


def on_cpu(net: nn.Module) -> nn.Module:
    """A copy in eval mode on the CPU; the values of a network that was built on meta become zeros.

    Raises:
        FactoryError: `net` cannot be copied.
    """

    def on_cpu_with_values(tensor: Tensor) -> Tensor:
        if tensor.is_meta:
            return torch.zeros_like(tensor.detach(), device="cpu")
        return tensor.detach().to("cpu", copy=True)

    return _copied(net, on_cpu_with_values, "cpu").eval()


def moved(net: nn.Module, device: str) -> nn.Module:
    """`net` itself in eval mode on a device: for a network that was built to be used up."""
    return net.to(device).eval()


def only_shapes(net: nn.Module) -> bool:
    """Whether a network is on meta and in eval mode already: a run of it changes no value."""
    tensors = tensors_of(net).values()
    return (
        bool(tensors)
        # Lazy ones would take their shapes in the run.
        and all(tensor.is_meta and not is_lazy(tensor) for tensor in tensors)
        and not any(item.training for item in net.modules())
    )


def needs_values(net: nn.Module) -> str:
    """Why a network cannot be copied to meta without a loss; empty where it can."""
    for tensor in tensors_of(net).values():
        if tensor.layout is not torch.strided:
            return "its sparse tensors have no length on meta"
        if tensor.is_quantized:
            return "its quantised tensors have no kernels on meta"
    return ""


def images(
    net: nn.Module, inputs: Sequence[Input], resolution: tuple[int, int], batch: int, device: str
) -> tuple[Tensor, ...]:
    """What the network is run on, in the number format of its weights: the values that are timed."""
    formats = (tensor.dtype for tensor in (*net.parameters(), *net.buffers()) if tensor.is_floating_point())
    return samples(inputs, resolution, batch, next(formats, torch.float32), device)


def materialise(net: nn.Module, given: Sequence[Tensor]) -> None:
    """Let lazy modules take their shapes, and their final classes, from a first run; not in inference mode.

    Tensors of inference mode cannot become parameters.
    """
    if any(is_lazy(tensor) for tensor in (*net.parameters(), *net.buffers())):
        with torch.no_grad():
            net(*given)


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Run with the attention fast path and compilers off, and put these flags and every random state back.

    The fast path is one fused operation that no counter can look into; torch takes it only without autograd. What is
    compiled runs as it is written: compilers refuse to work under a mode that looks at operations.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    try:
        with torch.random.fork_rng(devices=[]), stance("force_eager") if stance else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def _copied(net: nn.Module, convert: Callable[[Tensor], Tensor], device: str) -> nn.Module:
    # What deepcopy finds in its memo it takes as copied already.
    memo: dict[int, object] = {id(tensor): _converted(tensor, convert, device) for tensor in tensors_of(net).values()}
    try:
        return copy.deepcopy(net, memo)
    except Exception as error:
        raise FactoryError(f"{name_of(net)} cannot be copied, and counters need a copy: {first_line(error)}") from error


def _converted(tensor: Tensor, convert: Callable[[Tensor], Tensor], device: str) -> Tensor:
    if is_lazy(tensor):
        kind = UninitializedParameter if isinstance(tensor, nn.Parameter) else UninitializedBuffer
        lazy: Tensor = kind(requires_grad=tensor.requires_grad, device=device, dtype=tensor.dtype)  # type: ignore[call-arg]
        return lazy
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(convert(tensor), requires_grad=tensor.requires_grad)
    return convert(tensor)


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    """Every tensor that a network holds by the name under which it does.

    Beside parameters and buffers these are tensors, and modules, that its modules keep as plain attributes, in lists or
    in dictionaries: torch registers none of these.
    """
    found: dict[str, Tensor] = {}
    _visit(net, "", found, set())
    return found


def _visit(value: object, name: str, found: dict[str, Tensor], seen: set[int]) -> None:
    if isinstance(value, Tensor):
        found[name] = value
        return
    # Of exact types: what else is a list or a mapping may have a behaviour of its own.
    if not isinstance(value, (nn.Module, list, tuple)) and type(value) is not dict:
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        prefix = f"{name}." if name else ""
        for key, part in (*value.named_parameters(recurse=False), *value.named_buffers(recurse=False)):
            _visit(part, prefix + key, found, seen)
        for key, child in value.named_children():
            _visit(child, prefix + key, found, seen)
        for key, part in vars(value).items():
            if key not in _REGISTERED:
                _visit(part, prefix + key, found, seen)
    elif isinstance(value, dict):
        for key, part in value.items():
            _visit(part, f"{name}[{key!r}]", found, seen)
    else:
        for index, part in enumerate(value):
            _visit(part, f"{name}[{index}]", found, seen)


_REGISTERED = ("_parameters", "_buffers", "_modules")
