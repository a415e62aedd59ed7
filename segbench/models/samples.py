"""The values that a network is run on where no data set is asked for: counted, traced and timed are the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segbench.inputs import IMAGE, Input


def sample(shape: Sequence[int], dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """A tensor on the CPU whose values follow from its shape, dtype and seed.

    Standard normal noise for floating and complex dtypes; 0 to 255 for uint8; ones for bool; zeros for other integers,
    which are valid indices of any table.
    """
    # A generator of its own: the caller's random numbers stay what they were.
    generator = torch.Generator("cpu").manual_seed(seed)
    if dtype.is_floating_point or dtype.is_complex:
        drawn = torch.complex64 if dtype.is_complex else torch.float32
        return torch.randn(tuple(shape), generator=generator, dtype=drawn, device="cpu").to(dtype)
    if dtype == torch.uint8:
        return torch.randint(0, 256, tuple(shape), generator=generator, dtype=dtype, device="cpu")
    return torch.full(tuple(shape), int(dtype == torch.bool), dtype=dtype, device="cpu")


def samples(
    inputs: Sequence[Input],
    resolution: tuple[int, int],
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> tuple[Tensor, ...]:
    """One tensor for each input, at a resolution (height, width).

    Args:
        inputs: what the network takes, in order.
        resolution: height and width.
        batch: images per forward.
        dtype: of the inputs that say none.
        device: where they go; on meta they have no values.
    """
    found = []
    for seed, given in enumerate(inputs):
        own = getattr(torch, given.dtype) if given.dtype else dtype
        shape = given.shape(resolution, batch)
        meta = str(device) == "meta"
        found.append(torch.empty(shape, dtype=own, device="meta") if meta else sample(shape, own, seed).to(device))
    return tuple(found)


def inputs_of(net: nn.Module) -> tuple[Input, ...]:
    """What a network takes: what it says itself, or one RGB image."""
    given = getattr(net, "inputs", None)
    if isinstance(given, tuple) and given and all(isinstance(part, Input) for part in given):
        return given
    return (IMAGE,)


def cast_floats(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast real floating tensors in place; `Module.to` would cast complex ones too, and drop their imaginary part."""
    return net._apply(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
