"""The tensors in what a network returns, and the one that counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor

from segbench.errors import BadOption


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


def chosen_output(output: object, which: str, what: str) -> Tensor:
    """One of several outputs, by its key or index.

    Args:
        output: what a network returned.
        which: key of a mapping or dataclass, or index of a tuple or list, from either end.
        what: the network, for messages.

    Raises:
        BadOption: there is no such output, or it is no tensor.
    """
    found, there = None, "one output alone"
    if isinstance(output, Mapping):
        found, there = output.get(which), ", ".join(map(str, output))
    elif isinstance(output, (tuple, list)):
        there = f"0 to {len(output) - 1}"
        with contextlib.suppress(ValueError, IndexError):
            found = output[int(which)]
        if found is None and hasattr(output, "_fields"):
            found = getattr(output, which, None)
    elif is_dataclass(output):
        there = ", ".join(item.name for item in fields(output))
        found = getattr(output, which, None)
    logits = logits_in(found) if found is not None else None
    if logits is None:
        raise BadOption(f"{what} has no output {which!r}: it has {there}")
    return logits


def several_outputs(output: object, taken: Tensor | None) -> str:
    """What a network returned where that is more than one tensor, and which was taken, in words."""
    if isinstance(output, Tensor) or taken is None:
        return ""
    tensors = list(tensors_in(output))
    if len(tensors) < 2:
        return ""
    if isinstance(output, Mapping):
        name = next((str(key) for key, value in output.items() if logits_in(value) is taken), "?")
        return (
            f"{len(tensors)} outputs came back ({', '.join(map(str, output))}): {name!r} is scored (--output chooses)"
        )
    place = next((index for index, tensor in enumerate(tensors) if tensor is taken), 0)
    return f"{len(tensors)} outputs came back: that at index {place} is scored (--output chooses)"


def main_output(output: object) -> Tensor:
    """The output that counts: the logits, or else the first tensor."""
    logits = logits_in(output)
    return next(tensors_in(_named(output))) if logits is None else logits


def _named(output: object) -> object:
    if isinstance(output, Mapping):
        return next((output[name] for name in ("out", "logits") if name in output), output)
    return output
