"""The tensors in what a network returns, and the one that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in a tensor, a list, a tuple, a mapping, a dataclass, or anything nested of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            if isinstance(part, Tensor):
                yield part
            elif not isinstance(part, (int, float, str)):
                yield from tensors_in(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif is_dataclass(value):
        for part_field in fields(value):
            yield from tensors_in(getattr(value, part_field.name))


def main_output(output: object) -> Tensor:
    """The output that counts: a tensor; ``out`` or ``logits`` of a mapping; else the first tensor."""
    if isinstance(output, Mapping):
        for name in ("out", "logits"):
            if name in output:
                return next(tensors_in(output[name]))
    return next(tensors_in(output))
