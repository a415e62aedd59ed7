"""The sets of weights in a checkpoint: dictionaries of tensors, wherever they lie, by their path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from segbench.errors import CheckpointError
from segbench.models.stubs import Stub

_DEEPEST = 16
# Averages and teachers of the weights that were trained: they are taken where they are asked for, or alone.
_AVERAGE = re.compile(r"(^|[._])(ema|swa|teacher|averaged?|shadow)([._]|$)|ema$|^ema", re.IGNORECASE)
# Keys under which training scripts store the weights beside optimiser and epoch, the usual one first.
_USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "segmenter", "weights")


def weight_sets(content: Any, where: str) -> dict[str, dict[str, Tensor]]:
    """Every dictionary that holds tensors, by its path such as ``ema.module``; the usual one first, averages last.

    Raises:
        CheckpointError: the content holds itself, or is nested endlessly.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for path, node in _dictionaries(content, "", (), where):
        tensors = {key: value for key, value in node.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if tensors:
            found[path] = tensors
    return dict(sorted(found.items(), key=lambda item: preference(item[0])))


def joined(content: Any) -> dict[str, Tensor]:
    """All tensors of nested dictionaries in one, keys joined by dots: networks saved part by part."""
    tensors: dict[str, Tensor] = {}
    for path, node in _dictionaries(content, "", (), ""):
        for key, value in node.items():
            if isinstance(key, str) and isinstance(value, Tensor):
                tensors[f"{path}.{key}" if path else key] = value
    return tensors


def preference(path: str) -> tuple[bool, int]:
    """Whether a set is an average, and then how usual its name is: the smallest comes first."""
    first = path.rstrip(".").partition(".")[0]
    return _AVERAGE.search(path) is not None, _USUAL.index(first) if first in _USUAL else len(_USUAL)


def unread(content: Any) -> list[str]:
    """Names of the classes of which a checkpoint holds objects that were not read, or that it holds themselves."""
    return list(dict.fromkeys(_stubs(content)))


def _stubs(node: Any) -> Iterator[str]:
    """`weight_sets` has refused content that holds itself."""
    if isinstance(node, Stub) or (isinstance(node, type) and issubclass(node, Stub)):
        yield node.name
    elif isinstance(node, Mapping):
        for pair in node.items():
            yield from _stubs(pair)
    elif isinstance(node, (list, tuple, set, frozenset)):
        for part in node:
            yield from _stubs(part)


def _dictionaries(node: Any, path: str, above: tuple[int, ...], where: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    if not isinstance(node, (Mapping, list, tuple)):
        return
    if id(node) in above:
        raise CheckpointError(f"{where} holds itself at {path!r}: a state dict of weights is accepted")
    if len(above) >= _DEEPEST:
        raise CheckpointError(f"{where} is nested more than {_DEEPEST} levels deep at {path[:60]!r}")
    if isinstance(node, Mapping):
        yield path, node
    pairs = node.items() if isinstance(node, Mapping) else enumerate(node)
    for key, value in pairs:
        yield from _dictionaries(value, f"{path}.{key}" if path else str(key), (*above, id(node)), where)
