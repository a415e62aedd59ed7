"""BiAlignNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="bialignnet-dfnet2",
        factory="segbench.models.bialignnet:bialignnet_dfnet2",
        family="BiAlignNet",
        paper="BiAlignNet (Wu et al., ICIP 2021)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=18_901_412,
        source="jojacola/BiAlignNet@3cde010bfe722e5171ffee84417e7a045c134a33",
        golden=(Golden("bialignnet_dfv2"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1lToCzFmq3TGP_bkq8hLuI9ZWZahSX9ft, linked in the repository's README",
                "backbone.stage1.*, spatial2Context.*",
                "Cityscapes",
                19,
                "78.7",
            ),
        ),
        note="Warps without aligned corners, as the reference does under torch 1.3 and later.",
    ),
)
