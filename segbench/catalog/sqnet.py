"""SQNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="sqnet",
        factory="segbench.models.sqnet:sqnet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="SQNet",
        paper="SQNet, NIPS workshop MLITS 2016",
        fidelity="port",
        resolutions=((1024, 2048), (512, 1024)),
        params=16_262_771,
        size_rule=SizeRule(4),
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("sqnet"),),
    ),
)
