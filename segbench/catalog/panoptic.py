"""Semantic branches of panoptic networks: Panoptic-DeepLab, EfficientPS."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

_SIZES = ((1024, 2048), (512, 1024))
_PANOPTIC = "Panoptic-DeepLab (Cheng et al., CVPR 2020)"
_PANOPTIC_SOURCE = "bowenc0221/panoptic-deeplab@cf8e20bbbf1cf540c7593434b965a93c4a889890"
_PANOPTIC_NOTE = (
    "The semantic branch alone, at output stride 32 as released; the paper's network has an instance branch and output "
    "stride 16."
)

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="panoptic-deeplab-r50",
        factory="segbench.models.panoptic_deeplab:panoptic_deeplab_r50",
        family="Panoptic-DeepLab",
        paper=_PANOPTIC,
        fidelity="official",
        resolutions=_SIZES,
        params=39_575_219,
        source=_PANOPTIC_SOURCE,
        golden=(Golden("panoptic_deeplab_r50_os32"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1IhZXtLpVkzhH4S2k27zARM8kUI7G6Hfn, linked in the repository's tools/docs/MODEL_ZOO.md",
                "backbone.*, decoder.semantic_decoder.*",
                "Cityscapes",
                19,
                "78.6",
            ),
        ),
        note=_PANOPTIC_NOTE,
    ),
    Entry(
        name="panoptic-deeplab-x65",
        factory="segbench.models.panoptic_deeplab:panoptic_deeplab_x65",
        family="Panoptic-DeepLab",
        paper=_PANOPTIC,
        fidelity="official",
        resolutions=_SIZES,
        params=53_910_435,
        source=_PANOPTIC_SOURCE,
        golden=(Golden("panoptic_deeplab_x65_os32"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1TjN5gUyzA8Q2HqnP6jBu62GRTyAntQeQ, linked in the repository's tools/docs/MODEL_ZOO.md",
                "backbone.*, decoder.semantic_decoder.*",
                "Cityscapes",
                19,
                "79.6",
            ),
        ),
        note=_PANOPTIC_NOTE,
    ),
    Entry(
        name="efficientps",
        factory="segbench.models.efficientps:efficientps",
        family="EfficientPS",
        paper="EfficientPS (Mohan and Valada, IJCV 2021)",
        fidelity="official",
        resolutions=_SIZES,
        params=27_912_835,
        preprocessing=Preprocessing(mean=(106.433, 116.617, 119.559), std=(65.496, 67.6, 74.123), scale=1.0),
        source="DeepSceneSeg/EfficientPS@e1c92c301b8d2a9c582797ab3cad203909f2fa9d",
        golden=(Golden("efficientps_b5_semantic"),),
        checkpoints=(
            Checkpoint(
                "Dropbox zihqct9zum8eq66/efficientPS_cityscapes.zip, linked in the repository's README",
                "backbone.blocks.*, semantic_head.*",
                "Cityscapes",
                19,
            ),
        ),
        note="The semantic branch alone, without region proposals, boxes and masks.",
    ),
)
