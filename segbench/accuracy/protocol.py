"""An evaluation protocol: what happens between an image on disk and a label per pixel, as a stored object.

The field's mIoU differs between codes by the input size, the size of the labels, how logits come to that size, and
the normalisation, often without a word about it. Here each of these is a field, and stands in the Record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from segbench.catalog import Entry, Preprocessing
from segbench.catalog.entry import IMAGENET, UNIT_RANGE
from segbench.errors import BadOption, UnknownName
from segbench.protocol import PRECISIONS
from segbench.resolution import show

FILTERS = ("bilinear", "bilinear-antialias", "nearest")
"""How an image comes to the input size. ``bilinear`` is OpenCV's INTER_LINEAR and torch's `interpolate`;
``bilinear-antialias`` is Pillow's, which takes a wider support when shrinking."""

LARGEST_SIDE = 16384
"""Longest side of an input: a mistyped size is refused before it asks for all memory."""

VOID_RULES = ("drop", "count")
"""What becomes of a network's extra output for ignored pixels: dropped before the argmax, or allowed to win, which
is a false negative of the true class."""

_VOID_MEANING = {"drop": "dropped before the argmax", "count": "where it wins, a false negative"}

_CITYSCAPES_MEAN = (73.15835921, 82.90891754, 72.39239876)
_CAMVID_MEAN = (99.6254, 103.3298, 105.6578)

