"""SwiftNet on an image pyramid: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, SWIFTNET, SWIFTNET_INPUT, SWIFTNET_WEIGHTS
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="swiftnet-r18-pyramid",
        title="SwiftNet (ResNet-18, pyramid)",
        cite="swiftnetpyramid",
        factory="segbench.models.swiftnet_pyramid:swiftnet_r18_pyramid",
        family="SwiftNet",
        paper="SwiftNet, pyramidal fusion (Orsic and Segvic, Pattern Recognition 2021)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=12_056_275,
        size_rule=SizeRule(4),  # else maps of two levels that are added can differ by a row or column
        preprocessing=SWIFTNET_INPUT,
        source=SWIFTNET,
        golden=(Golden("swiftnet_rn18_pyramid"),),
        checkpoints=(Checkpoint(SWIFTNET_WEIGHTS, "backbone.bn1.0.*, logits.*", "Cityscapes", 19),),
        note=(
            "The authors' network normalises its input itself; here that is the preprocessing. Some sizes that 4 does "
            "not divide happen to fit its additions; all are refused."
        ),
    ),
)
