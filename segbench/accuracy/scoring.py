"""From a confusion matrix to the figures that each data set's own evaluation prints.

The data sets' rules differ in what a class without pixels scores, which classes enter the mean, and what a void
prediction costs. Each rule is a row of `RULES`; what popular code does instead is there too, to explain its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from segbench.accuracy.confusion import ConfusionMatrix, PredictionError
from segbench.accuracy.instances import InstanceScores
from segbench.datasets.spec import DatasetSpec
from segbench.errors import UnknownName, some

Floats = NDArray[np.float64]

NAN = float("nan")


@dataclass(frozen=True)
class Rule:
    """How counts become an mIoU.

    Attributes:
        description: in one sentence.
        source: whose code does so.
        absent: the IoU of a class with no ground truth and no prediction on scored pixels.
        mean_over: ``scored`` (classes whose IoU is a number), ``all``, ``in ground truth``, ``hit`` (with a correct
            pixel), or ``pixels`` (one IoU of all classes' pixels pooled).
        epsilon: added to every union.
        void_dropped: pixels predicted as void leave the counts; else they are false negatives.
        accuracy: what the class accuracies are: ``recall``, or ``precision``.
        accuracy_over: the classes in their mean: ``in ground truth``, or ``all``.
        final_score: the mean of pixel accuracy and mIoU is reported as well.
    """

    description: str
    source: str
    absent: float = NAN
    mean_over: str = "scored"
    epsilon: float = 0.0
    void_dropped: bool = False
    accuracy: str = "recall"
    accuracy_over: str = "in ground truth"
    final_score: bool = False


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "cityscapes": Rule(
            "absent classes are left out of the mean, classes that are only predicted count as 0, void predictions are "
            "false negatives",
            "cityscapesscripts 2.3.0 evaluation/evalPixelLevelSemanticLabeling.py; also mmseg 1.2.2 IoUMetric and "
            "torchmetrics 1.9 JaccardIndex, in float32",
        ),
        "segnet": Rule(
            "absent classes count as 0 in the mean over all classes, pixels predicted as void leave the counts",
            "alexgkendall/SegNet-Tutorial@bb68b64 Scripts/compute_test_results.m",
            absent=0.0,
            mean_over="all",
            void_dropped=True,
            accuracy_over="all",
        ),
        "bdd100k": Rule(
            "classes without ground truth are left out of the mean, even when predicted; void predictions are false "
            "negatives; class accuracies are precisions",
            "bdd100k/bdd100k@9ac17c6 bdd100k/eval/seg.py",
            absent=0.0,
            mean_over="in ground truth",
            accuracy="precision",
        ),
        "ade20k": Rule(
            "absent classes count as 0 in the mean over all classes, void predictions are false negatives; the final "
            "score is the mean of pixel accuracy and mIoU",
            "CSAILVision/sceneparsing@e202229 evaluationCode/utils_eval.py, demoEvaluation.m",
            absent=0.0,
            mean_over="all",
            epsilon=2.0**-52,
            final_score=True,
        ),
        "absent-0": Rule(
            "absent classes count as 0 in the mean over all classes",
            "HRNet and PIDNet lib/utils/function.py; hszhao/semseg util/util.py; ERFNet and LEDNet eval/iouEval.py",
            absent=0.0,
            mean_over="all",
        ),
        "absent-1": Rule(
            "absent classes count as 1 in the mean over all classes",
            "PaddleSeg@d7975e7 utils/metrics.py; segmentation_models_pytorch iou_score, macro",
            absent=1.0,
            mean_over="all",
        ),
        "absent-nan": Rule(
            "the plain mean over all classes: one absent class makes it NaN",
            "STDC-Seg evaluation.py; SwiftNet",
            mean_over="all",
        ),
        "hit-only": Rule(
            "classes without a correct pixel are left out of the mean, which makes it too high",
            "get_iou of FBSNet, LETNet, CGNet and FEENet utils/metric.py",
            mean_over="hit",
        ),
        "plus-one": Rule(
            "1 is added to every union, and the mean is over all classes",
            "CoinCheung/BiSeNet tools/evaluate.py",
            absent=0.0,
            mean_over="all",
            epsilon=1.0,
        ),
        "pooled": Rule(
            "one IoU of all classes' pixels together, which frequent classes decide",
            "segmentation_models_pytorch iou_score, micro",
            mean_over="pixels",
        ),
    }
)
"""Scoring rules by name; the first four are the data sets' own."""


@dataclass(frozen=True)
class Scores:
    """Figures of one evaluation, from 0 to 1; NaN where there is nothing to score.

    Attributes:
        rule: key of `RULES`.
        miou: mean of the class IoUs that the rule takes.
        class_iou: by class name.
        pixel_accuracy: correct pixels over scored pixels.
        mean_accuracy: mean of the class accuracies that the rule takes.
        class_accuracy: by class name; precision under BDD100K's rule, recall under the others.
        frequency_weighted_iou: class IoUs weighted by ground-truth pixels.
        category_iou: by category, where the data set has categories.
        category_miou: mean over categories with a score.
        class_iiou: Cityscapes' instance-weighted IoU, where instances were counted.
        iiou: its mean.
        category_iiou: by category with instances.
        category_miiou: its mean.
        final_score: ADE20K's mean of pixel accuracy and mIoU.
        notes: what to know before comparing.
    """

    rule: str
    miou: float
    class_iou: dict[str, float]
    pixel_accuracy: float
    mean_accuracy: float
    class_accuracy: dict[str, float]
    frequency_weighted_iou: float
    category_iou: dict[str, float] | None = None
    category_miou: float | None = None
    class_iiou: dict[str, float] | None = None
    iiou: float | None = None
    category_iiou: dict[str, float] | None = None
    category_miiou: float | None = None
    final_score: float | None = None
    notes: tuple[str, ...] = ()


def score(
    spec: DatasetSpec,
    confusion: ConfusionMatrix | Tensor,
    rule: str | None = None,
    instances: InstanceScores | None = None,
    *,
    void_counts: bool = False,
) -> Scores:
    """The scores that a rule gives.

    Args:
        spec: the data set.
        confusion: counts, rows ground truth in train ids, columns train ids and any void columns.
        rule: a key of `RULES`; the data set's own by default.
        instances: instances of the same images, for Cityscapes' iIoU.
        void_counts: pixels predicted as void are false negatives, under a rule too that leaves them out.

    Raises:
        UnknownName: no such rule.
        PredictionError: a matrix of another class count.
    """
    name = rule or spec.rule
    if name not in RULES:
        raise UnknownName("scoring rule", name, RULES)
    matrix = confusion.matrix if isinstance(confusion, ConfusionMatrix) else confusion
    classes = spec.num_classes
    if matrix.dim() != 2 or matrix.shape[0] != classes or matrix.shape[1] < classes:
        raise PredictionError(f"a confusion matrix of {spec.name} has {classes} rows: {tuple(matrix.shape)} given")
    counts = matrix.cpu().numpy().astype(np.int64)
    chosen = replace(RULES[name], void_dropped=False) if void_counts else RULES[name]
    scores = _scores(spec, name, chosen, counts)
    if spec.categories:
        by_category = _category_iou(spec, counts)
        scores = replace(scores, category_iou=by_category, category_miou=_mean_of_numbers(by_category.values()))
    if instances is not None:
        by_class, by_category = instances.class_iiou(matrix), instances.category_iiou(matrix)
        scores = replace(
            scores,
            class_iiou=by_class,
            iiou=_mean_of_numbers(by_class.values()),
            category_iiou=by_category,
            category_miiou=_mean_of_numbers(by_category.values()),
        )
    return scores


def _scores(spec: DatasetSpec, name: str, rule: Rule, counts: NDArray[np.int64]) -> Scores:
    square = counts[:, : spec.num_classes]
    hits, truth, predicted = np.diag(square), counts.sum(1), square.sum(0)
    kept = square.sum(1) if rule.void_dropped else truth
    union = kept + predicted - hits
    iou = _divide(hits, union, rule.absent, rule.epsilon)
    taken = {
        "scored": ~np.isnan(iou),
        "all": np.full(len(iou), True),
        "in ground truth": truth > 0,
        "hit": hits > 0,
        "pixels": union > 0,
    }[rule.mean_over]
    pooled = rule.mean_over == "pixels"
    miou = float(_divide(hits.sum(), union.sum(), NAN)) if pooled else _mean(iou[taken])

    accuracy = _divide(hits, predicted if rule.accuracy == "precision" else kept, 0.0 if rule.absent == 0 else NAN)
    accurate = truth > 0 if rule.accuracy_over == "in ground truth" else np.full(len(accuracy), True)
    pixels = int(truth.sum())
    pixel_accuracy = float(_divide(hits.sum(), np.asarray(pixels), 0.0 if rule.final_score else NAN))
    scored = truth > 0
    # Rounded sums keep the order of what they sum, so a sum of whole pixels, divided once, never exceeds 1.
    weighted = float((iou[scored] * truth[scored]).sum() / pixels) if pixels else NAN
    return Scores(
        rule=name,
        miou=miou,
        class_iou=_named(spec, iou),
        pixel_accuracy=pixel_accuracy,
        mean_accuracy=_mean(accuracy[accurate]),
        class_accuracy=_named(spec, accuracy),
        frequency_weighted_iou=weighted,
        final_score=(pixel_accuracy + miou) / 2 if rule.final_score else None,
        notes=_notes(spec, name, rule, truth, predicted),
    )


def _notes(
    spec: DatasetSpec, name: str, rule: Rule, truth: NDArray[np.int64], predicted: NDArray[np.int64]
) -> tuple[str, ...]:
    notes = []
    if RULES[name].void_dropped and not rule.void_dropped:
        notes.append("pixels predicted as void are false negatives, as asked for; the rule leaves them out")
    if name != spec.rule:
        notes.append(f"rule {name} ({rule.description}); the official one of {spec.name} is {spec.rule}")
    absent = [label for label, pixels in zip(spec.class_names, truth, strict=True) if pixels == 0]
    false = [
        label for label, rows, columns in zip(spec.class_names, truth, predicted, strict=True) if columns and not rows
    ]
    if absent:
        notes.append(f"{len(absent)} of {spec.num_classes} classes have no ground truth: {some(absent, 5)}")
    if false:
        notes.append(f"predicted without ground truth: {some(false, 5)}")
    return tuple(notes)


def _category_iou(spec: DatasetSpec, counts: NDArray[np.int64]) -> dict[str, float]:
    """IoU of each category: confusion within a category is no error, a void prediction is a false negative."""
    scores = {}
    for category in spec.categories:
        inside = np.array([label.category == category for label in spec.classes])
        columns = np.flatnonzero(inside)
        hits = int(counts[inside][:, columns].sum())
        union = int(counts[inside].sum() + counts[~inside][:, columns].sum())
        scores[category] = hits / union if union else NAN
    return scores


def _divide(
    above: NDArray[np.int64] | np.int64, below: NDArray[np.int64] | np.int64, absent: float, epsilon: float = 0.0
) -> Floats:
    """Quotients in float64; `absent` where the divisor is 0."""
    whole = np.asarray(below, dtype=np.float64)
    safe = np.where(whole == 0, 1.0, whole + epsilon)
    return np.where(whole == 0, absent, np.asarray(above, dtype=np.float64) / safe)


def _named(spec: DatasetSpec, values: Floats) -> dict[str, float]:
    return dict(zip(spec.class_names, values.tolist(), strict=True))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else NAN


def _mean_of_numbers(values: Iterable[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else NAN
