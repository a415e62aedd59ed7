"""FasterSeg: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF
from segbench.resolution import SizeRule

_FASTERSEG = "FasterSeg (Chen et al., ICLR 2020)"
_FASTERSEG_SOURCE = "VITA-Group/FasterSeg@478b0265eb9ab626cfbe503ad16d2452878b38cc"
_FASTERSEG_NOTE = (
    "Without the heads for training, with which the paper counts it (4.4 M parameters), and an attention that the "
    "reference never reaches; some heights that 32 does not divide happen to fit the reference, all are refused."
)

ENTRIES = (
    Entry(
        name="fasterseg",
        factory="segbench.models.fasterseg:fasterseg",
        family="FasterSeg",
        paper=_FASTERSEG,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=3_421_875,
        size_rule=SizeRule(32),
        source=_FASTERSEG_SOURCE,
        golden=(Golden("fasterseg_student"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1O56HnA0ug2M3K4SR3_AUzIs0wegy9BX6, linked in the repository's README",
                "stem.*, cells.0-0._op._op.*",
                "Cityscapes",
                19,
            ),
        ),
        note=_FASTERSEG_NOTE,
    ),
    Entry(
        name="fasterseg-teacher",
        title="FasterSeg (teacher)",
        factory="segbench.models.fasterseg:fasterseg_teacher",
        family="FasterSeg",
        paper=_FASTERSEG,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=22_115_203,
        size_rule=SizeRule(32),
        source=_FASTERSEG_SOURCE,
        golden=(Golden("fasterseg_teacher"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 168HtgNnY9OdCz5Z6FWxoJr-gd5EtS5Sp, linked in the repository's README",
                "stem.*, cells.0-0._op._op.*",
                "Cityscapes",
                19,
            ),
        ),
        note="Without the heads for training and an attention that the reference never reaches.",
    ),
)
