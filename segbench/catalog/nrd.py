"""NRD: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="nrd-r50",
        factory="segbench.models.nrd:nrd_r50",
        searched="README of zbwxp/NRD_decoder: its heading 'Pre-trained Models' is empty",
        family="NRD",
        paper="NRD, NeurIPS 2021",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=43_573_367,
        size_rule=SizeRule(32),
        source="zbwxp/NRD_decoder@4b75721daeb620ff5b71dd7f629c319e17e0eaa5",
        golden=(Golden("nrd_r50"),),
        note="A classifier that the authors' head inherits and never calls (conv_seg) is left out.",
    ),
)
