"""Load weights into a network: wrappers stripped, reference keys renamed, strict otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segbench.errors import BadType, SegbenchError, some
from segbench.models.base import Network
from segbench.weights.file import read_checkpoint, sha256
from segbench.weights.fit import check, check_values
from segbench.weights.readings import choose
from segbench.weights.sets import unread

__all__ = ["LoadReport", "class_count", "load_checkpoint", "read_checkpoint", "sha256"]

# Modules that compute the loss while training; HRNet's and PIDNet's scripts store them beside the network.
_LOSS = re.compile(r"(^|\.)(\w*loss\w*|criterion\w*)(\.|$)", re.IGNORECASE)


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
        options: constructor options that the weights asked for, see `Network.adapt`.
        outside: keys beside those with `prefix`, such as a metric's state or a teacher's weights.
        asked: keys that were left out because the call said so.
        taken: path and prefix of the set of weights that was taken, such as ``model``; empty for the file itself.
        others: paths and prefixes of other sets that fit as well, such as ``model_ema``.
        unread: classes of objects beside the weights that were not read, because that needs code.
    """

    loaded: int
    names: Literal["own", "reference"]
    prefix: str = ""
    auxiliary: tuple[str, ...] = ()
    loss: tuple[str, ...] = ()
    residue: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    taken: str = ""
    others: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def dropped(self) -> tuple[str, ...]:
        """Every key of the checkpoint that the network has no place for."""
        return self.auxiliary + self.loss + self.residue + self.outside + self.asked

    def choices(self) -> list[str]:
        """What to know of the choice of weights, one line each: several sets, objects that were not read."""
        lines = []
        if self.others:
            lines.append(
                f"weights taken: {self.taken or 'the outermost'}; {some(self.others)} would fit as well "
                "(--weights chooses)"
            )
        if self.unread:
            lines.append(f"not read beside the weights, because that needs code: {some(self.unread)}")
        return lines

    def lines(self) -> list[str]:
        """One line per kind of dropped key, and per choice that was made, for a person; none where all was loaded."""
        kinds = (
            ("of auxiliary heads or layers without effect", self.auxiliary),
            ("of loss modules", self.loss),
            ("left behind by a profiler", self.residue),
            (f"beside {self.prefix}*", self.outside),
            ("as asked for", self.asked),
        )
        return [f"not loaded: {some(keys)} ({len(keys)} {kind})" for kind, keys in kinds if keys] + self.choices()


