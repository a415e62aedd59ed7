"""One picture per image: input, ground truth, prediction and errors, with the colours of the classes that occur."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from segbench.accuracy.prediction_files import write_png

IGNORED = 255
_PANEL_WIDTH, _LEAST_WIDTH = 1024, 480
_INK, _PAPER = (32, 32, 32), (255, 255, 255)
_CORRECT, _WRONG, _UNLABELLED = (214, 222, 214), (200, 30, 45), (0, 0, 0)
_MARGIN = 12


def spread(count: int, wanted: int) -> list[int]:
    """Indices of `wanted` images, evenly spaced through `count`; all of them where there are fewer."""
    if wanted >= count:
        return list(range(count))
    return sorted({index * count // wanted for index in range(wanted)})


def overlay(
    image: Tensor,
    target: Tensor,
    prediction: Tensor,
    names: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    title: str = "",
) -> Image.Image:
    """Draw one image's result.

    Args:
        image: RGB ``(3, H, W)`` in uint8.
        target: train ids ``(h, w)``; 255 is not labelled.
        prediction: train ids ``(h, w)``; the class count and above stand for the output for ignored pixels.
        names: class names in train-id order.
        colours: RGB of each class.
        title: shown on top, such as the image's name.

    Returns:
        Four panels, two by two, with captions and a legend. Errors are red, correct pixels grey, pixels without a
        label black.
    """
    truth, found = target.cpu().numpy().astype(np.int64), prediction.cpu().numpy().astype(np.int64)
    labelled = truth != IGNORED
    correct = labelled & (truth == found)
    errors = np.empty((*truth.shape, 3), np.uint8)
    errors[:] = _UNLABELLED
    errors[labelled] = _WRONG
    errors[correct] = _CORRECT
    height, width = truth.shape
    scale = min(_PANEL_WIDTH / width, 1.0) if width >= _LEAST_WIDTH else -(-_LEAST_WIDTH // width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    picture = Image.fromarray(image.cpu().numpy().transpose(1, 2, 0)).resize(size, Image.Resampling.BILINEAR)
    total = int(labelled.sum())
    share = f"{100 * int(correct.sum()) / total:.1f} % of labelled pixels correct" if total else "nothing labelled"
    panels = [
        ("input", picture),
        ("ground truth", _painted(truth, colours, size)),
        ("prediction", _painted(found, colours, size)),
        (f"errors in red: {share}", Image.fromarray(errors).resize(size, Image.Resampling.NEAREST)),
    ]
    present = sorted((set(np.unique(truth[labelled])) | set(np.unique(found))) & set(range(len(names))))
    return _sheet(panels, size, title, [(names[index], colours[index]) for index in present])


def save_overlay(sheet: Image.Image, path: Path) -> None:
    """Write a picture, making its folder.

    Raises:
        OutputError: the file cannot be written.
    """
    write_png(sheet, path)


def _painted(labels: np.ndarray, colours: Sequence[tuple[int, int, int]], size: tuple[int, int]) -> Image.Image:
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.asarray(colours, np.uint8)
    return Image.fromarray(table[np.clip(labels, 0, IGNORED)]).resize(size, Image.Resampling.NEAREST)


def _sheet(
    panels: Sequence[tuple[str, Image.Image]],
    size: tuple[int, int],
    title: str,
    legend: Sequence[tuple[str, tuple[int, int, int]]],
) -> Image.Image:
    points = max(size[0] // 40, 11)
    font = ImageFont.load_default(size=points)
    line = points + 8
    width = 2 * size[0] + 3 * _MARGIN
    swatches = _places(legend, font, points, width)
    top = _MARGIN + (line if title else 0)
    rows = swatches[-1][1] + line if swatches else 0
    sheet = Image.new("RGB", (width, top + 2 * (size[1] + line + _MARGIN) + rows + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN // 2), title, _INK, font)
    for index, (caption, panel) in enumerate(panels):
        left = _MARGIN + (index % 2) * (size[0] + _MARGIN)
        upper = top + (index // 2) * (size[1] + line + _MARGIN)
        draw.text((left, upper), caption, _INK, font)
        sheet.paste(panel, (left, upper + line))
    base = top + 2 * (size[1] + line + _MARGIN)
    for (name, colour), (left, upper) in zip(legend, swatches, strict=True):
        draw.rectangle((left, base + upper + 2, left + points, base + upper + 2 + points), colour, _INK)
        draw.text((left + points + 5, base + upper), name, _INK, font)
    return sheet


def _places(
    legend: Sequence[tuple[str, tuple[int, int, int]]],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    points: int,
    width: int,
) -> list[tuple[int, int]]:
    """Where each entry of the legend begins, in lines that fit the width."""
    places, left, upper = [], _MARGIN, 0
    for name, _ in legend:
        needed = points + 5 + round(font.getlength(name)) + 2 * points
        if left > _MARGIN and left + needed > width:
            left, upper = _MARGIN, upper + points + 8
        places.append((left, upper))
        left += needed
    return places
