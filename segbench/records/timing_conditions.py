"""The conditions of a timing, what stands beside it, and headings that tell timings apart. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from segbench.records.conditions import Conditions, condition, in_words, switch
from segbench.records.record import Record
from segbench.records.results import Optimized


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingConditions(Conditions):
    """What two timings must share: device, timed region and every setting that changes what is timed.

    Names of protocols are no condition, nor are rounds, frames and warm-up, which say how long was measured; versions
    of torch, CUDA, cuDNN and the driver stand beside a number (`beside`) and are said where they differ. None means
    that a Record does not tell.

    Attributes:
        device: kind of device, ``cuda`` or ``cpu``.
        mode: timed region, such as ``forward`` or ``swiftnet``.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``.
        batch: images per pass.
        synchronise: ``round`` or ``frame``.
        grad: ``inference``, ``no_grad`` or ``enabled``.
        cudnn_benchmark: whether cuDNN timed its algorithms and took the fastest.
        channels_last: NHWC memory layout.
        bn_folding: batch normalisation folded into convolutions.
        pinned: page-locked memory for copies.
        runtime: what ran the network; with its version for everything but PyTorch.
        optimized: the fast mode rather than the network as built.
        threads: of torch, on a CPU.
        cores: how many the process was kept to; 0 where it was free to move. Which ones is told by the environment: on
            a machine that times several GPUs at once each has its own.
        device_name: name of the chip.
    """

    device: str = condition("device", str.upper)
    mode: str = condition("mode")
    precision: str = condition("precision")
    batch: int = condition("batch", lambda size: f"batch {size}")
    synchronise: str | None = condition("synchronised", lambda what: f"synchronised every {what}", "round")
    grad: str | None = condition("autograd", lambda what: f"autograd {what}", "inference")
    cudnn_benchmark: bool | None = switch("cudnn.benchmark")
    channels_last: bool | None = switch("channels_last", False)
    bn_folding: bool | None = switch("BN folding", False)
    pinned: bool | None = switch("pinned memory", False)
    runtime: str = condition("runtime", usual="PyTorch")
    optimized: bool = switch("fast mode", False)
    threads: int | None = condition("CPU threads", lambda count: f"{count} CPU threads")
    cores: int = condition("cores", lambda count: f"kept to {count} cores" if count else "cores free", 0)
    device_name: str = condition("device name")

    @classmethod
    def of(cls, record: Record) -> TimingConditions | None:
        """The conditions of a Record's timing; None where it has none."""
        speed = record.speed
        if speed is None:
            return None
        protocol = speed.protocol_settings if isinstance(speed, Optimized) else record.protocol
        return cls.put_together(
            {**protocol, "mode": speed.mode, "precision": speed.precision, "batch": speed.batch or record.batch},
            speed.device,
            speed.device_name,
            record.environment,
            runtime=speed.runtime or "PyTorch",
            # Alone in a file it is read as any speed, and its engine as a field of its own.
            optimized=isinstance(speed, Optimized) or "engine" in speed.extra,
        )

    @classmethod
    def put_together(
        cls,
        protocol: Mapping[str, Any],
        device: str,
        device_name: str | None,
        environment: Mapping[str, Any],
        *,
        runtime: str = "PyTorch",
        optimized: bool = False,
    ) -> TimingConditions:
        """The conditions from their parts, for a timing that is still to be made.

        Args:
            protocol: as `Protocol.to_json` gives it.
            device: kind of device.
            device_name: name of the chip.
            environment: as `describe_environment` gives it.
            runtime: what runs the network.
            optimized: the fast mode.
        """
        kind = device.partition(":")[0].lower()
        settings = ("synchronise", "grad", "cudnn_benchmark", "channels_last", "bn_folding", "pinned")
        return cls(
            device=kind,
            mode=str(protocol.get("mode", "")),
            precision=str(protocol.get("precision", "")),
            batch=int(protocol.get("batch") or 1),
            **{name: protocol.get(name) for name in settings},
            runtime=runtime,
            optimized=optimized,
            threads=environment.get("torch_threads") if kind == "cpu" else None,
            cores=_how_many(str(environment.get("pinned_cores") or "")),
            device_name=str(device_name or _chip(kind, environment)),
        )

    @property
    def on_cpu(self) -> bool:
        """Whether a CPU was timed, which is never ranked with a GPU."""
        return self.device == "cpu"

    @property
    def quantity(self) -> str:
        """What the timing gives, and where: ``FPS (CUDA)``; images per second for batches."""
        return f"{'FPS' if self.batch == 1 else 'Images/s'} ({self.device.upper()})"

    def order(self) -> tuple[object, ...]:
        """CUDA before CPU, then by everything else."""
        return self.on_cpu, *(str(getattr(self, item.name)) for item in fields(self))

    def chip(self) -> str:
        """Name of the device, a CPU called one."""
        return f"CPU {self.device_name}".removesuffix(" CPU") if self.on_cpu else self.device_name

    def describe(self) -> str:
        """Everything that does not go without saying, in one line."""
        parts = [self.chip(), f"mode {self.mode}"]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in ("device", "device_name", "mode") and value is not None:
                parts += [in_words(item, value)] * (value != item.metadata["usual"])
        return ", ".join(part for part in parts if part)


