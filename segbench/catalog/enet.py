"""ENet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import UNIT_RANGE, Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES_MEAN

_ENET = "ENet (Paszke et al., arXiv 1606.02147)"

ENTRIES = (
    Entry(
        name="enet",
        factory="segbench.models.enet:enet",
        searched="README and files of xiaoyufenfei/Efficient-Segmentation-Networks: no weights",
        family="ENet",
        paper=_ENET,
        fidelity="port",
        resolutions=((360, 640), (360, 480), (1024, 2048)),
        params=360_422,
        live_params=357_990,
        preprocessing=CITYSCAPES_MEAN,
        source="xiaoyufenfei/Efficient-Segmentation-Networks@0f0c32e7af3463d381cb184a158ff60e16f7fb9a",
        note=(
            "EFRNet's baseline: printed 0.36 M and 1.91 G (360x640) are met under ptflops-0.6.3; a 128-channel "
            "projection to the classes is constructed and never called, and un-pooling is not deterministic on CUDA."
        ),
    ),
    Entry(
        name="enet-torch7",
        title="ENet (Torch7)",
        factory="segbench.models.enet:enet_torch7",
        family="ENet",
        paper=_ENET,
        fidelity="port",
        resolutions=((360, 640), (512, 1024), (1024, 2048)),
        params=351_660,
        preprocessing=UNIT_RANGE,
        source="davidtvs/PyTorch-ENet@e17d404e2f649a3476eabe39f8a05e5eb77c55fd",
        golden=(Golden("enet"),),
        checkpoints=(
            Checkpoint("save/ENet_Cityscapes/ENet in the repository", "regular1_1.*", "Cityscapes", 20, "59.5"),
            Checkpoint("save/ENet_CamVid/ENet in the repository", "regular1_1.*", "CamVid", 12, "52.1"),
        ),
        note=(
            "After the authors' Torch7 code: 2x2 pooling and transposed convolutions, an activation at every place; "
            "the released Cityscapes weights count 'unlabeled' as class 0, before road."
        ),
    ),
)
