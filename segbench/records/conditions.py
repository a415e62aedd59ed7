"""The conditions of a number: what two timings, or two accuracies, must share to be compared. Imports no torch.

This is the one notion of "same conditions": tables, plots, the page, `compare`, `check`, baselines and the combination
of processes all ask it. A field of these classes is a condition; adding one keeps its numbers apart everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from segbench.datasets import DATASETS
from segbench.records.record import Record
from segbench.records.results import Optimized

UNKNOWN = "unknown"
_SPLITS = ("test", "val", "trainval", "train")
_TOLD = ("reading", "rule", "images")
# Settings of an evaluation that belong to the weights: they were trained with them.
_OWN_SETTINGS = frozenset({"normalisation", "mean", "std", "scale", "channels", "align_corners", "void_output"})


def _condition(label: str, words: Callable[[Any], str] | None = None, usual: object = ...) -> Any:
    """A condition's name, how a value of it reads in a heading, and the value that goes without saying."""
    return field(metadata={"label": label, "words": words, "usual": usual})


def _switch(label: str, usual: object = ...) -> Any:
    return _condition(label, lambda on: f"{label} {'on' if on else 'off'}", usual)


def _in_words(item: Any, value: object) -> str:
    if value is None:
        return f"{item.metadata['label']} {UNKNOWN}"
    words = item.metadata["words"]
    return str(words(value)) if words else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Conditions:
    """What two numbers must share."""

    def differences(self, other: _Conditions) -> list[str]:
        """What is unlike, such as ``precision fp32 -> fp16``; empty where the two numbers compare."""
        return [
            f"{item.metadata['label']} {show_value(before)} -> {show_value(after)}"
            for item in fields(self)
            for before, after in [(getattr(self, item.name), getattr(other, item.name))]
            if before != after
        ]


Conditions = TypeVar("Conditions", bound=_Conditions)


