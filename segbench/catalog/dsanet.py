"""DSANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="dsanet",
        factory="segbench.models.dsanet:dsanet",
        searched="README and files of mohamedac29/DSANet: results without weights",
        family="DSANet",
        paper="DSANet, ESWA 2021",
        fidelity="official",
        resolutions=((512, 1024), (360, 480)),
        params=1_819_584,
        size_rule=SizeRule(8),
        preprocessing=CITYSCAPES_MEAN,
        source="mohamedac29/DSANet@6b625b938b39824972eefef762b77beb3f06ad23",
        golden=(Golden("dsanet"),),
        note=(
            "The authors' forward also runs attention modules and auxiliary heads that do not reach its main output "
            "(3,124,160 parameters and 37.55 GMACs at 512x1024 with them, the paper's cost); they are left out."
        ),
    ),
)
