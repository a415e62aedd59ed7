"""Read a network's convolutions off a run on the meta device, to hold them against a paper's layer table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from segbench.catalog import Entry


@dataclass(frozen=True)
class Convolution:
    """One call of a convolution: what a row of a layer table states."""

    path: str
    transposed: bool
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    in_channels: int
    out_channels: int
    output: tuple[int, ...]


def convolutions(net: nn.Module, resolution: tuple[int, int]) -> list[Convolution]:
    """Every convolution call of one forward at `resolution` (height, width), in execution order.

    `net` must have been built under ``torch.device("meta")``.
    """
    rows: list[Convolution] = []
    hooks = []

    def record(path: str) -> object:
        def hook(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            assert isinstance(module, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d))
            rows.append(
                Convolution(
                    path,
                    isinstance(module, nn.ConvTranspose2d),
                    tuple(module.kernel_size),
                    tuple(module.stride),
                    tuple(module.dilation),
                    module.groups,
                    module.in_channels,
                    module.out_channels,
                    tuple(output.shape[2:]),
                )
            )

        return hook

    for path, module in net.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)):
            hooks.append(module.register_forward_hook(record(path)))  # type: ignore[arg-type]
    try:
        with torch.inference_mode():
            net(torch.zeros(1, 3, *resolution, device="meta"))
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def built_on_meta(name: str, num_classes: int | None = None, **options: object) -> nn.Module:
    """A catalog network without memory or arithmetic."""
    from segbench import build

    with torch.device("meta"):
        return build(name, num_classes, **options)


def slow_if_large(entry: Entry) -> tuple[pytest.MarkDecorator, ...]:
    """The mark of a test that runs a network: left out of the quick run for one of more than 20 M parameters."""
    return (pytest.mark.slow,) if entry.params > 20_000_000 else ()
