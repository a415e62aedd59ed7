"""Load weights into a network: wrappers stripped, reference keys renamed, strict otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from segbench.errors import BadOption, BadType, CheckpointError, SegbenchError
from segbench.models.base import Network
from segbench.models.checkpoint_file import read_checkpoint, sha256
from segbench.models.weight_sets import joined, preference, unread, weight_sets

__all__ = ["LoadReport", "class_count", "load_checkpoint", "read_checkpoint", "sha256"]

# What DataParallel, torch.compile and the HRNet code base put in front of every key.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# What profilers leave behind (thop's buffers).
_RESIDUE = re.compile(r"(^|\.)(total_ops|total_params)$")
# Modules that compute the loss while training; HRNet's and PIDNet's scripts store them beside the network.
_LOSS = re.compile(r"(^|\.)(\w*loss\w*|criterion\w*)(\.|$)", re.IGNORECASE)
# Wrappers that hold nothing but the network: a key beside theirs belongs to something else.
_WHOLE = re.compile(r"^((module|_orig_mod)\.)*$")
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
                f"weights taken: {self.taken or 'the outermost'}; {_some(self.others)} would fit as well "
                "(--weights chooses)"
            )
        if self.unread:
            lines.append(f"not read beside the weights, because that needs code: {_some(self.unread)}")
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
        return [f"not loaded: {_some(keys)} ({len(keys)} {kind})" for kind, keys in kinds if keys] + self.choices()


@dataclass(frozen=True)
class _Reading:
    """One way to read a set of weights: with `prefix` stripped, as our names or as the reference's."""

    tensors: dict[str, Tensor]
    names: Literal["own", "reference"]
    prefix: str
    auxiliary: tuple[str, ...]
    outside: tuple[str, ...] = ()
    path: str = ""
    residue: tuple[str, ...] = ()

    @property
    def taken(self) -> str:
        """Path and prefix, as `--weights` takes them."""
        plain = "" if _WHOLE.match(self.prefix) else self.prefix.removesuffix(".")
        return ".".join(part for part in (self.path, plain) if part)


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
    best, fitting, asked = _choose(net, content, where, weights, drop)
    loss = tuple(key for key in best.tensors if key not in own and _LOSS.search(key))
    beside_loss = tuple(key for key in best.outside if _LOSS.search(key))
    matched = {key: value for key, value in best.tensors.items() if key not in loss}
    _check_values(where, matched, own)
    options = _adapt(net, matched)
    if options:
        own = net.state_dict()
    _check(where, net, own, matched)
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
    tensors = _choose(net, content, "the state dict", weights, drop)[0].tensors
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


def _choose(
    net: nn.Module, content: Mapping[str, Any], where: str, weights: str | None, drop: Sequence[str]
) -> tuple[_Reading, list[_Reading], tuple[str, ...]]:
    """The reading that fits best, all that fit as well as it, and the keys that `drop` left out."""
    sets = weight_sets(content, where)
    if not sets:
        keys = [str(key) for key in content]
        raise CheckpointError(f"{where} holds no weights ({_some(keys) or 'empty'}): a state dict is accepted")
    own = net.state_dict()
    fits: list[tuple[tuple[int, int, int], _Reading]] = []
    left_out: dict[str, None] = {}
    patterns = [_pattern(expression) for expression in drop]
    # The state of an optimiser is made of hundreds of small dictionaries.
    enough = min(len(own), max(map(len, sets.values()))) / 2
    candidates = {path: tensors for path, tensors in sets.items() if len(tensors) >= enough}
    if len(sets) > 1:
        candidates.setdefault("", joined(content))
    for path, tensors in candidates.items():
        dropped = [key for key in tensors if any(pattern.search(key) for pattern in patterns)]
        left_out.update(dict.fromkeys(dropped))
        kept = {key: value for key, value in tensors.items() if key not in dropped}
        fits += [(_misfit(own, reading), replace(reading, path=path)) for reading in _readings(net, own, kept)]
    for expression, pattern in zip(drop, patterns, strict=True):
        if not any(pattern.search(key) for key in left_out):
            raise CheckpointError(f"{where} has no key that matches {expression!r} (--drop)")
    if weights is not None:
        named = [fit for fit in fits if fit[1].taken == weights or fit[1].path == weights or fit[1].prefix == weights]
        named = named or [fit for fit in fits if fit[1].taken.startswith(f"{weights}.")]
        if not named:
            there = dict.fromkeys(fit[1].taken for fit in fits if fit[1].taken and fit[0][0] < len(own) / 2)
            raise CheckpointError(f"{where} has no weights {weights!r}: it has {_some(list(there)) or 'one set alone'}")
        fits = named
    least = min(misfit for misfit, _ in fits)
    whole = [fit for fit in fits if fit[0][0] == 0]
    best = min(whole or [fit for fit in fits if fit[0] == least], key=lambda fit: (*preference(fit[1].taken), fit[0]))
    return best[1], [reading for _, reading in whole], tuple(left_out)


