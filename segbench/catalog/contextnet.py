"""ContextNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS

ENTRIES = (
    Entry(
        name="contextnet",
        factory="segbench.models.contextnet:contextnet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="ContextNet",
        paper="ContextNet (Poudel et al., BMVC 2018)",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=876_563,
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("contextnet"),),
    ),
)
