"""OCNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden, Preprocessing
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

# The mean of the training images subtracted from [0, 255], as in Caffe. OCNet's loader subtracts the means of BGR in
# that order from RGB.
_OCNET = Preprocessing(mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0), scale=1.0)

ENTRIES = (
    *(
        Entry(
            name=f"ocnet-{variant}",
            factory=f"segbench.models.ocnet:ocnet_{variant.replace('-', '_')}",
            searched="README of openseg-group/OCNet.pytorch: it links ImageNet weights alone",
            family="OCNet",
            paper="OCNet, IJCV 2021",
            fidelity="official",
            resolutions=(CITYSCAPES, CITYSCAPES_HALF),
            params=params,
            preprocessing=_OCNET,
            source="openseg-group/OCNet.pytorch@679a45b8996c583817bbdde81971a47d71c7654e",
            golden=(Golden(golden),),
            note=note,
        )
        for variant, params, golden, note in (
            ("r101", 52_992_979, "ocnet_base_oc_r101", "The Base-OC variant."),
            ("asp-r101", 57_812_307, "ocnet_asp_oc_r101", "The ASP-OC variant."),
        )
    ),
)
