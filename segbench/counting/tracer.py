"""Trace a network: run a copy of it once and write down its operations and its module calls.

The run is on the meta device (shapes only: no memory, no arithmetic) and in inference mode, where operations arrive as
the network called them: ``linear`` and not ``mm`` or ``addmm``, ``scaled_dot_product_attention`` and not its parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from segbench.counting import copies
from segbench.counting.dispatch import OperationMode
from segbench.counting.log import Log
from segbench.counting.trace import Trace
from segbench.errors import BadResolution, FactoryError, ForwardError, SegbenchError, first_line, one_line
from segbench.inputs import Input


def trace(
    net: nn.Module,
    shape: tuple[int, int, int, int],
    *,
    inputs: Sequence[Input] | None = None,
    output: str | None = None,
    whole: Iterable[str] = (),
    build: Callable[[], nn.Module] | None = None,
) -> Trace:
    """Run `net` once in eval mode on an image (N, C, H, W) and write down what it does.

    The network is copied first, unless it is on meta in eval mode already: it is neither moved nor changed, and a large
    one costs no memory. Where it does not run on meta (control flow on values, an operation without a meta kernel), the
    copy runs on real tensors on the CPU, with the values that are timed.

    Args:
        net: the network.
        shape: of the image.
        inputs: what the network takes where that is not one image; height and width are those of `shape`.
        output: key, field or index of the output that counts.
        whole: composite operations to record as they are, because something prices them.
        build: makes the network once more, for one that cannot be copied.

    Raises:
        FactoryError: the network does not take these inputs, or cannot be copied.
        ForwardError: it fails on them.
        BadResolution: the shape is not four positive integers, or the network rejects the size.
    """
    return trace_and_copy(net, shape, inputs=inputs, output=output, whole=whole, build=build)[0]


def trace_and_copy(
    net: nn.Module,
    shape: tuple[int, int, int, int],
    *,
    inputs: Sequence[Input] | None = None,
    output: str | None = None,
    whole: Iterable[str] = (),
    build: Callable[[], nn.Module] | None = None,
) -> tuple[Trace, nn.Module]:
    """As `trace`, with the copy that ran: it has the parameters and modules that a first run makes."""
    if len(shape) != 4 or any(size < 1 for size in shape):
        raise BadResolution(f"an image has four sizes (N, C, H, W) of 1 or more: {tuple(shape)} given")
    batch, channels, *sides = shape
    given = tuple(inputs) if inputs is not None else (Input((1, channels, "H", "W")),)
    net = copies.unwrapped(net)
    _check_takes(net, given)
    run = _Run(given, batch, (sides[0], sides[1]), output, tuple(whole))
    reason = copies.needs_values(net)
    if not reason:
        try:
            return run(_copy(net, "meta", build), "meta", "meta")
        except SegbenchError:
            raise
        except Exception as error:
            reason = first_line(error)
    try:
        return run(_copy(net, "cpu", build), "cpu", f"real tensors ({reason})")
    except SegbenchError:
        raise
    except Exception as error:
        what = f"an image of {'x'.join(map(str, shape))} (NxCxHxW)"
        if inputs is not None:
            what = f"inputs of {', '.join(map(str, given))} at {sides[0]}x{sides[1]}"
        raise ForwardError(f"{copies.name_of(net)} fails on {what}: {one_line(error)}") from error


def _copy(net: nn.Module, device: str, build: Callable[[], nn.Module] | None) -> nn.Module:
    if device == "meta" and copies.only_shapes(net):
        return net
    try:
        return copies.on_meta(net) if device == "meta" else copies.on_cpu(net)
    except FactoryError:
        if build is None:
            raise
    return copies.moved(copies.unwrapped(build()), device)


def _check_takes(net: nn.Module, inputs: Sequence[Input]) -> None:
    try:
        signature = inspect.signature(net.forward)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*inputs)
    except TypeError as error:
        name = copies.name_of(net)
        what = "one image tensor alone" if len(inputs) == 1 else f"{len(inputs)} input tensors"
        raise FactoryError(
            f"{name}.forward{signature} does not take {what}: {error}; --input gives each in order"
        ) from error


@dataclass(frozen=True)
class _Run:
    inputs: tuple[Input, ...]
    batch: int
    sides: tuple[int, int]
    output: str | None
    whole: tuple[str, ...]

    def __call__(self, net: nn.Module, device: str, label: str) -> tuple[Trace, nn.Module]:
        """Run a copy on a device and write down what it does."""
        with copies.global_state_kept(), torch.device(device):
            copies.materialise(net, copies.images(net, self.inputs, self.sides, self.batch, device))
            written, made = self._written_down(net, device, label)
            if made:
                # Layers that are made in the first forward: the second one is what is timed.
                written, _ = self._written_down(net, device, label)
        return written, net

    def _written_down(self, net: nn.Module, device: str, label: str) -> tuple[Trace, bool]:
        with torch.inference_mode():
            images = copies.images(net, self.inputs, self.sides, self.batch, device)
            log = Log(net, images)
            try:
                with OperationMode(log, self.whole):
                    output = net(*images)
            finally:
                log.unhook()
            made = log.changed_parameters
            return log.finished(tuple(images[0].shape), output, label, self.output), made
