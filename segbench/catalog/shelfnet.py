"""ShelfNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="shelfnet18",
        title="ShelfNet18",
        factory="segbench.models.shelfnet:shelfnet18",
        family="ShelfNet",
        paper="ShelfNet (Zhuang et al., ICCV Workshops 2019)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=14_320_256,
        size_rule=SizeRule(32),  # the columns double maps without regard to the size of what is added
        source="juntang-zhuang/ShelfNet@39fbcb2fe7ec5bfd6a1bb9ce1f2789fd75d0e08c",
        golden=(Golden("shelfnet18_realtime"),),
        checkpoints=(
            Checkpoint(
                "Dropbox 84ol8lk99qcis9p/ShelfNet18_realtime.pth, linked in the repository's README",
                "backbone.*, decoder.*, ladder.*",
                "Cityscapes",
                19,
                "74.8",
            ),
        ),
        note=(
            "Leaky ReLU where the code says ReLU; an unused block of its decoder and the heads for training, which the "
            "reference runs in eval mode, too, are left out."
        ),
    ),
)
