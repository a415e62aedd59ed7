"""Copies of a network for counters to use up, so that the user's own module stays as it was."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from segbench.errors import FactoryError, first_line


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


def image(net: nn.Module, shape: tuple[int, int, int, int], device: str) -> Tensor:
    """An image of zeros in the number format of the network's weights, (N, C, H, W)."""
    formats = (tensor.dtype for tensor in (*net.parameters(), *net.buffers()) if tensor.is_floating_point())
    return torch.zeros(shape, dtype=next(formats, torch.float32), device=device)


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Run with the attention fast path off, and put that flag and every random state back.

    The fast path is one fused operation that no counter can look into; torch takes it only without autograd.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def _copied(net: nn.Module, convert: Callable[[Tensor], Tensor], device: str) -> nn.Module:
    # What deepcopy finds in its memo it takes as copied already.
    memo: dict[int, object] = {id(tensor): _converted(tensor, convert, device) for tensor in _tensors(net)}
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


def _tensors(net: nn.Module) -> Iterator[Tensor]:
    """Parameters, buffers, and tensors that modules keep as plain attributes, in lists or in dictionaries."""
    for module in net.modules():
        yield from module.parameters(recurse=False)
        yield from module.buffers(recurse=False)
        for value in vars(module).values():
            yield from _plain_tensors(value)


def _plain_tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _plain_tensors(part)
    elif type(value) is dict:
        for part in value.values():
            yield from _plain_tensors(part)