NORMALISATIONS: Mapping[str, Preprocessing] = MappingProxyType(
    {
        "imagenet": IMAGENET,
        # The mean of the data set, subtracted from 0 to 255; the deviation is stored by those loaders and never used.
        "fbsnet": Preprocessing(mean=_CITYSCAPES_MEAN, std=(1.0, 1.0, 1.0), scale=1.0),
        "fbsnet-camvid": Preprocessing(mean=_CAMVID_MEAN, std=(1.0, 1.0, 1.0), scale=1.0),
        "swiftnet": Preprocessing(mean=(73.15, 82.90, 72.3), std=(47.67, 48.49, 47.73), scale=1.0),
        "half": Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        "none": UNIT_RANGE,
    }
)
"""Normalisations by family: ImageNet's; the FBSNet lineage's on Cityscapes and CamVid; SwiftNet's; PaddleSeg's
(``half``); none but division by 255."""


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """How a network's mIoU is measured; every condition that changes it is a field.

    Attributes:
        name: ``single-scale``, or the options that depart from it, such as ``multi-scale+flip``.
        input_size: height and width that every image is resized to; None leaves each image at its own size.
        short_side: instead of `input_size`, the length of the shorter side, the ratio kept; both sides are rounded
            to sizes that the network takes.
        resize_filter: how images are resized, one of `FILTERS`.
        normalisation: where mean, std, scale and channels come from: ``checkpoint`` (what is known of
            released weights), ``catalog``, a key of `NORMALISATIONS`, or ``given``.
        mean: per channel, in the network's channel order.
        std: per channel.
        scale: factor on 0 to 255 before mean and std.
        channels: the network's channel order.
        output: which of several outputs of a user's own network is scored, by key or index; None for the one it names.
        align_corners: how logits are resized, to the input size and from there to the size of the labels.
        scales: factors on the input size; with several, softmax scores are averaged.
        flip: average with the mirrored image as well.
        window: height and width of overlapping windows that cover the input; None for the whole input at once.
        stride: distance between windows; None without windows.
        precision: ``fp32`` (TF32 off), ``tf32``, ``fp16`` or ``bf16``.
        void_output: index of the network's output for ignored pixels, where it has one more than the data set.
        void_rule: what becomes of that output, one of `VOID_RULES`.
    """

    name: str = "single-scale"
    input_size: tuple[int, int] | None = None
    short_side: int | None = None
    resize_filter: str = "bilinear"
    normalisation: str = "imagenet"
    mean: tuple[float, float, float] = IMAGENET.mean
    std: tuple[float, float, float] = IMAGENET.std
    scale: float = IMAGENET.scale
    channels: str = IMAGENET.channels
    output: str | None = None
    align_corners: bool = False
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    precision: str = "fp32"
    void_output: int | None = None
    void_rule: str | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be evaluated.

        Raises:
            UnknownName: a filter, precision or void rule that does not exist.
            BadOption: scales, deviations or a stride out of range, or two input sizes.
        """
        for kind, given, accepted in (
            ("resize filter", self.resize_filter, FILTERS),
            ("precision", self.precision, PRECISIONS),
            ("void rule", self.void_rule or VOID_RULES[0], VOID_RULES),
        ):
            if given not in accepted:
                raise UnknownName(kind, given, accepted)
        self._check_numbers()
        if not self.scales or not all(0.1 <= scale <= 10 for scale in self.scales):
            raise BadOption(f"scales must be between 0.1 and 10: {', '.join(map(str, self.scales)) or 'none'} given")
        if self.input_size is not None and self.short_side is not None:
            raise BadOption("the input is given by its height and width or by its short side: both given")
        if self.window is not None and self.stride is not None:
            if not all(0 < step <= side for step, side in zip(self.stride, self.window, strict=True)):
                raise BadOption(f"the stride must be above 0 and within the window: {show(self.stride)} given")
        elif self.stride is not None:
            raise BadOption("a stride needs a window")

    def _check_numbers(self) -> None:
        for kind, numbers in (("mean", self.mean), ("std", self.std), ("pixel scale", (self.scale,))):
            if not all(math.isfinite(value) for value in numbers):
                raise BadOption(f"{kind} must be finite: {', '.join(map(str, numbers))} given")
        if not all(value > 0 for value in self.std):
            raise BadOption(f"std must be above 0: {', '.join(map(str, self.std))} given")
        if not self.scale > 0:
            raise BadOption(f"pixel scale must be above 0: {self.scale} given")
        for kind, side in (
            ("input size", max(self.input_size or (1,))),
            ("short side", 1 if self.short_side is None else self.short_side),
            ("window", max(self.window or (1,))),
        ):
            if not 1 <= side <= LARGEST_SIDE:
                raise BadOption(f"{kind} must be 1 to {LARGEST_SIDE} pixels: {side} given")

    @property
    def passes(self) -> int:
        """Forward passes per image and window: 1 is what a network's FPS is about."""
        return len(self.scales) * (2 if self.flip else 1)

    @property
    def single_pass(self) -> bool:
        """Whether one forward of the whole input makes the prediction."""
        return self.passes == 1 and self.window is None

    @property
    def steps(self) -> list[str]:
        """What is done to an image, in order."""
        if self.input_size is not None:
            size = f"to {show(self.input_size)}"
        elif self.short_side is not None:
            size = f"to a short side of {self.short_side}"
        else:
            size = ""
        scaled = ", ".join(f"{scale:g}" for scale in self.scales)
        forward = "forward" if self.window is None else f"forward in windows of {show(self.window)}, logits averaged"
        corners = f"bilinear, align_corners={self.align_corners}"
        averaged = self.passes != 1
        return [
            f"image resized {size} ({self.resize_filter})" if size else "image at its own size",
            *(
                [f"{'scale' if len(self.scales) == 1 else 'scales'} {scaled} of that ({self.resize_filter})"]
                if self.scales != (1.0,)
                else []
            ),
            f"normalised ({self.normalisation}, {self.channels})",
            *([f"output {self.output!r} of several"] if self.output is not None else []),
            f"{forward}, logits at the input size ({corners})",
            *(
                [f"output {self.void_output}, for ignored pixels: {_VOID_MEANING[self.void_rule]}"]
                if self.void_rule
                else []
            ),
            f"logits resized to the size of the labels ({corners})",
            *([f"softmax averaged over {self.passes} passes"] if averaged else []),
            "argmax",
        ]

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON types, with `steps` spelled out."""
        content = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {**content, "steps": self.steps}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> EvaluationProtocol:
        """A stored protocol; fields that this version does not know are left out.

        Raises:
            SegbenchError: a value that cannot be evaluated.
        """
        known = {item.name for item in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in content.items() if key in known
        }
        return cls(**values)


def named(protocol: EvaluationProtocol) -> EvaluationProtocol:
    """The protocol with a name that says how it departs from one pass over the whole image."""
    parts = [
        "single-scale" if len(protocol.scales) == 1 else "multi-scale",
        *(["flip"] if protocol.flip else []),
        *(["windows"] if protocol.window else []),
    ]
    return replace(protocol, name="+".join(parts))


def choose_normalisation(
    entry: Entry | None,
    dataset: str,
    name: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    released: Preprocessing | None = None,
    *,
    pixel_scale: float | None = None,
    channels: str | None = None,
) -> dict[str, Any]:
    """The fields `normalisation`, `mean`, `std`, `scale` and `channels` of a protocol.

    Args:
        entry: the network's catalog entry, whose preprocessing is the default; None for a user's own network.
        dataset: name of the data set: networks that subtract Cityscapes' mean subtract CamVid's on CamVid.
        name: a key of `NORMALISATIONS`, or ``catalog``.
        mean: three numbers in the network's channel order. Numbers above 1, here or in `std`, are meant for pixels
            from 0 to 255, others for pixels from 0 to 1.
        std: three numbers; 1 without them.
        released: what is known of the weights themselves, which comes before the network's own.
        pixel_scale: factor on pixels from 0 to 255 before mean and std; None for what the numbers say.
        channels: ``rgb`` or ``bgr``, in place of the normalisation's own order.

    Raises:
        UnknownName: no such normalisation.
        BadOption: not three numbers, or both a name and numbers.
    """
    if channels not in (None, "rgb", "bgr"):
        raise UnknownName("channel order", str(channels), ("rgb", "bgr"))
    order: dict[str, Any] = {} if channels is None else {"channels": channels}
    if pixel_scale is not None and mean is None and std is None:
        raise BadOption("--pixel-scale goes with --mean and --std, which say what comes after it")
    if mean is None and std is None:
        return {**_by_name(entry, dataset, name, released), **order}
    if name is not None:
        raise BadOption("a normalisation is given by name or by mean and std: both given")
    means, deviations = _three(mean, "mean", 0.0), _three(std, "std", 1.0)
    if pixel_scale is None:
        if std is None and max(means) == 1.0:
            raise BadOption("--mean 1 may be of pixels from 0 to 1 or to 255: --pixel-scale says which")
        pixel_scale = 1.0 if any(abs(value) > 1 for value in (*means, *deviations)) else 1 / 255
    default = entry.preprocessing if entry else IMAGENET
    return {**_fields("given", Preprocessing(means, deviations, pixel_scale, default.channels)), **order}


def _by_name(entry: Entry | None, dataset: str, name: str | None, released: Preprocessing | None) -> dict[str, Any]:
    default = entry.preprocessing if entry else IMAGENET
    if name not in (None, "catalog"):
        if name not in NORMALISATIONS:
            raise UnknownName("normalisation", str(name), ("catalog", *NORMALISATIONS))
        return _fields(str(name), NORMALISATIONS[str(name)])
    if released is not None and name is None:
        return _fields("checkpoint", released)
    if dataset.startswith("camvid") and sorted(default.mean) == sorted(_CITYSCAPES_MEAN):
        # Its loaders keep the mean per data set; CGNet's subtracts it in reverse, here as there.
        reverse = default.mean != _CITYSCAPES_MEAN
        camvid = _CAMVID_MEAN[::-1] if reverse else _CAMVID_MEAN
        return _fields("catalog, with CamVid's mean", replace(default, mean=camvid))
    return _fields("catalog" if entry else "imagenet", default)


def _three(values: Sequence[float] | None, what: str, default: float) -> tuple[float, float, float]:
    if values is None:
        return (default, default, default)
    if len(values) != 3:
        raise BadOption(f"{what} takes three numbers, one per channel: {len(values)} given")
    return (float(values[0]), float(values[1]), float(values[2]))


def _fields(name: str, preprocessing: Preprocessing) -> dict[str, Any]:
    return {"normalisation": name, **asdict(preprocessing)}
