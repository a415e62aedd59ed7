"""Trace a network: run a copy of it once and write down its operations and its module calls.

The run is on the meta device (shapes only: no memory, no arithmetic) and in inference mode, where operations arrive as
the network called them: ``linear`` and not ``mm`` or ``addmm``, ``scaled_dot_product_attention`` and not its parts.
"""

from __future__ import annotations

import inspect

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from segbench.counting import copies
from segbench.counting.dispatch import OperationMode
from segbench.counting.log import Log
from segbench.counting.trace import Trace
from segbench.errors import BadResolution, FactoryError, SegbenchError, first_line


def trace(net: nn.Module, shape: tuple[int, int, int, int]) -> Trace:
    """Run `net` once in eval mode on an image (N, C, H, W) and write down what it does.

    The network is copied first: it is neither moved nor changed, and a large one costs no memory. Where it does not
    run on meta (control flow on values, an operation without a meta kernel), the copy runs on real tensors on the CPU.

    Raises:
        FactoryError: the network does not take one image, cannot be copied, or fails on this image.
        BadResolution: the shape is not four positive integers, or the network rejects the size.
    """
    if len(shape) != 4 or any(size < 1 for size in shape):
        raise BadResolution(f"an image has four sizes (N, C, H, W) of 1 or more: {tuple(shape)} given")
    net = copies.unwrapped(net)
    _check_takes_one_image(net)
    try:
        return _run(copies.on_meta(net), shape, "meta", "meta")
    except SegbenchError:
        raise
    except Exception as error:
        reason = first_line(error)
    try:
        return _run(copies.on_cpu(net), shape, "cpu", f"real tensors ({reason})")
    except SegbenchError:
        raise
    except Exception as error:
        size = "x".join(map(str, shape))
        raise FactoryError(
            f"{copies.name_of(net)} fails on an image of {size} (NxCxHxW): {first_line(error)}"
        ) from error


def _check_takes_one_image(net: nn.Module) -> None:
    try:
        signature = inspect.signature(net.forward)
    except ValueError:
        return
    try:
        signature.bind(torch.empty(0, device="meta"))
    except TypeError as error:
        name = copies.name_of(net)
        raise FactoryError(f"{name}.forward{signature} does not take one image tensor alone: {error}") from error


def _run(net: nn.Module, shape: tuple[int, int, int, int], device: str, label: str) -> Trace:
    with copies.global_state_kept(), torch.device(device):
        if any(is_lazy(tensor) for tensor in (*net.parameters(), *net.buffers())):
            # Lazy modules take their shapes, and their final classes, from a first run; not in inference mode, whose
            # tensors cannot become parameters.
            with torch.no_grad():
                net(torch.zeros(shape))
        with torch.inference_mode():
            log = Log(net)
            image = copies.image(net, shape, device)
            with OperationMode(log):
                output = net(image)
        return log.finished(shape, output, label)
