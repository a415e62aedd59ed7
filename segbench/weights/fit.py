"""Whether weights fit a network, key by key: their values, names and shapes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segbench.errors import CheckpointError, some

BATCH_COUNT = "num_batches_tracked"


def check_values(where: str, matched: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
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


def check(where: str, net: nn.Module, own: Mapping[str, Tensor], matched: Mapping[str, Tensor]) -> None:
    """Refuse weights that are missing, left over, or of another shape.

    Raises:
        CheckpointError: says which, and the class counts where they alone differ.
    """
    # num_batches_tracked has no effect in eval mode, and old checkpoints and other frameworks lack it.
    missing = [key for key in own if key not in matched and not key.endswith(BATCH_COUNT)]
    unexpected = [key for key in matched if key not in own and not key.endswith(BATCH_COUNT)]
    reshaped = [key for key in own if key in matched and matched[key].shape != own[key].shape]
    if not (missing or unexpected or reshaped):
        return
    name = type(net).__name__
    if not missing and not unexpected and (counts := _class_mismatch(own, matched, reshaped)):
        theirs, ours = counts
        raise CheckpointError(
            f"{where} has {theirs} classes and this {name} {ours}: the class counts must be equal "
            f"(`num_classes={theirs}`); it concerns {some(reshaped)}"
        )
    shapes = [f"{key} {tuple(matched[key].shape)} instead of {tuple(own[key].shape)}" for key in reshaped]
    problems = [
        f"{len(names)} {kind}: {some(names)}"
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
