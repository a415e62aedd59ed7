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


def logits_in(output: object) -> Tensor | None:
    """The logits among what a network returns, where it says which they are.

    That is a tensor; the first item of a tuple or list; ``out`` or ``logits`` of a mapping. None for anything else.
    """
    output = _named(output)
    while isinstance(output, (tuple, list)) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def main_output(output: object) -> Tensor:
    """The output that counts: the logits, or else the first tensor."""
    logits = logits_in(output)
    return next(tensors_in(_named(output))) if logits is None else logits


def _named(output: object) -> object:
    if isinstance(output, Mapping):
        return next((output[name] for name in ("out", "logits") if name in output), output)
    return output
