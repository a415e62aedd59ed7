"""DeepLabV3: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, MMSEGMENTATION

ENTRIES = (
    Entry(
        name="deeplabv3-r101",
        factory="segbench.models.deeplabv3:deeplabv3_r101",
        family="DeepLabV3",
        paper="DeepLabV3, arXiv 2017",
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=84_740_467,
        source=MMSEGMENTATION,
        golden=(
            Golden("deeplabv3_r101_d8_mmseg"),
            Golden("deeplabv3_r101_d8_c256_mmseg", {"aspp_channels": 256}),
        ),
        checkpoints=(
            Checkpoint(
                "https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3/deeplabv3_r101-d8_512x1024_80k_cityscapes/"
                "deeplabv3_r101-d8_512x1024_80k_cityscapes_20200606_113503-9e428899.pth",
                keys="reference, under state_dict",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="80.2",
            ),
        ),
        note="The port's ASPP has 512 channels where the paper has 256 (aspp_channels=256: 60.7 M parameters).",
    ),
    *(
        Entry(
            name=f"deeplabv3-{variant}",
            cite="resnest",
            factory=f"segbench.models.deeplabv3:deeplabv3_{variant}",
            family="DeepLabV3",
            paper="ResNeSt, CVPRW 2022",
            fidelity="official",
            resolutions=(CITYSCAPES, CITYSCAPES_HALF),
            params=params,
            source="zhanghang1989/PyTorch-Encoding@ac748410dfc8d7d70a2ce7f5add08050af2fae20",
            golden=(Golden(f"deeplabv3_{variant}_encoding"),),
            checkpoints=(
                Checkpoint(
                    f"https://hangzh.s3.amazonaws.com/encoding/models/deeplab_{variant}_ade-{sha1}.zip",
                    keys="reference",
                    dataset="ade20k",
                    classes=150,
                ),
            ),
            note="The code of ResNeSt's authors, whose head is DeepLabV3's with one more 3x3 convolution.",
        )
        for variant, params, sha1 in (("resnest50", 41_564_563, "2225f09d"), ("resnest101", 62_356_339, "06ca799c"))
    ),
)
