"""DDPS: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF
from segbench.resolution import SizeRule

_DDPS = "DDPS (Lai et al., arXiv 2023)"
_DDPS_SOURCE = "OpenGVLab/DDPS@ce438ed90d10d544d837df0e4c33c1aff0bb31cb"
_DDPS_NOTE = (
    "One denoising step on a fixed mask; the authors take several from a random one, and each repeats the U-Net and "
    "the classifier."
)

ENTRIES = (
    Entry(
        name="ddps-segformer-b5",
        title="DDPS-SF (MiT-B5)",
        factory="segbench.models.ddps:ddps_segformer_b5",
        searched="OpenGVLab/DDPS: no configuration of MiT-B5 is public, and no weights of one are known",
        family="DDPS",
        paper=_DDPS,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=122_784_532,
        classes=20,
        size_rule=SizeRule(16),
        source=_DDPS_SOURCE,
        golden=(Golden("ddps_segformer_b5_step0"),),
        note=f"{_DDPS_NOTE} The authors' configuration for MiT-B5 is not public: theirs for MiT-B2, with 20 classes.",
    ),
    Entry(
        name="ddps-segformer-b2",
        title="DDPS-SF (MiT-B2)",
        factory="segbench.models.ddps:ddps_segformer_b2",
        family="DDPS",
        paper=_DDPS,
        fidelity="official",
        resolutions=((512, 512), (512, 1024), (1024, 2048)),
        params=65_573_575,
        classes=151,
        size_rule=SizeRule(16),
        source=_DDPS_SOURCE,
        golden=(Golden("ddps_segformer_b2_step0"),),
        checkpoints=(
            Checkpoint(
                "https://huggingface.co/aaronb/DDPS-all/tree/main/segformer_b2_multistep",
                "backbone.layers.*, decode_head.unet.*",
                "ADE20K",
                151,
                "49.73",
            ),
        ),
        note=_DDPS_NOTE,
    ),
)