def show_value(value: object) -> str:
    """A condition's value as people read it: ``on`` and ``off`` of a switch, and what is not told."""
    if value is None:
        return UNKNOWN
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingConditions(_Conditions):
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

    device: str = _condition("device", str.upper)
    mode: str = _condition("mode")
    precision: str = _condition("precision")
    batch: int = _condition("batch", lambda size: f"batch {size}")
    synchronise: str | None = _condition("synchronised", lambda what: f"synchronised every {what}", "round")
    grad: str | None = _condition("autograd", lambda what: f"autograd {what}", "inference")
    cudnn_benchmark: bool | None = _switch("cudnn.benchmark")
    channels_last: bool | None = _switch("channels_last", False)
    bn_folding: bool | None = _switch("BN folding", False)
    pinned: bool | None = _switch("pinned memory", False)
    runtime: str = _condition("runtime", usual="PyTorch")
    optimized: bool = _switch("fast mode", False)
    threads: int | None = _condition("CPU threads", lambda count: f"{count} CPU threads")
    cores: int = _condition("cores", lambda count: f"kept to {count} cores" if count else "cores free", 0)
    device_name: str = _condition("device name")

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
                parts += [_in_words(item, value)] * (value != item.metadata["usual"])
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyConditions(_Conditions):
    """What two accuracies must share: images, labels, scoring rule, protocol and weights.

    Attributes:
        dataset: title of the data set.
        reading: how its files were read, the name that ``--dataset`` takes; None where the Record does not tell.
        split: of the data set.
        rule: scoring rule.
        images: that were scored.
        of_images: that the published split has; None where it is not known.
        checkpoint: the first digits of the SHA-256 of the weights, or the name of their file.
        protocol: every setting of the evaluation, by name, as JSON.
    """

    dataset: str = _condition("data set")
    reading: str | None = _condition("reading", lambda name: f"read as {name}")
    split: str = _condition("split")
    rule: str | None = _condition("rule", lambda name: f"rule {name}")
    images: int | None = _condition("images", lambda count: f"{count} images")
    of_images: int | None = _condition("images of the split", lambda count: f"of {count}")
    checkpoint: str | None = _condition("checkpoint", lambda name: f"weights {name}")
    protocol: tuple[tuple[str, str], ...] = _condition("protocol")

    @classmethod
    def of(cls, record: Record) -> AccuracyConditions | None:
        """The conditions of a Record's accuracy; None where it has none."""
        accuracy = record.accuracy
        if accuracy is None:
            return None
        settings = {name: value for name, value in accuracy.protocol.items() if name not in ("name", "steps")}
        if accuracy.input_size is not None:
            settings["input_size"] = list(accuracy.input_size)
        spec = DATASETS.get(accuracy.variant or accuracy.dataset.lower())
        sha = accuracy.checkpoint_sha256
        return cls(
            dataset=spec_title(accuracy.dataset),
            reading=accuracy.variant,
            split=accuracy.split or "",
            rule=accuracy.rule,
            images=accuracy.images,
            of_images=_published(spec, accuracy.split) or None,
            checkpoint=sha[:12] if sha else accuracy.checkpoint,
            protocol=tuple(sorted((name, json.dumps(value)) for name, value in settings.items())),
        )

    @property
    def official_rule(self) -> str | None:
        """The data set's own scoring rule; None where the data set is not known."""
        spec = DATASETS.get(self.reading or self.dataset.lower())
        return spec.rule if spec else None

    def marks(self) -> dict[str, str]:
        """What keeps the score from being the data set's official one, by field: another rule, an incomplete split."""
        marks = {}
        if self.rule is not None and self.official_rule not in (None, self.rule):
            marks["rule"] = f"rule {self.rule}, not the official {self.official_rule}"
        if self.images is not None and self.of_images is not None and self.images < self.of_images:
            marks["images"] = f"{self.images} of {self.of_images} images"
        return marks

    @property
    def place(self) -> str:
        """Data set and split, such as ``Cityscapes val``."""
        return f"{self.dataset} {self.split}".strip()

    def benchmark(self) -> AccuracyConditions:
        """What scores of different networks must share to be ranked: everything but what is a network's own.

        The weights are, and the normalisation and the resizing of logits that they were trained with, and whether
        there is an output for ignored pixels. Images, labels, rule, scales, flip, windows and size are not.
        """
        settings = dict(self.protocol)
        if settings.get("void_rule") in ('"drop"', "null"):
            del settings["void_rule"]  # without such an output there is nothing to drop
        shared = tuple(item for item in settings.items() if item[0] not in _OWN_SETTINGS)
        return replace(self, checkpoint=None, protocol=shared)

    def describe(self) -> str:
        """Data set, split, reading, rule, images and every setting, in one line."""
        said = [self.place, *(_in_words(item, getattr(self, item.name)) for item in fields(self) if item.name in _TOLD)]
        return ", ".join([*said, *(_setting(name, value) for name, value in self.protocol)])

    def differences(self, other: _Conditions) -> list[str]:
        """What is unlike; of the protocol each setting by its name."""
        found = [
            text for text in super(AccuracyConditions, self).differences(other) if not text.startswith("protocol ")
        ]
        before, after = dict(self.protocol), dict(getattr(other, "protocol", ()))
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return found + [f"{name} {before.get(name, UNKNOWN)} -> {after.get(name, UNKNOWN)}" for name in names]

    def order(self) -> tuple[object, ...]:
        """By data set, the official score of a whole split first, what is not told last, the test split before val."""
        split = _SPLITS.index(self.split) if self.split in _SPLITS else len(_SPLITS)
        untold = sum(getattr(self, item.name) is None for item in fields(self) if item.name != "checkpoint")
        found = (str(getattr(self, item.name)) for item in fields(self)[1:])
        return self.dataset, len(self.marks()), untold, split, -(self.images or 0), *found


