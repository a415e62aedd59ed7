"""PFNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_HALF, on_google_drive

ENTRIES = (
    Entry(
        name="pfnet-r50",
        factory="segbench.models.pfnet:pfnet_r50",
        family="PFNet",
        paper="PointFlow, CVPR 2021",
        fidelity="official",
        resolutions=((720, 1280), CITYSCAPES_HALF),
        params=32_994_774,
        source="lxtGH/PFSegNets@e613a5998eb5a3228df248f543694c55347611c1",
        golden=(Golden("pfnet_r50", selecting=(r"\.edge_final\.",)),),
        checkpoints=(on_google_drive("1igB0y-5IybcIxf0cALFoqh0Pg36OxWR-", "iSAID", 16, "66.9"),),
        note=(
            "Hyper-parameters of the authors' iSAID script; the edge predictors receive no gradient from the class "
            "scores, but choose the points that are flowed and so count."
        ),
    ),
)
