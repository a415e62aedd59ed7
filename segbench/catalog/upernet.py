"""UPerNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import MMSEGMENTATION, MMSEGMENTATION_WEIGHTS

ENTRIES = (
    Entry(
        name="upernet-swin-s",
        title="UPerNet (Swin-S)",
        cite="swin",
        factory="segbench.models.upernet:upernet_swin_s",
        family="UPerNet",
        paper="Swin Transformer (Liu et al., ICCV 2021) with UPerNet (Xiao et al., ECCV 2018)",
        fidelity="port",
        resolutions=((512, 512), (512, 1024), (1024, 2048)),
        params=80_335_968,
        classes=150,
        source=MMSEGMENTATION,
        golden=(Golden("upernet_swin_s_mmseg"),),
        checkpoints=(
            Checkpoint(
                f"{MMSEGMENTATION_WEIGHTS}/swin/upernet_swin_small_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K/"
                "upernet_swin_small_patch4_window7_512x512_160k_ade20k_pretrain_224x224_1K_20210526_192015-ee2fff1c.pth",
                "backbone.stages.*, decode_head.psp_modules.*",
                "ADE20K",
                150,
                "47.72",
            ),
        ),
        note="As released for ADE20K, with 150 classes; without the head for training, which the paper counts.",
    ),
)
