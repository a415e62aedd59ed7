"""Panoptic-DeepLab: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

_PANOPTIC = "Panoptic-DeepLab (Cheng et al., CVPR 2020)"
_PANOPTIC_SOURCE = "bowenc0221/panoptic-deeplab@cf8e20bbbf1cf540c7593434b965a93c4a889890"
_PANOPTIC_NOTE = (
    "The semantic branch alone, at output stride 32 as released; the paper's network has an instance branch and output "
    "stride 16."
)

ENTRIES = (
    Entry(
        name="panoptic-deeplab-r50",
        factory="segbench.models.panoptic_deeplab:panoptic_deeplab_r50",
        family="Panoptic-DeepLab",
        paper=_PANOPTIC,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
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
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
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
)
