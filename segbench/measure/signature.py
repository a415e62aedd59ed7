"""What a network computes, in a few numbers: sampled logits with weights that follow from the names of its keys.

Two networks with equal counts may compute different things: a changed eps, slope, padding mode or scale. With every
weight drawn from a stream that its key seeds, and a fixed image, the logits are a fingerprint of the architecture and
of every constant in it. The recipe is that of the golden files (`tests/golden_recipe.py`, which stays separate code:
the tests hold the two together); here the keys are the network's own.

Weights and normalisation statistics are drawn. Other buffers keep the values that the constructor gave them: they are
constants of the architecture (an image mean, a DCT basis, position codes).
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segbench import resolution as sizes
from segbench.counting.copies import global_state_kept
from segbench.errors import FactoryError, ForwardError, SegbenchError, one_line
from segbench.inputs import IMAGE
from segbench.measure.flags import measurement_flags
from segbench.measure.subject import Subject
from segbench.models.outputs import main_output, tensors_in
from segbench.models.samples import cast_floats, inputs_of, samples
from segbench.protocol import REFERENCE
from segbench.records.results import Signature

SIZE = (128, 256)
SAMPLES = 64
# Weight scales to try in turn: too large a one overflows, too small a one leaves nothing but biases.
GAINS = (1.0, 2.0, 0.5, 0.25, 4.0)
DIGITS = 7

Values = NDArray[np.float64]


def signature(
    subject: Subject,
    fallback: tuple[int, int] = SIZE,
    resolution: tuple[int, int] | None = None,
    gain: float | None = None,
) -> Signature:
    """Fingerprint of what a network computes, on the CPU in float32.

    Args:
        subject: the network; a fresh instance is built.
        fallback: height and width to take where the network does not run at `SIZE`.
        resolution: height and width of an earlier signature to compare with; chosen here by default.
        gain: weight scale of that earlier signature; the first of `GAINS` with a usable output by default.

    Returns:
        64 samples of the logits, their shape, mean and deviation, and ``modules``: for each module call, in the order
        in which calls ended, its ``path`` and statistics of its inputs (``in``) and outputs (``out``): mean, standard
        deviation and a weighted sum of sampled values of each tensor.

    Raises:
        SegbenchError: the network fails on one image of these sizes, or its output is not finite at any weight scale.
    """
    if resolution is not None:
        return _at(subject, resolution, gain)
    try:
        return _at(subject, subject.size_rule.nearest(SIZE), gain)
    except SegbenchError:
        if fallback == SIZE:
            raise
        return _at(subject, fallback, gain)


def _at(subject: Subject, resolution: tuple[int, int], gain: float | None) -> Signature:
    with global_state_kept(), measurement_flags(REFERENCE):
        for tried in GAINS if gain is None else (gain,):
            _seed()
            net = subject.build() if subject.entry else cast_floats(subject.build(), torch.float32)
            fill(net, tried)
            watch = _Watch(net)
            _seed()
            try:
                inputs = inputs_of(net)[:1]
                given = image(resolution) if inputs == (IMAGE,) else samples(inputs, resolution)[0]
                logits = main_output(net(given))
            except SegbenchError:
                raise
            except Exception as error:
                where = sizes.show(resolution)
                raise ForwardError(f"{subject.spec} fails on an image of {where}: {one_line(error)}") from error
            values = logits.double().flatten()
            mean, std = float(values.mean()), float(values.std())
            if gain is not None or (math.isfinite(std) and 1e-6 < std < 1e6 and std > 1e-3 * abs(mean)):
                return Signature(
                    resolution=resolution,
                    gain=tried,
                    shape=list(logits.shape),
                    samples=[_rounded(value) for value in values[sample_indices(values.numel())].tolist()],
                    mean=_rounded(mean),
                    std=_rounded(std),
                    modules=watch.rows,
                )
    raise FactoryError(f"{subject.spec} has no finite, varied output with weights drawn at any of the scales {GAINS}")


def _seed() -> None:
    # Constructors and forwards that draw random numbers draw the same ones each time.
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def fill(net: nn.Module, gain: float) -> None:
    """Give every parameter and normalisation statistic the value that follows from its key, in place."""
    parameters = {key for key, _ in net.named_parameters(remove_duplicate=False)}
    state = net.state_dict()
    with torch.no_grad():
        for key, tensor in state.items():
            last = key.rpartition(".")[2]
            if last == "num_batches_tracked":
                tensor.zero_()
            elif tensor.is_floating_point() and (key in parameters or last in ("running_mean", "running_var")):
                values = drawn(key, tuple(tensor.shape), state.keys(), gain)
                tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))


def drawn(key: str, shape: Sequence[int], keys: Any, gain: float) -> Values:
    """Values of one tensor from the legacy NumPy stream that its key seeds, which NumPy has frozen."""
    stream = np.random.RandomState(zlib.crc32(key.encode()))
    prefix, _, last = key.rpartition(".")
    count = math.prod(shape)
    if last == "running_mean":
        return 0.1 * stream.standard_normal(count)
    if last == "running_var":
        return 0.5 + stream.random_sample(count)
    if len(shape) >= 2:
        return stream.standard_normal(count) * math.sqrt(gain / math.prod(shape[1:]))
    if last == "bias" or last.endswith("_bias"):
        return 0.1 * stream.standard_normal(count)
    if last == "weight" and f"{prefix}.bias" not in keys:
        return 0.1 + 0.3 * stream.random_sample(count)  # the slopes of a PReLU
    return 0.5 + stream.random_sample(count)


def image(resolution: tuple[int, int]) -> Tensor:
    """The image (1, 3, H, W) that follows from its shape."""
    shape = (1, 3, *resolution)
    seed = zlib.crc32(("input:" + "x".join(map(str, shape))).encode())
    values = np.random.RandomState(seed).standard_normal(math.prod(shape)).reshape(shape)
    return torch.from_numpy(values.astype(np.float32))


def sample_indices(count: int) -> list[int]:
    """Flat indices of the samples of a tensor with `count` elements."""
    return [(index * 2654435761 + 12345) % count for index in range(SAMPLES)]


class _Watch:
    """Statistics of what goes into and comes out of every module call."""

    def __init__(self, net: nn.Module) -> None:
        self.rows: list[dict[str, Any]] = []
        self._paths = {module: path for path, module in net.named_modules()}
        self._inputs: list[list[float | str]] = []
        for module in self._paths:
            if not isinstance(module, torch.jit.ScriptModule):
                module.register_forward_pre_hook(self._begin, with_kwargs=True)
                module.register_forward_hook(self._end)

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Now, because the module may work in place.
        self._inputs.append(list(_statistics(tensors_in((args, kwargs)))))

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        outputs = list(_statistics(tensors_in(output)))
        self.rows.append({"path": self._paths[module], "in": self._inputs.pop(), "out": outputs})


def _statistics(tensors: Iterator[Tensor]) -> Iterator[float | str]:
    for tensor in tensors:
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        values = tensor.detach().flatten()
        picked = values[sample_indices(values.numel())].double().numpy()
        # Weights of no pattern, so that swapped or shifted values show.
        mixed = float((picked * np.sin(np.arange(1, SAMPLES + 1))).sum()) / math.sqrt(SAMPLES)
        spread = float(values.std(correction=0))
        yield from (_rounded(value) for value in (float(values.mean()), spread, mixed))


def _rounded(value: float) -> float | str:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
