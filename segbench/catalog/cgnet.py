"""CGNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden, Preprocessing

# CGNet's loader subtracts it after that reversal: the red mean from blue, and the blue one from red.
_CITYSCAPES_MEAN_REVERSED = Preprocessing(mean=(72.39239876, 82.90891754, 73.15835921), std=(1.0, 1.0, 1.0), scale=1.0)

ENTRIES = (
    Entry(
        name="cgnet",
        factory="segbench.models.cgnet:cgnet",
        family="CGNet",
        paper="CGNet (Wu et al., IEEE TIP 2021)",
        fidelity="official",
        resolutions=((360, 640), (1024, 2048), (512, 1024)),
        params=496_306,
        preprocessing=_CITYSCAPES_MEAN_REVERSED,
        source="wutianyiRosun/CGNet@cfccea377a6f0a659e807e8759c82dbffba02d7f",
        golden=(Golden("cgnet"),),
        checkpoints=(
            Checkpoint("pan.baidu.com/s/1rilPxLqBH57_sLg0Lc1--Q (train)", "model: module.level1_0.*", "Cityscapes", 19),
            Checkpoint(
                "pan.baidu.com/s/1x7LEunjweoDvb_-xNQmFAg (train+val)",
                "model: module.level1_0.*",
                "Cityscapes",
                19,
                "64.8",
            ),
            Checkpoint("pan.baidu.com/s/1gH6pI3jFmtlBgjgLUCjVvA", "model: module.level1_0.*", "CamVid", 11),
        ),
    ),
)
