"""Image files to tensors: Pillow decodes, tables translate, and what is wrong with a file is said with its name."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segbench.datasets.spec import Colour, LabelFiles
from segbench.errors import SegbenchError

Item = TypeVar("Item")
Result = TypeVar("Result")

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
    """RGB, uint8 ``(3, H, W)``, as it is stored: see `upright` for its EXIF orientation.

    Raises:
        DatasetError: the file is missing or damaged, or has pixels of more than 16 bits.
    """
    return read_turned(path)[0]


def read_turned(path: Path) -> tuple[Tensor, int]:
    """`read_image`, and the EXIF orientation: 1 where rows and columns are as they are stored."""
    image = _open(path)
    try:
        turn = int(image.getexif().get(_ORIENTATION, 1) or 1)
    except (*_UNREADABLE, TypeError):
        turn = 1
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        # Pillow would cut a pixel of 16 bits off at 255.
        image = _eight_bits(path, image)
    pixels = np.array(image if image.mode == "RGB" else _convert(path, image))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), turn


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
    image = _unscaled(path, _open(path))
    if len(image.getbands()) != 1:
        raise DatasetError(f"{path} has {len(image.getbands())} channels: a {what} file has one, with {meaning}")
    if image.mode == "P":
        _check_palette(path, image, what)
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


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item], ahead: int = 4) -> Iterator[Result]:
    """What `read` gives of each item, in order, while threads read the next ones: decoding does not hold Python's lock.

    Args:
        read: reads one item; what it raises is raised when its turn comes.
        items: in the order in which they are wanted.
        ahead: how many are read before they are wanted.
    """
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


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


def upright(path: Path, image: Tensor, turn: int, size: tuple[int, int] | None) -> Tensor:
    """An image turned as its EXIF orientation says, where the size of its labels shows that they are turned.

    Args:
        path: of the image.
        image: ``(3, H, W)`` as it is stored.
        turn: its EXIF orientation.
        size: height and width of its labels; None where there are none.

    Raises:
        DatasetError: the size does not tell whether the labels are of the stored or the turned image.
    """
    if turn not in _TURNS:
        return image
    stored = (int(image.shape[1]), int(image.shape[2]))
    turned = _TURNS[turn](image)
    if size == stored != tuple(turned.shape[1:]):
        return image
    if size == tuple(turned.shape[1:]) != stored:
        return turned.contiguous()
    raise DatasetError(
        f"{path} has the EXIF orientation {turn}, and its size does not tell whether its labels are turned as well: "
        "turn the pixels and remove the tag"
    )


_ORIENTATION = 0x0112
_TURNS: Mapping[int, Callable[[Tensor], Tensor]] = {
    2: lambda image: image.flip(2),
    3: lambda image: image.flip(1, 2),
    4: lambda image: image.flip(1),
    5: lambda image: image.transpose(1, 2),
    6: lambda image: image.transpose(1, 2).flip(2),
    7: lambda image: image.transpose(1, 2).flip(1, 2),
    8: lambda image: image.transpose(1, 2).flip(1),
}


def _eight_bits(path: Path, image: Image.Image) -> Image.Image:
    """A grey picture of 16 bits in 8, as those of 16 bits in colour are read."""
    values = np.asarray(image)
    if image.mode == "F" or (values.size and (values.min() < 0 or values.max() > 65535)):
        raise DatasetError(f"{path} has {image.mode} pixels: 8 or 16 bits a channel are accepted")
    return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))


def _check_palette(path: Path, image: Image.Image, what: str) -> None:
    """Refuse a palette of greys in which an index stands for another grey: tools that shrink PNGs write such."""
    palette = np.asarray(image.getpalette("RGB") or [], np.int32).reshape(-1, 3)
    used = [index for index in np.unique(np.asarray(image)).tolist() if index < len(palette)]
    grey = bool((palette == palette[:, :1]).all())
    if grey and any(int(palette[index, 0]) != index for index in used):
        raise DatasetError(
            f"{path} has a palette of greys that are not their indices, as tools that shrink files leave it: "
            f"its {what}s may be either (store it as 8-bit grey)"
        )


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


def _unscaled(path: Path, image: Image.Image) -> Image.Image:
    """A grey PNG of 1, 2 or 4 bits with the values that it stores: Pillow spreads them over 0 to 255."""
    if image.format != "PNG" or image.mode not in ("1", "L"):
        return image
    with path.open("rb") as file:
        header = file.read(26)
    bits, colour_type = header[24], header[25]
    if colour_type != 0 or bits >= 8:
        return image
    return Image.fromarray(np.asarray(image.convert("L")) // (255 // (2**bits - 1)))


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
