"""BiSeNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_THREE_QUARTERS, on_google_drive

_SOURCE = "ycszen/TorchSeg@62eeb159aee77972048d9d7688a28249d3c56735"
_NOTE = (
    "By the paper's first author, whose code has one convolution in the spatial path and one in each attention "
    "refinement more than the paper's figure; the printed 5.8 M (Xception-39) and 49.0 M (ResNet-18) are near the MiB "
    "that this code's float32 weights take (5.88, 49.19)."
)

ENTRIES = (
    Entry(
        name="bisenet-xception39",
        factory="segbench.models.bisenet:bisenet_xception39",
        family="BiSeNet",
        paper="BiSeNet, ECCV 2018",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_THREE_QUARTERS),
        params=1_541_963,
        source=_SOURCE,
        golden=(Golden("bisenet_x39_torchseg"),),
        checkpoints=(
            on_google_drive("1hb_qk3QLwZtQUmevZUFOHNiRHhRr0IQB", "cityscapes", 19, "70.32"),
            on_google_drive("1xZEQLtJR-FSYt6ri7kfSTJ7UT9fXZtxc", "cityscapes", 19, "68.51"),
        ),
        note=_NOTE,
    ),
    Entry(
        name="bisenet-r18",
        factory="segbench.models.bisenet:bisenet_r18",
        family="BiSeNet",
        paper="BiSeNet, ECCV 2018",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_THREE_QUARTERS),
        params=12_894_163,
        source=_SOURCE,
        golden=(Golden("bisenet_r18_torchseg"),),
        checkpoints=(
            on_google_drive("1hFF-J9qoXlbVRRUr29aWeQpL4Lwn45mU", "cityscapes", 19, "76.28"),
            on_google_drive("1bLc7YC0qePcKZQTLrqsrNRnzx3cmC-1C", "cityscapes", 19, "74.83"),
        ),
        note=_NOTE,
    ),
)