def spec_title(name: str) -> str:
    """A data set's name as papers write it, such as ``CamVid`` for ``camvid``; an unknown one as it is."""
    spec = DATASETS.get(name.lower())
    return spec.title.split(" (")[0].split(",")[0] if spec else name


def _published(spec: Any, split: str | None) -> int:
    """Images of a published split; 0 where it is not known."""
    if spec is None or not split:
        return 0
    parts = ("train", "val") if split == "trainval" else (split,)
    return sum(spec.splits[part].images for part in parts if part in spec.splits)


def network_of(record: Record) -> tuple[object, ...]:
    """Which network a Record is of, and on what it ran: numbers of two networks are never one number."""
    options = json.dumps(record.options or {}, sort_keys=True, default=str)
    inputs = tuple(record.inputs), record.output
    return record.model, record.classes, options, record.resolution, record.batch, *inputs


def variant(record: Record) -> str:
    """Inputs, output and options of a network that has others than the usual ones, such as ``output aux``."""
    parts = [
        f"inputs {', '.join(map(str, record.inputs))}" if record.inputs else "",
        f"output {record.output}" if record.output else "",
        *(f"{name} {value}" for name, value in (record.options or {}).items()),
    ]
    return ", ".join(filter(None, parts))


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
        _in_words(item, getattr(one, item.name))
        for item in fields(one)
        if item.name not in besides
        and getattr(one, item.name) != item.metadata["usual"]
        and len({getattr(other, item.name) for other in like}) > 1
    ]


def small_print(
    conditions: Sequence[AccuracyConditions], among: Sequence[AccuracyConditions] | None = None
) -> list[str]:
    """What stands under each accuracy: data set and split, what is not official about it, and what tells it apart.

    Args:
        conditions: of the accuracies of one network.
        among: all accuracies that the reader sees beside them; those given by default. What is a network's own (its
            weights, its normalisation) is said only where accuracies of one network differ in it.
    """
    seen = conditions if among is None else among
    lines = []
    for one in conditions:
        own, all_like = ([other for other in some if other.place == one.place] for some in (conditions, seen))
        benchmarks = [other.benchmark() for other in all_like]
        said = dict(one.marks())
        if one.reading not in (None, one.dataset.lower()):
            said["reading"] = f"read as {one.reading}"
        # The official rule and a whole split go without saying.
        unsaid = ["dataset", "split", "of_images"]
        unsaid += ["rule"] * (one.rule is not None and one.rule == one.official_rule)
        unsaid += ["images"] * (one.images is not None and one.images == one.of_images)
        for item in fields(one):
            value = getattr(one, item.name)
            if item.name == "protocol":
                apart = {*_unlike_settings(benchmarks), *_unlike_settings(own)}
                settings = dict(one.protocol)
                said.update((name, _setting(name, settings.get(name))) for name in sorted(apart))
            elif item.name not in unsaid:
                like = own if item.name == "checkpoint" else all_like
                if len({getattr(other, item.name) for other in like}) > 1:
                    said.setdefault(item.name, _in_words(item, value))
        lines.append(", ".join([one.place, *said.values()]))
    return lines


def _unlike_settings(conditions: Sequence[AccuracyConditions]) -> set[str]:
    """Names of the settings of the protocol that are not the same in all."""
    settings = [dict(one.protocol) for one in conditions]
    names = {name for some in settings for name in some}
    return {name for name in names if len({some.get(name) for some in settings}) > 1}


def _setting(name: str, value: str | None) -> str:
    """A setting of a protocol in words: ``flip on``, ``scales 0.5 1.0``, ``input size 1024x2048``."""
    words = name.replace("_", " ")
    if value is None:
        return f"{words} {UNKNOWN}"
    content = json.loads(value)
    if isinstance(content, list):
        sides = len(content) == 2 and all(isinstance(side, int) for side in content)
        return f"{words} {('x' if sides else ' ').join(map(str, content))}"
    return f"{words} {'none' if content is None else show_value(content)}"
