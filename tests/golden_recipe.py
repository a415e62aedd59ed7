"""The deterministic weights and inputs of the golden files, and their samples.

The recipe is independent of any network: every tensor is drawn from a legacy NumPy stream seeded by its key.
"""

from __future__ import annotations

import json
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"


def load(name: str) -> dict[str, Any]:
    """One golden file."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return content


def _values(key: str, shape: list[int], keys: set[str], fill: dict[str, Any]) -> np.ndarray:
    stream = np.random.RandomState(zlib.crc32((fill.get("salt", "") + key).encode()))
    prefix, _, last = key.rpartition(".")
    n = prod(shape)
    if last in ("running_mean", "_mean"):
        return 0.1 * stream.standard_normal(n)
    if last in ("running_var", "_variance"):
        return 0.5 + stream.random_sample(n)
    if len(shape) >= 2:
        return stream.standard_normal(n) * np.sqrt(fill["conv_gain"] / prod(shape[1:]))
    if last == "bias" or last.endswith("_bias"):
        return 0.1 * stream.standard_normal(n)
    if last == "weight" and f"{prefix}.bias" not in keys:
        return 0.1 + 0.3 * stream.random_sample(n)
    return 0.5 + stream.random_sample(n)


def state(golden: dict[str, Any], constructed: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The reference's state dict, filled by key, in float32.

    `constructed` gives the values of keys that the file keeps as constructed (image mean and std, DCT bases).
    """
    fill = golden["golden"]["fill"]
    kept = set(fill.get("kept_as_constructed", ()))
    shapes = {key: shape for key, shape, _ in golden["state_dict"]}
    keys = set(shapes)
    position = {key: index for index, key in enumerate(shapes)}
    # Keys that name the same tensor: the last one that is filled wins.
    alias = {
        key: max((name for name in group if name in position), key=position.__getitem__)
        for group in golden.get("shared_parameters", ())
        for key in group
    }
    filled: dict[str, Tensor] = {}
    for key, shape, dtype in golden["state_dict"]:
        if key in kept:
            if constructed and key in constructed:
                filled[key] = constructed[key]
            continue
        if key.endswith("num_batches_tracked"):
            filled[key] = torch.zeros(shape, dtype=torch.int64)
            continue
        source = alias.get(key, key)
        values = _values(source, shapes[source], keys, fill).reshape(shape)
        filled[key] = torch.from_numpy(values.astype(np.float32 if "int" not in dtype else np.int64))
    return filled


def image(shape: list[int]) -> Tensor:
    """The golden input in float64."""
    seed = zlib.crc32(("input:" + "x".join(map(str, shape))).encode())
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(prod(shape)).reshape(shape))


def sample_indices(numel: int) -> list[int]:
    """Flat indices of the 64 samples of a tensor with `numel` elements."""
    return [(i * 2654435761 + 12345) % numel for i in range(64)]
