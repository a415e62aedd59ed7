"""The rule ``fvcore``: what ``FlopCountAnalysis(net, image).total()`` of fvcore 0.1.5.post20221221 reports.

One multiply-accumulate counts 1, a normalised element 1 to 5, a resized or sampled element 4, a globally pooled
input element 1. fvcore reads a jit trace, which holds only what reaches a returned tensor. Source:
facebookresearch/fvcore, ``fvcore/nn/jit_handles.py`` and ``flop_count.py`` of that release.
"""

from __future__ import annotations

from math import prod

import numpy as np

from segbench.counting.trace import Operation


def batch_norm(operation: Operation) -> int:
    """2 per element with a weight, 1 without; as `normalisation` where it uses the batch's statistics."""
    if operation.training:
        return normalisation(operation)
    return prod(operation.inputs[0]) * (2 if operation.affine else 1)


def normalisation(operation: Operation) -> int:
    """Layer, group and instance norm: 5 per element with a weight, 4 without."""
    return prod(operation.inputs[0]) * (5 if operation.affine else 4)


def output_elements(operation: Operation) -> int:
    """Nearest resize: 1 per output element."""
    return prod(operation.outputs[0])


def four_per_output(operation: Operation) -> int:
    """Bilinear resize, grid sampling: 4 per output element."""
    return 4 * prod(operation.outputs[0])


def pooled_elements(operation: Operation) -> int:
    """Adaptive average pooling: 1 per input element."""
    return prod(operation.inputs[0])


def unbroadcast_product(operation: Operation) -> int:
    """``matmul``: elements of the first factor times columns of the second, so a broadcast first factor counts once."""
    first, second = operation.inputs[:2]
    return prod(first) * second[-1]


def matrix_product(operation: Operation) -> int:
    """``addmm``: the product of the second and third argument."""
    return prod(operation.inputs[1]) * operation.inputs[2][-1]


def einsum(operation: Operation) -> int:
    """Half of numpy's "optimized FLOP count", which numpy prints with four digits; two attention forms exactly."""
    equation = operation.equation.replace(" ", "")
    letters = dict.fromkeys(letter for letter in equation if letter.isalpha())
    equation = equation.translate({ord(letter): 97 + index for index, letter in enumerate(letters)})
    shapes = operation.inputs
    if equation == "abc,abd->acd":
        return prod(shapes[0]) * shapes[-1][-1]
    if equation == "abc,adc->adb":
        return prod(shapes[0]) * shapes[-1][1]
    # Only shapes matter to numpy here: zeros without memory behind them.
    operands = [np.broadcast_to(np.zeros(()), shape) for shape in shapes]
    report = str(np.einsum_path(equation, *operands, optimize="optimal")[1])
    line = next(line for line in report.splitlines() if "optimized flop" in line.lower())
    return int(float(line.split(":")[-1]) / 2)


# fvcore calls these free, where other arithmetic that it does not count is reported as unsupported.
FREE = frozenset(
    {"relu", "clamp", "max", "eq", "ge", "gt", "floor", "floor_divide", "remainder", "__and__", "bitwise_not"}
)


def is_invisible(operation: Operation) -> bool:
    """A convolution with ``padding="same"`` is another node in the trace, one that fvcore does not count."""
    return operation.overload == "padding"
