"""Score label maps that something else wrote, an engine or a training script, in the data set's official format."""

from __future__ import annotations

from pathlib import Path

from segbench.accuracy.claimed import compare_with_claims
from segbench.accuracy.datasets import find_spec
from segbench.accuracy.predictions import count_predictions
from segbench.accuracy.protocol import VOID_RULES
from segbench.accuracy.reading import DatasetError
from segbench.accuracy.run import Evaluation, figures
from segbench.accuracy.scoring import RULES, score
from segbench.catalog import CATALOG
from segbench.errors import UnknownName
from segbench.job import Job, Settings
from segbench.measure.record import check_settings
from segbench.records.accuracy_conditions import spec_title
from segbench.records.results import Accuracy

UNNAMED = "label maps"


def evaluate_label_maps(
    folder: Path,
    dataset: str,
    root: Path,
    split: str = "val",
    *,
    model: str | None = None,
    rule: str | None = None,
    void_rule: str | None = None,
) -> Evaluation:
    """Score a folder of label maps; no network runs, so that there are no costs and no speed.

    Args:
        folder: one PNG for each image, in the format of the data set's evaluation: `DatasetSpec.predictions`.
        dataset: name of the data set.
        root: its folder; the labels alone are needed.
        split: name of the split.
        model: what made the label maps, a catalog name or a text of one's own.
        rule: scoring rule; the data set's own by default.
        void_rule: with ``count`` pixels predicted as void are false negatives under every rule.

    Raises:
        UnknownName: no such data set, split, rule or void rule.
        DatasetError: a file that the official evaluation would refuse, or no pixel to score.
    """
    spec = find_spec(dataset)
    if rule is not None and rule not in RULES:
        raise UnknownName("scoring rule", rule, RULES)
    if void_rule not in (None, *VOID_RULES):
        raise UnknownName("void rule", str(void_rule), VOID_RULES)
    counted = count_predictions(spec, root, folder, split)
    if not bool(counted.confusion.matrix.any()):
        raise DatasetError(
            f"every pixel of the {counted.images} images of {root} ({split}) is ignored: nothing to score"
        )
    scores = score(spec, counted.confusion, rule, counted.instances, void_counts=void_rule == "count")
    size = max(counted.label_sizes, key=lambda one: (counted.label_sizes[one], one))
    settings = check_settings(Settings(device="cpu", counts=False, speed=False))
    job = Job(model=model or UNNAMED, classes=spec.num_classes, resolution=size, settings=settings)
    record = job.blank()
    record.accuracy = Accuracy(
        dataset=spec_title(spec.name),
        variant=spec.name,
        split=split,
        images=counted.images,
        rule=scores.rule,
        protocol={
            "name": UNNAMED,
            "precision": "as written",
            "void_rule": "count" if void_rule == "count" else None,
            "steps": ["label maps read from files, as something else wrote them"],
        },
        label_sizes=sorted(counted.label_sizes),
        notes=[*scores.notes, *counted.notes],
        claimed=compare_with_claims(model, spec, split, scores.miou) if model and model in CATALOG else [],
        **figures(scores),
    )
    record.notes.append("scored from label maps: no network was run, so there are no costs")
    return Evaluation(record, spec, scores, counted.confusion.matrix)
