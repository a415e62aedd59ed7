"""Writing predictions as the data sets' own evaluations take them: official values and names, one PNG per image."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from segbench import store
from segbench.accuracy.datasets import Dataset
from segbench.datasets.spec import DatasetSpec
from segbench.errors import OutputError


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


def keep_apart(folder: Path, dataset: Dataset) -> None:
    """Refuse a folder for pictures that holds files of the data set, which they might replace.

    Raises:
        OutputError: the folder is, or lies in, one of the data set's own.
    """
    wanted = folder.resolve()
    for own in {path.parent.resolve() for path in dataset.files}:
        if wanted == own or own in wanted.parents:
            raise OutputError(f"{folder} holds files of the data set ({own.name}): another folder is accepted")


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
