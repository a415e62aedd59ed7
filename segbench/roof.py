"""The highest FPS that a card's data sheet allows a network: a predicted bound, without the card.

Arithmetic and bytes are those of `segbench.audit.speed`; here the network is traced, so that its layers can be named.
`segbench.measure.roofline` is the other roof: by the rates that a device at hand was seen to reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from segbench.audit.speed import Work
from segbench.counting import winograd
from segbench.counting.count import live_macs_by_kernel
from segbench.counting.rules import MACS
from segbench.counting.trace import Trace
from segbench.counting.tracer import trace
from segbench.gpus import Gpu, Precision
from segbench.measure.subject import Subject

ALGORITHMS: Mapping[str, int] = MappingProxyType({"direct": 1, "winograd_f2": 2, "winograd_f4": 4})
"""Algorithms of convolution, and the outputs along a side of a tile."""

LABEL = "predicted bound"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer takes of the arithmetic.

    Attributes:
        path: of the module, as the network names it.
        macs: multiply-accumulates that reach the output.
        kernel: ``3x3`` or ``3x1`` where Winograd's algorithm takes it, else empty.
        share_direct: of all multiplications by direct convolution.
        share_winograd: of all multiplications by F(4) where it applies.
    """

    path: str
    macs: int
    kernel: str
    share_direct: float
    share_winograd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """The bound of one network on one card.

    Attributes:
        model: as asked for.
        classes: output channels.
        gpu: the card.
        precision: of the arithmetic.
        work: of a frame.
        layers: largest share by direct convolution first.
    """

    model: str
    classes: int
    gpu: Gpu
    precision: Precision
    work: Work
    layers: tuple[Layer, ...]

    @property
    def bytes_s(self) -> float:
        """Seconds that the bytes of a frame take at the card's bandwidth."""
        return self.work.bytes_moved(self.gpu, self.precision) / (1e9 * self.gpu.bandwidth_gb_s)

    def arithmetic_s(self, algorithm: str, highest: bool = False) -> float:
        """Seconds that the arithmetic of a frame takes, at the rated boost clock or at the highest one known."""
        clock = self.gpu.highest_mhz / self.gpu.boost_mhz if highest else 1
        return self.work.operations(ALGORITHMS[algorithm]) / (self.gpu.peak_flops(self.precision) * clock)

    def fps(self, algorithm: str, highest: bool = False) -> float:
        """Frames a second that neither arithmetic nor bytes allow to exceed."""
        return 1 / max(self.arithmetic_s(algorithm, highest), self.bytes_s)

    def bound_by(self, algorithm: str) -> str:
        """``arithmetic`` or ``bytes``, at the rated boost clock."""
        return "arithmetic" if self.arithmetic_s(algorithm) >= self.bytes_s else "bytes"

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "label": LABEL,
            "model": self.model,
            "classes": self.classes,
            "resolution": list(self.work.size),
            "gpu": self.gpu.name,
            "precision": self.precision,
            "peak_tflops": self.gpu.peak_flops(self.precision) / 1e12,
            "boost_mhz": self.gpu.boost_mhz,
            "highest_mhz": self.gpu.highest_mhz,
            "bandwidth_gb_s": self.gpu.bandwidth_gb_s,
            "macs": self.work.macs,
            "macs_3x3": self.work.macs_3x3,
            "macs_3x1": self.work.macs_3x1,
            "bytes": self.work.bytes_moved(self.gpu, self.precision),
            "fps": {name: self.fps(name) for name in ALGORITHMS},
            "fps_at_highest_clock": {name: self.fps(name, highest=True) for name in ALGORITHMS},
            "bound_by": {name: self.bound_by(name) for name in ALGORITHMS},
            "layers": [asdict(layer) for layer in self.layers],
            "sources": self.gpu.sources,
        }


def roof(subject: Subject, size: tuple[int, int], gpu: Gpu, precision: Precision = "fp32") -> Roof:
    """Bound a network's FPS at batch 1.

    Args:
        subject: the network.
        size: height and width of the image.
        gpu: the card.
        precision: of the arithmetic and of what moves; FP16 takes tensor cores where the card has them.

    Raises:
        SegbenchError: the network cannot take this size, or a user's own network cannot be built or run.
    """
    subject.check_resolution(size)
    traced = trace(subject.build("meta") if subject.entry else subject.build(), (1, 3, *size))
    layers = _layers(traced)
    fast = live_macs_by_kernel(traced)
    work = Work(
        macs=sum(layers.values()),
        macs_3x3=fast["live-macs-3x3"],
        macs_3x1=fast["live-macs-3x1"],
        params=traced.live_params,
        size=size,
    )
    rows = [
        Layer(path, macs, kernel, *(_part(macs, kernel, tile) / (work.operations(tile) / 2) for tile in (1, 4)))
        for (path, kernel), macs in layers.items()
    ]
    return Roof(
        model=subject.spec,
        classes=subject.classes or traced.output_shape[1],
        gpu=gpu,
        precision=precision,
        work=work,
        layers=tuple(sorted(rows, key=lambda layer: -layer.share_direct)),
    )


def _layers(traced: Trace) -> Mapping[tuple[str, str], int]:
    """MACs that reach the output, by module and kernel."""
    found: Counter[tuple[str, str]] = Counter()
    for index in sorted(traced.reaching_output):
        operation = traced.operations[index]
        counter = None if operation.divided else MACS.get(operation.kind)
        if counter is not None:
            found[operation.path, winograd.kernel(operation) or ""] += counter(operation)
    return found


def _part(macs: int, kernel: str, tile: int) -> float:
    of_3x3, of_3x1 = (macs if kernel == name else 0 for name in winograd.FEWER)
    return winograd.multiplications(macs, of_3x3, of_3x1, tile)
