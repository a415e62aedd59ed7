"""ESNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS

ENTRIES = (
    Entry(
        name="esnet",
        factory="segbench.models.esnet:esnet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="ESNet",
        paper="ESNet (Wang et al., PRCV 2019)",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=1_659_071,
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("esnet"),),
    ),
)
