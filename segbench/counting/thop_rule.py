"""The rule ``thop``: what ``thop.profile(net, (image,))`` of thop 0.1.1.post2209072238 reports.

Module calls of exact types, at the whole batch. A multiply-accumulate of a convolution counts 1, a normalised element
4, and a transposed convolution is charged on its *output* grid. Functions, operators and subclasses count nothing. A
module that the network holds under k paths is hooked k times and summed k times. Source: Lyken17/pytorch-OpCounter,
``thop/profile.py``, ``thop/vision`` and ``thop/rnn_hooks.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from segbench.counting.trace import ModuleCall


def convolution(call: ModuleCall) -> int:
    """Kernel elements of one group times output elements; for a transposed convolution, too."""
    kernel, groups = call.settings["kernel_size"], call.settings["groups"]
    assert isinstance(kernel, tuple) and isinstance(groups, int)
    return prod(call.outputs[0]) * (call.inputs[0][1] // groups) * prod(kernel)


def normalisation(call: ModuleCall) -> int:
    """4 per element with a weight, 2 without."""
    affine = call.settings.get("affine") or call.settings.get("elementwise_affine")
    return 2 * prod(call.inputs[0]) * (2 if affine else 1)


def input_elements(call: ModuleCall) -> int:
    """PReLU: 1 per element."""
    return prod(call.inputs[0])


def output_elements(call: ModuleCall) -> int:
    """Average pooling: 1 per output element, whatever the window."""
    return prod(call.outputs[0])


def adaptive_average(call: ModuleCall) -> int:
    """Per output element: the mean window size, and one division."""
    window = 1.0
    for size_in, size_out in zip(call.inputs[0][2:], call.outputs[0][2:], strict=True):
        window *= size_in / size_out
    return int((window + 1) * prod(call.outputs[0]))


def softmax(call: ModuleCall) -> int:
    """``3 * features - 1`` per normalised vector."""
    dim = call.settings["dim"]
    assert isinstance(dim, int)
    features = call.inputs[0][dim]
    return prod(call.inputs[0]) // features * (3 * features - 1)


UPSAMPLING: Mapping[str, int] = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


def upsampling(call: ModuleCall) -> int:
    """1, 5, 11 or 259 per output element for nearest, linear, bilinear, bicubic; other modes count nothing."""
    return UPSAMPLING.get(str(call.settings["mode"]), 0) * prod(call.outputs[0])


def linear(call: ModuleCall) -> int:
    """Input features times output elements."""
    features = call.settings["in_features"]
    assert isinstance(features, int)
    return features * prod(call.outputs[0])


# Gates of a cell, and element by element operations per unit beside them.
_CELLS: Mapping[str, tuple[int, int]] = {"RNN": (1, 0), "GRU": (3, 4), "LSTM": (4, 4)}


def recurrent_cell(call: ModuleCall) -> int:
    """Each gate: its products, an addition per unit and two biases; and what the cell does element by element."""
    width, hidden = call.settings["input_size"], call.settings["hidden_size"]
    assert isinstance(width, int) and isinstance(hidden, int)
    return _cell(call, width, hidden) * call.inputs[0][0]


def recurrent(call: ModuleCall) -> int:
    """As many cells as steps, layers and directions."""
    settings = call.settings
    width, hidden, layers = settings["input_size"], settings["hidden_size"], settings["num_layers"]
    assert isinstance(width, int) and isinstance(hidden, int) and isinstance(layers, int)
    directions = 2 if settings["bidirectional"] else 1
    cells = _cell(call, width, hidden) + (layers - 1) * _cell(call, directions * hidden, hidden)
    return directions * cells * prod(call.inputs[0][:2])


def _cell(call: ModuleCall, width: int, hidden: int) -> int:
    gates, beside = _CELLS[call.type.__name__.removesuffix("Cell")]
    biases = 2 if call.settings["bias"] else 0
    return hidden * (gates * (width + hidden + 1 + biases) + beside)


def nothing(call: ModuleCall) -> int:
    """Free by the tool's decision."""
    return 0


def times_counted(call: ModuleCall) -> int:
    """The square of k: k hooks on a module held under k paths, and its total summed at each of them."""
    return call.occurrences**2
