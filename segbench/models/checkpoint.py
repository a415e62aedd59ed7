"""Load weights into a network: wrappers stripped, reference keys renamed, strict otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.models.base import Network
from segbench.models.checkpoint_file import read_checkpoint, sha256

__all__ = ["LoadReport", "class_count", "load_checkpoint", "read_checkpoint", "sha256", "unwrap"]

# Keys under which training scripts store the weights beside optimiser and epoch.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "segmenter", "weights")
# What DataParallel, torch.compile and the HRNet code base put in front of every key.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# What profilers leave behind (thop's buffers).
_RESIDUE = re.compile(r"(^|\.)(total_ops|total_params)$")
# Modules that compute the loss while training; HRNet's and PIDNet's scripts store them beside the network.
_LOSS = re.compile(r"(^|\.)(\w*loss\w*|criterion\w*)(\.|$)", re.IGNORECASE)
_BATCH_COUNT = "num_batches_tracked"
_SHOWN = 3


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        loaded: tensors that the network took.
        names: whether the checkpoint had our key names or the reference's.
        prefix: what was stripped from the front of every key, such as ``module.``.
        auxiliary: keys of auxiliary heads and dead layers, which are not constructed here.
        loss: keys of loss modules.
        residue: buffers that a profiler left behind.
    """

    loaded: int
    names: Literal["own", "reference"]
    prefix: str = ""
    auxiliary: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()
    residue: tuple[str, ...] = ()

    @property
    def dropped(self) -> tuple[str, ...]:
        """Every key of the checkpoint that the network has no place for."""
        return self.auxiliary + self.loss + self.residue

    def lines(self) -> list[str]:
        """One line per kind of dropped key, for a person; none where everything was loaded."""
        kinds = (
            ("of auxiliary heads or layers without effect", self.auxiliary),
            ("of loss modules", self.loss),
            ("left behind by a profiler", self.residue),
        )
        return [f"not loaded: {_some(keys)} ({len(keys)} {kind})" for kind, keys in kinds if keys]


@dataclass(frozen=True)
class _Reading:
    """One way to read a checkpoint's keys: with `prefix` stripped, as our names or as the reference's."""

    tensors: dict[str, Tensor]
    names: Literal["own", "reference"]
    prefix: str
    auxiliary: tuple[str, ...]


def load_checkpoint(net: nn.Module, source: str | Path | Mapping[str, Any]) -> LoadReport:
    """Load a checkpoint, under reference or own key names, strictly.

    Args:
        net: a network from `segbench.build`, or any module whose own keys the checkpoint has.
        source: a ``.pth``, ``.pt``, ``.tar`` or ``.safetensors`` file, or a state dict. Nested dictionaries such as
            ``{"state_dict": ...}`` and prefixes such as ``module.`` are stripped; auxiliary heads, loss modules and
            profiler residue are dropped.

    Returns:
        What was loaded and, by name, what was dropped.

    Raises:
        CheckpointError: the file is unreadable or wants to run code; keys are missing or left over; a shape differs.
    """
    path = source if isinstance(source, (str, Path)) else None
    content = source if isinstance(source, Mapping) else read_checkpoint(source)
    where = "the state dict" if path is None else str(path)
    state = unwrap(content)
    if not state:
        keys = [str(key) for key in content]
        raise CheckpointError(f"{where} holds no weights ({_some(keys) or 'empty'}): a state dict is accepted")
    own = net.state_dict()
    residue = tuple(key for key in state if _RESIDUE.search(key))
    reading = _best_reading(net, own, {key: value for key, value in state.items() if key not in residue})
    loss = tuple(key for key in reading.tensors if key not in own and _LOSS.search(key))
    matched = {key: value for key, value in reading.tensors.items() if key not in loss}
    _check(where, net, own, matched)
    net.load_state_dict({key: matched.get(key, value) for key, value in own.items()})
    loaded = sum(key in matched for key in own)
    return LoadReport(loaded, reading.names, reading.prefix, reading.auxiliary, loss, residue)


def class_count(make: Callable[[int], nn.Module], source: str | Path | Mapping[str, Any]) -> int | None:
    """The number of classes that a checkpoint was trained with, told by the shapes that depend on it.

    Args:
        make: builds the network with this many classes; called under ``torch.device("meta")``.
        source: as for `load_checkpoint`.

    Returns:
        The class count; None where the checkpoint is of another network.

    Raises:
        CheckpointError: the file is unreadable or wants to run code.
    """
    state = unwrap(source if isinstance(source, Mapping) else read_checkpoint(source))
    first = 19
    with torch.device("meta"):
        net, wider = make(first), make(first + 1).state_dict()
    own = net.state_dict()
    tensors = _best_reading(net, own, {key: value for key, value in state.items() if not _RESIDUE.search(key)}).tensors
    counts: set[float] = set()
    for key, tensor in own.items():
        given = tensors.get(key)
        if key not in wider or tensor.shape == wider[key].shape or given is None or given.dim() != tensor.dim():
            continue
        for size, next_size, found in zip(tensor.shape, wider[key].shape, given.shape, strict=True):
            if next_size != size:
                counts.add(first + (found - size) / (next_size - size))
    count = counts.pop() if len(counts) == 1 else 0.5
    return int(count) if count >= 1 and count == int(count) else None


