"""A network of the user's own, or of a library: whatever ``source:name`` names that returns an `nn.Module`."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from segbench import libraries
from segbench.errors import FactoryError, SegbenchError, one_line
from segbench.inputs import IMAGE, Input
from segbench.models.base import resize, tracing
from segbench.models.outputs import logits_in, selected, several_outputs
from segbench.models.samples import sample
from segbench.places.isolate import come_home
from segbench.spec import parse

DEFAULT_CLASSES = 19
_CLASSES = "num_classes"


class OwnNetwork(nn.Module):
    """A user's network under segbench's contract: ``(N, 3, H, W)`` to logits ``(N, classes, H, W)``.

    The network may return a tensor; a tuple or list whose first item is the logits; a mapping, a NamedTuple or a
    dataclass with ``out`` or ``logits``. Logits of another size than the input are resized bilinearly, as the catalog's
    networks do. Further inputs are made once for each size, and stay on the device.

    Attributes:
        align_corners: how logits are resized; the network's own attribute of that name, where it has one.
        several: what the last forward returned and which of it was taken; empty where it was one tensor.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: str,
        classes: int | None,
        inputs: tuple[Input, ...] = (IMAGE,),
        output: str | None = None,
        told: int | None = None,
    ) -> None:
        """Wrap `network`.

        Args:
            network: the user's.
            spec: how the user named it.
            classes: the output width to insist on, None for whatever it returns.
            inputs: what it takes; the first is the image.
            output: key, field or index of the logits; None to look for them.
            told: classes that its constructor was given.
        """
        super().__init__()
        self.network = network
        self.spec = spec
        self.classes = classes
        self.align_corners = getattr(network, "align_corners", None) is True
        self.several = ""
        self.inputs = inputs
        self.output = output
        self.told = classes if told is None else told
        self._further: dict[object, list[Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Logits at the input size.

        Raises:
            FactoryError: the network returned no logits of the shape ``(N, classes, h, w)``.
        """
        logits = self.first_tensor(self.network(x, *self.further(x)))
        if not tracing():
            self.check_shape(x, logits)
        return resize(logits, x.shape[-2:], self.align_corners)

    def further(self, x: Tensor) -> list[Tensor]:
        """The inputs after the first, on its device and for its batch and size."""
        if len(self.inputs) < 2:
            return []
        key = (tuple(x.shape), x.dtype, x.device)
        if key not in self._further:
            self._further.clear()
            first = self.inputs[0].sizes[0]
            batch = int(x.shape[0]) // (first if isinstance(first, int) else 1)
            sides = int(x.shape[-2]), int(x.shape[-1])
            plain = x.dtype if x.is_floating_point() else torch.float32
            self._further[key] = [
                sample(given.shape(sides, batch), _dtype(given, plain), seed).to(x.device)
                for seed, given in enumerate(self.inputs[1:], 1)
            ]
        return self._further[key]

    def first_tensor(self, output: Any) -> Tensor:
        """The logits among what the network returned."""
        logits = logits_in(selected(output, self.output, self.spec))
        self.several = several_outputs(output, logits)
        if logits is None:
            raise FactoryError(
                f"{self.spec} returned {type(output).__name__} instead of logits: a tensor, a tuple or list whose "
                f"first item is one, or `out` or `logits` is accepted; --output says which, --no-speed counts without"
            )
        return logits

    def check_shape(self, x: Tensor, logits: Tensor) -> None:
        """Refuse anything but ``(N, classes, h, w)``."""
        shape = tuple(logits.shape)
        if len(shape) != 4 or 0 in shape or shape[0] != x.shape[0] or self.classes not in (None, shape[1]):
            raise FactoryError(shape_refused(self.spec, shape, tuple(x.shape), self.classes))


def shape_refused(spec: str, shape: tuple[int, ...], given: tuple[int, ...], classes: int | None) -> str:
    """What is wrong with an output's shape, in words."""
    wanted = f"(N, {'classes' if classes is None else classes}, h, w)"
    return f"{spec} returned the shape {shape} for {given}: {wanted} is accepted"


def _dtype(given: Input, plain: torch.dtype) -> torch.dtype:
    """The dtype of an input; real floating ones follow the precision, as the weights do."""
    own: torch.dtype = getattr(torch, given.dtype) if given.dtype else plain
    return plain if own.is_floating_point else own


def load_factory(spec: str) -> Callable[..., Any]:
    """The factory of ``source:name``, where a source is a library's prefix, a file, or a module.

    A registered prefix comes before a module of that name. Modules are looked for in the working directory first.

    Raises:
        FactoryError: the source cannot be imported or has no such name.
    """
    wanted = parse(spec)
    library = None if wanted.is_file else libraries.find(wanted.source)
    if library is not None:
        return _Library(library, wanted.name)
    module = _file(Path(wanted.source)) if wanted.is_file else _module(wanted.source)
    factory = getattr(module, wanted.name, None)
    if not callable(factory):
        reason = "has no" if factory is None else "has no callable"
        raise FactoryError(f"{wanted.source} {reason} {wanted.name!r}: a function or class that returns an nn.Module")
    return factory


class _Library:
    """A library's network as a factory that takes ``num_classes=``."""

    def __init__(self, library: libraries.Library, name: str) -> None:
        self.library, self.name = library, name

    def __call__(self, num_classes: int | None = None, **arguments: Any) -> Any:
        with libraries.offline():
            return self.library.build(self.name, num_classes, arguments)


def _module(name: str) -> ModuleType:
    # A file written a moment ago may be newer than what the import system remembers of its folder.
    importlib.invalidate_caches()
    try:
        with _looked_in(Path.cwd()):
            return importlib.import_module(name)
    except Exception as error:
        raise FactoryError(f"cannot import {name}: {one_line(error)}") from error


@contextlib.contextmanager
def _looked_in(folder: Path) -> Iterator[None]:
    """Import from a folder before all others; afterwards, where the user's code imports more, after Python's own."""
    place = str(folder)
    if place in sys.path:
        yield
        return
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
        python = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
        theirs = [at for at, name in enumerate(sys.path) if name.removesuffix("/lib-dynload") in python]
        sys.path.insert(1 + max(theirs, default=-1), place)


def _file(path: Path) -> ModuleType:
    """Import a file; its folder is looked in for what it imports itself."""
    full = path.resolve()
    name = f"segbench_file_{full.stem}_{zlib.crc32(str(full).encode()):08x}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, full)
    if not full.is_file() or found is None or found.loader is None:
        raise FactoryError(f"cannot import {path}: there is no such Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        with _looked_in(full.parent):
            found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FactoryError(f"cannot import {path}: {one_line(error)}") from error
    return module


def takes_classes(factory: Callable[..., Any]) -> bool:
    """Whether the factory accepts ``num_classes=``, by that name or among any others."""
    if getattr(factory, "__init__", None) is nn.Module.__init__:
        return False  # it passes on whatever it gets, to be refused
    parameters = _parameters(factory).values()
    return any(item.name == _CLASSES or item.kind is item.VAR_KEYWORD for item in parameters)


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}


def build_own(
    spec: str, classes: int | None = None, inputs: tuple[Input, ...] = (IMAGE,), output: str | None = None
) -> OwnNetwork:
    """Build a user's network in eval mode, with weights drawn from a fixed seed.

    Args:
        spec: ``source:name``, with arguments where it has some.
        classes: passed as ``num_classes=`` where the factory takes that, and insisted on in the output. Without it a
            factory with a parameter of that name gets Cityscapes' 19, and whatever comes out is taken.
        inputs: what the network takes.
        output: key, field or index of the logits.

    Raises:
        FactoryError: it cannot be imported, raises, or is no module.
    """
    # An earlier instance may have gone to another folder.
    come_home()
    wanted = parse(spec)
    factory = load_factory(spec)
    arguments = dict(wanted.named)
    told: int | None = arguments.get(_CLASSES)
    own_words = isinstance(factory, _Library) and bool({"classes", "num_labels", "id2label"} & arguments.keys())
    if _CLASSES not in arguments and not own_words:
        told = classes
        if classes is None and not wanted.positional and _CLASSES in _parameters(factory):
            told = DEFAULT_CLASSES
        if told is not None and takes_classes(factory):
            arguments[_CLASSES] = told
        else:
            told = None
    # Counted, timed and compared are the same weights, which a branch may depend on.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _built(spec, partial(factory, *wanted.positional, **arguments))
    if not isinstance(network, nn.Module):
        raise FactoryError(f"{spec} returned {type(network).__name__}: a torch.nn.Module is accepted")
    _check_inputs(network, spec, inputs)
    return OwnNetwork(network, spec, classes, inputs, output, told).eval()


def _built(spec: str, factory: Callable[[], Any]) -> Any:
    try:
        network = factory()
        return network.eval() if isinstance(network, nn.Module) else network
    except SegbenchError:
        raise
    except Exception as error:
        raise FactoryError(f"{spec} raised {one_line(error)}") from error


def _check_inputs(network: nn.Module, spec: str, inputs: tuple[Input, ...]) -> None:
    """Refuse a network that needs more inputs than are given, or one that inputs in order cannot give."""
    parameters = _parameters(network.forward).values()
    needed = [item for item in parameters if item.default is item.empty]
    by_name = [item.name for item in needed if item.kind is item.KEYWORD_ONLY]
    if by_name:
        raise FactoryError(
            f"{spec} needs {', '.join(by_name)} by keyword, and --input gives inputs in order: a forward that takes "
            "them in order, or has defaults for them, is accepted"
        )
    ordered = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [item.name for item in needed if item.kind in ordered]
    if len(names) > len(inputs):
        given = "one image tensor" if len(inputs) == 1 else f"{len(inputs)}"
        raise FactoryError(
            f"{spec} needs {len(names)} inputs ({', '.join(names)}), and {given} is given: "
            "repeat --input for each, as in --input 1x3xHxW --input 1x1xHxW"
        )
