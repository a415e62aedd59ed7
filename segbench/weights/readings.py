"""Every way to read a checkpoint's weights for a network, and the one that fits best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from segbench.errors import BadOption, CheckpointError, some
from segbench.models.base import Network
from segbench.weights.fit import BATCH_COUNT
from segbench.weights.sets import joined, preference, weight_sets

# What DataParallel, torch.compile and the HRNet code base put in front of every key.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# What profilers leave behind (thop's buffers).
_RESIDUE = re.compile(r"(^|\.)(total_ops|total_params)$")
# Wrappers that hold nothing but the network: a key beside theirs belongs to something else.
_WHOLE = re.compile(r"^((module|_orig_mod)\.)*$")


@dataclass(frozen=True)
class Reading:
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


def choose(
    net: nn.Module, content: Mapping[str, Any], where: str, weights: str | None, drop: Sequence[str]
) -> tuple[Reading, list[Reading], tuple[str, ...]]:
    """The reading that fits best, all that fit as well as it, and the keys that `drop` left out."""
    sets = weight_sets(content, where)
    if not sets:
        keys = [str(key) for key in content]
        raise CheckpointError(f"{where} holds no weights ({some(keys) or 'empty'}): a state dict is accepted")
    own = net.state_dict()
    fits: list[tuple[tuple[int, int, int], Reading]] = []
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
            raise CheckpointError(f"{where} has no weights {weights!r}: it has {some(list(there)) or 'one set alone'}")
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


def _readings(net: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> Iterator[Reading]:
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
) -> Iterator[Reading]:
    yield Reading(form, "own", prefix, (), outside, residue=residue)
    if isinstance(net, Network):
        patterns = [re.compile(pattern) for pattern in net.dropped]
        auxiliary = tuple(key for key in form if any(pattern.search(key) for pattern in patterns))
        try:
            renamed = net.from_reference(form)
        except KeyError:
            return
        yield Reading(renamed, "reference", prefix, auxiliary, outside, residue=residue)


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


def _misfit(own: Mapping[str, Tensor], reading: Reading) -> tuple[int, int, int]:
    """Keys that do not fit, keys that are missing, and tensors in all: the smallest fits best."""
    found = [key for key in own if key in reading.tensors]
    fitting = sum(reading.tensors[key].shape == own[key].shape for key in found)
    counters = sum(key.endswith(BATCH_COUNT) and key not in reading.tensors for key in own)
    return len(own) - fitting - counters, len(own) - len(found), len(reading.tensors)
