"""EDANet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, CITYSCAPES_MEAN, EFFICIENT_SEGMENTATION_NETWORKS
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="edanet",
        factory="segbench.models.edanet:edanet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="EDANet",
        paper="EDANet (Lo et al., ACM MM Asia 2019)",
        fidelity="port",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES),
        params=689_485,
        size_rule=SizeRule(4),
        preprocessing=CITYSCAPES_MEAN,
        source=EFFICIENT_SEGMENTATION_NETWORKS,
        golden=(Golden("edanet"),),
    ),
)
