"""A network of the user's own: any factory ``package.module:name`` that returns an `nn.Module`."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segbench.errors import FactoryError
from segbench.models.base import resize, tracing
from segbench.models.outputs import logits_in

DEFAULT_CLASSES = 19


class OwnNetwork(nn.Module):
    """A user's network under segbench's contract: ``(N, 3, H, W)`` to logits ``(N, classes, H, W)``.

    The network may return a tensor, a tuple or list whose first item is the logits, or a dict with ``out`` or
    ``logits``. Logits of another size than the input are resized bilinearly, as the catalog's networks do.
    """

    def __init__(self, network: nn.Module, spec: str, classes: int | None) -> None:
        """Wrap `network`; `classes` is the output width to insist on, None for whatever it returns."""
        super().__init__()
        self.network = network
        self.spec = spec
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the input size.

        Raises:
            FactoryError: the network returned no logits of the shape ``(N, classes, h, w)``.
        """
        logits = self.first_tensor(self.network(x))
        if not tracing():
            self.check_shape(x, logits)
        return resize(logits, x.shape[-2:])

    def first_tensor(self, output: Any) -> Tensor:
        """The logits among what the network returned."""
        logits = logits_in(output)
        if logits is None:
            raise FactoryError(
                f"{self.spec} returned {type(output).__name__} instead of logits: a tensor, a tuple or list whose "
                f"first item is one, or a dict with `out` or `logits` is accepted"
            )
        return logits

    def check_shape(self, x: Tensor, logits: Tensor) -> None:
        """Refuse anything but ``(N, classes, h, w)``."""
        shape = tuple(logits.shape)
        wanted = f"(N, {'classes' if self.classes is None else self.classes}, h, w)"
        if len(shape) != 4 or 0 in shape or shape[0] != x.shape[0] or self.classes not in (None, shape[1]):
            raise FactoryError(f"{self.spec} returned the shape {shape} for {tuple(x.shape)}: {wanted} is accepted")


def is_own(spec: str) -> bool:
    """Whether a MODEL argument names a user's factory rather than a catalog network."""
    return ":" in spec


def load_factory(spec: str) -> Callable[..., Any]:
    """Import the factory of ``package.module:name``, looking in the working directory first.

    Raises:
        FactoryError: the module cannot be imported or has no such name.
    """
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise FactoryError(f"{spec!r} is not package.module:factory")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    # A file written a moment ago may be newer than what the import system remembers of its folder.
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise FactoryError(f"cannot import {module_name}: {_one_line(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        reason = "has no" if factory is None else "has no callable"
        raise FactoryError(f"{module_name} {reason} {attribute!r}: a function or class that returns an nn.Module")
    return factory


def takes_classes(factory: Callable[..., Any]) -> bool:
    """Whether the factory accepts ``num_classes=``."""
    if getattr(factory, "__init__", None) is nn.Module.__init__:
        return False  # it passes on whatever it gets, to be refused
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(parameter.name == "num_classes" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def required_inputs(network: nn.Module) -> list[str]:
    """Names of the arguments that the network's forward cannot do without."""
    try:
        parameters = inspect.signature(network.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [item.name for item in parameters if item.default is item.empty and item.kind in named]


def build_own(spec: str, classes: int | None = None) -> OwnNetwork:
    """Build a user's network in eval mode.

    Args:
        spec: ``package.module:factory``.
        classes: passed as ``num_classes=`` where the factory takes that (Cityscapes' 19 by default), and insisted
            on in the output.

    Raises:
        FactoryError: it cannot be imported, raises, or is no module.
    """
    factory = load_factory(spec)
    arguments: dict[str, int] = {}
    if takes_classes(factory):
        classes = DEFAULT_CLASSES if classes is None else classes
        arguments["num_classes"] = classes
    try:
        network = factory(**arguments)
        if isinstance(network, nn.Module):
            network.eval()
    except Exception as error:
        raise FactoryError(f"{spec} raised {_one_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise FactoryError(f"{spec} returned {type(network).__name__}: a torch.nn.Module is accepted")
    inputs = required_inputs(network)
    if len(inputs) > 1:
        raise FactoryError(f"{spec} needs {len(inputs)} inputs ({', '.join(inputs)}): one image tensor is accepted")
    return OwnNetwork(network, spec, classes).eval()


def _one_line(error: Exception) -> str:
    """All of a message, because a user's own code may say what matters on its last line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
