"""Prediction files as evaluation servers take them, scored without any network.

What the official evaluations refuse is refused here, with the file named: several files or none for an image, more
than one channel, another size, a value out of range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segbench.accuracy.confusion import ConfusionMatrix
from segbench.accuracy.datasets import find_spec
from segbench.accuracy.index import Entry, index_split
from segbench.accuracy.instances import InstanceScores
from segbench.accuracy.reading import DatasetError, read_ahead, read_instances, read_label, read_values
from segbench.accuracy.scoring import Scores, score
from segbench.datasets.spec import DatasetSpec


def score_predictions(
    name: str,
    root: Path | str,
    folder: Path | str,
    split: str = "val",
    rule: str | None = None,
    *,
    void_counts: bool = False,
) -> Scores:
    """Score a folder of prediction files against the labels of a split; images are not needed.

    Args:
        name: a key of `segbench.accuracy.datasets.DATASETS`.
        root: folder of the data set.
        folder: folder of the prediction files.
        split: name of the split.
        rule: a key of `segbench.accuracy.scoring.RULES`; the data set's own by default.
        void_counts: see `segbench.accuracy.scoring.score`.

    Raises:
        UnknownName: no such data set, split or rule.
        DatasetError: a file that the official evaluation would refuse.
    """
    spec = find_spec(name)
    counted = count_predictions(spec, Path(root), Path(folder), split)
    return score(spec, counted.confusion, rule, counted.instances, void_counts=void_counts)


@dataclass(frozen=True)
class Counted:
    """What prediction files were counted as.

    Attributes:
        confusion: pixels by ground truth and prediction.
        instances: sums for the instance-weighted IoU, where the data set has instance files.
        images: files that were scored.
        label_sizes: heights and widths of the labels, and for how many images.
        notes: how the labels differ from the published split.
    """

    confusion: ConfusionMatrix
    instances: InstanceScores | None
    images: int
    label_sizes: Counter[tuple[int, int]]
    notes: tuple[str, ...]


def count_predictions(spec: DatasetSpec, root: Path, folder: Path, split: str) -> Counted:
    """Count a folder of prediction files against the labels of a split; arguments and errors as `score_predictions`."""
    index = index_split(spec, root, split, labels_only=True)
    files = find_predictions(spec, (entry.name for entry in index.entries), folder)
    confusion = ConfusionMatrix.of(spec)
    instances = InstanceScores(spec) if spec.has_instances and index.entries[0].instances is not None else None
    sizes: Counter[tuple[int, int]] = Counter()

    def read(entry: Entry) -> tuple[Tensor, Tensor, Tensor | None]:
        assert entry.label is not None
        target = read_label(entry.label, entry.files)
        prediction = _prediction(spec, files[entry.name], target)
        values = None
        if instances is not None and entry.instances is not None:
            values = read_instances(entry.instances, spec.largest_instance)
            _same_size(entry.instances, values, target)
        return target, prediction, values

    for target, prediction, values in read_ahead(read, index.entries):
        confusion.update(prediction, target)
        sizes[int(target.shape[0]), int(target.shape[1])] += 1
        if instances is not None and values is not None:
            instances.update(prediction, values)
    return Counted(confusion, instances, len(index.entries), sizes, index.notes)


def find_predictions(spec: DatasetSpec, names: Iterable[str], folder: Path) -> dict[str, Path | None]:
    """The prediction file of each image.

    Args:
        spec: the data set.
        names: core names.
        folder: where to look.

    Returns:
        None for an image without file, where the official evaluation scores that as void.

    Raises:
        DatasetError: no such folder, no file for an image, or several.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is {'no folder' if folder.exists() else 'missing'}: it should hold predictions")
    present = sorted(folder.rglob("*.png") if spec.predictions.anywhere else folder.glob("*.png"))
    result: dict[str, Path | None] = {}
    for name in names:
        wanted = name + spec.predictions.suffix
        beginning, _, end = wanted.partition("*")
        matches = [path for path in present if path.name.startswith(beginning) and path.name.endswith(end)]
        if "*" not in wanted:
            matches = [path for path in matches if path.name == wanted]
        if len(matches) > 1:
            raise DatasetError(f"{name} has {len(matches)} predictions below {folder}: {matches[0]} and {matches[1]}")
        if not matches and not spec.predictions.missing_is_void:
            raise DatasetError(f"{name} has no prediction in {folder}: {wanted} is missing")
        result[name] = matches[0] if matches else None
    return result


def read_prediction(spec: DatasetSpec, path: Path) -> Tensor:
    """Columns of the confusion matrix, uint8 ``(H, W)``: train ids, and from `DatasetSpec.num_classes` on void.

    Raises:
        DatasetError: the file is damaged, has several channels, or holds a value that it must not.
    """
    return read_values(path, spec.predictions.values, spec.predictions.meaning, "prediction")


def _prediction(spec: DatasetSpec, path: Path | None, target: Tensor) -> Tensor:
    if path is None:
        return torch.full_like(target, spec.num_classes)
    prediction = read_prediction(spec, path)
    _same_size(path, prediction, target)
    return prediction


def _same_size(path: Path, values: Tensor, target: Tensor) -> None:
    if values.shape != target.shape:
        raise DatasetError(
            f"{path} is {values.shape[0]}x{values.shape[1]}, and its labels {target.shape[0]}x{target.shape[1]}: "
            f"the sizes must be equal"
        )
