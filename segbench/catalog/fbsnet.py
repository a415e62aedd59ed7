"""FBSNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="fbsnet",
        factory="segbench.models.fbsnet:fbsnet",
        searched="README and files of IVIPLab/FBSNet: it names paths of weights and keeps none",
        family="FBSNet",
        paper="FBSNet (Gao et al., IEEE TMM 2022)",
        fidelity="official",
        resolutions=((512, 1024), (360, 480), (1024, 2048)),
        params=607_103,
        size_rule=SizeRule(8),
        preprocessing=CITYSCAPES_MEAN,
        source="IVIPLab/FBSNet@0b143a13ed3ff4b6e2b2eb0501cb8215a8e09a69",
        golden=(Golden("fbsnet"),),
        note=(
            "The authors' code adds the detail branch's attention map to the semantic branch instead of weighting the "
            "detail with it; its cost is far above the printed 9.7 G. An unused normalisation (96 parameters) is left "
            "out."
        ),
    ),
)
