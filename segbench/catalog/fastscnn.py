"""Fast-SCNN: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="fastscnn",
        factory="segbench.models.fastscnn:fastscnn",
        family="Fast-SCNN",
        paper="Fast-SCNN, BMVC 2019",
        fidelity="port",
        resolutions=((1024, 2048), (512, 1024)),
        params=1_138_051,
        size_rule=SizeRule(32),
        source="Tramac/Fast-SCNN-pytorch@0638517d359ae1664a27dfb2cd1780a40a06c465",
        golden=(Golden("fastscnn"),),
        checkpoints=(
            Checkpoint(
                "weights/fast_scnn_citys.pth of the port's repository",
                "the port's; no auxiliary head",
                "Cityscapes",
                19,
                "54.84 (val, of the port)",
            ),
        ),
        note=(
            "As the port has it: no padding in the first convolution, no dilation in the fusion. A few sizes beside "
            "multiples of 32 (from 5 below to 2 above) pass in the reference and are rejected here."
        ),
    ),
)
