"""DABNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="dabnet",
        factory="segbench.models.dabnet:dabnet",
        family="DABNet",
        paper="DABNet (Li et al., BMVC 2019)",
        fidelity="official",
        resolutions=((512, 1024), (1024, 2048), (360, 480)),
        params=756_643,
        size_rule=SizeRule(4),
        preprocessing=CITYSCAPES_MEAN,
        source="Reagan1311/DABNet@b8d62fe7f14ae4909a9e9aad1dd6e0ade98431cd",
        golden=(Golden("dabnet"),),
        checkpoints=(
            Checkpoint(
                "drive.google.com/open?id=1ZKGBQogSqxyKD-QIJgzyDXw2TR0HUePA (train)",
                "model: init_conv.*",
                "Cityscapes",
                19,
                "69.57",
            ),
            Checkpoint(
                "drive.google.com/open?id=1EPyv9-FUQwr_23w3kLwwiFKD13uRyFRk",
                "model: init_conv.*",
                "CamVid",
                11,
                "66.72",
            ),
        ),
    ),
)
