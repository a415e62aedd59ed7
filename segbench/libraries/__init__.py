"""Networks of other libraries by name: ``smp:Unet``, ``torchvision:fcn_resnet50``, ``hf:segformer``.

A library, or a company, registers its own by an entry point of the group ``segbench.networks`` that names an object
with the attributes of `Library`; the entry point's name is the prefix. segbench's own adapters are found the same way.
No adapter of segbench downloads anything. Imports no torch, and no library before it is asked for.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Protocol

from segbench.errors import BadOption, FactoryError, UnknownName, first_line
from segbench.spec import LIBRARIES

GROUP = LIBRARIES


class Library(Protocol):
    """What an entry point of the group names: an object, or a module, with these two functions."""

    def names(self) -> Iterable[str]:
        """The networks of the library."""

    def build(self, name: str, classes: int | None, arguments: Mapping[str, Any]) -> Any:
        """Build one, an `nn.Module`, with random weights.

        Args:
            name: one of `names`, or what else the library understands.
            classes: output channels that the user asks for; None for the library's own number.
            arguments: constructor arguments in the library's own words.
        """


def prefixes() -> list[str]:
    """The prefixes of all registered libraries."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find(prefix: str) -> Library | None:
    """The library that is registered under a prefix; None where there is none.

    Raises:
        FactoryError: it is registered, and does not load.
    """
    for point in entry_points(group=GROUP, name=prefix):
        try:
            library: Library = point.load()
        except Exception as error:
            raise FactoryError(f"the library {prefix!r} ({point.value}) does not load: {first_line(error)}") from error
        if not callable(getattr(library, "names", None)) or not callable(getattr(library, "build", None)):
            raise FactoryError(f"the library {prefix!r} ({point.value}) has no functions `names` and `build`")
        return library
    return None


def listed(prefix: str) -> list[str]:
    """The networks of a library in alphabetical order.

    Raises:
        UnknownName: no such library.
        FactoryError: it is not installed, or does not import.
    """
    library = find(prefix)
    if library is None:
        raise UnknownName("library", prefix, prefixes())
    with offline():
        return sorted(library.names())


def imported(module: str, package: str) -> ModuleType:
    """Import a library.

    Raises:
        FactoryError: says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise FactoryError(f"{package} needs {error.name}: pip install {error.name}") from error
        raise FactoryError(
            f"{package} is not installed: pip install {package}, or pip install 'segbench[libraries]' for all libraries"
        ) from error
    except Exception as error:
        raise FactoryError(
            f"{package} is installed and does not import ({first_line(error)}): pip install one that fits your torch"
        ) from error


def known(library: str, name: str, names: Iterable[str]) -> None:
    """Refuse a network that a library does not have.

    Raises:
        UnknownName: names the nearest.
    """
    there = list(names)
    if name not in there:
        raise UnknownName(f"{library} network", name, there, f"`segbench models --library {library}` lists all")


def refuse_weights(library: str, arguments: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse arguments that would download weights.

    Raises:
        BadOption: names the argument.
    """
    for name in names:
        if arguments.get(name):
            given = f"{name}={arguments[name]!r}"
            raise BadOption(f"{library}: {given} would download weights, and segbench downloads nothing")


def refuse_unknown(network: str, arguments: Iterable[str], accepted: Iterable[str]) -> None:
    """Refuse arguments that a constructor would swallow without using them.

    Raises:
        UnknownName: names the nearest.
    """
    there = list(accepted)
    for name in arguments:
        if name not in there:
            raise UnknownName(f"argument of {network}", name, there)


@contextmanager
def offline() -> Iterator[None]:
    """No host is looked up meanwhile, whichever library tries to."""
    looked_up, variable = socket.getaddrinfo, os.environ.get("HF_HUB_OFFLINE")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError("segbench downloads nothing")

    # huggingface_hub reads it when it is imported, and asks no server for anything then.
    os.environ["HF_HUB_OFFLINE"] = "1"
    socket.getaddrinfo = refuse
    try:
        yield
    finally:
        socket.getaddrinfo = looked_up
        if variable is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = variable
