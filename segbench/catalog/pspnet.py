"""PSPNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.resolution import SizeRule

_PSPNET_WEIGHTS = "https://drive.google.com/open?id=15wx9vOM0euyizq-M1uINgN0_wjVRf9J3"

ENTRIES = (
    *(
        Entry(
            name=f"pspnet-{variant}",
            factory=f"segbench.models.pspnet:pspnet_{variant}",
            family="PSPNet",
            paper="PSPNet, CVPR 2017",
            fidelity="official",
            resolutions=((1025, 2049), (513, 1025), (713, 713)),
            params=params,
            size_rule=SizeRule(8, 1),
            source="hszhao/semseg@4f274c3f276778228bc14a4565822d46359f0cc8",
            golden=(Golden(f"pspnet_{variant}"),),
            checkpoints=(
                Checkpoint(
                    _PSPNET_WEIGHTS, keys="reference", dataset="cityscapes", classes=19, claimed_miou_percent=miou
                ),
            ),
            note="The reference takes sizes of 8k + 1 only; the claimed mIoU is of 713x713 windows.",
        )
        for variant, params, miou in (("r50", 46_715_347, "77.30"), ("r101", 65_707_475, "78.63"))
    ),
)
