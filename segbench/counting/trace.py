"""What one forward did: its operations and its module calls, as plain data that counting rules read.

Two tables, because the tools of the field look at two things: fvcore counts operations, thop and ptflops count
modules. Nothing in here runs torch; a rule is a pure function over a trace.

Which operations reach an output is found by a walk back from it over storages. Storages, not tensors: a view shares
its storage with the tensor it looks at, and an in-place operation changes a storage while the operations that filled
it before still matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

Shape = tuple[int, ...]
Setting = int | float | str | bool | tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as the network called it (``linear`` and not the ``addmm`` inside it).

    Attributes:
        kind: its ATen name, without overload and without the underscore of an in-place variant.
        overload: the ATen overload, where a tool tells overloads apart (``conv2d`` with ``padding="same"``).
        path: the module in whose forward it ran, by the first path under which the network holds that module.
        call: index of that module call in `Trace.calls`.
        inputs: shapes of the tensor arguments in order; optional tensors that were not given are left out.
        outputs: shapes of the tensors returned.
        groups: of a convolution.
        kernel: of a convolution, without the channel dimensions.
        stride: of a convolution.
        affine: a normalisation has a weight.
        training: a normalisation uses the statistics of the batch.
        equation: of an einsum.
        reads: storages of the tensor arguments.
        writes: storages that it created or changed in place; none for a view.
        inside: kind of the composite operation that it is a part of (the ``bmm`` of an ``einsum``), else empty.
        divided: it is a composite whose parts are in the trace too.
        pointwise: torch tags it as element by element.
        real_products: of one product: 2 where one factor is complex, 4 where both are.
        stored: elements that its sparse argument stores; None without one.
        dims: along which a Fourier transform goes.
    """

    kind: str
    overload: str
    path: str
    call: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    groups: int = 1
    kernel: Shape = ()
    stride: Shape = ()
    affine: bool = False
    training: bool = False
    equation: str = ""
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    inside: str = ""
    divided: bool = False
    pointwise: bool = False
    real_products: int = 1
    stored: int | None = None
    dims: Shape = ()


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        path: the first path under which the network holds the module.
        type: its exact class; the tools match on it, so that a subclass of ``nn.Conv2d`` is not one.
        parent: index of the calling module's call in `Trace.calls`; -1 for the network itself.
        inputs: shapes of the tensor arguments in order.
        outputs: shapes of the tensors returned.
        settings: the attributes that rules read: ``kernel_size``, ``affine``, ``mode`` ...
        occurrences: under how many paths the network holds the module (tools hook and sum a shared one repeatedly).
    """

    path: str
    type: type[nn.Module]
    parent: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    occurrences: int = 1


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A parameter of the network: how many elements, and in which storage operations find it."""

    elements: int
    storage: int


@dataclass(frozen=True)
class Trace:
    """One forward in eval mode.

    Attributes:
        input_shape: of the image, (N, C, H, W).
        output_shape: of the network's main output; empty where it returned no tensor.
        device: ``"meta"``, or ``"real tensors (reason)"`` where the network does not run on meta.
        operations: in the order in which they ran.
        calls: module calls in the order in which they began.
        parameters: every parameter by its first name; a shared one once.
        main: storages of the main output (a tensor; ``out`` or ``logits`` of a mapping; else the first).
        returned: storages of everything that the network returned, auxiliary outputs included; without any, what
            reaches an output is not known.
        unregistered: elements of weights that ran and that no module registers as parameters, by name.
        taken: which of several outputs is the main one, in words; empty with one output.
    """

    input_shape: Shape
    output_shape: Shape
    device: str
    operations: tuple[Operation, ...]
    calls: tuple[ModuleCall, ...]
    parameters: Mapping[str, StoredTensor]
    main: frozenset[int]
    returned: frozenset[int]
    unregistered: Mapping[str, int] = field(default_factory=dict)
    taken: str = ""

    @cached_property
    def reaching_output(self) -> frozenset[int]:
        """Indices of the operations that reach the main output, or whose value Python read to steer the forward."""
        return reaching(self.operations, self.main, steering=True)

    @cached_property
    def reaching_returned(self) -> frozenset[int]:
        """Indices of the operations that reach anything the network returned: what a jit trace keeps."""
        return reaching(self.operations, self.returned, steering=False)

    @cached_property
    def calls_reaching_output(self) -> frozenset[int]:
        """Indices of the module calls in which an operation reaches the output, or in a module that they call."""
        found: set[int] = set()
        for index in self.reaching_output:
            call = self.operations[index].call
            while call >= 0 and call not in found:
                found.add(call)
                call = self.calls[call].parent
        return frozenset(found)

    @cached_property
    def steered_by(self) -> tuple[str, ...]:
        """Kinds of the operations whose values decide what runs, or how much of it."""
        return tuple(dict.fromkeys(op.kind for op in self.operations if op.kind in STEERING | SIZED_BY_VALUES))

    @cached_property
    def params(self) -> int:
        """All parameters."""
        return sum(parameter.elements for parameter in self.parameters.values())

    @cached_property
    def live_params(self) -> int:
        """Parameters that an operation reads on the way to the output, or that are themselves returned."""
        read = set(self.main)
        for index in self.reaching_output:
            read.update(self.operations[index].reads)
        return sum(parameter.elements for parameter in self.parameters.values() if parameter.storage in read)


# Their value goes to Python, where it can decide what runs next.
STEERING = frozenset({"item", "_local_scalar_dense", "is_nonzero", "equal", "allclose"})

# How many elements they return depends on values.
SIZED_BY_VALUES = frozenset({"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"})

OPAQUE = "opaque kernel"
"""Kind of what wrote a storage that no recorded operation wrote: an extension outside of torch's dispatch."""


def reaching(operations: Sequence[Operation], targets: Iterable[int], steering: bool) -> frozenset[int]:
    """Indices of the operations that a value in one of the `targets` depends on.

    Args:
        operations: in the order in which they ran.
        targets: storages of the outputs of interest.
        steering: count an operation whose value Python read (``.item()``) as reaching the output.
    """
    wanted = set(targets)
    found = []
    for index in range(len(operations) - 1, -1, -1):
        operation = operations[index]
        if not wanted.isdisjoint(operation.writes) or (steering and operation.kind in STEERING):
            found.append(index)
            wanted.update(operation.reads)
    return frozenset(found)
