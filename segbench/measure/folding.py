"""Fold batch normalisation into the convolution before it, where the executed graph shows that nothing lies between.

In eval mode a normalisation is one scale and one shift per channel, which the convolution can do itself. Papers time
networks so, or with the normalisation deleted: DDRNet keeps a bias in its place, PIDNet mostly nothing at all, which
is another network. Here real weights are folded, and the logits are checked to have stayed: their `deviation`, which
says of every faster form of a network how far it is from the plain one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from segbench.counting.trace import Operation, Trace
from segbench.counting.tracer import trace
from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import MeasurementError, device_failures
from segbench.models.samples import inputs_of, samples
from segbench.protocol import REFERENCE
from segbench.resolution import show

# Of the logits' standard deviation: rounding of fp32 stays far below, a wrong scale far above.
TOLERANCE = 1e-4

Foldable = _ConvNd | nn.Linear
_KINDS = {f"conv{transposed}{size}d" for transposed in ("", "_transpose") for size in (1, 2, 3)} | {"linear"}


class FoldingError(MeasurementError):
    """Folding changed the logits; the network was put back as it was."""


@dataclass(frozen=True)
class Folding:
    """What was folded.

    Attributes:
        folded: (convolution, normalisation) by their paths in the network.
        left: paths of the normalisations that stay: before an activation, after a sum or a concatenation.
        deviation: as from `deviation`, of the folded network.
    """

    folded: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    deviation: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Numbers of normalisations and the deviation."""
        return {"folded": len(self.folded), "left": len(self.left), **self.deviation}


def fold(net: nn.Module, resolution: tuple[int, int], device: Device, tolerance: float = TOLERANCE) -> Folding:
    """Fold every batch normalisation that follows a convolution alone, in place.

    Args:
        net: in eval mode, in fp32; moved to the device.
        resolution: height and width of the image on which the logits are checked.
        device: where the check runs.
        tolerance: largest difference of a logit, in standard deviations of the logits.

    Raises:
        FoldingError: the logits changed by more than `tolerance`, or are not finite; `net` is as it was.
        MeasurementError: the network fails on the device.
    """
    net = device.move(net.eval())
    protocol = REFERENCE
    traced = trace(net, (1, 3, *resolution), inputs=inputs_of(net)[:1])
    found = pairs(net, traced)
    with measurement_flags(protocol), device_failures(resolution, protocol, device):
        image = sample_image(net, resolution, device)
        reference = logits_of(net, image)
        undo = [_fold_pair(net, before, after) for before, after in found]
        try:
            kept = deviation(reference, logits_of(net, image))
        except BaseException:
            _put_back(undo)
            raise
    largest = kept["max_over_std"]
    if largest is None or largest > tolerance:
        _put_back(undo)
        by = "are not finite" if largest is None else f"change by {largest:.2g} standard deviations"
        raise FoldingError(
            f"batch normalisation was not folded: the logits {by} at {show(resolution)}, {tolerance:g} is the limit"
        )
    gone = {after for _, after in found}
    left = {operation.path for operation in traced.operations if operation.kind == "batch_norm"} - gone
    return Folding(tuple(found), tuple(sorted(left)), kept)


def pairs(net: nn.Module, traced: Trace) -> list[tuple[str, str]]:
    """Convolutions (transposed ones and linear layers too) and the normalisations that alone read their outputs.

    Both must be modules that do nothing else, and each must meet the other in every one of its calls.
    """
    modules = dict(net.named_modules())
    readers, writers = defaultdict(list), defaultdict(list)
    inside = defaultdict(set)
    for operation in traced.operations:
        inside[operation.path].add(operation.kind)
        for storage in set(operation.reads):
            readers[storage].append(operation)
        for storage in operation.writes:
            writers[storage].append(operation)

    def normalisation_after(operation: Operation) -> str | None:
        if len(operation.writes) != 1 or operation.writes[0] in traced.returned:
            return None
        output = operation.writes[0]
        if len(writers[output]) != 1 or len(readers[output]) != 1:
            return None
        (reader,) = readers[output]
        alone = reader.kind == "batch_norm" and not reader.training and reader.reads[0] == output
        return reader.path if alone and inside[reader.path] == {"batch_norm"} else None

    after: dict[str, set[str | None]] = defaultdict(set)
    for operation in traced.operations:
        if operation.kind in _KINDS and _takes_its_own_weight(operation, traced):
            after[operation.path].add(normalisation_after(operation))
    before: dict[str, set[str | None]] = defaultdict(set)
    for operation in traced.operations:
        if operation.kind == "batch_norm":
            sources = writers[operation.reads[0]]
            before[operation.path].add(sources[0].path if len(sources) == 1 else None)
    return [
        (path, next(iter(names)) or "")
        for path, names in after.items()
        if len(names) == 1
        and (name := next(iter(names))) is not None
        and before[name] == {path}
        and _fit(modules.get(path), modules.get(name))
    ]


