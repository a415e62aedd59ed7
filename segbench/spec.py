"""How users name a network of their own: ``mynets:Net``, ``./nets.py:Net(width=32)``, ``smp:Unet``.

Imports no torch.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from segbench.errors import FactoryError

LIBRARIES = "segbench.networks"
"""The group of entry points by which libraries register their networks."""

OWN_SIZE = (1024, 2048)
"""Height and width at which a network of the user's own is measured where nothing is said: those of Cityscapes."""


@dataclass(frozen=True)
class Spec:
    """A MODEL argument that is no catalog name.

    Attributes:
        source: module, file, or prefix of a library.
        name: of the callable in it.
        positional: arguments without a name.
        named: arguments with one.
    """

    source: str
    name: str
    positional: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As users write it."""
        given = [*map(repr, self.positional), *(f"{key}={value!r}" for key, value in self.named.items())]
        return f"{self.source}:{self.name}" + (f"({', '.join(given)})" if given else "")

    @property
    def is_file(self) -> bool:
        """Whether the source is a file: it is named with a folder, or ends in .py."""
        return "/" in self.source or "\\" in self.source or self.source.endswith(".py")


def is_own(text: str) -> bool:
    """Whether a MODEL argument names a user's or a library's network rather than a catalog network."""
    return ":" in text


def check_source(text: str) -> None:
    """Refuse a network of the user's own whose source is not there, without importing it, or torch.

    Raises:
        FactoryError: there is no such file or module, or it has no such name.
    """
    spec = parse(text)
    if not spec.is_file and any(spec.source == point.name for point in entry_points(group=LIBRARIES)):
        return
    if spec.is_file:
        path = Path(spec.source)
        if not path.is_file():
            raise FactoryError(f"cannot import {spec.source}: there is no such Python file")
    else:
        outer = spec.source.partition(".")[0]
        here = next((place for place in (Path(f"{outer}.py"), Path(outer)) if place.exists()), None)
        importlib.invalidate_caches()
        if here is None and outer not in sys.modules and importlib.util.find_spec(outer) is None:
            raise FactoryError(f"cannot import {spec.source}: ModuleNotFoundError: No module named {outer!r}")
        path = Path(f"{spec.source}.py")
    if path.is_file() and not _may_have(path, spec.name):
        raise FactoryError(f"{spec.source} has no {spec.name!r}: a function or class that returns an nn.Module")


def _may_have(path: Path, name: str) -> bool:
    """Whether a file may define a name: it stands in its code, or names are made where reading does not show them."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError):
        return True  # importing it says what is wrong
    if re.search(rf"\b{re.escape(name)}\b", text) or re.search(r"\b(globals|setattr|exec|__getattr__)\b", text):
        return True
    return any(
        isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names) for node in ast.walk(tree)
    )


def parse(text: str) -> Spec:
    """Read ``source:name`` or ``source:name(key=value, ...)``, where values are Python literals.

    Raises:
        FactoryError: it is neither.
    """
    head, bracket, rest = text.strip().partition("(")
    source, _, name = head.partition(":")
    if not source or not name:
        raise FactoryError(f"{text!r} is not package.module:factory, ./file.py:factory or library:network")
    if not bracket:
        return Spec(source, name.strip())
    if not rest.rstrip().endswith(")"):
        raise FactoryError(f"{text!r} has no closing bracket: quote it for the shell, as in 'mynets:Net(width=32)'")
    positional, named = _arguments(f"({rest.rstrip()}", text)
    return Spec(source, name.strip(), positional, named)


def with_arguments(text: str, given: Sequence[str]) -> str:
    """The same network with further arguments ``name=value``: JSON where it is that, else text.

    Raises:
        FactoryError: an argument without a name, or one that the network's own text has already.
    """
    if not given:
        return text
    spec = parse(text)
    named = dict(spec.named)
    for argument in given:
        key, equals, value = argument.partition("=")
        if not equals or not key.strip().isidentifier():
            raise FactoryError(f"--arg {argument!r} is not name=value, as in --arg width=32")
        if key.strip() in named:
            raise FactoryError(f"{key.strip()} is given twice: {spec} and --arg {argument}")
        try:
            named[key.strip()] = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, or numbers and nesting that none has
            named[key.strip()] = value
    return str(Spec(spec.source, spec.name, spec.positional, named))


def _arguments(brackets: str, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        call = ast.parse(f"f{brackets}", mode="eval").body
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
        positional = tuple(ast.literal_eval(value) for value in call.args)
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise FactoryError(
            f"the arguments of {text!r} cannot be read: Python literals are accepted, quoted for the shell, as in "
            "'mynets:Net(width=32, norm=\"bn\")'"
        ) from None
    return positional, named
