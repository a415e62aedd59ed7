"""The tensors in what a network returns, and the one that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor

from segbench.errors import FactoryError

_NAMES = ("out", "logits")
TAKEN = " outputs came, and "
"""What tells the note of `taken` from others."""


def tensors_in(value: object, _above: tuple[int, ...] = ()) -> Iterator[Tensor]:
    """The tensors in a tensor, a list, a tuple, a set, a mapping, a dataclass, or anything nested of them."""
    if isinstance(value, Tensor):
        yield value
        return
    if isinstance(value, (list, tuple, set, frozenset)):
        parts: Iterable[object] = value
    elif isinstance(value, Mapping):
        parts = value.values()
    else:
        parts = _fields(value).values()
    if id(value) in _above:
        return
    for part in parts:
        if isinstance(part, Tensor):
            yield part
        elif not isinstance(part, (int, float, str)):
            yield from tensors_in(part, (*_above, id(value)))


def _fields(value: object) -> dict[str, object]:
    """What a dataclass holds by name; nothing for its class, or for anything else."""
    if not is_dataclass(value) or isinstance(value, type):
        return {}
    return {part.name: getattr(value, part.name) for part in fields(value) if hasattr(value, part.name)}


def selected(output: object, which: str | None, name: str = "the network") -> object:
    """The part of what a network returns that the user names by its key, field or index; all of it for None.

    Raises:
        FactoryError: there is no such part.
    """
    if which is None:
        return output
    named = _parts(output)
    if which in named:
        return named[which]
    if isinstance(output, (list, tuple)) and which.removeprefix("-").isdigit():
        index = int(which)
        if -len(output) <= index < len(output):
            return output[index]
    there = ", ".join(map(repr, named)) or f"one {type(output).__name__}"
    if not named and isinstance(output, (list, tuple)):
        there = f"a {type(output).__name__} of {len(output)}"
    raise FactoryError(f"{name} returned no output {which!r}: it returned {there}")


def logits_in(output: object) -> Tensor | None:
    """The logits among what a network returns, where it says which they are.

    That is a tensor; the first item of a tuple or list; ``out`` or ``logits`` of a mapping, a NamedTuple or a
    dataclass, or the one tensor that they hold. None for anything else.
    """
    output = _named(output)
    passed: list[int] = []
    while isinstance(output, (tuple, list)) and output and id(output) not in passed:
        passed.append(id(output))
        output = output[0]
    if isinstance(output, Tensor):
        return output
    parts = list(tensors_in(output))
    return parts[0] if len(parts) == 1 else None


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


def taken(output: object) -> str | None:
    """Which of several output tensors counts, in words; None where there is one tensor alone."""
    tensors = list({id(tensor): tensor for tensor in tensors_in(output)}.values())
    if len(tensors) < 2:
        return None
    main = main_output(output)
    named = _parts(output)
    label = next((repr(key) for key, part in named.items() if any(tensor is main for tensor in tensors_in(part))), None)
    index = next((index for index, tensor in enumerate(tensors) if tensor is main), 0)
    which = label or ("the first" if index == 0 else f"number {index + 1}")
    return f"{len(tensors)}{TAKEN}{which} was taken"


def _parts(output: object) -> dict[str, object]:
    """What a mapping, a NamedTuple or a dataclass returns, by name."""
    if isinstance(output, Mapping):
        return {str(key): part for key, part in output.items()}
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return dict(zip(output._fields, output, strict=True))
    return _fields(output)


def _named(output: object) -> object:
    parts = _parts(output)
    return next((parts[name] for name in _NAMES if parts.get(name) is not None), output)
