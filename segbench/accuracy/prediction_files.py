"""Writing predictions as the data sets' own evaluations take them: official values and names, one PNG per image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from segbench.datasets.spec import DatasetSpec
from segbench.errors import OutputError


def official_values(spec: DatasetSpec) -> np.ndarray:
    """Pixel value of each train id, then of the output for ignored pixels; uint8 ``(num_classes + 1,)``.

    The smallest value that the evaluation takes for no class stands for the latter: id 0, "unlabeled", on Cityscapes.
    """
    void = min(value for value, column in spec.predictions.values.items() if column == spec.num_classes)
    return np.asarray([*spec.official_ids, void], np.uint8)


def file_name(spec: DatasetSpec, name: str) -> str:
    """Name of an image's prediction file, such as ``lindau_000000_000019_pred.png`` on Cityscapes."""
    return name + spec.predictions.suffix.replace("*", "_pred")


def prediction_writer(spec: DatasetSpec, folder: Path) -> Callable[[str, Tensor], Path]:
    """A function that writes one image's train ids ``(h, w)`` into `folder` and returns the file.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    table = official_values(spec)

    def write(name: str, prediction: Tensor) -> Path:
        path = folder / file_name(spec, name)
        values = table[np.minimum(prediction.cpu().numpy(), spec.num_classes)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        return path

    return write
