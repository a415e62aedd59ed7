"""What a measurement found, as types: speed, latency, memory, accuracy, and rows of modules and of the waterfall.

`Record` holds them. Field names are those of the JSON; each field says its unit, its range and what it means, and the
JSON Schema and the tables of docs/record.md are made from that (`python -m segbench.records.schema`). `extra` keeps
what a newer segbench wrote and this one does not know. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from statistics import fmean, median, stdev
from typing import Annotated, Any

from msgspec import Meta

from segbench.statistics import quantile


def meaning(text: str, unit: str = "") -> Meta:
    """What a field means, and its unit, for the schema and the docs."""
    return Meta(description=text, extra_json_schema={"unit": unit} if unit else None)


Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
NonNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Size = tuple[AtLeastOne, AtLeastOne]
Text = Annotated[str, Meta(min_length=1)]
Extra = Annotated[dict[str, Any], meaning("fields of a newer segbench")]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Latencies of a pass in ms."""

    mean: Annotated[NonNegative | None, meaning("mean", "ms")] = None
    median: Annotated[NonNegative | None, meaning("median", "ms")] = None
    p5: Annotated[NonNegative | None, meaning("5th percentile", "ms")] = None
    p95: Annotated[NonNegative | None, meaning("95th percentile", "ms")] = None
    std: Annotated[NonNegative | None, meaning("standard deviation", "ms")] = None
    min: Annotated[NonNegative | None, meaning("fastest", "ms")] = None
    max: Annotated[NonNegative | None, meaning("slowest", "ms")] = None
    extra: Extra = field(default_factory=dict)

    @classmethod
    def of(cls, samples_ms: Sequence[float]) -> Latency:
        """Summary of the latencies of one or more passes, in ms."""
        return cls(
            mean=fmean(samples_ms),
            median=median(samples_ms),
            p5=quantile(samples_ms, 0.05),
            p95=quantile(samples_ms, 0.95),
            std=stdev(samples_ms) if len(samples_ms) > 1 else 0.0,
            min=min(samples_ms),
            max=max(samples_ms),
        )


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What the device could do, measured beside the network, and what a frame asks of it."""

    tmacs_per_s: Annotated[NonNegative | None, meaning("matrix products of this device", "10¹² MAC/s")] = None
    gb_per_s: Annotated[NonNegative | None, meaning("copies in main memory", "10⁹ B/s")] = None
    cached_gb_per_s: Annotated[NonNegative | None, meaning("copies within the last-level cache", "10⁹ B/s")] = None
    macs: Annotated[Count | None, meaning("of a frame", "count")] = None
    bytes: Annotated[Count | None, meaning("that a frame reads and writes", "B")] = None
    compute_ms: Annotated[NonNegative | None, meaning("least time for the arithmetic", "ms")] = None
    memory_ms: Annotated[NonNegative | None, meaning("least time for the bytes", "ms")] = None
    fastest_ms: Annotated[NonNegative | None, meaning("least time for both", "ms")] = None
    share: Annotated[NonNegative | None, meaning("reached: least time over time taken", "0 to 1")] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LayerTiming:
    """What the times of single modules add up to; `modules` has the times."""

    frames: Annotated[AtLeastOne, meaning("that were averaged", "count")]
    frame_ms: Annotated[NonNegative, meaning("of a frame: the sum over all modules and between them", "ms")]
    plain_ms: Annotated[NonNegative, meaning("of a frame without hooks", "ms")]
    hooks_ms: Annotated[NonNegative, meaning("that hooks added to a frame", "ms")]
    between_modules_ms: Annotated[
        NonNegative, meaning("of a frame outside of the leaves: functions in a forward, copies, argmax", "ms")
    ]
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """State of a GPU at one moment; None where the GPU or its driver does not tell."""

    sm_clock_mhz: Annotated[Count | None, meaning("clock of the multiprocessors", "MHz")] = None
    memory_clock_mhz: Annotated[Count | None, meaning("clock of the memory", "MHz")] = None
    temperature_c: Annotated[int | None, meaning("temperature of the chip", "°C")] = None
    power_w: Annotated[NonNegative | None, meaning("power draw", "W")] = None
    slowdowns: Annotated[tuple[str, ...], meaning("reasons for which the clocks are held down")] = ()
    other_processes: Annotated[Count | None, meaning("that compute on this GPU beside the present one", "count")] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed of a frame, every sample of it, and the device and region that were timed."""

    mode: Annotated[str, meaning("timed region: forward, swiftnet, predict or logits")]
    protocol: Annotated[str | None, meaning("name of the settings, a preset's or custom")] = None
    device: Annotated[Text, meaning("cuda or cpu")]
    device_name: Annotated[str | None, meaning("name of the chip")] = None
    precision: Annotated[str, meaning("fp32, tf32, fp16 or bf16")]
    batch: Annotated[AtLeastOne | None, meaning("in a pass", "images")] = None
    runtime: Annotated[
        str | None, meaning("what ran the network, with its version; null for PyTorch, whose version is in environment")
    ] = None
    fps: Annotated[
        Positive, meaning("images divided by elapsed time; the mean over processes where there are several", "images/s")
    ]
    fps_ci95: Annotated[
        tuple[NonNegative, NonNegative] | None, meaning("95 % interval; null with a single frame", "images/s")
    ] = None
    fps_ci95_basis: Annotated[str | None, meaning("processes, rounds of one process, or frames of one round")] = None
    throughput: Annotated[
        Positive | None, meaning("the same as fps where the batch is above 1, else null", "images/s")
    ] = None
    latency_ms: Annotated[Latency | None, meaning("of a pass", "ms")] = None
    cov: Annotated[NonNegative | None, meaning("coefficient of variation of the latencies", "ratio")] = None
    round_spread: Annotated[NonNegative | None, meaning("fastest minus slowest round, over their mean", "ratio")] = None
    frames: Annotated[AtLeastOne | None, meaning("in a round", "count")] = None
    rounds_ms: Annotated[list[list[NonNegative]] | None, meaning("every latency, round by round", "ms")] = None
    round_seconds: Annotated[list[Positive] | None, meaning("wall clock of each round", "s")] = None
    round_fps: Annotated[list[Positive] | None, meaning("of each round", "images/s")] = None
    warmup_ms: Annotated[list[NonNegative] | None, meaning("every warm-up pass", "ms")] = None
    gpu_busy_ms: Annotated[NonNegative | None, meaning("of a frame in which the GPU was busy", "ms")] = None
    enqueue_ms: Annotated[
        NonNegative | None,
        meaning("that the host takes to launch a frame for an idle GPU, in regions without copies; median", "ms"),
    ] = None
    launches: Annotated[NonNegative | None, meaning("kernels of a frame", "count")] = None
    graph_fps: Annotated[Positive | None, meaning("of the same network as a CUDA graph", "images/s")] = None
    energy_mj: Annotated[NonNegative | None, meaning("of an image, where the GPU's counter tells", "mJ")] = None
    verdict: Annotated[str | None, meaning("launch-bound, compute-bound or memory-bound")] = None
    roofline: Annotated[Roofline | None, meaning("what the device could do")] = None
    telemetry: Annotated[list[Telemetry], meaning("state of the GPU before the first round and after each")] = field(
        default_factory=list
    )
    round_throttled_ms: Annotated[
        list[dict[str, NonNegative]] | None,
        meaning("of each round in which the GPU's clocks were held down, by reason, where its counters tell", "ms"),
    ] = None
    warnings: Annotated[
        list[str], meaning("why the timing cannot be trusted; empty where nothing speaks against it")
    ] = field(default_factory=list)
    shortened: Annotated[str | None, meaning("how a time budget cut the protocol; null where it did not")] = None
    processes: Annotated[AtLeastOne | None, meaning("combined in this number", "count")] = None
    process_fps: Annotated[list[Positive] | None, meaning("of each process", "images/s")] = None
    process_cov: Annotated[NonNegative | None, meaning("coefficient of variation over processes", "ratio")] = None
    process_latency_ms: Annotated[list[Positive] | None, meaning("median latency of each process", "ms")] = None
    process_gpu_busy_ms: Annotated[list[NonNegative] | None, meaning("GPU-busy time in each process", "ms")] = None
    process_round_fps: Annotated[list[list[Positive]] | None, meaning("of each round of each process", "images/s")] = (
        None
    )
    load_average: Annotated[
        NonNegative | None, meaning("programs wanting the CPU in the minute before the timing", "count")
    ] = None
    cpu_share: Annotated[
        NonNegative | None, meaning("CPU time over wall time of the rounds; below 1 the process had to wait", "ratio")
    ] = None
    layer_timing: Annotated[LayerTiming | None, meaning("with `--layers --time`: what its modules add up to")] = None
    optimized: Annotated[Optimized | None, meaning("with --optimize: the fast mode, a speed of its own")] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Optimized(Speed):
    """Speed of the fast mode, which stands beside the protocol's and never in its place."""

    engine: Annotated[str, meaning("eager, CUDA graph or torch.compile: the fastest")]
    tried: Annotated[list[dict[str, Any]], meaning("FPS of each engine, or why there is none")] = field(
        default_factory=list
    )
    folding: Annotated[dict[str, Any] | None, meaning("normalisations folded and left")] = None
    deviation: Annotated[dict[str, Any] | None, meaning("of the logits from the plain network's in fp32")] = None
    protocol_settings: Annotated[dict[str, Any], meaning("the protocol of the fast mode")] = field(default_factory=dict)
    notes: Annotated[list[str], meaning("what to know first")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of one frame."""

    peak_mib: Annotated[NonNegative | None, meaning("peak of one frame; the median over processes", "MiB")] = None
    kind: Annotated[str | None, meaning("what the figure counts on this kind of device")] = None
    process_peak_mib: Annotated[list[NonNegative] | None, meaning("peak in each process", "MiB")] = None
    extra: Extra = field(default_factory=dict)


Scores = dict[str, Share | None]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Scores on a data set, all from 0 to 1, and what they were scored on and how."""

    dataset: Annotated[Text, meaning("title of the data set")]
    variant: Annotated[str | None, meaning("reading of the data set: the name that --dataset takes")] = None
    split: Annotated[str | None, meaning("split of the data set")] = None
    miou: Annotated[Share | None, meaning("mean intersection over union under `rule`; null where nothing was scored")]
    class_iou: Annotated[Scores | None, meaning("IoU by class")] = None
    images: Annotated[Count | None, meaning("that were scored", "count")] = None
    checkpoint_sha256: Annotated[str | None, meaning("hash of the checkpoint's file")] = None
    checkpoint: Annotated[str | None, meaning("name of the checkpoint's file")] = None
    dropped_keys: Annotated[list[str], meaning("keys of the checkpoint that were left out")] = field(
        default_factory=list
    )
    rule: Annotated[str | None, meaning("scoring rule: how absent classes count, and so on")] = None
    protocol: Annotated[
        dict[str, Any],
        meaning("input size, filter, normalisation, scales, flip, windows, precision, void output; `steps` in words"),
    ] = field(default_factory=dict)
    input_size: Annotated[Size | None, meaning("height and width of the network's input", "pixels")] = None
    label_sizes: Annotated[list[Size], meaning("heights and widths of the labels", "pixels")] = field(
        default_factory=list
    )
    pixel_accuracy: Annotated[Share | None, meaning("share of pixels that are right")] = None
    mean_accuracy: Annotated[Share | None, meaning("mean of class_accuracy")] = None
    class_accuracy: Annotated[Scores | None, meaning("share of a class's pixels that are right")] = None
    frequency_weighted_iou: Annotated[Share | None, meaning("IoU weighted by the classes' pixels")] = None
    category_iou: Annotated[Scores | None, meaning("Cityscapes: IoU by category")] = None
    category_miou: Annotated[Share | None, meaning("Cityscapes: mean of category_iou")] = None
    class_iiou: Annotated[Scores | None, meaning("Cityscapes with instance files: iIoU by class")] = None
    iiou: Annotated[Share | None, meaning("Cityscapes with instance files: mean of class_iiou")] = None
    category_iiou: Annotated[Scores | None, meaning("Cityscapes with instance files: iIoU by category")] = None
    category_miiou: Annotated[Share | None, meaning("Cityscapes with instance files: mean of category_iiou")] = None
    final_score: Annotated[Share | None, meaning("ADE20K: mean of pixel accuracy and mIoU")] = None
    skipped: Annotated[list[dict[str, Any]], meaning("path and reason of each image that --skip-bad left out")] = field(
        default_factory=list
    )
    notes: Annotated[list[str], meaning("what to know first")] = field(default_factory=list)
    claimed: Annotated[
        list[dict[str, Any]],
        meaning("what papers print for this network and data set, with `difference` in percentage points"),
    ] = field(default_factory=list)
    processes: Annotated[AtLeastOne | None, meaning("that shared the images", "count")] = None
    tolerance_points: Annotated[
        NonNegative | None, meaning("in a baseline: change of `miou` that is none", "percentage points")
    ] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WaterfallRow:
    """FPS with one more switch of the protocol applied, or why there is none."""

    switch: Annotated[str, meaning("the switch")]
    meaning: Annotated[str | None, meaning("what it does")] = None
    mode: Annotated[str | None, meaning("timed region")] = None
    precision: Annotated[str | None, meaning("of the timed network")] = None
    fps: Annotated[Positive | None, meaning("with the switch; null where it is unavailable", "images/s")] = None
    fps_ci95: Annotated[tuple[NonNegative, NonNegative] | None, meaning("95 % interval", "images/s")] = None
    latency_ms: Annotated[NonNegative | None, meaning("median", "ms")] = None
    factor: Annotated[NonNegative | None, meaning("over the row that it starts from", "ratio")] = None
    total: Annotated[NonNegative | None, meaning("over the first row", "ratio")] = None
    kept: Annotated[bool, meaning("whether later rows start from it")] = False
    deviation: Annotated[
        dict[str, Any] | None,
        meaning("`max_over_std`: largest change of a logit in standard deviations; `labels_changed`: share of pixels"),
    ] = None
    deviation_failure: Annotated[str | None, meaning("why there is no deviation")] = None
    folding: Annotated[dict[str, Any] | None, meaning("normalisations `folded` and `left`")] = None
    unavailable: Annotated[str | None, meaning("why there is no figure")] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModuleRow:
    """Costs of one module with everything inside it."""

    path: Annotated[str, meaning("of the module; empty for the network")]
    type: Annotated[str, meaning("its class")]
    params: Annotated[Count | None, meaning("parameters", "count")] = None
    macs: Annotated[Count | None, meaning("multiply-accumulates", "count")] = None
    share: Annotated[Share | None, meaning("of all MACs", "0 to 1")] = None
    output: Annotated[list[Count] | None, meaning("shape of its output")] = None
    time_ms: Annotated[NonNegative | None, meaning("of a frame, with `--layers --time`", "ms")] = None
    time_share: Annotated[Share | None, meaning("of a frame's time", "0 to 1")] = None
    settings: Annotated[dict[str, Any] | None, meaning("in a baseline: its public constants")] = None
    operations: Annotated[
        dict[str, Count] | None, meaning("in a baseline: how often each operation ran in its own forward", "count")
    ] = None
    extra: Extra = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Level of the module: 0 for the network."""
        return self.path.count(".") + 1 if self.path else 0


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Sampled logits of a network with weights that follow from its key names, to see a changed architecture."""

    resolution: Annotated[Size, meaning("height and width of the input", "pixels")]
    gain: Annotated[Positive, meaning("scale of the weights")]
    shape: Annotated[list[Count], meaning("of the logits")]
    samples: Annotated[list[float | str], meaning("of the logits; a text where a value is not finite")]
    mean: Annotated[float | str, meaning("of the logits")]
    std: Annotated[NonNegative | str, meaning("of the logits")]
    modules: Annotated[list[dict[str, Any]] | None, meaning("statistics of each module's call, in order")] = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Process:
    """Which fresh process of a comparison a timing comes from."""

    index: Annotated[Count, meaning("from 0", "count")]
    of: Annotated[AtLeastOne, meaning("how many there are", "count")]
    seed: Annotated[int | None, meaning("what the order of all processes was shuffled by")] = None
    extra: Extra = field(default_factory=dict, hash=False)


Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]


