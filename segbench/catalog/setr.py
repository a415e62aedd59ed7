"""SETR: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import MMSEGMENTATION, MMSEGMENTATION_WEIGHTS

ENTRIES = (
    Entry(
        name="setr",
        title="SETR-PUP",
        factory="segbench.models.setr:setr",
        family="SETR",
        paper="SETR (Zheng et al., CVPR 2021)",
        fidelity="port",
        resolutions=((512, 1024), (1024, 2048)),
        params=309_594_899,
        source=MMSEGMENTATION,
        golden=(Golden("setr_pup_vitl16_mmseg"),),
        checkpoints=(
            Checkpoint(
                f"{MMSEGMENTATION_WEIGHTS}/setr/setr_pup_vit-large_8x1_768x768_80k_cityscapes/"
                "setr_pup_vit-large_8x1_768x768_80k_cityscapes_20211122_155115-f6f37b8f.pth",
                "backbone.layers.*, decode_head.up_convs.*",
                "Cityscapes",
                19,
                "79.21",
            ),
        ),
        note=(
            "SETR-PUP with ViT-L/16; its positions are learned for 768x768 pixels and resized to the input, except "
            "where the input has as many patches in another shape."
        ),
    ),
)
