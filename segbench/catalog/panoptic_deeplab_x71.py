"""Panoptic-DeepLab on Xception-71: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import SYMMETRIC_RANGE, Entry
from segbench.catalog.shared import CITYSCAPES

ENTRIES = (
    Entry(
        name="panoptic-deeplab-x71",
        factory="segbench.models.panoptic_deeplab_x71:panoptic_deeplab_x71",
        searched=(
            "the model zoos of bowenc0221/panoptic-deeplab, which ends at Xception-65, and of google-research/deeplab2"
        ),
        family="Panoptic-DeepLab",
        paper="Panoptic-DeepLab (Cheng et al., CVPR 2020)",
        fidelity="reconstruction",
        resolutions=(CITYSCAPES, (1025, 2049)),
        params=46_745_486,
        live_params=43_615_419,
        preprocessing=SYMMETRIC_RANGE,
        note=(
            "Both branches run; the encoder alone is the authors' code, numerically equal, and the separable pyramid "
            "pooling was chosen to meet the printed parameters; no released weights of the whole network are known."
        ),
    ),
)
