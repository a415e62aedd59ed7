"""Forms of one network with the same weights: plain, folded, in any precision, replayed as a graph or compiled."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from segbench.errors import DeviceError, first_line
from segbench.measure.device import Device
from segbench.measure.flags import measurement_flags
from segbench.measure.folding import Folding, deviation, fold, logits_of, sample_image
from segbench.measure.frame import DTYPES, MeasurementError, device_failures, is_out_of_memory, region
from segbench.measure.speed import measure_speed
from segbench.measure.subject import Subject
from segbench.models.samples import cast_floats
from segbench.protocol import REFERENCE, Protocol
from segbench.records.results import Speed

ENGINES = ("eager", "CUDA graph", "torch.compile")

# Passes in which a compiled network is still made: compiled, run once, recorded as a CUDA graph.
MAKING = 3


@dataclass
class Forms:
    """One network, from which every form is copied: forms differ in speed and rounding, never in their weights.

    Attributes:
        subject: the network.
        resolution: height and width.
        device: where the forms run.
    """

    subject: Subject
    resolution: tuple[int, int]
    device: Device
    _plain: nn.Module | None = field(default=None, repr=False)
    _folded: nn.Module | None = field(default=None, repr=False)
    _folding: Folding | None = field(default=None, repr=False)
    _reference: Tensor | None = field(default=None, repr=False)

    def plain(self) -> nn.Module:
        """A copy of the network as it was built."""
        if self._plain is None:
            self._plain = self.subject.build()
        try:
            return copy.deepcopy(self._plain)
        except (TypeError, AttributeError, RuntimeError, copy.Error):
            # It holds what cannot be copied, such as a lock; built afresh it has the same weights.
            return self.subject.build()

    def folding(self) -> Folding:
        """Fold batch normalisation, once.

        Raises:
            FoldingError: the logits did not stay.
            MeasurementError: the network fails on the device.
        """
        if self._folding is None:
            net = self.plain()
            self._folding = fold(net, self.resolution, self.device)
            self._folded = net
        return self._folding

    def folded(self) -> nn.Module:
        """A copy of the network with batch normalisation folded; raises as `folding`."""
        self.folding()
        return copy.deepcopy(self._folded)  # type: ignore[return-value]

    def speed(
        self, protocol: Protocol, engine: str = "eager", budget_s: float | None = None
    ) -> tuple[Speed, Callable[[Tensor], Tensor]]:
        """Time a form.

        Args:
            protocol: what is timed; with `bn_folding` the folded network.
            engine: one of `ENGINES`.
            budget_s: seconds that timing may take.

        Returns:
            The speed, and the network as it was timed.

        Raises:
            DeviceError: a precision or an engine that the device does not have.
            MeasurementError: the network fails in this form.
        """
        net = self.folded() if protocol.bn_folding else self.plain()
        made: list[Callable[[Tensor], Tensor]] = []

        def prepare(net: nn.Module) -> Callable[[Tensor], Tensor]:
            run = region(net, protocol.mode)
            if engine == "CUDA graph":
                run = self.device.graph(run)
            elif engine == "torch.compile":
                run = compiled(run, self.device)
            made.append(run)
            return run

        speed = measure_speed(
            net,
            resolution=self.resolution,
            protocol=protocol,
            device=self.device,
            budget_s=budget_s,
            gpu_budget_s=budget_s,
            prepare=prepare,
        )
        return speed, made[0]

    def deviation(self, run: Callable[[Tensor], Tensor], protocol: Protocol) -> dict[str, Any]:
        """How far a form's logits are from the plain network's in fp32; see `segbench.measure.folding.deviation`.

        Args:
            run: the form, as timed in a mode whose logits have the input's size.
            protocol: the one under which it was timed.

        Raises:
            MeasurementError: a form fails on the device.
        """
        net = self.plain()
        image = sample_image(net, self.resolution, self.device)
        plain = REFERENCE
        if self._reference is None:
            with measurement_flags(plain), device_failures(self.resolution, plain, self.device):
                self._reference = logits_of(self.device.move(net), image)
        if image.is_floating_point():
            image = image.to(DTYPES[protocol.precision])
        if protocol.channels_last and image.dim() == 4:
            image = image.contiguous(memory_format=torch.channels_last)
        with measurement_flags(protocol), device_failures(self.resolution, protocol, self.device):
            return deviation(self._reference, logits_of(run, image))

    def deviation_in(self, protocol: Protocol) -> dict[str, Any]:
        """The same of a form that is made for this alone, in eager execution."""
        net = self.device.move(self.folded() if protocol.bn_folding else self.plain())
        net = cast_floats(net, DTYPES[protocol.precision])
        if protocol.channels_last:
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self.deviation(net, protocol)


def compiled(run: Callable[[Tensor], Tensor], device: Device) -> Callable[[Tensor], Tensor]:
    """The network through torch.compile, at its first call; on CUDA with CUDA graphs inside.

    Raises:
        MeasurementError: at the first calls, the compiler does not work here or not on this network.
    """
    if "torch._dynamo" in sys.modules:
        # Its cache is by code, which networks share: from the ninth on it would quietly run them uncompiled.
        torch.compiler.reset()
    options: dict[str, Any] = {"mode": "reduce-overhead"} if device.torch_device.type == "cuda" else {}
    compiled_run: Any = torch.compile(run, dynamic=False, **options)
    made = 0

    def call(x: Tensor) -> Tensor:
        nonlocal made
        if made == MAKING:
            result: Tensor = compiled_run(x)
            return result
        try:
            with warnings.catch_warnings():
                # The compiler advises on precisions and modes, which are the protocol's to set.
                warnings.simplefilter("ignore")
                result = compiled_run(x)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise MeasurementError(f"torch.compile fails: {first_line(error)}") from error
        made += 1
        return result

    return call


def fp16_is_emulated(device: Device) -> bool:
    """Whether fp16 on this device is arithmetic in software, tens of times slower than fp32."""
    if device.torch_device.type != "cpu" or device.kind != "cpu":
        return False
    supported: Any = getattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", None)
    return supported is None or not supported()


def require_cudnn(device: Device) -> None:
    """Refuse a device without cuDNN.

    Raises:
        DeviceError: it is a CPU.
    """
    if device.kind != "cuda":
        raise DeviceError(f"cuDNN needs a CUDA device: {device.name} has none")
