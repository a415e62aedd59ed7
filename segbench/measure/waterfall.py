"""Why a paper's FPS does not reproduce: the switches between two honest measurements, applied one after another.

The first row is SwiftNet's Figure 5 literally. Each switch then keeps what the ones before it set. The copies go before
the argmax, because logits instead of labels would be copied otherwise. Precisions replace one another: a later switch
keeps the fastest of those before it. What a device lacks, or a network cannot do, is a row with its reason, and the
next switch starts from the row before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from segbench.errors import DeviceError, SegbenchError
from segbench.measure.device import Device
from segbench.measure.forms import Forms, fp16_is_emulated, require_cudnn
from segbench.measure.frame import has_own_stride
from segbench.measure.memory import release
from segbench.measure.subject import Subject
from segbench.protocol import MODES, PRESETS, Protocol
from segbench.records.results import Speed, WaterfallRow

Say = Callable[[str], None]


@dataclass(frozen=True)
class Switch:
    """One change of the conditions.

    Attributes:
        name: as papers call it.
        meaning: what is different with it.
        settings: fields of the protocol that it sets.
        graph: the network is replayed as a CUDA graph.
    """

    name: str
    meaning: str
    settings: dict[str, Any] = field(default_factory=dict)
    graph: bool = False


SWITCHES = (
    Switch("copies", "input and labels stay on the device", {"mode": "predict"}),
    Switch("argmax", "logits at the input size, no labels", {"mode": "forward"}),
    Switch("resize", "logits at the network's own stride", {"mode": "logits"}),
    Switch("BN folding", "batch normalisation inside the convolutions", {"bn_folding": True}),
    Switch("cudnn.benchmark", "cuDNN times its algorithms and takes the fastest", {"cudnn_benchmark": True}),
    Switch("TF32", "products of 10-bit mantissas on tensor cores", {"precision": "tf32"}),
    Switch("bf16", "weights and activations in bfloat16", {"precision": "bf16"}),
    Switch("fp16", "weights and activations in float16", {"precision": "fp16"}),
    Switch("channels_last", "NHWC memory layout", {"channels_last": True}),
    Switch("CUDA graph", "one launch for all kernels", graph=True),
)

START = Switch("swiftnet", "SwiftNet's Figure 5: copies, forward, resize, argmax", {"mode": "swiftnet"})


def waterfall(
    subject: Subject,
    resolution: tuple[int, int],
    device: Device,
    protocol: Protocol | None = None,
    budget_s: float | None = None,
    say: Say | None = None,
) -> list[WaterfallRow]:
    """Apply the switches one after another.

    Args:
        subject: the network; one set of weights for all rows.
        resolution: height and width.
        device: where it runs.
        protocol: of its settings rounds, frames, warm-up and batch are taken; the others are the switches'.
        budget_s: seconds that all rows may take together.
        say: told the switch that is measured.

    Returns:
        A row for each switch; ``deviation`` where the arithmetic changed, ``folding`` for folded batch normalisation,
        and ``unavailable``, the reason where there is no figure.
    """
    rows = (START, *SWITCHES)
    run = _Run(Forms(subject, resolution, device), replace(protocol or PRESETS["swiftnet"], **PLAIN), device)
    for switch in rows:
        (say or (lambda _: None))(switch.name)
        run.apply(switch, None if budget_s is None else budget_s / len(rows))
        release(device)
    return [WaterfallRow(**row) for row in run.rows]


# Where every waterfall starts, whatever the protocol of the profile around it.
PLAIN: dict[str, Any] = {
    "name": "waterfall",
    "source": "segbench.measure.waterfall",
    "mode": "swiftnet",
    "precision": "fp32",
    "cudnn_benchmark": False,
    "channels_last": False,
    "bn_folding": False,
    "pinned": False,
    "synchronise": "round",
    "grad": "inference",
    "round_seconds": 0.0,
}


class _Run:
    """The state between two switches: the conditions kept so far, and the rows."""

    def __init__(self, forms: Forms, protocol: Protocol, device: Device) -> None:
        self.forms, self.protocol, self.device = forms, protocol, device
        self.rows: list[dict[str, Any]] = []
        # The row before the first precision: the others are measured from it and compete with it.
        self.base: dict[str, Any] | None = None
        self.best: dict[str, Any] | None = None

    def apply(self, switch: Switch, budget_s: float | None) -> None:
        """Measure one row, and keep its conditions where it has a figure."""
        protocol = replace(self.protocol, **switch.settings)
        row: dict[str, Any] = {
            "switch": switch.name,
            "meaning": switch.meaning,
            "mode": protocol.mode,
            "precision": protocol.precision,
            **dict.fromkeys(("fps", "fps_ci95", "latency_ms", "factor", "total", "deviation", "unavailable")),
            "kept": False,
        }
        self.rows.append(row)
        try:
            self._require(switch)
            if "bn_folding" in switch.settings:
                row["folding"] = self.forms.folding().to_json()
            speed, _ = self.forms.speed(protocol, "CUDA graph" if switch.graph else "eager", budget_s)
        except SegbenchError as error:
            row["unavailable"] = str(error)
            return
        row.update(fps=speed.fps, fps_ci95=speed.fps_ci95, latency_ms=_median(speed))
        first = self.rows[0]["fps"]
        row["total"] = row["fps"] / first if first else None
        if "precision" in switch.settings:
            self._weigh(row, protocol)
            return
        row["factor"] = row["fps"] / self.best["fps"] if self.best else None
        row["kept"] = True
        self.base = self.best = row
        self.protocol = protocol

    def _weigh(self, row: dict[str, Any], protocol: Protocol) -> None:
        """A precision: against the row before all of them, kept where it is the fastest so far."""
        base = self.base
        row["factor"] = row["fps"] / base["fps"] if base else None
        try:
            row["deviation"] = self.forms.deviation_in(protocol)
        except SegbenchError as error:
            row["deviation_failure"] = str(error)
        if self.best is None or row["fps"] > self.best["fps"]:
            if self.best is not None and self.best is not base:
                self.best["kept"] = False
            row["kept"], self.best, self.protocol = True, row, protocol

    def _require(self, switch: Switch) -> None:
        """Refuse a switch that the device or the network does not have.

        Raises:
            DeviceError: says why.
        """
        if "precision" in switch.settings:
            self.device.check_precision(switch.settings["precision"])
        if switch.settings.get("precision") == "fp16" and fp16_is_emulated(self.device):
            raise DeviceError(
                f"{self.device.name} has no fp16 arithmetic: torch emulates it in software, tens of times slower"
            )
        if "cudnn_benchmark" in switch.settings:
            require_cudnn(self.device)
        mode = switch.settings.get("mode")
        if mode is not None and "resize" not in MODES[mode] and not has_own_stride(self.forms.plain()):
            raise DeviceError("the network has no `logits` before the resize, as segbench's own networks do")


def _median(speed: Speed) -> float | None:
    return speed.latency_ms.median if speed.latency_ms else None


__all__ = ["START", "SWITCHES", "Switch", "waterfall"]