def _pattern(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise BadOption(f"--drop takes a regular expression: {expression!r} given ({error})") from error


def _readings(net: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> Iterator[_Reading]:
    """Every way to read a set of weights."""
    residue = tuple(key for key in state if _RESIDUE.search(key))
    state = {key: value for key, value in state.items() if key not in residue}
    for prefix, form in _without_prefixes(state):
        yield from _by_names(net, form, prefix, (), residue)
    for prefix in _common_prefixes(own, state):
        form = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        yield from _by_names(net, form, prefix, tuple(key for key in state if not key.startswith(prefix)), residue)


def _by_names(
    net: nn.Module, form: dict[str, Tensor], prefix: str, outside: tuple[str, ...], residue: tuple[str, ...]
) -> Iterator[_Reading]:
    yield _Reading(form, "own", prefix, (), outside, residue=residue)
    if isinstance(net, Network):
        patterns = [re.compile(pattern) for pattern in net.dropped]
        auxiliary = tuple(key for key in form if any(pattern.search(key) for pattern in patterns))
        try:
            renamed = net.from_reference(form)
        except KeyError:
            return
        yield _Reading(renamed, "reference", prefix, auxiliary, outside, residue=residue)


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


def _common_prefixes(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Beginnings, of any number of parts, that enough keys share for the network to be behind them."""
    counts: dict[str, int] = {}
    for key in state:
        parts = key.split(".")
        for length in range(1, len(parts)):
            prefix = ".".join(parts[:length]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    enough = max(min(len(own), len(state)) / 2, 1)
    return [prefix for prefix, count in counts.items() if count >= enough and not _WHOLE.match(prefix)]


def _misfit(own: Mapping[str, Tensor], reading: _Reading) -> tuple[int, int, int]:
    """Keys that do not fit, keys that are missing, and tensors in all: the smallest fits best."""
    found = [key for key in own if key in reading.tensors]
    fitting = sum(reading.tensors[key].shape == own[key].shape for key in found)
    counters = sum(key.endswith(_BATCH_COUNT) and key not in reading.tensors for key in own)
    return len(own) - fitting - counters, len(own) - len(found), len(reading.tensors)


def _check_values(where: str, matched: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights that are no numbers to compute with, or that the network would hold as other ones, by key."""
    for key, value in matched.items():
        if key not in own:
            continue
        kind, wanted = "", own[key].dtype
        if value.is_meta:
            kind = "on the meta device: it has a shape and no values"
        elif value.layout is not torch.strided:
            kind = f"sparse ({str(value.layout).removeprefix('torch.')})"
        elif value.is_quantized or (value.is_floating_point() and value.element_size() == 1):
            kind = f"quantised ({_dtype(value.dtype)})"
        elif wanted.is_floating_point and not (value.is_floating_point() or value.is_complex()):
            kind = f"{_dtype(value.dtype)}, a quantised copy of {_dtype(wanted)} values whose scale is not known"
        elif value.is_complex() and not wanted.is_complex:
            kind = f"{_dtype(value.dtype)}, and the network's is {_dtype(wanted)}"
        elif (value.is_floating_point() or value.is_complex()) and not bool(value.isfinite().all()):
            count = int((~value.isfinite()).sum())
            kind = f"not finite ({count} of {value.numel()} values are NaN or infinite)"
        elif wanted.is_floating_point and not bool(value.to(wanted).isfinite().all()):
            kind = f"too large for {_dtype(wanted)}"
        elif value.is_floating_point() and not wanted.is_floating_point and bool((value != value.round()).any()):
            kind = f"{_dtype(value.dtype)} with fractions, and the network's is {_dtype(wanted)}"
        if kind:
            raise CheckpointError(f"{where}: {key} is {kind}; dense, finite weights are accepted")


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


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
        # Outputs and inputs of a layer may follow from the classes, its kernel never does.
        if len(theirs) != len(ours) or theirs[2:] != ours[2:]:
            return None
        pairs.update((a, b) for a, b in zip(theirs, ours, strict=True) if a != b)
    smallest = min(pairs)
    step = smallest[0] - smallest[1]
    # Layers around the classifier have a multiple of the class count in channels, or class scores beside features.
    explained = all((a - b) % step == 0 and (a - b) // step > 0 for a, b in pairs)
    return smallest if explained and len(reshaped) < len(own) / 2 else None


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
