"""ADE20K SceneParsing: 150 classes, 0 for everything else.

Layout, names and rule: CSAILVision/sceneparsing@e202229 (README, objectInfo150.txt, evaluationCode/utils_eval.py).
"""

from __future__ import annotations

import colorsys

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
)

_ROWS = label_table("ade20k_classes.csv")
_VOID = len(_ROWS)


def _colour(index: int) -> Colour:
    """A colour of our own; golden-angle steps of hue keep neighbours apart."""
    hue, value = (index * 0.618033988749895) % 1, (1.0, 0.75, 0.5)[index % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55 + 0.4 * (index // 3 % 2), value)
    return round(255 * red), round(255 * green), round(255 * blue)


CLASSES = tuple(ClassLabel(row["name"], _colour(int(row["index"])), int(row["label"])) for row in _ROWS)

_LABELS = (
    LabelFiles(
        "annotations/{split}",
        ".png",
        {0: IGNORE, **{label.official_id: index for index, label in enumerate(CLASSES)}},
        meaning="labels 0 to 150",
    ),
)

ADE20K = DatasetSpec(
    name="ade20k",
    title="ADE20K (SceneParsing, 150 classes)",
    classes=CLASSES,
    layouts=(
        Layout("images/{split}", ".jpg", _LABELS),
        # The archive of the test split, around and inside its folder.
        Layout("release_test/{split}", ".jpg", _LABELS),
        Layout("{split}", ".jpg", _LABELS),
    ),
    # The checksums follow from the numbering, ADE_train_00000001 on and ADE_val_00000001 on.
    splits={
        "train": Split("training", 20210, "5812d1749bb33a21c520f8b5c61245f4f5c0212fcb89bba9e3e3803c4ad5297a"),
        "val": Split("validation", 2000, "ea1c90a7ccd457dda9514cc222d606241e61d58a5ba75215d5ceff95f1557a36"),
        "test": Split("testing", 3352, labels_published=False),
    },
    enclosing=("ADEChallengeData2016",),
    predictions=PredictionFiles(
        suffix=".png",
        values={0: _VOID, **{label.official_id: index for index, label in enumerate(CLASSES)}},
        meaning="labels 1 to 150, and 0 for none",
    ),
    rule="ade20k",
    default_size=(512, 512),
    sizes_vary=True,
    source="CSAILVision/sceneparsing@e202229",
)
