"""ESPNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="espnet",
        factory="segbench.models.espnet:espnet",
        family="ESPNet",
        paper="ESPNet (Mehta et al., ECCV 2018)",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=201_542,
        size_rule=SizeRule(8),
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("espnet"),),
        note="The port has 3 ESP modules at stride 8 by default where the paper has 8 (option alpha3).",
    ),
)
