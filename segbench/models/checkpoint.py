"""Load weights into a network: safe reading, wrappers stripped, reference keys renamed, strict otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError
from segbench.models.base import Network

# Keys under which training scripts store the weights beside optimiser and epoch.
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "segmenter", "weights")
# What DataParallel, torch.compile and the HRNet code base put in front of every key.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
# What profilers leave behind (thop's buffers).
_RESIDUE = re.compile(r"(^|\.)(total_ops|total_params)$")


def load_checkpoint(net: nn.Module, source: str | Path | Mapping[str, Any]) -> None:
    """Load a checkpoint, under reference or own key names, strictly.

    Args:
        net: a network from `segbench.build`, or any module whose own keys the checkpoint has.
        source: a ``.pth``, ``.pt``, ``.tar`` or ``.safetensors`` file, or a state dict. Nested dictionaries such as
            ``{"state_dict": ...}`` and prefixes such as ``module.`` are stripped.

    Raises:
        CheckpointError: the file is unreadable or wants to run code; keys are missing or left over; a shape differs.
    """
    path = source if isinstance(source, (str, Path)) else None
    raw = read_checkpoint(path) if path is not None else source
    assert isinstance(raw, Mapping)
    state = unwrap(raw)
    where = str(path) if path is not None else "the state dict"
    if not state:
        raise CheckpointError(f"{where} holds no tensors: a state dict of weights is accepted")
    own = net.state_dict()
    matched = _match(net, own, state)
    _check(where, net, own, matched)
    net.load_state_dict({key: matched.get(key, value) for key, value in own.items()})


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Read a checkpoint file onto the CPU without running any code that it carries.

    Raises:
        CheckpointError: no such file, not a checkpoint, or a pickle that needs more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}: a .pth, .pt, .tar or .safetensors file is accepted")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise CheckpointError(
                f"{path} needs code to unpickle and is refused; only tensors in plain containers are read "
                f"(save `model.state_dict()`)"
            ) from error
        raise CheckpointError(f"{path} is not a readable checkpoint: {reason}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}: a state dict is accepted")
    return content


def unwrap(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint: nested wrappers opened, common prefixes and profiler residue removed."""
    while not any(isinstance(value, Tensor) for value in content.values()):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    return {key: value for key, value in content.items() if isinstance(value, Tensor) and not _RESIDUE.search(str(key))}


def _candidates(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The state dict as it is, and with each wrapper prefix that all keys share stripped in turn."""
    forms = [state]
    stripped = True
    while stripped:
        stripped = False
        for prefix in _PREFIXES:
            keys = list(forms[-1])
            if any(key.startswith(prefix) for key in keys):
                # Loss modules sit beside the wrapped model without its prefix, so not every key need carry it.
                forms.append({key[len(prefix) :]: forms[-1][key] for key in keys if key.startswith(prefix)})
                stripped = True
                break
    return forms


def _match(net: nn.Module, own: Mapping[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The reading of the checkpoint that fits our keys best: each prefix form, as own keys and as reference keys."""
    readings: list[dict[str, Tensor]] = []
    for form in _candidates(state):
        readings.append(dict(form))
        if isinstance(net, Network):
            try:
                readings.append(net.from_reference(form))
            except KeyError:
                continue

    def misfit(reading: Mapping[str, Tensor]) -> tuple[int, int]:
        fitting = sum(key in reading and reading[key].shape == own[key].shape for key in own)
        return len(own) - fitting, len(reading)

    return min(readings, key=misfit)


def _check(where: str, net: nn.Module, own: Mapping[str, Tensor], matched: Mapping[str, Tensor]) -> None:
    # num_batches_tracked has no effect in eval mode, and old checkpoints and other frameworks lack it.
    missing = [key for key in own if key not in matched and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in matched if key not in own and not key.endswith("num_batches_tracked")]
    shapes = [
        f"{key} {tuple(matched[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in matched and matched[key].shape != own[key].shape
    ]
    problems = [
        f"{len(names)} {kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if problems:
        raise CheckpointError(f"{where} does not fit {type(net).__name__}: " + "; ".join(problems))
