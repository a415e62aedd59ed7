"""The evaluation loop: every image once through the network, counted on the device; memory does not grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from segbench.accuracy.confusion import ConfusionMatrix
from segbench.accuracy.datasets import Dataset, Sample
from segbench.accuracy.distributed import Group
from segbench.accuracy.inference import Predictor
from segbench.accuracy.instances import InstanceScores
from segbench.errors import SegbenchError
from segbench.measure.frame import MeasurementError

Item = TypeVar("Item")
Size = tuple[int, int]
Visit = Callable[[int, Sample, Tensor], None]
"""Given each image's index, sample and predicted train ids ``(h, w)``, to save or draw them."""
Progress = Callable[[int, int], None]
"""Told how many of this process's images are done, and how many there are."""

SIZES_KEPT = 16


@dataclass
class Tally:
    """What an evaluation counted.

    Attributes:
        confusion: pixels by ground truth and prediction.
        instances: sums for the instance-weighted IoU; None where the data set, or its files, have no instances.
        images: images that were scored.
        forwards: sizes of the forwards that ran, scale by scale, and for how many images.
        label_sizes: sizes of the labels, at most `SIZES_KEPT` of them.
        nonfinite: images with logits that are NaN or infinite, and how many.
        unlabelled: images that were predicted and have no labels to be scored against.
    """

    confusion: ConfusionMatrix
    instances: InstanceScores | None
    images: int = 0
    forwards: Counter[tuple[Size, ...]] = field(default_factory=Counter)
    label_sizes: set[Size] = field(default_factory=set)
    nonfinite: list[tuple[str, int]] = field(default_factory=list)
    unlabelled: int = 0

    @property
    def input_sizes(self) -> set[Size]:
        """Every size at which the network saw an image."""
        return {size for sizes in self.forwards for size in sizes}

    def gathered(self, group: Group) -> Tally:
        """The tally of all processes, in every process: integer counts are summed exactly."""
        self.confusion.matrix = group.sum(self.confusion.matrix)
        # A process whose images have no instance files has nothing to add, so nobody adds then.
        with_instances = all(group.gather(self.instances is not None))
        if self.instances is not None and with_instances:
            self.instances.totals = group.sum(self.instances.totals)
        parts = group.gather((self.images, self.forwards, self.label_sizes, self.nonfinite, self.unlabelled))
        return Tally(
            self.confusion,
            self.instances if with_instances else None,
            sum(part[0] for part in parts),
            sum((part[1] for part in parts), Counter()),
            set().union(*(part[2] for part in parts)),
            sorted(item for part in parts for item in part[3]),
            sum(part[4] for part in parts),
        )


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    *,
    group: Group | None = None,
    workers: int = 0,
    visit: Visit | None = None,
    progress: Progress | None = None,
    allow_nonfinite: bool = False,
) -> Tally:
    """Score this process's share of a data set.

    Args:
        predictor: network and protocol, on the device that counts.
        dataset: from `segbench.accuracy.datasets.open_dataset`.
        group: the processes that share the images.
        workers: processes that read images ahead; 0 reads in this one.
        visit: see `Visit`.
        progress: see `Progress`.
        allow_nonfinite: count logits that are NaN or infinite rather than fail at them.

    Returns:
        The counts of this process alone; see `Tally.gathered`.

    Raises:
        DatasetError: an image or label cannot be read, or has values or sizes that it must not have.
        BadResolution: a size that the network does not take.
        MeasurementError: out of memory, a failure on the device, or logits that are not finite.
    """
    share = (group or Group()).share(len(dataset))
    spec, device = dataset.spec, predictor.torch_device
    tally = Tally(ConfusionMatrix.of(spec, device), InstanceScores(spec, device) if spec.has_instances else None)
    loader: DataLoader[Sample] = DataLoader(
        Subset(dataset, share), batch_size=None, num_workers=min(workers, len(share)), collate_fn=_unchanged
    )
    for position, sample in enumerate(loader):
        prediction = _score(tally, predictor, sample, allow_nonfinite)
        if visit is not None:
            visit(share[position], sample, prediction)
        if progress is not None:
            progress(position + 1, len(share))
    return tally


def _unchanged(item: Item) -> Item:
    return item


def _score(tally: Tally, predictor: Predictor, sample: Sample, allow_nonfinite: bool) -> Tensor:
    labelled = sample.paths.label is not None
    target = sample.target.to(predictor.torch_device)
    size = (int(target.shape[-2]), int(target.shape[-1]))
    try:
        # Train ids fit a byte, and the histogram reads an eighth of the memory.
        prediction = predictor(sample.image, size).to(torch.uint8)
        if predictor.nonfinite:
            tally.nonfinite.append((sample.name, predictor.nonfinite))
            if not allow_nonfinite:
                raise MeasurementError(
                    f"{predictor.nonfinite:,} logits are NaN or infinite ({predictor.protocol.precision}): "
                    "no class is the largest of them (--allow-nonfinite scores them all the same)"
                )
        if labelled:
            tally.confusion.update(prediction, target)
        if sample.instances is None:
            tally.instances = None
        elif tally.instances is not None:
            tally.instances.update(prediction, sample.instances.to(predictor.torch_device))
    except SegbenchError as error:
        raise type(error)(f"{sample.paths.image.name}: {error}") from error
    tally.images += labelled
    tally.unlabelled += not labelled
    tally.forwards[tuple(predictor.sizes)] += 1
    if labelled and len(tally.label_sizes) < SIZES_KEPT:
        tally.label_sizes.add(size)
    return prediction
