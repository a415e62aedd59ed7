"""HANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="hanet-r101",
        factory="segbench.models.hanet:hanet_r101",
        family="HANet",
        paper="HANet, CVPR 2020",
        fidelity="official",
        resolutions=((720, 1280), CITYSCAPES, CITYSCAPES_HALF),
        params=60_073_274,
        source="shachoi/HANet@656bedc2979ef41eded46184d4b214bf243ce052",
        golden=(Golden("hanet_r101_os8"),),
        checkpoints=(
            Checkpoint(
                "https://drive.google.com/drive/folders/1qetciC7G29Gg4iKHLWhCioSdMbmYeb0Y",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
            ),
        ),
        note=(
            "Parameters include 1,241 frozen values of the position encodings, which the authors keep as embeddings; "
            "vertical positions are those of the whole image, however high it is."
        ),
    ),
)
