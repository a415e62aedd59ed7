"""FPENet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS

ENTRIES = (
    Entry(
        name="fpenet",
        factory="segbench.models.fpenet:fpenet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="FPENet",
        paper="FPENet (Liu and Yin, BMVC 2019)",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=115_125,
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("fpenet"),),
    ),
)
