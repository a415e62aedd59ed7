"""A job: one network at one resolution, and what to measure of it and how. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from segbench.catalog import CATALOG
from segbench.errors import BadOption
from segbench.protocol import PRESETS, Protocol, protocol_for
from segbench.records.record import Record
from segbench.records.results import Process, Run
from segbench.records.timing_conditions import TimingConditions
from segbench.resolution import show
from segbench.version import __version__

BOUNDS = ("all", "launches", "none")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to measure and how; `segbench.measure.record.check_settings` checks it before anything is built.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; `auto` takes CUDA where there is one.
        mode: timed region, ``forward`` or ``swiftnet``; None for that of `preset`, or ``forward``.
        preset: how a family of papers measured, a key of `segbench.protocol.PRESETS`.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        batch: images per forward.
        rounds: rounds of frames; None for the protocol's.
        cudnn_benchmark: let cuDNN time its algorithms; None for the protocol's.
        budget_s: seconds that timing on a CPU may take.
        gpu_budget_s: the same on a GPU; None for the whole protocol.
        counters: counting rules to show, and tools (fvcore, thop) to run beside them.
        counts: count parameters and operations.
        module_levels: keep the costs of the modules down to this level in the Record; 0 for none, None for all.
        layer_times: time every module as well.
        structure: keep all modules with their settings and operations, as a baseline does.
        signature: sample the logits with weights that follow from the key names.
        speed: measure speed and memory.
        bounds: what to find out of what bounds the speed: ``all``, ``launches`` alone, or ``none``.
        waterfall: measure the FPS as each switch of the protocol is applied.
        optimize: measure the fast mode beside the protocol's.
        environment: as `describe_environment` gives it; filled in when the settings are checked.
        rates: file that keeps the device's matrix and copy rates for all processes of a sweep; None to measure them.
    """

    device: str = "auto"
    mode: str | None = None
    preset: str | None = None
    precision: str = "fp32"
    batch: int = 1
    rounds: int | None = None
    cudnn_benchmark: bool | None = None
    budget_s: float = 20.0
    gpu_budget_s: float | None = None
    counters: tuple[str, ...] = ()
    counts: bool = True
    module_levels: int | None = 0
    layer_times: bool = False
    structure: bool = False
    signature: bool = False
    speed: bool = True
    bounds: str = "all"
    waterfall: bool = False
    optimize: bool = False
    environment: dict[str, Any] = field(default_factory=dict, compare=False)
    rates: Path | None = field(default=None, compare=False)

    def protocol(self) -> Protocol:
        """The speed protocol that these settings name."""
        return protocol_for(
            self.preset or self.mode or "forward",
            self.precision,
            self.batch,
            self.rounds,
            cudnn_benchmark=self.cudnn_benchmark,
        )

    def budget_on(self, kind: str) -> float | None:
        """Seconds that timing may take on a kind of device; None for the whole protocol."""
        return self.budget_s if kind == "cpu" else self.gpu_budget_s

    def under_conditions_of(self, before: Record, device: str | None = None) -> Settings:
        """These settings with the device and protocol that a Record was timed under, and timed where it was.

        Args:
            before: the Record.
            device: which device of that kind, such as ``cuda:1``; the first by default.

        Raises:
            BadOption: `device` is of another kind.
        """
        if not before.speed:
            return replace(self, batch=before.batch, speed=False)
        name = before.protocol.get("name")
        if device is not None and device.partition(":")[0] != before.speed.device:
            raise BadOption(
                f"--device {device} is not of the baseline's kind: {before.model} was timed on {before.speed.device}"
            )
        return replace(
            self,
            device=device or before.speed.device,
            preset=name if name in PRESETS else None,
            mode=None if name in PRESETS else before.speed.mode,
            precision=before.speed.precision,
            batch=before.batch,
            rounds=before.protocol.get("rounds"),
            cudnn_benchmark=before.protocol.get("cudnn_benchmark"),
            speed=True,
        )


# What the worker of another revision is told; it may be of another version.
_SHARED = (
    "device",
    "mode",
    "preset",
    "precision",
    "batch",
    "rounds",
    "cudnn_benchmark",
    "budget_s",
    "gpu_budget_s",
    "speed",
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network at one resolution in one process, and how to measure it.

    Attributes:
        model: catalog name, or ``source:name`` for a user's own network or a library's.
        classes: output channels; None for the network's own number.
        resolution: height and width.
        settings: checked ones.
        process: which fresh process of a comparison this is; None outside of one.
        signature_at: height, width and weight scale of the signature to compare with; None to choose them.
        inputs: what a user's own network takes; empty for one RGB image.
        output: key, field or index of its output that counts; None to look for it.
        asked: height and width that were asked for, where the network does not take them; None where it does.
        refused: why the network is not measured at the size asked for; empty where it is.
        run: which of several places measures it; filled in as it is given to one.
        warning: why no timing at that place can be trusted; empty where nothing speaks against it.
    """

    model: str
    classes: int | None
    resolution: tuple[int, int]
    settings: Settings
    process: Process | None = None
    signature_at: tuple[int, int, float] | None = None
    inputs: tuple[str, ...] = ()
    output: str | None = None
    asked: tuple[int, int] | None = None
    refused: str = ""
    run: Run | None = field(default=None, compare=False)
    warning: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, int | None, tuple[int, int]]:
        """The network, its classes and its size."""
        return self.model, self.classes, self.resolution

    @property
    def title(self) -> str:
        """Network and size in words."""
        return f"{self.model} {show(self.resolution)}"

    def conditions(self, device: str, device_name: str) -> TimingConditions:
        """The conditions that the timing will have on a device."""
        return TimingConditions.put_together(
            self.settings.protocol().to_json(), device, device_name, self.settings.environment
        )

    def blank(self, **content: Any) -> Record:
        """A Record of this job without results.

        Args:
            content: other fields of the Record.
        """
        settings, entry = self.settings, CATALOG.get(self.model)
        values: dict[str, Any] = {
            "model": self.model,
            "fidelity": entry.fidelity if entry else None,
            "classes": self.classes or 0,
            "resolution": self.resolution,
            "inputs": list(self.inputs),
            "output": self.output,
            "batch": settings.batch,
            "protocol": settings.protocol().to_json() if settings.speed else {},
            "environment": settings.environment,
            "segbench": __version__,
            # A count of operations is the same in every process.
            "process": self.process if settings.speed else None,
        }
        return Record(**{**values, **content})

    def failed(self, reason: str) -> Record:
        """The Record of a measurement that could not be made."""
        return self.blank(failure=reason)

    def to_json(self) -> dict[str, Any]:
        """For a process of another checkout, which may be of another version: plain types."""
        return {
            "model": self.model,
            "classes": self.classes,
            "resolution": list(self.resolution),
            "signature_at": self.signature_at and list(self.signature_at),
            "inputs": list(self.inputs),
            "output": self.output,
            "settings": {name: getattr(self.settings, name) for name in _SHARED},
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Job:
        """Read a job back; its settings are not checked yet, and those that this version does not know left out."""
        at = content.get("signature_at")
        height, width = content["resolution"]
        known = {item.name for item in fields(Settings)}
        settings = Settings(**{name: value for name, value in content["settings"].items() if name in known})
        return cls(
            model=content["model"],
            classes=content["classes"],
            resolution=(height, width),
            settings=settings,
            signature_at=tuple(at) if at else None,
            inputs=tuple(content.get("inputs", ())),
            output=content.get("output"),
        )