def unwrap(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key, nested wrappers opened.

    Raises:
        CheckpointError: wrappers inside of each other, or a tensor that holds no plain numbers.
    """
    inner: Mapping[str, Any] | None = content
    opened: list[int] = []
    while inner is not None:
        if id(inner) in opened:
            raise CheckpointError("the checkpoint is a dictionary inside of itself: a state dict is accepted")
        opened.append(id(inner))
        content = inner
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    for key, tensor in tensors.items():
        if tensor.is_meta or tensor.layout != torch.strided or tensor.is_quantized:
            kind = "without values" if tensor.is_meta else "sparse or quantized"
            raise CheckpointError(f"{key} is a tensor {kind}: dense tensors with values are accepted")
    return tensors


def _without_prefixes(state: dict[str, Tensor]) -> list[tuple[str, dict[str, Tensor]]]:
    """The state dict as it is, and with each wrapper's prefix stripped in turn.

    Loss modules sit beside the wrapped network without its prefix, so not every key need carry it.
    """
    forms = [("", state)]
    while True:
        stripped, form = forms[-1]
        prefix = next((prefix for prefix in _PREFIXES if any(key.startswith(prefix) for key in form)), None)
        if prefix is None:
            return forms
        forms.append((stripped + prefix, {key.removeprefix(prefix): value for key, value in form.items()}))


def _best_reading(net: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> _Reading:
    readings: list[_Reading] = []
    for prefix, form in _without_prefixes(state):
        readings.append(_Reading(form, "own", prefix, ()))
        if isinstance(net, Network):
            patterns = [re.compile(pattern) for pattern in net.dropped]
            auxiliary = tuple(key for key in form if any(pattern.search(key) for pattern in patterns))
            try:
                readings.append(_Reading(net.from_reference(form), "reference", prefix, auxiliary))
            except KeyError:
                continue

    def misfit(reading: _Reading) -> tuple[int, int, int]:
        found = sum(key in reading.tensors for key in own)
        fitting = sum(key in reading.tensors and reading.tensors[key].shape == own[key].shape for key in own)
        return len(own) - fitting, len(own) - found, len(reading.tensors)

    return min(readings, key=misfit)


def _check(where: str, net: nn.Module, own: Mapping[str, Tensor], matched: Mapping[str, Tensor]) -> None:
    # num_batches_tracked has no effect in eval mode, and old checkpoints and other frameworks lack it.
    missing = [key for key in own if key not in matched and not key.endswith(_BATCH_COUNT)]
    unexpected = [key for key in matched if key not in own and not key.endswith(_BATCH_COUNT)]
    reshaped = [key for key in own if key in matched and matched[key].shape != own[key].shape]
    if not (missing or unexpected or reshaped):
        return
    name = type(net).__name__
    if not missing and not unexpected and (counts := _class_mismatch(own, matched, reshaped)):
        theirs, ours = counts
        raise CheckpointError(
            f"{where} has {theirs} classes and this {name} {ours}: the class counts must be equal "
            f"(`num_classes={theirs}`); it concerns {_some(reshaped)}"
        )
    shapes = [f"{key} {tuple(matched[key].shape)} instead of {tuple(own[key].shape)}" for key in reshaped]
    problems = [
        f"{len(names)} {kind}: {_some(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    raise CheckpointError(f"{where} does not fit {name}: " + "; ".join(problems))


def _class_mismatch(
    own: Mapping[str, Tensor], matched: Mapping[str, Tensor], reshaped: list[str]
) -> tuple[int, int] | None:
    """Class counts of checkpoint and network, where the class count explains every shape that differs."""
    pairs: set[tuple[int, int]] = set()
    for key in reshaped:
        theirs, ours = matched[key].shape, own[key].shape
        if len(theirs) != len(ours):
            return None
        pairs.update((a, b) for a, b in zip(theirs, ours, strict=True) if a != b)
    smallest = min(pairs)
    step = smallest[0] - smallest[1]
    # Layers around the classifier have a multiple of the class count in channels, or class scores beside features.
    explained = all((a - b) % step == 0 and (a - b) // step > 0 for a, b in pairs)
    return smallest if explained and len(reshaped) < len(own) / 2 else None


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
