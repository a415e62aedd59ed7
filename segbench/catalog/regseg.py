"""RegSeg: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden

_REGSEG_WEIGHTS = "https://github.com/RolandGao/RegSeg/releases/download/v1.0-alpha/cityscapes_exp48_decoder26_"

ENTRIES = (
    Entry(
        name="regseg",
        factory="segbench.models.regseg:regseg",
        family="RegSeg",
        paper="RegSeg, arXiv 2111.09957 (2021)",
        fidelity="official",
        resolutions=((1024, 2048), (512, 1024)),
        params=3_334_951,
        source="RolandGao/RegSeg@0f61c66dd9fa1bbf751a44732d9b333fdb1945b4",
        golden=(Golden("regseg"),),
        checkpoints=(
            Checkpoint(
                _REGSEG_WEIGHTS + "trainval_1000_epochs_1024_crop_bootstrapped_run1",
                "the authors'",
                "Cityscapes",
                19,
                "78.3 (test)",
            ),
            *(
                Checkpoint(
                    _REGSEG_WEIGHTS + f"train_1000_epochs_run{run}", "the authors'", "Cityscapes", 19, f"{miou} (val)"
                )
                for run, miou in enumerate(("77.76", "78.85", "78.07"), start=1)
            ),
        ),
    ),
)
