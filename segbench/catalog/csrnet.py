"""CSRNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="csrnet-r18",
        factory="segbench.models.csrnet:csrnet_r18",
        family="CSRNet",
        paper="CSRNet, ESWA 2023",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=12_817_863,
        source="Mayy1994/CSRNet@dcf46d5ba5c3d41fe15457fb702b6a95f1274810",
        golden=(Golden("csrnet_r18"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/file/d/13KUke1U-6J3r0NHiCYIYzVDuWZ00T6Vz/view",
                keys="reference",
                dataset="cityscapes",
                classes=19,
            ),
        ),
    ),
)
