"""BDD100K semantic segmentation (10k images): Cityscapes' 19 classes, masks in train ids.

Layout and rule: bdd100k/bdd100k@9ac17c6 (doc/source/download.rst, doc/source/format.rst, bdd100k/eval/seg.py). The
older package keeps images in ``images/{split}`` and masks in ``labels/{split}/*_train_id.png``.
"""

from __future__ import annotations

from segbench.datasets.spec import (
    IGNORE,
    ClassLabel,
    DatasetSpec,
    LabelFiles,
    Layout,
    PredictionFiles,
    Split,
    label_table,
    row_colour,
    same_values,
)

# "parking sign" is not marked as ignored, but has train id 255: classes are chosen by train id.
CLASSES = tuple(
    ClassLabel(row["name"], row_colour(row), int(row["trainId"]))
    for row in label_table("bdd100k_labels.csv")
    if int(row["trainId"]) != IGNORE
)
_VOID = len(CLASSES)
_MASK = {**same_values(range(_VOID)), _VOID: IGNORE, 255: IGNORE}
_MEANING = "train ids 0 to 18, and 255"

BDD100K = DatasetSpec(
    name="bdd100k",
    title="BDD100K (10k semantic segmentation, 19 classes)",
    classes=CLASSES,
    layouts=(
        Layout(
            "images/10k/{split}", ".jpg", (LabelFiles("labels/sem_seg/masks/{split}", ".png", _MASK, meaning=_MEANING),)
        ),
        Layout("images/{split}", ".jpg", (LabelFiles("labels/{split}", "_train_id.png", _MASK, meaning=_MEANING),)),
    ),
    splits={
        "train": Split("train", 7000),
        "val": Split("val", 1000),
        "test": Split("test", 2000, labels_published=False),
    },
    enclosing=("bdd100k", "seg", "bdd100k/seg"),
    predictions=PredictionFiles(
        suffix=".png",
        values={value: min(value, _VOID) for value in range(256)},
        meaning="train ids 0 to 18, all above for void",
        missing_is_void=True,
    ),
    rule="bdd100k",
    default_size=(720, 1280),
    source="bdd100k 1.0.1",
)
