"""SegNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS

ENTRIES = (
    Entry(
        name="segnet",
        factory="segbench.models.segnet:segnet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="SegNet",
        paper="SegNet, TPAMI 2017",
        fidelity="port",
        resolutions=((360, 640), (360, 480), (1024, 2048)),
        params=29_453_971,
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("segnet"),),
    ),
)
