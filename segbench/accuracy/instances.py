"""Counts for Cityscapes' instance-weighted IoU: each instance weighs as much as an average one of its class.

Source: cityscapesscripts 2.3.0 evaluation/evalPixelLevelSemanticLabeling.py. An instance is a value above 1000 in an
instanceIds file, class id times 1000 plus a number; groups carry the bare id and give neither true positives nor false
negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segbench.accuracy.confusion import PredictionError
from segbench.datasets.spec import DatasetSpec

_PER_CLASS = 1000
_IDS = 34


class InstanceScores:
    """Sums over all instances, per class with instances.

    Attributes:
        totals: float64 ``(classes with instances, 3)``: the number of instances, and the sums of the shares of their
            pixels that were predicted as their class, and as any class of their category. Sums over processes add up.
    """

    def __init__(self, spec: DatasetSpec, device: torch.device | str = "cpu") -> None:
        """No instances yet.

        Args:
            spec: a data set whose classes have average instance sizes.
            device: where the sums are kept.
        """
        self.spec = spec
        self.train_ids = [index for index, label in enumerate(spec.classes) if label.average_instance_size is not None]
        self.totals = torch.zeros(len(self.train_ids), 3, dtype=torch.float64, device=device)
        labels = [spec.classes[index] for index in self.train_ids]
        names = [label.category for label in labels]
        columns = [label.category for label in spec.classes] + [column.category for column in spec.void_columns]
        # Tables from official id to row of `totals`, train id and category; -1 where there is none.
        self._row = torch.full((_IDS,), -1)
        self._train_id = torch.full((_IDS,), -1)
        self._category = torch.full((_IDS,), -1)
        for row, label in enumerate(labels):
            self._row[label.official_id] = row
            self._train_id[label.official_id] = self.train_ids[row]
            self._category[label.official_id] = names.index(label.category)
        self._predicted_category = torch.tensor([names.index(name) if name in names else -2 for name in columns])

    def update(self, prediction: Tensor, instances: Tensor) -> None:
        """Count the instances of one image.

        Args:
            prediction: ``(H, W)`` train ids, with the data set's void columns.
            instances: ``(H, W)`` values of the instanceIds file.

        Raises:
            PredictionError: another shape, or an instance of no class.
        """
        if prediction.shape != instances.shape:
            raise PredictionError(
                f"prediction {tuple(prediction.shape)} and instances {tuple(instances.shape)} must have the same size"
            )
        device = instances.device
        marked = instances > _PER_CLASS
        values, predicted = instances[marked].long(), prediction.to(device)[marked].long()
        if values.numel() == 0:
            return
        if int(values.max()) >= _IDS * _PER_CLASS:
            raise PredictionError(f"instance value {int(values.max())} is out of range: 0 to {_IDS * _PER_CLASS - 1}")
        ids = values // _PER_CLASS
        of_class = predicted == self._train_id.to(device)[ids]
        of_category = self._predicted_category.to(device)[predicted] == self._category.to(device)[ids]
        sizes, right, near = (
            torch.bincount(chosen, minlength=_IDS * _PER_CLASS).double()
            for chosen in (values, values[of_class], values[of_category])
        )
        present = sizes.nonzero().flatten()
        rows = self._row.to(device)[present // _PER_CLASS]
        present, rows = present[rows >= 0], rows[rows >= 0]
        shares = torch.stack(
            (torch.ones_like(sizes[present]), right[present] / sizes[present], near[present] / sizes[present]), 1
        )
        self.totals += torch.zeros_like(self.totals, device=device).index_add_(0, rows, shares).to(self.totals.device)

    def merge(self, other: InstanceScores) -> InstanceScores:
        """Add another's sums, in place."""
        self.totals += other.totals.to(self.totals.device)
        return self

    def __iadd__(self, other: InstanceScores) -> InstanceScores:
        return self.merge(other)

    def class_iiou(self, confusion: Tensor) -> dict[str, float]:
        """IIoU of each class with instances, NaN where there is nothing to score.

        Args:
            confusion: the matrix of the same images.
        """
        totals, matrix = self.totals.cpu(), confusion.cpu()
        scores = {}
        for row, index in enumerate(self.train_ids):
            label = self.spec.classes[index]
            count, right, _ = totals[row].tolist()
            size = label.average_instance_size or 0.0
            outside = [other for other in range(self.spec.num_classes) if other != index]
            false_positives = int(matrix[outside, index].sum())
            scores[label.name] = _ratio(size * right, size * (count - right), false_positives)
        return scores

    def category_iiou(self, confusion: Tensor) -> dict[str, float]:
        """IIoU of each category whose classes have instances."""
        totals, matrix = self.totals.cpu(), confusion.cpu()
        classes = self.spec.classes
        sizes = [classes[index].average_instance_size or 0.0 for index in self.train_ids]
        void = [self.spec.num_classes + place for place in range(matrix.shape[1] - self.spec.num_classes)]
        scores = {}
        for category in dict.fromkeys(classes[index].category for index in self.train_ids):
            rows = [row for row, index in enumerate(self.train_ids) if classes[index].category == category]
            hits = sum(sizes[row] * float(totals[row, 2]) for row in rows)
            misses = sum(sizes[row] * float(totals[row, 0] - totals[row, 2]) for row in rows)
            inside = [index for index, label in enumerate(classes) if label.category == category]
            outside = [index for index in range(len(classes)) if index not in inside]
            kinds = self.spec.void_columns
            own = inside + [
                column for place, column in enumerate(void) if place < len(kinds) and kinds[place].category == category
            ]
            scores[category] = _ratio(hits, misses, int(matrix[outside][:, own].sum()))
        return scores


def _ratio(true_positives: float, false_negatives: float, false_positives: int) -> float:
    union = true_positives + false_negatives + false_positives
    return true_positives / union if union else float("nan")