def load_checkpoint(
    net: nn.Module, source: str | Path | Mapping[str, Any], *, weights: str | None = None, drop: Sequence[str] = ()
) -> LoadReport:
    """Load a checkpoint, under reference or own key names, strictly.

    Args:
        net: a network from `segbench.build`, or any module whose own keys the checkpoint has.
        source: a ``.pth``, ``.pt``, ``.tar`` or ``.safetensors`` file, or a state dict. The weights are found in any
            nested dictionary and behind any common prefix of their keys; auxiliary heads, loss modules and profiler
            residue are dropped.
        weights: path or prefix of the set to take where there are several, such as ``model_ema``; the trained weights
            by default, not an average of them.
        drop: regular expressions of keys to leave out.

    Returns:
        What was loaded and, by name, what was dropped; which set was taken, and which others fit.

    Raises:
        CheckpointError: the file is unreadable or wants to run code; keys are missing or left over; a shape differs;
            weights are on the meta device, sparse, or not finite; there is no such set, or no such key to drop.
        BadOption: no regular expression.
        BadType: `net` is no module, or `source` or `drop` of a type that cannot be used.

    Example:
        What a training script saves under DataParallel, with what a profiler left behind:

        >>> from segbench.models import build
        >>> trained = {f"module.{key}": value for key, value in build("enet").state_dict().items()}
        >>> trained["module.total_ops"] = torch.zeros(1)
        >>> report = load_checkpoint(build("enet"), {"epoch": 1000, "state_dict": trained})
        >>> report.loaded, report.prefix, report.dropped
        (623, 'module.', ('module.total_ops',))
    """
    if not isinstance(net, nn.Module):
        raise BadType(f"weights are loaded into a torch.nn.Module: {type(net).__name__} given")
    if not isinstance(source, (str, Path, Mapping)):
        raise BadType(f"a checkpoint is a path or a state dict: {type(source).__name__} given")
    if not isinstance(drop, (list, tuple)) or not all(isinstance(expression, str) for expression in drop):
        raise BadType(f"drop is a list of regular expressions: {drop!r:.80} given")
    path = None if isinstance(source, Mapping) else source
    content = source if isinstance(source, Mapping) else read_checkpoint(source)
    where = "the state dict" if path is None else str(path)
    own = net.state_dict()
    best, fitting, asked = choose(net, content, where, weights, drop)
    loss = tuple(key for key in best.tensors if key not in own and _LOSS.search(key))
    beside_loss = tuple(key for key in best.outside if _LOSS.search(key))
    matched = {key: value for key, value in best.tensors.items() if key not in loss}
    check_values(where, matched, own)
    options = _adapt(net, matched)
    if options:
        own = net.state_dict()
    check(where, net, own, matched)
    net.load_state_dict({key: matched.get(key, value) for key, value in own.items()})
    return LoadReport(
        loaded=sum(key in matched for key in own),
        names=best.names,
        prefix=best.prefix,
        auxiliary=best.auxiliary,
        loss=loss + beside_loss,
        residue=best.residue,
        options=options,
        outside=tuple(key for key in best.outside if key not in beside_loss),
        asked=asked,
        taken=best.taken,
        others=tuple(dict.fromkeys(one.taken for one in fitting if one.taken != best.taken)),
        unread=tuple(unread(content)),
    )


def class_count(
    make: Callable[[int], nn.Module],
    source: str | Path | Mapping[str, Any],
    *,
    weights: str | None = None,
    drop: Sequence[str] = (),
) -> int | None:
    """The number of classes that a checkpoint was trained with, told by the shapes that depend on it.

    Args:
        make: builds the network with this many classes; called under ``torch.device("meta")``.
        source: as for `load_checkpoint`.
        weights: as for `load_checkpoint`.
        drop: as for `load_checkpoint`.

    Returns:
        The class count; None where the checkpoint is of another network.

    Raises:
        CheckpointError: the file is unreadable or wants to run code, or has no such weights.
    """
    content = source if isinstance(source, Mapping) else read_checkpoint(source)
    first = 19
    with torch.device("meta"):
        net, more = make(first), make(first + 1)
    own = net.state_dict()
    tensors = choose(net, content, "the state dict", weights, drop)[0].tensors
    if _adapt(net, tensors):
        _adapt(more, tensors)
        own = net.state_dict()
    wider = more.state_dict()
    counts: set[float] = set()
    for key, tensor in own.items():
        given = tensors.get(key)
        if key not in wider or tensor.shape == wider[key].shape or given is None or given.dim() != tensor.dim():
            continue
        for size, next_size, found in zip(tensor.shape, wider[key].shape, given.shape, strict=True):
            if next_size != size:
                counts.add(first + (found - size) / (next_size - size))
    whole = sorted(int(count) for count in counts if count >= 1 and count == int(count))
    if len(counts) == 1:
        return whole[0] if whole else None
    # A width that is no linear function of the class count, such as a fifth of it: the network itself decides.
    return next((count for count in whole if _shapes_equal(make, count, tensors)), None)


def _shapes_equal(make: Callable[[int], nn.Module], classes: int, tensors: Mapping[str, Tensor]) -> bool:
    try:
        with torch.device("meta"):
            net = make(classes)
    except SegbenchError:
        return False
    _adapt(net, tensors)
    return all(key not in tensors or tensors[key].shape == value.shape for key, value in net.state_dict().items())


def _adapt(net: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return net.adapt(tensors) if isinstance(net, Network) else {}
