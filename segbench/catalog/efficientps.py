"""EfficientPS: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="efficientps",
        factory="segbench.models.efficientps:efficientps",
        family="EfficientPS",
        paper="EfficientPS (Mohan and Valada, IJCV 2021)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=27_912_835,
        preprocessing=Preprocessing(mean=(106.433, 116.617, 119.559), std=(65.496, 67.6, 74.123), scale=1.0),
        source="DeepSceneSeg/EfficientPS@e1c92c301b8d2a9c582797ab3cad203909f2fa9d",
        golden=(Golden("efficientps_b5_semantic"),),
        checkpoints=(
            Checkpoint(
                "Dropbox zihqct9zum8eq66/efficientPS_cityscapes.zip, linked in the repository's README",
                "backbone.blocks.*, semantic_head.*",
                "Cityscapes",
                19,
            ),
        ),
        note="The semantic branch alone, without region proposals, boxes and masks.",
    ),
)
