"""Unpickle what a training script saved beside its weights as inert stubs: nothing that a file names is ever called.

torch's own reading of weights alone refuses a whole file for one NumPy scalar or one `argparse.Namespace`. Here
tensors are rebuilt by torch, containers by Python, and every other name that the file asks for becomes a class whose
instances take all that a pickle can do to an object and do nothing.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import _utils

_TENSORS = (
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_parameter",
    "_rebuild_sparse_tensor",
    "_rebuild_meta_tensor_no_storage",
)
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
_SAFE: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    **{("torch._utils", name): getattr(_utils, name) for name in _TENSORS if hasattr(_utils, name)},
    **{("torch", name): getattr(torch, name) for name in _DTYPES},
    **{
        ("torch", name): getattr(torch, name)
        for name in dir(torch)
        if name.endswith("Storage") and isinstance(getattr(torch, name), type)
    },
}


_CALLED = tuple(_SAFE.values())


class Stub:
    """An object of a class that is not read; it takes what a pickle does to it, and keeps none of it."""

    name = ""

    def __new__(cls, *_: object, **__: object) -> Stub:
        """Any arguments."""
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        """Any arguments."""

    def __call__(self, *_: object, **__: object) -> Stub:
        """Where a pickle calls what it has built."""
        return self

    def __setstate__(self, _: object) -> None:
        """Any state."""

    def __setitem__(self, _: object, __: object) -> None:
        """As a dictionary."""

    def append(self, _: object) -> None:
        """As a list."""

    def extend(self, _: object) -> None:
        """As a list."""

    def add(self, _: object) -> None:
        """As a set."""


class Unpickler(pickle._Unpickler):
    """Finds the names in `_SAFE`, and a stub for all others.

    Python's own implementation, which can be told what a name means for every protocol; extension codes included.
    """

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of that name, or an inert one in its place."""
        found = _SAFE.get((module, name))
        return (
            type(name.rpartition(".")[2] or "Stub", (Stub,), {"name": f"{module}.{name}"}) if found is None else found
        )

    def load_reduce(self) -> None:
        """Call what `find_class` gave, and nothing else that a pickle can put in its place."""
        function = self.stack[-2]  # type: ignore[attr-defined]
        if not (isinstance(function, Stub) or function in _CALLED or _is_stub(function)):
            raise pickle.UnpicklingError(f"a call of {type(function).__name__}")
        super().load_reduce()  # type: ignore[misc]

    def load_build(self) -> None:
        """Set the state of tensors, ordered dictionaries and stubs, never that of a class or module."""
        target = self.stack[-2]  # type: ignore[attr-defined]
        if not isinstance(target, (Stub, torch.Tensor, OrderedDict)):
            raise pickle.UnpicklingError(f"a state of {type(target).__name__}")
        super().load_build()  # type: ignore[misc]

    # A table of plain functions, as the base class has it.
    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.BUILD[0]: load_build,
    }

    def get_extension(self, code: int) -> None:
        """Extension codes name classes of this process: a checkpoint has none."""
        raise pickle.UnpicklingError(f"extension code {code}")


def _is_stub(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Stub)


def _load(file: Any, **arguments: Any) -> Any:
    return Unpickler(file, **arguments).load()


PICKLE = SimpleNamespace(
    __name__="segbench.models.stubs",
    Unpickler=Unpickler,
    UnpicklingError=pickle.UnpicklingError,
    load=_load,
)
"""What `torch.load` takes as its pickle module."""
