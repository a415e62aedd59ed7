"""HRNetV2: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, HRNET_WEIGHTS

ENTRIES = (
    *(
        Entry(
            name=f"hrnetv2-{variant}",
            factory=f"segbench.models.hrnet:hrnetv2_{variant}",
            family="HRNetV2",
            paper="HRNetV2, TPAMI 2021",
            fidelity="official",
            resolutions=(CITYSCAPES, CITYSCAPES_HALF),
            params=params,
            source="HRNet/HRNet-Semantic-Segmentation@0bbb2880446ddff2d78f8dd7e8c4c610151d5a51",
            golden=(Golden(f"hrnetv2_{variant}"),),
            checkpoints=checkpoints,
            searched="" if checkpoints else "HRNet/HRNet-Semantic-Segmentation: it publishes no network of this width",
            note=note,
        )
        for variant, params, checkpoints, note in (
            (
                "w48",
                65_859_379,
                (
                    Checkpoint(
                        f"{HRNET_WEIGHTS}/hrnet_cs_8090_torch11.pth",
                        keys="reference",
                        dataset="cityscapes",
                        classes=19,
                        claimed_miou_percent="80.9",
                    ),
                ),
                "Resizes without aligned corners, as the authors' Cityscapes configuration does; their default aligns.",
            ),
            (
                "w40",
                45_894_435,
                (),
                "The authors publish no segmentation configuration of this width: the W48 one with a base width of 40.",
            ),
        )
    ),
)
