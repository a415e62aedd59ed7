"""SwiftNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, SWIFTNET, SWIFTNET_INPUT, SWIFTNET_WEIGHTS

ENTRIES = (
    Entry(
        name="swiftnet-r18",
        factory="segbench.models.swiftnet:swiftnet_r18",
        family="SwiftNet",
        paper="SwiftNet (Orsic et al., CVPR 2019)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=11_797_071,
        preprocessing=SWIFTNET_INPUT,
        source=SWIFTNET,
        golden=(Golden("swiftnet_rn18_single_scale"),),
        checkpoints=(Checkpoint(SWIFTNET_WEIGHTS, "backbone.*, logits.*", "Cityscapes", 19),),
        note="The authors' network normalises its input itself; here that is the preprocessing.",
    ),
)
