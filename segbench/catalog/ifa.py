"""IFA: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="ifa-r50",
        factory="segbench.models.ifa:ifa_r50",
        searched="README and files of hzhupku/IFA: no weights",
        family="IFA",
        paper="IFA, ECCV 2022",
        fidelity="official",
        resolutions=((1024, 1024), CITYSCAPES_HALF),
        params=25_400_115,
        source="hzhupku/IFA@70baac826983f03079d8603cd814ba753f0489e5",
        golden=(Golden("ifa_r50"),),
        note="The released Cityscapes configuration; at the finest level the position encoding sees zeros only.",
    ),
)
