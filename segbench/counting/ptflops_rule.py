"""The rules ``ptflops-0.6.3`` and ``ptflops-0.6.9``: what those releases of ptflops report, per image.

Module calls of exact types: convolution and its bias, 2 per batch-normalised element, 1 per element of some
activations, 1 per input element of pooling, 1 per output element of ``nn.Upsample``. Functions and operators count
nothing. The releases differ in transposed convolutions (input grid, then output grid), GELU, group and instance norm,
the bias of linear layers, ``nn.MultiheadAttention``, and in how often a shared module counts. Recurrent
layers, which both count, are left to `Count.unsupported`. Source:
sovrasov/flops-counter.pytorch, releases 0.6.3 (``flops_counter.py``) and 0.6.9 (``pytorch_ops.py``).
"""

from __future__ import annotations

from math import prod

from segbench.counting.trace import ModuleCall


def _integers(call: ModuleCall, *names: str) -> tuple[int, ...]:
    values = tuple(call.settings[name] for name in names)
    return tuple(value for value in values if isinstance(value, int))


def _weights(call: ModuleCall) -> int:
    kernel = call.settings["kernel_size"]
    assert isinstance(kernel, tuple)
    in_channels, out_channels, groups = _integers(call, "in_channels", "out_channels", "groups")
    return prod(kernel) * in_channels * (out_channels // groups)


def convolution(call: ModuleCall) -> int:
    """Weights, and the bias where there is one, times output positions."""
    output = call.outputs[0]
    positions = call.inputs[0][0] * prod(output[2:])
    (out_channels,) = _integers(call, "out_channels")
    return (_weights(call) + (out_channels if call.settings["bias"] else 0)) * positions


def transposed_convolution(call: ModuleCall) -> int:
    """Weights times *input* positions; its bias times the *square* of the output height (0.6.3 does so)."""
    batch, _, height, width = call.inputs[0]
    (out_channels,) = _integers(call, "out_channels")
    bias = out_channels * batch * call.outputs[0][2] ** 2 if call.settings["bias"] else 0
    return _weights(call) * batch * height * width + bias


def input_elements(call: ModuleCall) -> int:
    """Pooling: 1 per input element, whatever the window."""
    return prod(call.inputs[0])


def output_elements(call: ModuleCall) -> int:
    """Activations: 1 per element."""
    return prod(call.outputs[0])


def first_image(call: ModuleCall) -> int:
    """``nn.Upsample``: 1 per output element of the first image only."""
    return prod(call.outputs[0][1:])


def normalisation(call: ModuleCall) -> int:
    """2 per element with a weight, 1 without."""
    return prod(call.inputs[0]) * (2 if call.settings["affine"] else 1)


def linear(call: ModuleCall) -> int:
    """Input elements times output features, without the bias."""
    return prod(call.inputs[0]) * call.outputs[0][-1]


def linear_and_bias(call: ModuleCall) -> int:
    """As `linear`, and the bias once, however many vectors there are."""
    return linear(call) + (call.outputs[0][-1] if call.settings["bias"] else 0)


def attention(call: ModuleCall) -> int:
    """``nn.MultiheadAttention``: scaling, three projections, heads with softmax, and the output projection."""
    query, key, value = call.inputs[:3]
    batch_first = bool(call.settings["batch_first"])
    batch, length = (query[0], 1) if batch_first else (query[1], 0)
    q_len, k_len, v_len = query[length], key[length], value[length]
    q_dim, k_dim, v_dim = query[2], key[2], value[2]
    (heads,) = _integers(call, "num_heads")
    cost = q_len * q_dim + q_len * q_dim**2 + k_len * k_dim**2 + v_len * v_dim**2
    if call.settings["in_proj_bias"]:
        cost += (q_len + k_len + v_len) * q_dim
    cost += heads * (q_len * k_len * (q_dim // heads + 1 + v_dim // heads))
    cost += q_len * v_dim * (v_dim + 1)
    return cost * batch


def once(call: ModuleCall) -> int:
    """0.6.3 sums over distinct modules."""
    return 1


def per_path(call: ModuleCall) -> int:
    """0.6.9 sums down the tree, and so counts a module once for every path that leads to it."""
    return call.occurrences
