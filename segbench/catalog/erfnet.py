"""ERFNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import UNIT_RANGE, Checkpoint, Entry, Golden

ENTRIES = (
    Entry(
        name="erfnet",
        factory="segbench.models.erfnet:erfnet",
        family="ERFNet",
        paper="ERFNet (Romera et al., IEEE T-ITS 2017)",
        fidelity="official",
        resolutions=((512, 1024), (360, 640), (720, 960)),
        params=2_064_191,
        preprocessing=UNIT_RANGE,
        source="Eromera/erfnet_pytorch@d4a46faf9e465286c89ebd9c44bc929b2d213fb3",
        golden=(Golden("erfnet"), Golden("erfnet_c19")),
        checkpoints=(
            Checkpoint("trained_models/erfnet_pretrained.pth in the repository", "module.*", "Cityscapes", 20, "72.1"),
        ),
        note=(
            "The released weights have a 20th class for ignored pixels; sizes that are not multiples of 8, which the "
            "reference rejects, are taken as well."
        ),
    ),
)