def _takes_its_own_weight(operation: Operation, traced: Trace) -> bool:
    # A weight computed anew in each forward (standardised, parametrised) cannot be scaled in advance.
    weight = traced.parameters.get(f"{operation.path}.weight" if operation.path else "weight")
    two_dimensional = operation.kind != "linear" or len(operation.outputs[0]) == 2
    return weight is not None and weight.storage in operation.reads and two_dimensional


def _fit(layer: nn.Module | None, norm: nn.Module | None) -> bool:
    if not isinstance(layer, (_ConvNd, nn.Linear)) or not isinstance(norm, _BatchNorm):
        return False
    hooked = any(module._forward_hooks or module._forward_pre_hooks for module in (layer, norm))
    channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    return channels == norm.num_features and norm.running_mean is not None and not hooked


def _fold_pair(net: nn.Module, before: str, after: str) -> list[tuple[nn.Module, str, object]]:
    """Fold one pair; what to set again, on which module, to undo it."""
    layer, norm = net.get_submodule(before), net.get_submodule(after)
    assert isinstance(layer, (_ConvNd, nn.Linear))
    assert isinstance(norm, _BatchNorm)
    undo: list[tuple[nn.Module, str, object]] = [(layer, "weight", layer.weight), (layer, "bias", layer.bias)]
    # Parameters made in inference mode could not be copied or moved outside it.
    with torch.inference_mode(False), torch.no_grad():
        weight, bias = folded_weights(layer, norm)
        layer.weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
        layer.bias = nn.Parameter(bias, requires_grad=layer.weight.requires_grad)
    for parent, name in _places(net, norm):
        undo.append((parent, name, norm))
        setattr(parent, name, nn.Identity())
    return undo


def folded_weights(layer: Foldable, norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Weight and bias of the layer that does what `layer` and `norm` do in turn, computed in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -norm.running_mean.double() if layer.bias is None else layer.bias.double() - norm.running_mean.double()
    bias = bias * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    weight = layer.weight.double()
    if isinstance(layer, _ConvTransposeNd):
        # (in, out / groups, ...): each group of inputs has its own outputs in the second dimension.
        grouped = weight.unflatten(0, (layer.groups, -1))
        shape = (layer.groups, 1, -1, *(1,) * (weight.dim() - 2))
        weight = (grouped * scale.reshape(shape)).flatten(0, 1)
    else:
        weight = weight * scale.reshape(-1, *(1,) * (weight.dim() - 1))
    return weight.to(layer.weight.dtype), bias.to(layer.weight.dtype)


def _places(net: nn.Module, module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for parent in list(net.modules()):
        for name, child in list(parent._modules.items()):
            if child is module:
                yield parent, name


def _put_back(undo: list[list[tuple[nn.Module, str, object]]]) -> None:
    for changes in undo:
        for module, name, value in changes:
            setattr(module, name, value)


def sample_image(net: nn.Module, resolution: tuple[int, int], device: Device) -> Tensor:
    """The image that forms of a network are compared on: (1, 3, H, W) of standard normal noise, or its first input."""
    return samples(inputs_of(net)[:1], resolution, device=device.torch_device)[0]


def logits_of(run: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """What a network says, as a tensor of its own that no later pass overwrites."""
    with torch.inference_mode():
        return run(image).clone()


def deviation(reference: Tensor, other: Tensor) -> dict[str, Any]:
    """Compare logits (N, classes, H, W).

    Args:
        reference: of the plain network in fp32.
        other: of its faster form, in any precision.

    Returns:
        ``max_over_std``: the largest difference over the reference's standard deviation, None where a value is not
        finite; ``labels_changed``: the share of positions whose label (argmax) differs.
    """
    difference = float((other.float() - reference).abs().max().item())
    spread = float(reference.std().item())
    relative = difference / spread if spread else difference
    return {
        "max_over_std": relative if math.isfinite(relative) else None,
        "labels_changed": float((other.argmax(1) != reference.argmax(1)).float().mean().item()),
    }
