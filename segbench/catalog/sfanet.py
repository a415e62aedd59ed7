"""SFANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="sfanet-r18",
        factory="segbench.models.sfanet:sfanet_r18",
        searched="README and files of kaigelee/CSFCN: it names paths of weights and keeps none",
        family="SFANet",
        paper="SFANet, TCSVT 2022",
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=12_720_478,
        source="kaigelee/CSFCN@16ad80ea9f3230d1aefe8c39bab460eb5c5daae6",
        golden=(Golden("sfanet_r18_csfcn"),),
        note="SFANet's authors published no code: an unofficial reproduction from the paper, by the authors of CSFCN.",
    ),
)
