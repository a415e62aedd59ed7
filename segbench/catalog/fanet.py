"""FANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="fanet18",
        title="FANet-18",
        factory="segbench.models.fanet:fanet18",
        searched="README and files of feinanshan/FANet: it is for speed alone and has no weights",
        family="FANet",
        paper="FANet (Hu et al., IEEE RA-L 2021)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=13_080_128,
        source="feinanshan/FANet@d4e5e3cab052e23eabadaa1e882a6d6c9ceecd3b",
        golden=(Golden("fanet18"),),
        note=(
            "The training code's network, whose first stage is strided (strides 8 to 64) and which the authors timed "
            "without normalisations."
        ),
    ),
)
