"""The data sets by name, and the one loader that reads them all.

Work with torch's DataLoader: ``DataLoader(dataset, batch_size=None, num_workers=4)``. Nothing but paths is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
import torch.utils.data
from PIL import Image
from torch import Tensor

from segbench.accuracy.index import Entry, index_split
from segbench.accuracy.reading import DatasetError, read_instances, read_label, read_turned, upright
from segbench.datasets import DATASETS, DatasetSpec, find_spec

__all__ = ["DATASETS", "Dataset", "DatasetError", "DatasetSpec", "Paths", "Sample", "find_spec", "open_dataset"]

_READERS = 8


class Paths(NamedTuple):
    """Where a sample comes from."""

    image: Path
    label: Path | None
    instances: Path | None


class Sample(NamedTuple):
    """One image with its ground truth.

    Attributes:
        image: RGB, uint8 ``(3, H, W)``.
        target: train ids, uint8 ``(H, W)``; `DatasetSpec.ignore_index` where pixels are not scored, and everywhere
            where the split has no labels.
        name: the core name, from which prediction files are named.
        instances: int32 ``(H, W)``, Cityscapes' instanceIds; None where there are none.
        paths: the files.
    """

    image: Tensor
    target: Tensor
    name: str
    instances: Tensor | None
    paths: Paths


class Dataset(torch.utils.data.Dataset[Sample]):
    """A split of a data set on disk.

    Attributes:
        spec: the data set.
        root: as given.
        split: as given.
        skipped: files left out, with the reason; empty unless `skip_bad`.
        notes: how the files differ from the published split; for information.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        root: Path | str,
        split: str = "val",
        *,
        skip_bad: bool = False,
        instances: bool = True,
        unlabelled: bool = False,
    ) -> None:
        """Find the files; see `open_dataset`."""
        self.spec, self.root, self.split, self._instances = spec, Path(root), split, instances
        index = index_split(spec, self.root, split, unlabelled=unlabelled)
        self._entries: tuple[Entry, ...] = index.entries
        self.skipped: list[tuple[Path, str]] = list(index.unlabelled)
        self.notes: list[str] = list(index.notes)
        if self.skipped and not skip_bad:
            more = f" ({len(self.skipped)} such images)" if len(self.skipped) > 1 else ""
            raise DatasetError(f"{self.skipped[0][1]}{more}")
        if skip_bad:
            self._leave_out_bad()
        self.notes += self._size_note()

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Read one image.

        Raises:
            DatasetError: a file is missing or damaged, of another size than its image, or holds other values.
        """
        entry = self._entries[index]
        assert entry.image is not None
        image, turn = read_turned(entry.image)
        if entry.label is None:
            image = upright(entry.image, image, turn, None)
            target = torch.full(image.shape[1:], self.spec.ignore_index, dtype=torch.uint8)
            return Sample(image, target, entry.name, None, Paths(entry.image, None, None))
        target = read_label(entry.label, entry.files)
        image = upright(entry.image, image, turn, (int(target.shape[0]), int(target.shape[1])))
        self._same_size(entry.label, target, entry.image, image)
        instances = None
        if entry.instances is not None and self._instances:
            instances = read_instances(entry.instances, self.spec.largest_instance)
            self._same_size(entry.instances, instances, entry.image, image)
        return Sample(image, target, entry.name, instances, Paths(entry.image, entry.label, entry.instances))

    @staticmethod
    def _same_size(path: Path, values: Tensor, image_path: Path, image: Tensor) -> None:
        if values.shape != image.shape[1:]:
            raise DatasetError(
                f"{path} is {values.shape[0]}x{values.shape[1]}, and its image {image_path.name} "
                f"{image.shape[1]}x{image.shape[2]}: the sizes must be equal"
            )

    def _leave_out_bad(self) -> None:
        """Read every file once, so that the length is right from the start, and equal in all processes."""
        with ThreadPoolExecutor(_READERS) as pool:
            reasons = list(pool.map(self._trouble, range(len(self._entries))))
        good = []
        for entry, reason in zip(self._entries, reasons, strict=True):
            if reason is None:
                good.append(entry)
            else:
                assert entry.image is not None
                self.skipped.append((entry.image, reason))
        if not good:
            raise DatasetError(f"none of the {len(self.skipped)} images can be used; the first: {self.skipped[0][1]}")
        self._entries = tuple(good)
        self.skipped.sort()
        if self.skipped:
            self.notes.append(f"{len(self.skipped)} of {len(self.skipped) + len(good)} images skipped")

    def _trouble(self, index: int) -> str | None:
        try:
            self[index]
        except DatasetError as error:
            return str(error)
        return None

    @property
    def labelled(self) -> bool:
        """Whether there are labels to score against."""
        return any(entry.label is not None for entry in self._entries)

    @property
    def files(self) -> Iterator[Path]:
        """Every file of the split."""
        for entry in self._entries:
            yield from (path for path in (entry.image, entry.label, entry.instances) if path is not None)

    @property
    def first_size(self) -> tuple[int, int] | None:
        """Height and width of the first image; None where its header cannot be read."""
        first = self._entries[0].image
        try:
            with Image.open(first or "") as image:
                return image.size[1], image.size[0]
        except (OSError, ValueError, SyntaxError):
            return None

    def _size_note(self) -> list[str]:
        size, usual = self.first_size, self.spec.default_size
        if self.spec.sizes_vary or size is None or size == usual:
            return []
        height, width = size
        return [f"images of {height}x{width}, and the published ones of {self.spec.name} are {usual[0]}x{usual[1]}"]


def open_dataset(
    name: str,
    root: Path | str,
    split: str = "val",
    skip_bad: bool = False,
    *,
    instances: bool = True,
    unlabelled: bool = False,
) -> Dataset:
    """Open a split of a data set in its published layout, as downloaded.

    Args:
        name: a key of `DATASETS`.
        root: folder in which the layout begins, or the folder around it.
        split: ``train``, ``val`` or ``test`` as the data set has them, or ``trainval``.
        skip_bad: leave out what cannot be used, and say so in `Dataset.skipped`; reads every file once beforehand.
        instances: read Cityscapes' instance files as well.
        unlabelled: take a split of which no labels are there, to predict it.

    Raises:
        UnknownName: no such data set or split.
        DatasetError: no such folder, no images, an image without label, or, with `skip_bad`, nothing usable.
    """
    return Dataset(find_spec(name), root, split, skip_bad=skip_bad, instances=instances, unlabelled=unlabelled)
