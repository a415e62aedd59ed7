"""The rules ``macs``, ``conv-macs`` and ``2xmacs``: multiply-accumulates of convolutions and matrix products.

A transposed convolution spreads each *input* element over its kernel, so it costs kernel times input grid. Biases,
normalisations, activations, pooling and resizing are no multiply-accumulates of a matrix product and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2, prod

from segbench.counting.trace import Operation


def _batch(operation: Operation) -> int:
    image, weight = operation.inputs[:2]
    return image[0] if len(image) == len(weight) else 1


def convolution(operation: Operation) -> int:
    """Weight elements (each group's input channels only) times output positions."""
    weight = operation.inputs[1]
    spatial = len(weight) - 2
    return _batch(operation) * prod(weight) * prod(operation.outputs[0][-spatial:])


def transposed_convolution(operation: Operation) -> int:
    """Weight elements times *input* positions."""
    image, weight = operation.inputs[:2]
    spatial = len(weight) - 2
    return _batch(operation) * prod(weight) * prod(image[-spatial:])


def linear(operation: Operation) -> int:
    """``(..., in) -> (..., out)``: input elements times output features."""
    image, weight = operation.inputs[:2]
    return prod(image) * (weight[0] if len(weight) == 2 else 1)


def product(operation: Operation) -> int:
    """``matmul``, ``mm``, ``bmm``, ``mv``, ``dot``: output elements times the contracted length, broadcast included.

    Where the first factor is sparse, its stored elements times the columns of the second.
    """
    if operation.stored is not None:
        return operation.stored * prod(operation.inputs[1][1:])
    return prod(operation.outputs[0]) * operation.inputs[0][-1]


def added_product(operation: Operation) -> int:
    """``addmm``, ``baddbmm``, ``addmv``: the first argument is added to the product of the other two."""
    if operation.stored is not None:
        return operation.stored * prod(operation.inputs[2][1:])
    return prod(operation.outputs[0]) * operation.inputs[1][-1]


def summed_product(operation: Operation) -> int:
    """``addbmm``: a batch of products, summed over the batch."""
    batch, rows, inner = operation.inputs[1]
    return batch * rows * inner * operation.inputs[2][-1]


def attention(operation: Operation) -> int:
    """Scaled dot-product attention: ``q @ k`` and ``weights @ v``, with the mask (causal or not) ignored.

    q is (..., L, E), k (..., S, E), v (..., S, Ev): ``batch * heads * L * S * (E + Ev)``.
    """
    query, key, value = operation.inputs[:3]
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def affine_grid(operation: Operation) -> int:
    """A product of homogeneous positions (3 in two dimensions, 4 in three) with each image's matrix."""
    return prod(operation.outputs[0]) * (operation.outputs[0][-1] + 1)


def bilinear(operation: Operation) -> int:
    """``nn.Bilinear``: a linear layer on the outer product of its two inputs, (..., in1) and (..., in2)."""
    weight = operation.inputs[2]
    return prod(operation.inputs[0][:-1]) * prod(weight)


def distances(operation: Operation) -> int:
    """``cdist`` and ``pdist``: every pair of a row of (..., P, M) and a row of (..., R, M) costs M."""
    return prod(operation.outputs[0]) * operation.inputs[0][-1]


def quantised_linear(operation: Operation) -> int:
    """Input elements times output features; its weight is packed away."""
    return prod(operation.inputs[0]) * operation.outputs[0][-1]


def real_products(counter: Callable[[Operation], int]) -> Callable[[Operation], int]:
    """Four real multiply-accumulates for the product of two complex numbers, two where one of them is real."""
    return lambda operation: operation.real_products * counter(operation)


def fourier_transform(operation: Operation) -> int:
    """``5 N log2 N`` operations for each transform of N points, the convention of FFTW's benchmarks.

    N is the length on the real side of a real transform.
    """
    points = max(operation.inputs[0], operation.outputs[0], key=prod)
    length = prod(points[dim] for dim in operation.dims)
    return round(5 * prod(points) * log2(length)) if length > 1 else 0


def twice(counter: Callable[[Operation], int]) -> Callable[[Operation], int]:
    """Two operations for each multiply-accumulate."""
    return lambda operation: 2 * counter(operation)


def nothing(operation: Operation) -> int:
    """Free by the rule's decision."""
    return 0
