"""A speed protocol: what is timed and how, as a named, immutable object that is stored with every result.

"The SwiftNet protocol" names at least four incompatible measurements in the literature: with or without the copies
between host and device, with or without argmax, with or without the final resize, with or without batch
normalisation. Here each of these is a field, and the habits of the families of papers are presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from segbench.errors import BadOption, UnknownName

MODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "swiftnet": ("copy in", "forward", "resize", "argmax", "uint8", "copy out"),
        "predict": ("forward", "resize", "argmax"),
        "forward": ("forward", "resize"),
        "logits": ("forward",),
    }
)
"""Timed region of each mode, in order; without ``resize`` logits stay at the network's own stride, where it has one.

This is all that a mode is: `segbench.measure.frame` does the steps that are named here.
"""

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
SYNCHRONISE = ("round", "frame")
GRAD = ("inference", "no_grad", "enabled")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How speed is measured. Every condition that changes an FPS is a field.

    Attributes:
        name: the preset that it comes from; ``custom`` for one put together field by field.
        mode: timed region, a key of `MODES`.
        source: where the settings come from.
        warmup_passes: passes before timing, at least.
        warmup_seconds: seconds of passes before timing, at least.
        rounds: rounds, each with its own wall-clock reading.
        frames: passes per round.
        round_seconds: if above 0, `frames` is set from the warm-up's speed so that a round takes about this long.
        synchronise: ``round``: before both clock readings of a round; ``frame``: before both readings of every pass.
        batch: images per pass.
        precision: ``fp32`` (TF32 off), ``tf32`` (fp32 tensors, TF32 in matrix products and convolutions), ``fp16``
            or ``bf16`` (weights and input in that type).
        cudnn_benchmark: let cuDNN time its algorithms and take the fastest.
        channels_last: weights and input in the NHWC memory layout.
        bn_folding: batch normalisation folded into the convolutions before timing.
        pinned: copies between host and device through page-locked memory; pageable otherwise.
        grad: ``inference`` (torch.inference_mode), ``no_grad``, or ``enabled`` (the graph for a backward is built).
    """

    name: str = "custom"
    mode: str = "forward"
    source: str = ""
    warmup_passes: int = 50
    warmup_seconds: float = 1.0
    rounds: int = 5
    frames: int = 100
    round_seconds: float = 0.0
    synchronise: str = "round"
    batch: int = 1
    precision: str = "fp32"
    cudnn_benchmark: bool = False
    channels_last: bool = False
    bn_folding: bool = False
    pinned: bool = False
    grad: str = "inference"

    def __post_init__(self) -> None:
        """Refuse values that cannot be measured.

        Raises:
            UnknownName: a mode, precision, synchronise placement or grad mode that does not exist.
            BadOption: a count below 1, or a negative time.
        """
        for kind, given, accepted in (
            ("mode", self.mode, MODES),
            ("precision", self.precision, PRECISIONS),
            ("synchronise placement", self.synchronise, SYNCHRONISE),
            ("grad mode", self.grad, GRAD),
        ):
            if given not in accepted:
                raise UnknownName(kind, given, accepted)
        for kind, count in (("rounds", self.rounds), ("frames", self.frames), ("batch", self.batch)):
            if count < 1:
                raise BadOption(f"{kind} must be 1 or more: {count} given")
        for kind, least in (
            ("warm-up passes", self.warmup_passes),
            ("warm-up seconds", self.warmup_seconds),
            ("round seconds", self.round_seconds),
        ):
            if not least >= 0:
                raise BadOption(f"{kind} must be 0 or more: {least} given")

    @property
    def steps(self) -> tuple[str, ...]:
        """What is inside the timed region, in order."""
        return MODES[self.mode]

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON types, with `steps` spelled out."""
        return {**asdict(self), "steps": list(self.steps)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Protocol:
        """A stored protocol; fields that this version does not know are left out.

        Raises:
            SegbenchError: a value that cannot be measured.
        """
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in content.items() if key in known})


PRESETS: Mapping[str, Protocol] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            # Differs from the figure in the warm-up alone (one pass there), which changes the clocks that a GPU has
            # reached but not what is timed.
            Protocol(
                name="swiftnet",
                mode="swiftnet",
                source="SwiftNet (CVPR 2019), Figure 5, 'Measurement of the processing time under PyTorch'; "
                "orsic/swiftnet has no timing script. cudnn.benchmark is never set there",
            ),
            Protocol(
                name="forward",
                mode="forward",
                # As FRFNet's author, FBSNet, FasterSeg, STDC and TorchSeg have it; SwiftNet, DDRNet, PIDNet, FANet and
                # SFSegNets leave it off, and cuDNN's heuristics then decide: on an H100 an fp32 STDC1 took 6,494
                # kernels a frame, about 130 a convolution.
                cudnn_benchmark=True,
                source="segbench's default: the region that the scripts of the papers citing SwiftNet time, with "
                "cuDNN's own choice of algorithms",
            ),
            # Its calibration doubles the pass count before dividing by it, so the final loop meant to last 6 s lasts
            # about 12 s; the FPS it reports is not affected. DDRNet and PIDNet leave cudnn.benchmark off, and PIDNet
            # leaves its logits at 1/8 (mode `logits`).
            Protocol(
                name="fasterseg",
                mode="forward",
                source="VITA-Group/FasterSeg@793107d tools/utils/darts_utils.py, compute_latency_ms_pytorch; "
                "copied by STDC, DDRNet and PIDNet",
                warmup_passes=10,
                warmup_seconds=0.0,
                rounds=1,
                round_seconds=12.0,
                cudnn_benchmark=True,
                grad="no_grad",
            ),
            # No no_grad there: autograd's bookkeeping is inside the timed region.
            Protocol(
                name="efficient-segmentation-networks",
                mode="forward",
                source="xiaoyufenfei/Efficient-Segmentation-Networks@beb5fea tools/fps_test/eval_forward_time.py; "
                "copied by DABNet, FBSNet and FEENet",
                warmup_passes=50,
                warmup_seconds=0.0,
                rounds=1,
                cudnn_benchmark=True,
                grad="enabled",
            ),
            # 200 images, of which the first 5 are not counted; the loader and the normalisation are outside the timer.
            Protocol(
                name="mmseg-predict",
                mode="predict",
                source="open-mmlab/mmsegmentation@2b6a1aa tools/analysis_tools/benchmark.py, mode='predict'",
                warmup_passes=5,
                warmup_seconds=0.0,
                rounds=1,
                frames=195,
                synchronise="frame",
                grad="no_grad",
            ),
        )
    }
)
"""How each family of papers measured; torch's default TF32 state of their time is replaced by an explicit one."""


