"""One frame: the timed region of a protocol as a callable, with weights and input in place.

Which steps a region has is said in `segbench.protocol.MODES` alone; here each step is put into practice.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from segbench.errors import BadOption, DeviceError, SegbenchError, first_line
from segbench.measure.device import Device
from segbench.models.samples import cast_floats, inputs_of, samples
from segbench.protocol import MODES, Protocol
from segbench.resolution import show

Frame = Callable[[], Tensor]
Prepare = Callable[[nn.Module], Callable[[Tensor], Tensor]]

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


# What is done to the logits on the device, by the name of the step.
_AFTER_LOGITS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "argmax": lambda logits: logits.argmax(1),
    "uint8": lambda labels: labels.to(torch.uint8),
}


class MeasurementError(SegbenchError):
    """A measurement that failed on the device: out of memory, a CUDA error. One line, kept as a Record's failure."""


def make_frame(
    net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device, prepare: Prepare | None = None
) -> Frame:
    """Put a network and one input in place, and return what a protocol times.

    Args:
        net: ``(N, 3, H, W)`` to logits ``(N, classes, H, W)``, or what its `inputs` say; moved and cast in place.
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
    net = cast_floats(device.move(net.eval()), dtype)
    if protocol.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = followed(region(net, protocol.mode) if prepare is None else prepare(net), protocol.mode)
    image = samples(inputs_of(net)[:1], resolution, protocol.batch)[0]
    if image.dim() == 4:
        image = image.contiguous(memory_format=layout)
    load = _copy_in(image, dtype if image.is_floating_point() else image.dtype, protocol, device.torch_device)
    unload = _copy_out(protocol)
    return lambda: unload(run(load()))


def region(net: nn.Module, mode: str) -> Callable[[Tensor], Tensor]:
    """Image to logits: at the network's own stride where the mode has no resize and the network allows it."""
    if "resize" not in MODES[mode] and has_own_stride(net):
        return cast(Callable[[Tensor], Tensor], net.logits)
    return net


def has_own_stride(net: nn.Module) -> bool:
    """Whether a network gives its logits before they are resized."""
    return callable(getattr(net, "logits", None))


def followed(run: Callable[[Tensor], Tensor], mode: str) -> Callable[[Tensor], Tensor]:
    """Image to logits, followed by what the mode does to them on the device: labels, labels as uint8."""
    steps = [_AFTER_LOGITS[step] for step in MODES[mode] if step in _AFTER_LOGITS]
    if not steps:
        return run

    def run_and_follow(x: Tensor) -> Tensor:
        y = run(x)
        for step in steps:
            y = step(y)
        return y

    return run_and_follow


class Region(nn.Module):
    """A mode's timed region without its copies, as a network: a trace of it has all of its operations."""

    def __init__(self, net: nn.Module, mode: str) -> None:
        """Wrap a network; `mode` is a key of `segbench.protocol.MODES`."""
        super().__init__()
        self.net = net
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 3, H, W)`` to logits (N, classes, h, w), or to labels (N, H, W)."""
        return followed(region(self.net, self.mode), self.mode)(x)


def _copy_in(image: Tensor, dtype: torch.dtype, protocol: Protocol, device: torch.device) -> Callable[[], Tensor]:
    """Copy the image in every frame, or once, before all of them."""
    if "copy in" not in protocol.steps:
        x = image.to(device, dtype)
        return lambda: x
    host = image.pin_memory() if protocol.pinned else image
    # `copy=True`, here and below, makes the copies real where host and device are the same memory.
    return lambda: host.to(device, copy=True, non_blocking=protocol.pinned).to(dtype)


def _copy_out(protocol: Protocol) -> Callable[[Tensor], Tensor]:
    """Copy the result to the host, or leave it on the device."""
    if "copy out" not in protocol.steps:
        return lambda y: y
    if not protocol.pinned:
        return lambda y: y.to("cpu", copy=True)
    host: Tensor | None = None

    def copy_out(y: Tensor) -> Tensor:
        nonlocal host
        if host is None:
            # A tensor of inference mode could not be written to outside of it.
            with torch.inference_mode(False):
                host = torch.empty(y.shape, dtype=y.dtype, pin_memory=True)
        # Blocking, as in SwiftNet's figure: the host waits for its labels in every frame.
        return host.copy_(y)

    return copy_out


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
    except Exception as error:
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
