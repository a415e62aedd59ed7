"""Image files to tensors: Pillow decodes, tables translate, and what is wrong with a file is said with its name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segbench.datasets.spec import Colour, LabelFiles
from segbench.errors import SegbenchError

_UNKNOWN = 254
"""Marks values that a table does not have; no data set has as many classes."""

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

_WORKER = "Caught DatasetError in DataLoader worker process"


class DatasetError(SegbenchError):
    """A data set, or one of its files, that cannot be read or scored; the message names it."""

    def __init__(self, message: str) -> None:
        """Keep what is meant for the user.

        Args:
            message: one or two lines. A DataLoader re-raises an error of its worker with the worker's traceback as
                message; only the error at its end is kept.
        """
        if message.startswith(_WORKER):
            message = message.rstrip().rpartition("DatasetError: ")[2]
        super().__init__(message)


def read_image(path: Path) -> Tensor:
    """RGB, uint8 ``(3, H, W)``.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    image = _open(path)
    pixels = np.array(image if image.mode == "RGB" else _convert(path, image))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_label(path: Path, files: LabelFiles) -> Tensor:
    """Train ids, uint8 ``(H, W)``, 255 for pixels that are not scored.

    Raises:
        DatasetError: the file is missing or damaged, has the wrong channels, or holds a value that it must not.
    """
    if files.colours:
        return _read_colours(path, files)
    return read_values(path, files.values, files.meaning, "label")


def read_values(path: Path, values: Mapping[int, int], meaning: str, what: str) -> Tensor:
    """A single-channel file translated by a table; palette files are read as indices.

    Args:
        path: PNG.
        values: file value to result.
        meaning: the accepted values in words.
        what: ``label`` or ``prediction``, for messages.

    Raises:
        DatasetError: see `read_label`.
    """
    image = _open(path)
    if len(image.getbands()) != 1:
        raise DatasetError(f"{path} has {len(image.getbands())} channels: a {what} file has one, with {meaning}")
    if image.mode in ("L", "P"):
        raw, size = bytearray(image.tobytes()), image.size
    else:
        wide = np.asarray(image)
        if wide.size and (wide.min() < 0 or wide.max() > 255):
            worst = wide.min() if wide.min() < 0 else wide.max()
            raise DatasetError(f"{what} value {worst} in {path} is out of range: {meaning} are accepted")
        raw, size = bytearray(wide.astype(np.uint8).tobytes()), image.size
    result = torch.frombuffer(raw.translate(_value_table(tuple(values.items()))), dtype=torch.uint8)
    if bool((result == _UNKNOWN).any()):
        first = int((result == _UNKNOWN).nonzero()[0])
        raise DatasetError(f"{what} value {raw[first]} in {path} is out of range: {meaning} are accepted")
    return result.view(size[1], size[0])


def read_instances(path: Path, largest: int) -> Tensor:
    """Values of an instanceIds file, int32 ``(H, W)``.

    Args:
        path: 16-bit PNG.
        largest: largest value that a class id times 1000 plus a number can have.

    Raises:
        DatasetError: see `read_label`.
    """
    image = _open(path)
    if len(image.getbands()) != 1:
        raise DatasetError(f"{path} has {len(image.getbands())} channels: an instance file has one, with 16 bits")
    values = torch.from_numpy(np.asarray(image).astype(np.int32))
    if values.numel() and int(values.max()) > largest:
        raise DatasetError(f"instance value {int(values.max())} in {path} is out of range: 0 to {largest} are accepted")
    return values


def _read_colours(path: Path, files: LabelFiles) -> Tensor:
    image = _open(path)
    if image.mode not in ("RGB", "RGBA", "P"):
        raise DatasetError(f"{path} is no colour picture ({image.mode}): its labels are {files.meaning}")
    pixels = np.asarray(image if image.mode == "RGB" else _convert(path, image)).astype(np.int32)
    codes = (pixels[..., 0] << 16) + (pixels[..., 1] << 8) + pixels[..., 2]
    result = torch.from_numpy(_colour_table(tuple(files.colours.items()))[codes])
    if bool((result == _UNKNOWN).any()):
        first = tuple(int(place) for place in (result == _UNKNOWN).nonzero()[0])
        colour = tuple(int(value) for value in pixels[first])
        raise DatasetError(f"label colour {colour} in {path} is unknown: {files.meaning} are accepted")
    return result


def _open(path: Path) -> Image.Image:
    """The decoded picture."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist") from error
    except _UNREADABLE as error:
        raise DatasetError(f"{path} cannot be read: {_reason(error, path)}") from error


def _convert(path: Path, image: Image.Image) -> Image.Image:
    try:
        return image.convert("RGB")
    except _UNREADABLE as error:
        raise DatasetError(f"{path} cannot be read as RGB: {_reason(error, path)}") from error


def _reason(error: BaseException, path: Path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    return "not an image" if str(path) in text or "cannot identify" in text else text


@lru_cache(maxsize=16)
def _value_table(values: tuple[tuple[int, int], ...]) -> bytes:
    table = bytearray([_UNKNOWN]) * 256
    for value, train_id in values:
        table[value] = train_id
    return bytes(table)


@lru_cache(maxsize=4)
def _colour_table(colours: tuple[tuple[Colour, int], ...]) -> np.ndarray:
    table = np.full(1 << 24, _UNKNOWN, dtype=np.uint8)
    for (red, green, blue), train_id in colours:
        table[(red << 16) + (green << 8) + blue] = train_id
    return table
