"""BiSeNetV2: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, COINCHEUNG, COINCHEUNG_INPUT, coincheung
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="bisenetv2",
        factory="segbench.models.bisenetv2:bisenetv2",
        family="BiSeNetV2",
        paper="BiSeNetV2, IJCV 2021",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=3_358_627,
        size_rule=SizeRule(32),  # the semantic branch is upsampled by 4, not resized to the detail branch
        preprocessing=COINCHEUNG_INPUT,
        source=COINCHEUNG,
        golden=(Golden("bisenetv2"), Golden("bisenetv2_admit24", {"aligned": True})),
        checkpoints=(
            coincheung("model_final_v2_city.pth", "cityscapes", 19, "74.95"),
            coincheung("model_final_v2_coco.pth", "cocostuff", 171, "30.49"),
            coincheung("model_final_v2_ade20k.pth", "ade20k", 150, "32.53"),
        ),
        note=(
            "The paper prints 21.15 GFLOPs at 512x1024, every public port has 24.60 GMACs; the option aligned=True "
            "gives the port Admit24/neural@7e45208d, which upsamples bilinearly."
        ),
    ),
    Entry(
        name="bisenetv2-l",
        factory="segbench.models.bisenetv2:bisenetv2_l",
        searched="README and files of Admit24/neural: it keeps no weights",
        family="BiSeNetV2",
        paper="BiSeNetV2, IJCV 2021",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=25_202_483,
        size_rule=SizeRule(32),
        source="Admit24/neural@7e45208de4f0be7b183977df176c8d23428c7cde",
        golden=(Golden("bisenetv2_large_admit24"),),
        note=(
            "Not the published network: the paper prints 118.51 GFLOPs at 512x1024 and does not say what its depth "
            "factor repeats; the only port with alpha=2, d=3 repeats every layer of both branches: 221.48 GMACs."
        ),
    ),
)
