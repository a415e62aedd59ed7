"""The deterministic weights and inputs of the golden files, their samples, and how such a file is written.

The recipe is independent of any network: every tensor is drawn from a legacy NumPy stream seeded by its key.
"""

from __future__ import annotations

import json
import warnings
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

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


SIZES = ((128, 256), (136, 264))
CONV_GAIN = 1.4


def write(name: str, net: nn.Module, num_classes: int, **sizes: Any) -> Path:
    """Write the golden file of a reference network; arguments as for `describe`."""
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"model": name, **describe(net, num_classes, **sizes)}, indent=1) + "\n")
    return path


def describe(
    net: nn.Module,
    num_classes: int,
    sizes: tuple[tuple[int, int], ...] = SIZES,
    count_size: tuple[int, int] = (512, 1024),
) -> dict[str, Any]:
    """What a golden file holds of a reference network, as its authors' code builds it.

    Args:
        net: image ``(N, 3, H, W)`` to logits, or to a tuple, list or dict whose first item they are, in eval mode.
        num_classes: channels of the logits.
        sizes: heights and widths whose outputs are stored.
        count_size: where operations are counted; another one only where the network does not take 512x1024.

    Raises:
        ValueError: outputs with these weights are not finite, or do not depend on the image.
    """
    net = net.eval()
    golden: dict[str, Any] = {
        "num_classes": num_classes,
        "state_dict": [
            [key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in net.state_dict().items()
        ],
        "shared_parameters": _aliases(net),
        "golden": {"fill": {"conv_gain": CONV_GAIN}, "cases": []},
    }
    net.load_state_dict(state(golden))
    parameters = dict(net.named_parameters())
    for precision in (torch.float32, torch.float64):
        net.to(precision)
        for number, size in enumerate(sizes):
            shape = [1, 3, *size]
            y = _first(net(image(shape).to(precision)))
            if precision is torch.float64 and number == 0:
                y.sum().backward()
            if precision is torch.float32:
                golden["golden"]["cases"].append({"input_shape": shape, "sample_indices": sample_indices(y.numel())})
            flat = y.detach().double().flatten()
            if not flat.isfinite().all() or flat.std() == 0:
                raise ValueError("the outputs are constant or not finite: another gain of the weights is needed")
            case = golden["golden"]["cases"][number]
            samples = [float(flat[index]) for index in case["sample_indices"]]
            case[str(precision).removeprefix("torch.")] = {
                "shape": list(y.shape),
                "std": float(flat.std()),
                "samples": samples,
            }
    unused = [key for key, value in parameters.items() if value.grad is None]
    golden["params_total"] = {
        "all_trainable": sum(value.numel() for value in parameters.values()),
        "inference_graph_without_aux": sum(value.numel() for key, value in parameters.items() if key not in unused),
        "not_reached_by_eval_output": unused,
    }
    golden["count_shape"] = {"512x1024": [1, 3, *count_size]}
    golden["fvcore_by_operator_gmacs"] = {"512x1024": _by_operator(net.float(), count_size)}
    return golden


def _aliases(net: nn.Module) -> list[list[str]]:
    names: dict[int, list[str]] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def _first(out: Any) -> Tensor:
    while not isinstance(out, Tensor):
        out = next(iter(out.values())) if isinstance(out, dict) else out[0]
    return out


def _by_operator(net: nn.Module, size: tuple[int, int]) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # importing it calls torch.jit.script
        from fvcore.nn import FlopCountAnalysis

    counted = FlopCountAnalysis(net, torch.zeros(1, 3, *size))
    counted = counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    return {name: count / 1e9 for name, count in counted.by_operator().items()}
