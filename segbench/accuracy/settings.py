"""What one evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from segbench.accuracy.protocol import EvaluationProtocol


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What to evaluate and how.

    Attributes:
        model: a catalog name, or ``package.module:factory``.
        checkpoint: the weights.
        dataset: a key of `segbench.accuracy.datasets.DATASETS`.
        root: the data set's folder.
        split: which part of it.
        protocol: sizes, filter, scales, flip, windows and precision; its normalisation, `align_corners` and void
            output are filled in from the network and the fields below.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        weights: which set of weights in the file, see `load_checkpoint`.
        drop: regular expressions of keys to leave out, see `load_checkpoint`.
        align_corners: how logits are resized; None for the network's own.
        channels: ``rgb`` or ``bgr``; None for the network's own.
        output: key or index among several outputs of a user's own network; None for the one that it names.
        pixel_scale: factor on pixels before mean and std.
        allow_nonfinite: score logits that are NaN or infinite, and say so.
        normalisation: a key of `segbench.accuracy.protocol.NORMALISATIONS`; None for the network's own.
        mean: instead of a name; see `choose_normalisation`.
        std: instead of a name.
        rule: scoring rule; None for the data set's own.
        void_output: index of the output for ignored pixels; None for what is known of the network.
        void_rule: ``drop`` or ``count``, see `segbench.accuracy.protocol.VOID_RULES`; None for ``drop``.
        skip_bad: leave out and name images that cannot be read.
        workers: processes that read images ahead.
        predictions: folder for prediction files.
        overlays: folder for pictures.
        overlay_count: how many pictures.
        speed: time the same graph at the same resolution.
        budget_s: seconds that timing on a CPU may take.
        gpu_budget_s: the same on a GPU; None for the whole protocol.
    """

    model: str
    checkpoint: Path
    dataset: str
    root: Path
    split: str = "val"
    protocol: EvaluationProtocol = field(default_factory=EvaluationProtocol)
    device: str = "auto"
    weights: str | None = None
    drop: tuple[str, ...] = ()
    align_corners: bool | None = None
    channels: str | None = None
    output: str | None = None
    pixel_scale: float | None = None
    allow_nonfinite: bool = False
    normalisation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    rule: str | None = None
    void_output: int | None = None
    void_rule: str | None = None
    skip_bad: bool = False
    workers: int = 2
    predictions: Path | None = None
    overlays: Path | None = None
    overlay_count: int = 8
    speed: bool = True
    budget_s: float = 20.0
    gpu_budget_s: float | None = None
