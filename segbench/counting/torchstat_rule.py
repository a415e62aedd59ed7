"""The rule ``torchstat``: the ``Flops`` of ``torchstat.ModelStat(net, (3, H, W))`` of torchstat 0.0.7.

Calls of modules without children, subclasses included, at the whole batch. Convolution and its bias, 2 per
batch-normalised element, 1 per input element of some activations and of pooling by a window, 1 per output *position* of
``nn.Upsample``. Transposed convolutions, adaptive pooling, functions and operators count nothing.

Of a module that is called several times the last call alone counts: each call writes over what the one before it had
left. torchstat fails where such a module returns several tensors (max pooling with indices) and on linear layers of
anything but vectors (N, C); there is then no report to repeat, and every call counts. Source: Swall0w/torchstat,
``compute_flops.py`` and ``model_hook.py`` of that release.
"""

from __future__ import annotations

from math import prod

from torch import nn

from segbench.counting.trace import ModuleCall, Trace


def positions(call: ModuleCall) -> int:
    """``nn.Upsample``: height times width of the output for each image, whatever its channels."""
    batch, _, *size = call.outputs[0]
    return batch * prod(size)


def runs(traced: Trace) -> bool:
    """Whether torchstat gets through this network."""
    callers = {call.parent for call in traced.calls}
    return not any(
        len(call.outputs) != 1 or (call.type is nn.Linear and len(call.inputs[0]) != 2)
        for index, call in enumerate(traced.calls)
        if index not in callers
    )
