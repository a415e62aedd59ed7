"""SFNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

ENTRIES = (
    Entry(
        name="sfnet-r18",
        factory="segbench.models.sfnet:sfnet_r18",
        family="SFNet",
        paper="SFNet (Li et al., ECCV 2020)",
        fidelity="official",
        resolutions=((1024, 2048), (720, 1280)),
        params=12_869_715,
        source="lxtGH/SFSegNets@ba475bafbfde7ce0caf94b3d839574ab0b9b953a",
        golden=(Golden("sfnet_r18"),),
        checkpoints=(
            Checkpoint(
                where="https://drive.google.com/file/d/1X7w1HYrSXOJBkfRJuxtXdmR0BXUR-hR8/view",
                keys="reference",
                dataset="cityscapes",
                classes=19,
                claimed_miou_percent="79.0",
            ),
        ),
        note="Stages 3 and 4 keep their strides, but their second convolutions are dilated by 2 and 4.",
    ),
    Entry(
        name="sfnet-lite-r18",
        title="SFNet-Lite (ResNet-18)",
        cite="sfnetlite",
        factory="segbench.models.sfnet:sfnet_lite_r18",
        family="SFNet",
        paper="SFNet-Lite (Li et al., IJCV 2023)",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=12_079_863,
        source="lxtGH/SFSegNets@ba475bafbfde7ce0caf94b3d839574ab0b9b953a",
        golden=(Golden("sfnet_lite_r18"),),
        checkpoints=(
            Checkpoint(
                "Google Drive 1ifpyw3qEAzpzzKL_mZANrXJ_WfcaIWre, linked in the repository's README",
                "layer0.0.*, head.flow_align_module.*",
                "Cityscapes",
                19,
            ),
        ),
        note="A lateral convolution and a head for training that the reference never calls in eval mode are left out.",
    ),
)