@dataclass(frozen=True, kw_only=True)
class Run:
    """When and where a job of a comparison ran."""

    place: Annotated[
        str | None, meaning("which of several: `GPU 3` of this machine, `worker 2` of a cluster; null with one alone")
    ] = None
    beside: Annotated[Count, meaning("places that could be at work at the same time, on the same machine", "count")] = 0
    asked: Annotated[
        Size | None, meaning("height and width that were asked for, where the network does not take them", "pixels")
    ] = None
    started: Annotated[Moment | None, meaning("such as `2026-11-21T10:00:00.000Z`", "UTC")] = None
    ended: Annotated[Moment | None, meaning("likewise, by the same clock", "UTC")] = None
    extra: Extra = field(default_factory=dict, hash=False)


def moment(seconds: float) -> str:
    """Seconds since 1970 as a `Run` writes them."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """A finding of `segbench check` that is meant, or known, and does not fail it."""

    finding: Annotated[Text, meaning("the quantity that changed, such as `parameters` or `FPS`")]
    before: Annotated[Text, meaning("the baseline's, as a person reads it")]
    after: Annotated[Text, meaning("what is accepted, as a person reads it; a further change counts")]
    value: Annotated[
        float | None, meaning("of a metric, its median in its unit, or of an mIoU: what is accepted, and no worse")
    ] = None
    reason: Annotated[Text, meaning("why")]
    until: Annotated[Day | None, meaning("last day on which it is accepted; null for ever")] = None
    accepted: Annotated[Day, meaning("when it was accepted", "UTC")]
    extra: Extra = field(default_factory=dict)
