"""Writing predictions as the data sets' own evaluations take them: official values and names, one PNG per image."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from segbench.accuracy.datasets import Dataset
from segbench.datasets.spec import DatasetSpec
from segbench.errors import BadOption, OutputError
from segbench.records import store


def write_png(picture: Image.Image, path: Path) -> None:
    """Write a picture whole or not at all, making its folder.

    Raises:
        OutputError: the file cannot be written.
    """
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    store.write_bytes(path, encoded.getvalue())


def official_values(spec: DatasetSpec) -> np.ndarray:
    """Pixel value of each train id, then of the output for ignored pixels; uint8 ``(num_classes + 1,)``.

    The smallest value that the evaluation takes for no class stands for the latter: id 0, "unlabeled", on Cityscapes.
    """
    void = min(value for value, column in spec.predictions.values.items() if column == spec.num_classes)
    return np.asarray([*spec.official_ids, void], np.uint8)


def file_name(spec: DatasetSpec, name: str) -> str:
    """Name of an image's prediction file, such as ``lindau_000000_000019_pred.png`` on Cityscapes."""
    return name + spec.predictions.suffix.replace("*", "_pred")


def keep_apart(folders: Iterable[Path], dataset: Dataset) -> None:
    """Refuse folders for pictures where they might replace files of the data set, or one another's, or mix with them.

    Raises:
        BadOption: two of the folders are one.
        OutputError: a folder is the data set's root, holds images or labels of any split, or lies in such a folder.
    """
    own = _own_folders(dataset)
    root = dataset.root.resolve()
    taken: set[Path] = set()
    for folder in folders:
        wanted = folder.resolve()
        if wanted in taken:
            raise BadOption(f"{folder} is given for predictions and for overlays, of the same names: give two folders")
        taken.add(wanted)
        for held in own:
            # A folder around the data set is apart from it; one between its root and its files is not.
            around = wanted in held.parents and (wanted == root or root in wanted.parents)
            if wanted == held or held in wanted.parents or around:
                raise OutputError(f"{folder} holds files of the data set ({held.name}): another folder is accepted")


def _own_folders(dataset: Dataset) -> list[Path]:
    """Folders of the split's files, and of every other split's that are there."""
    spec = dataset.spec
    found = {path.parent.resolve(): None for path in dataset.files}
    for base in spec.bases(dataset.root):
        for layout in spec.layouts:
            for pattern in (layout.images, *(files.folder for files in layout.labels)):
                tops = [base.resolve() / pattern.format(split=split.folder) for split in spec.splits.values()]
                # Where a folder is a link, both it and what it leads to hold the files.
                found |= {path: None for top in tops if top.is_dir() for path in (top, top.resolve())}
    return list(found)


def prediction_writer(spec: DatasetSpec, folder: Path) -> Callable[[str, Tensor], Path]:
    """A function that writes one image's train ids ``(h, w)`` into `folder` and returns the file.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    table = official_values(spec)

    def write(name: str, prediction: Tensor) -> Path:
        path = folder / file_name(spec, name)
        values = table[np.minimum(prediction.cpu().numpy(), spec.num_classes)]
        write_png(Image.fromarray(values), path)
        return path

    return write