COMMON_MODES = tuple(sorted(MODES.keys() & PRESETS.keys()))
"""The timed regions that `--mode` offers, each with a preset of its own; the others belong to other presets."""


REFERENCE = Protocol(name="reference", source="segbench: where outputs are compared, not timed")
"""The forward in fp32 with no switch on: one algorithm for one shape, so that equal weights give equal logits."""


def protocol_for(
    mode: str = "forward",
    precision: str | None = None,
    batch: int | None = None,
    rounds: int | None = None,
    **settings: Any,
) -> Protocol:
    """A preset with some settings changed.

    Args:
        mode: name of a preset (``forward``, ``swiftnet``, ``fasterseg``, ...) or of a mode.
        precision: ``fp32``, ``tf32``, ``fp16`` or ``bf16``; None for the preset's.
        batch: images per pass; None for the preset's.
        rounds: rounds of frames; None for the preset's.
        settings: any other field of `Protocol`.

    Raises:
        UnknownName: no such mode or precision.
        BadOption: a count below 1, or a setting that does not exist.
    """
    if mode in PRESETS:
        preset = PRESETS[mode]
    elif mode in MODES:
        preset = replace(PRESETS["forward"], name=mode, mode=mode, source=f"segbench's rules for the region {mode!r}")
    else:
        raise UnknownName("mode", mode, dict.fromkeys((*PRESETS, *MODES)))
    changes = {"precision": precision, "batch": batch, "rounds": rounds, **settings}
    unknown = set(changes) - {item.name for item in fields(Protocol)}
    if unknown:
        raise BadOption(f"a protocol has no setting {', '.join(sorted(unknown))}")
    return replace(preset, **{key: value for key, value in changes.items() if value is not None})
