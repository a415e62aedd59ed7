"""The real fvcore and thop packages as counters: what a user of them would read, on a copy that they may damage.

They are optional: the counting rules of the same names work without them.
"""

from __future__ import annotations

import logging
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from segbench.counting import copies
from segbench.counting.copies import name_of
from segbench.errors import SegbenchError, UnknownName, first_line
from segbench.inputs import Input
from segbench.models.outputs import tensors_in

TOOLS = ("fvcore", "thop")

Shape = tuple[int, int, int, int]
Images = Callable[[nn.Module, str], tuple[Tensor, ...]]


class ToolError(SegbenchError):
    """A counting package that is not installed, or that fails on a network."""


@dataclass(frozen=True, slots=True)
class ToolCount:
    """What a counting package reports.

    Attributes:
        total: its figure.
        note: what the figure counts, and what is known to be wrong with it.
        unsupported: operations (fvcore) or types of modules (thop) that it does not count, with their number.
    """

    total: int
    note: str
    unsupported: Mapping[str, int]


def run_tool(
    tool: str, net: nn.Module | Callable[[], nn.Module], shape: Shape, inputs: Sequence[Input] | None = None
) -> ToolCount:
    """Count a network with a real package, in eval mode.

    Args:
        tool: a name of `TOOLS`.
        net: a network, of which a copy is counted, or a function that builds one to use up.
        shape: of the image, (N, C, H, W).
        inputs: what the network takes where that is not one image; height and width are those of `shape`.

    Raises:
        UnknownName: no such tool.
        ToolError: the package is not installed, or fails on this network.
        FactoryError: the network cannot be copied.
    """
    if tool not in _RUN:
        raise UnknownName("tool", tool, TOOLS)
    built = copies.unwrapped(net if isinstance(net, nn.Module) else net())
    batch, channels, *sides = shape
    given = tuple(inputs) if inputs is not None else (Input((1, channels, "H", "W")),)

    def images(duplicate: nn.Module, device: str) -> tuple[Tensor, ...]:
        return copies.images(duplicate, given, (sides[0], sides[1]), batch, device)

    try:
        with _quiet(), copies.global_state_kept(), torch.no_grad():
            return _RUN[tool](built, images)
    except SegbenchError:
        raise
    except ImportError as error:
        raise ToolError(f"{tool} is not installed, or does not import: {error} (pip install {tool})") from error
    except Exception as error:
        raise ToolError(f"{tool} fails on {name_of(built)}{_where(error)}: {first_line(error)}") from error


def tool_counts(
    build: Callable[[], nn.Module],
    resolution: tuple[int, int],
    tools: Iterable[str],
    batch: int = 1,
    inputs: Sequence[Input] | None = None,
) -> tuple[dict[str, int], list[str]]:
    """What the real fvcore and thop packages report, each on a fresh instance because they change what they count.

    Returns:
        Counts by tool, and one sentence for each tool that failed.
    """
    counts: dict[str, int] = {}
    notes: list[str] = []
    for tool in tools:
        try:
            counts[tool] = run_tool(tool, build, (batch, 3, *resolution), inputs).total
        except SegbenchError as error:
            notes.append(str(error))
    return counts, notes


def _where(error: BaseException) -> str:
    """The function of torch.nn.functional that failed: the tools' own messages do not name it."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [frame.name for frame in frames if "nn/functional" in frame.filename and not frame.name.startswith("_")]
    return f" in {names[-1]}" if names else ""


class _TensorsOnly(nn.Module):
    """Returns the tensors of whatever the network returns: a jit trace takes no dictionary."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_in(self.net(*images)))


def _run_fvcore(net: nn.Module, images: Images) -> ToolCount:
    from fvcore.nn import FlopCountAnalysis

    duplicate = copies.on_cpu(net)
    given = images(duplicate, "cpu")
    copies.materialise(duplicate, given)
    analysis = FlopCountAnalysis(_TensorsOnly(duplicate), given)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    total = int(analysis.total())
    return ToolCount(
        total,
        "fvcore: multiply-accumulates, and elements of some other operations, of what reaches the output; "
        "nothing for scaled_dot_product_attention and bicubic resizing",
        MappingProxyType({kind.removeprefix("aten::"): calls for kind, calls in analysis.unsupported_ops().items()}),
    )


def _run_thop(net: nn.Module, images: Images) -> ToolCount:

    try:
        return _thop(copies.on_meta(net), images, "meta")
    except SegbenchError:
        raise
    except Exception:  # control flow on values, or an operation without a meta kernel
        return _thop(copies.on_cpu(net), images, "cpu")


def _thop(duplicate: nn.Module, images: Images, device: str) -> ToolCount:
    from thop import profile
    from thop.profile import register_hooks

    given = images(duplicate, device)
    copies.materialise(duplicate, given)
    leaves = [module for module in duplicate.modules() if not any(True for _ in module.children())]
    unsupported = Counter(type(module).__name__ for module in leaves if type(module) not in register_hooks)
    total, _ = profile(duplicate, given, verbose=False)
    return ToolCount(
        int(total),
        "thop: modules of exact types, transposed convolutions on the output grid, 4 per normalised element; nothing "
        "for functions, operators and subclasses",
        MappingProxyType(dict(unsupported)),
    )


_RUN: Mapping[str, Callable[[nn.Module, Images], ToolCount]] = {"fvcore": _run_fvcore, "thop": _run_thop}

# Warnings of these packages about themselves; those of the network come through.
_THEIR_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`?torch\.jit\.", DeprecationWarning),
    (r"`?torch\.jit\.", FutureWarning),  # in torch 2.15
    (r"distutils Version classes are deprecated", DeprecationWarning),
    (r"The distutils package is deprecated", DeprecationWarning),
    (r"This API is being deprecated", UserWarning),
)


@contextmanager
def _quiet() -> Iterator[None]:
    # thop logs to the root logger that a mode of nn.Upsample is not implemented, and configures that logger so.
    root: Any = logging.getLogger()
    handlers, disabled = list(root.handlers), root.disabled
    root.disabled = True
    try:
        with warnings.catch_warnings():
            for message, category in _THEIR_WARNINGS:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        root.disabled = disabled
        root.handlers[:] = handlers