def _how_many(cores: str) -> int:
    """Cores in a list such as ``0,1`` or ``0-3,8``."""
    ends = re.findall(r"(\d+)(?:-(\d+))?", cores)
    return sum(max(int(last or first) - int(first), 0) + 1 for first, last in ends)


def _chip(kind: str, environment: Mapping[str, Any]) -> str:
    """Name of the device where the timing itself does not say it."""
    gpus = environment.get("gpus")
    names = [gpu.get("name") for gpu in gpus.values() if isinstance(gpu, dict)] if isinstance(gpus, dict) else []
    gpu = environment.get("gpu")
    found = environment.get("cpu") if kind == "cpu" else gpu.get("name") if isinstance(gpu, dict) else gpu
    return str(found or (names[0] if kind != "cpu" and len(set(names)) == 1 else kind.upper()))


def beside(record: Record) -> dict[str, str]:
    """What stands beside a timing and is said where it differs: versions, how long was measured, the host.

    At batch 1 the host launches every kernel, so its processor is part of a GPU's timing too.
    """
    environment, protocol = record.environment, record.protocol
    gpu = environment.get("gpu")
    driver = (gpu.get("driver") if isinstance(gpu, dict) else None) or environment.get("driver")
    # Its branch: 580.159.03 and 580.159.04 differ by a patch.
    driver = ".".join(str(driver).split(".")[:2]) if driver else None
    # Which GPU is no condition; what kind of GPU is.
    variables = {
        name: value
        for name, value in (environment.get("variables") or {}).items()
        if name not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    }
    found = {
        "torch": environment.get("torch"),
        "CUDA": environment.get("cuda"),
        "cuDNN": environment.get("cudnn"),
        "driver": driver,
        "host CPU": environment.get("cpu"),
        "environment variables": variables or None,
        **{
            name.replace("_", " "): protocol.get(name)
            for name in ("warmup_passes", "warmup_seconds", "rounds", "frames", "round_seconds")
        },
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def unlike_beside(records: Sequence[Record]) -> list[str]:
    """In what stands beside them timings differ from the first, such as ``torch 2.11.0 -> 2.12.0``."""
    first, *others = map(beside, records)
    return list(
        dict.fromkeys(
            f"{name} {first.get(name, 'none')} -> {other.get(name, 'none')}"
            for other in others
            for name in {**first, **other}
            if first.get(name) != other.get(name)
        )
    )


def headings(conditions: Sequence[TimingConditions]) -> list[str]:
    """The shortest headings that tell timings apart: the device, then whatever differs on it."""
    return [
        f"{one.quantity.removesuffix(')')}{''.join(f', {text}' for text in _apart(one, conditions))})"
        for one in conditions
    ]


def labels(conditions: Sequence[TimingConditions]) -> list[str]:
    """Device, mode and precision of each timing, and whatever else tells it apart: ``NVIDIA H200, forward, fp32``."""
    named = ("device", "device_name", "mode", "precision")
    kinds = {(one.chip(), one.device) for one in conditions}
    found = []
    for one in conditions:
        # One name for two kinds of device does not tell them apart.
        kind = one.device.upper() if sum(chip == one.chip() for chip, _ in kinds) > 1 else ""
        parts = (one.chip(), kind, one.mode, one.precision, *_apart(one, conditions, named))
        found.append(", ".join(filter(None, parts)))
    return found


def _apart(
    one: TimingConditions, conditions: Sequence[TimingConditions], besides: Sequence[str] = ("device",)
) -> list[str]:
    """The conditions of one timing that differ from those of another on the same kind of device, the usual unsaid."""
    like = [other for other in conditions if other.device == one.device]
    return [
        in_words(item, getattr(one, item.name))
        for item in fields(one)
        if item.name not in besides
        and getattr(one, item.name) != item.metadata["usual"]
        and len({getattr(other, item.name) for other in like}) > 1
    ]
