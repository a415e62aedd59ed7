"""Cityscapes, fine annotations: 19 of 34 ids are evaluated.

Layout, label table and rule: cityscapesscripts 2.3.0 (mcordts/cityscapesScripts@0bcc4a7), helpers/labels.py and
evaluation/evalPixelLevelSemanticLabeling.py. Polygons of negative id (license plates) are drawn in no label file.
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
    VoidColumn,
    label_table,
    row_colour,
    same_values,
)

_ROWS = [row for row in label_table("cityscapes_labels.csv") if int(row["id"]) >= 0]
_EVALUATED = [row for row in _ROWS if row["ignoreInEval"] == "0"]

CLASSES = tuple(
    ClassLabel(
        name=row["name"],
        colour=row_colour(row),
        official_id=int(row["id"]),
        category=row["category"],
        average_instance_size=float(row["avgInstanceSize"]) if row["avgInstanceSize"] else None,
    )
    for row in sorted(_EVALUATED, key=lambda row: int(row["trainId"]))
)

ID_TO_TRAIN_ID = {int(row["id"]): int(row["trainId"]) for row in _ROWS}

# Caravan and trailer are ignored classes, yet count as vehicles in the category's instance-weighted IoU.
_VOID, _VOID_VEHICLE = len(CLASSES), len(CLASSES) + 1
_WITH_INSTANCES = {label.category for label in CLASSES if label.average_instance_size is not None}


def _column(row: dict[str, str]) -> int:
    if row["ignoreInEval"] == "0":
        return int(row["trainId"])
    return _VOID_VEHICLE if row["category"] in _WITH_INSTANCES else _VOID


def _layout(images: str, labels: str) -> Layout:
    return Layout(
        images=f"{images}/{{split}}",
        image_suffix="_leftImg8bit.png",
        labels=(
            LabelFiles(f"{labels}/{{split}}", "_gtFine_labelIds.png", ID_TO_TRAIN_ID, meaning="ids 0 to 33"),
            LabelFiles(
                f"{labels}/{{split}}",
                "_gtFine_labelTrainIds.png",
                {**same_values(range(19)), 255: IGNORE},
                meaning="train ids 0 to 18, and 255",
            ),
        ),
        by_city=True,
        instances="_gtFine_instanceIds.png",
    )


CITYSCAPES = DatasetSpec(
    name="cityscapes",
    title="Cityscapes (fine annotations, 19 classes)",
    classes=CLASSES,
    # As in the paper's archive, and with its two parts unpacked side by side under their own names.
    layouts=(
        _layout("leftImg8bit", "gtFine"),
        _layout("leftImg8bit_trainvaltest/leftImg8bit", "gtFine_trainvaltest/gtFine"),
    ),
    splits={
        "train": Split("train", 2975, "356596e69da79ecbd3f6301dc68c0244fc777bdc7cea8fdc02b169d4b7da3c4a"),
        "val": Split("val", 500, "9e85f1e65cf6030bacb9336142ddae80c28f66b89526cce603a272f32ac35af6"),
        "test": Split(
            "test",
            1525,
            "f3ac653e7763185046732eaafddc83c58187975d9acafa0cb6ea6ea8e16354ad",
            labels_published=False,
        ),
    },
    predictions=PredictionFiles(
        suffix="*.png",
        values={int(row["id"]): _column(row) for row in _ROWS},
        meaning="ids 0 to 33",
        anywhere=True,
    ),
    rule="cityscapes",
    default_size=(1024, 2048),
    void_columns=(VoidColumn("void"), VoidColumn("caravan or trailer", "vehicle")),
    source="cityscapesscripts 2.3.0",
)
