"""One frame: the timed region of a protocol as a callable, with weights and input in place."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from segbench.errors import BadOption, DeviceError, SegbenchError
from segbench.measure.device import Device
from segbench.protocol import Protocol
from segbench.resolution import show

Frame = Callable[[], Tensor]
Prepare = Callable[[nn.Module], Callable[[Tensor], Tensor]]

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class MeasurementError(SegbenchError):
    """A measurement that failed on the device: out of memory, a CUDA error. One line, kept as a Record's failure."""


def make_frame(
    net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device, prepare: Prepare | None = None
) -> Frame:
    """Put a network and one input in place, and return what a protocol times.

    Args:
        net: ``(N, 3, H, W)`` to logits ``(N, classes, H, W)``; moved and cast in place.
        resolution: height and width.
        protocol: what is inside the timed region, and the precision.
        device: where the network runs.
        prepare: applied to the network in place on the device: BN folding, a CUDA graph, a compiler.

    Returns:
        A callable that does one frame and returns its last tensor: uint8 labels ``(N, H, W)`` on the host in mode
        `swiftnet`, labels in `predict`, logits otherwise.

    Raises:
        DeviceError: a precision or a copy through pinned memory that the device does not have.
        BadOption: BN folding asked for, and no `prepare` that does it.
    """
    device.check_precision(protocol.precision)
    if protocol.bn_folding and prepare is None:
        raise BadOption("the protocol asks for folded batch normalisation: give `prepare`, a function that folds it")
    if protocol.pinned and device.torch_device.type != "cuda":
        raise DeviceError(f"pinned copies need a CUDA device: {device.name} takes pageable ones")
    dtype = DTYPES[protocol.precision]
    layout = torch.channels_last if protocol.channels_last else torch.contiguous_format
    net = device.move(net.eval()).to(dtype=dtype)
    if protocol.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run: Callable[[Tensor], Tensor] = net
    if protocol.mode == "logits" and callable(getattr(net, "logits", None)):
        run = cast(Callable[[Tensor], Tensor], net.logits)
    if prepare is not None:
        run = prepare(net)
    # A generator of its own: the caller's random numbers stay what they were.
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((protocol.batch, 3, *resolution), generator=generator).contiguous(memory_format=layout)
    if protocol.mode == "swiftnet":
        return _swiftnet(run, image, dtype, device.torch_device, protocol.pinned)
    x = image.to(device.torch_device, dtype)
    if protocol.mode == "predict":
        return lambda: run(x).argmax(1)
    return lambda: run(x)


def _swiftnet(
    run: Callable[[Tensor], Tensor], image: Tensor, dtype: torch.dtype, device: torch.device, pinned: bool
) -> Frame:
    """Figure 5 of the SwiftNet paper: copy in, forward with resize, argmax, uint8, copy out.

    `copy=True` makes both copies real where host and device are the same memory.
    """
    if pinned:
        return _swiftnet_pinned(run, image.pin_memory(), dtype, device)

    def frame() -> Tensor:
        x = image.to(device, copy=True).to(dtype)
        return run(x).argmax(1).to(torch.uint8).to("cpu", copy=True)

    return frame


def _swiftnet_pinned(run: Callable[[Tensor], Tensor], image: Tensor, dtype: torch.dtype, device: torch.device) -> Frame:
    host = torch.empty((image.shape[0], *image.shape[2:]), dtype=torch.uint8, pin_memory=True)

    def frame() -> Tensor:
        x = image.to(device, copy=True, non_blocking=True).to(dtype)
        # Blocking, as in the figure: the host waits for its labels in every frame.
        return host.copy_(run(x).argmax(1).to(torch.uint8))

    return frame


@contextlib.contextmanager
def device_failures(resolution: tuple[int, int], protocol: Protocol, device: Device) -> Iterator[None]:
    """Turn what torch raises on a device into one line that a Record can keep.

    Raises:
        MeasurementError: out of memory, a CUDA error, or a network that fails at this size.
        DeviceError: an operation that the device does not have in this precision.
    """
    what = f"batch {protocol.batch} at {show(resolution)} in {protocol.precision} on {device.name}"
    try:
        yield
    except SegbenchError:
        raise
    except (MemoryError, RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
        line = first_line(error)
        if is_out_of_memory(error):
            # The local variables of the failed forward would keep its tensors alive.
            traceback.clear_frames(error.__traceback__)
            raise MeasurementError(f"out of memory: {what} does not fit ({line})") from None
        if "not implemented for" in line and protocol.precision in ("fp16", "bf16"):
            raise DeviceError(f"{device.name} cannot run this network in {protocol.precision}: {line}") from error
        if "CUDA" in line or "cuDNN" in line or "CUBLAS" in line:
            raise MeasurementError(f"CUDA error: {line.removeprefix('CUDA error: ')} ({what})") from error
        raise MeasurementError(f"{type(error).__name__}: {line} ({what})") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that host or device memory ran out."""
    kinds: tuple[Any, ...] = (MemoryError, torch.cuda.OutOfMemoryError)
    text = str(error).lower()
    return isinstance(error, kinds) or any(
        sign in text
        for sign in (
            "out of memory",
            "can't allocate memory",
            "not enough memory",
            "cudnn_status_alloc_failed",
            "cublas_status_alloc_failed",
        )
    )


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
