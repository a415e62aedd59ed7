"""From an image to a class per pixel, as an evaluation protocol says: scales, mirror images, windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segbench import resolution as sizes
from segbench.accuracy.protocol import EvaluationProtocol
from segbench.errors import BadOption, FactoryError
from segbench.measure.device import Device
from segbench.measure.frame import DTYPES, device_failures
from segbench.models.base import resize
from segbench.models.samples import cast_floats
from segbench.protocol import REFERENCE
from segbench.resolution import ANY_SIZE, SizeRule


class Predictor:
    """A network under a protocol: an image to train ids at the size of its labels.

    Attributes:
        sizes: heights and widths of the forwards that the last image took, scale by scale.
        nonfinite: logits of the last image that were NaN or infinite.
    """

    def __init__(
        self,
        net: nn.Module,
        protocol: EvaluationProtocol,
        *,
        classes: int,
        outputs: int,
        device: Device,
        model: str = "the network",
        size_rule: SizeRule = ANY_SIZE,
    ) -> None:
        """Put the network in place.

        Args:
            net: ``(N, 3, H, W)`` to logits ``(N, outputs, H, W)``; moved and cast in place, and set to eval mode.
            protocol: what is done to images and logits.
            classes: classes of the data set.
            outputs: channels of the logits: `classes`, or one more, of which `protocol.void_output` is the index.
            device: where it runs.
            model: the network's name, for messages.
            size_rule: heights and widths that it takes.

        Raises:
            BadOption: the outputs do not match the classes, and no output for ignored pixels is named.
        """
        extra = 0 if protocol.void_output is None else 1
        if outputs != classes + extra:
            raise BadOption(f"{outputs} outputs do not match {classes} classes")
        self.protocol, self.outputs = protocol, outputs
        self.model, self.size_rule = model, size_rule
        self.torch_device = device.torch_device
        self._device, self._arithmetic = device, replace(REFERENCE, precision=protocol.precision)
        self._dtype = DTYPES[protocol.precision]
        self._net = cast_floats(device.move(net.eval()), self._dtype)
        # Which outputs are the classes, and then the one for ignored pixels where it may win; None for all as they are.
        self._order: list[int] | slice | None = None
        if protocol.void_output is not None:
            kept = [index for index in range(outputs) if index != protocol.void_output]
            last = protocol.void_output == classes
            if protocol.void_rule == "drop":
                self._order = slice(classes) if last else kept
            elif not last:
                self._order = [*kept, protocol.void_output]
        self.sizes: list[tuple[int, int]] = []
        self.nonfinite = 0
        self._mean = torch.tensor(protocol.mean, device=self.torch_device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(protocol.std, device=self.torch_device).view(1, 3, 1, 1)

    def input_size(self, image: tuple[int, int]) -> tuple[int, int]:
        """Height and width at which the network sees an image of this height and width, at scale 1."""
        if self.protocol.input_size is not None:
            return self.protocol.input_size
        if self.protocol.short_side is None:
            return image
        factor = self.protocol.short_side / min(image)
        return self.size_rule.nearest((round(image[0] * factor), round(image[1] * factor)))

    def __call__(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Predict one image.

        Args:
            image: RGB ``(3, H, W)`` in uint8.
            size: height and width of its labels.

        Returns:
            Train ids ``(h, w)`` in int64 on the device; `classes` stands for the output for ignored pixels.

        Raises:
            BadResolution: a size that the network does not take.
            MeasurementError: out of memory, or a failure on the device.
        """
        height, width = self.input_size((int(image.shape[-2]), int(image.shape[-1])))
        with device_failures((height, width), self._arithmetic, self._device):
            labels = self.scores(image, size).argmax(1)[0]
            # A GPU tells of a failed kernel when it is waited for: here, where it is turned into one line.
            self._device.synchronise()
            return labels

    def scores(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Scores ``(1, classes, h, w)`` at the size of the labels: logits after one pass, else mean probabilities."""
        height, width = self.input_size((int(image.shape[-2]), int(image.shape[-1])))
        pixels = image.to(self.torch_device).unsqueeze(0).float()
        protocol = self.protocol
        self.sizes, self.nonfinite = [], 0
        total: Tensor | None = None
        for scale in protocol.scales:
            scaled = (
                (height, width)
                if scale == 1.0
                else self.size_rule.nearest((round(height * scale), round(width * scale)))
            )
            self.sizes.append(protocol.window or scaled)
            x = self._prepare(pixels, scaled)
            for mirrored in (False, True) if protocol.flip else (False,):
                logits = self._forward(x.flip(-1) if mirrored else x)
                logits = resize(logits.flip(-1) if mirrored else logits, size, protocol.align_corners)
                if protocol.passes == 1:
                    return logits
                scores = logits.softmax(1)
                total = scores if total is None else total.add_(scores)
        assert total is not None
        return total.div_(protocol.passes)

    def _prepare(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """RGB ``(1, 3, H, W)`` from 0 to 255, to the network's input at `size`."""
        if tuple(pixels.shape[-2:]) != size:
            mode, _, suffix = self.protocol.resize_filter.partition("-")
            corners = None if mode == "nearest" else False
            pixels = F.interpolate(pixels, size=size, mode=mode, align_corners=corners, antialias=suffix != "")
        if self.protocol.channels == "bgr":
            pixels = pixels.flip(1)
        return ((pixels * self.protocol.scale - self._mean) / self._deviation).to(self._dtype)

    def _forward(self, x: Tensor) -> Tensor:
        """Float32 logits of the data set's classes at the input size."""
        window = self.protocol.window
        if window is None:
            sizes.check(int(x.shape[-2]), int(x.shape[-1]), self.size_rule, self.model)
            logits = self._run(x)
        else:
            sizes.check(*window, self.size_rule, self.model)
            logits = in_windows(self._run, x, window, self.protocol.stride or default_stride(window))
        if self._order is not None:
            logits = logits[:, self._order]
        # One pass over the logits: both ends are finite where all between them are, and NaN is an end too.
        ends = torch.stack(torch.aminmax(logits))
        if not bool(ends.isfinite().all()):
            self.nonfinite += int((~logits.isfinite()).sum())
        return logits

    def _run(self, x: Tensor) -> Tensor:
        logits: Tensor = self._net(x)
        if logits.shape[1] != self.outputs:
            raise FactoryError(f"{self.model} returned {logits.shape[1]} classes, and {self.outputs} are expected")
        return logits.float()


def default_stride(window: tuple[int, int]) -> tuple[int, int]:
    """Two thirds of the window, as the test script of hszhao/semseg has it."""
    return math.ceil(window[0] * 2 / 3), math.ceil(window[1] * 2 / 3)


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin along a side; the last one is shifted to end with the side, as in mmseg's "slide"."""
    count = max(length - window + stride - 1, 0) // stride + 1
    return [min(index * stride, max(length - window, 0)) for index in range(count)]


def in_windows(run: Callable[[Tensor], Tensor], x: Tensor, window: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Logits of overlapping windows, averaged where they overlap.

    Args:
        run: a network at the window's size.
        x: ``(1, 3, H, W)``, normalised; where it is smaller than the window, it is padded with zeros below and to
            the right.
        window: height and width.
        stride: distance between windows.

    Returns:
        Logits ``(1, C, H, W)``.
    """
    height, width = int(x.shape[-2]), int(x.shape[-1])
    x = F.pad(x, (0, max(window[1] - width, 0), 0, max(window[0] - height, 0)))
    total: Tensor | None = None
    count = torch.zeros(x.shape[-2:], device=x.device)
    for top, left in _corners((int(x.shape[-2]), int(x.shape[-1])), window, stride):
        part = (..., slice(top, top + window[0]), slice(left, left + window[1]))
        logits = run(x[part])
        if total is None:
            total = logits.new_zeros((1, logits.shape[1], *x.shape[-2:]))
        total[part] += logits
        count[part] += 1
    assert total is not None
    return (total / count)[..., :height, :width]


def _corners(size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for top in window_starts(size[0], window[0], stride[0]):
        for left in window_starts(size[1], window[1], stride[1]):
            yield top, left
