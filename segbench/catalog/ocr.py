"""OCR: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, HRNET_WEIGHTS

_OPENSEG = Preprocessing(mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0), scale=1.0, channels="bgr")

ENTRIES = (
    Entry(
        name="ocr-hrnetv2-w48",
        factory="segbench.models.ocr:ocr_hrnetv2_w48",
        family="OCR",
        paper="OCR, ECCV 2020",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=70_372_678,
        source="HRNet/HRNet-Semantic-Segmentation@0bbb2880446ddff2d78f8dd7e8c4c610151d5a51",
        golden=(Golden("hrnetv2_w48_ocr"),),
        checkpoints=(
            Checkpoint(
                f"{HRNET_WEIGHTS}/hrnet_ocr_cs_8162_torch11.pth",
                keys="reference",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="81.6",
            ),
        ),
        note="The auxiliary head is part of the inference: its scores are the soft object regions.",
    ),
    Entry(
        name="ocr-r101",
        factory="segbench.models.ocr:ocr_r101",
        family="OCR",
        paper="OCR, ECCV 2020",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=57_988_838,
        source="openseg-group/openseg.pytorch@aefc75517b09068d7131a69420bc5f66cb41f0ee",
        preprocessing=_OPENSEG,
        golden=(Golden("ocrnet_r101_openseg"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/open?id=1bUCC3PEvuTBgfUpJlswEjdSJ_iGvg-Px",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="79.63",
            ),
        ),
        note=(
            "The auxiliary head is part of the inference: its scores are the soft object regions. Keys and ReLU are "
            "those of the authors' plain batch normalisation; their in-place one has other keys and a leaky ReLU."
        ),
    ),
)
