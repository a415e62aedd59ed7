"""STDC: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES_HALF, CITYSCAPES_THREE_QUARTERS


def _stdc(name: str, params: int, miou_half_size: str, miou_three_quarters: str) -> Entry:
    factory = name.replace("-", "_")
    folder = "https://drive.google.com/drive/folders/1wROFwRt8qWHD4jSo8Zu1gp1d6oYJ3ns1"
    weights = f"{folder} ({name.replace('stdc', 'STDC').replace('seg', 'Seg')}/model_maxmIOU"
    return Entry(
        name=name,
        title=name.replace("stdc", "STDC").replace("seg", "Seg"),
        factory=f"segbench.models.stdc:{factory}",
        family="STDC",
        paper="STDC-Seg, CVPR 2021",
        fidelity="official",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES_THREE_QUARTERS),
        params=params,
        source="MichaelFan01/STDC-Seg@59ff37fbd693b99972c76fcefe97caa14aeb619f",
        golden=(Golden(factory),),
        checkpoints=(
            Checkpoint(f"{weights}50.pth, for 512x1024)", "reference", "cityscapes", 19, miou_half_size),
            Checkpoint(f"{weights}75.pth, for 768x1536)", "reference", "cityscapes", 19, miou_three_quarters),
        ),
        note=(
            "The authors' network also runs its training heads in eval mode and carries its backbone's classifier: "
            "both are left out, as in their TensorRT version."
        ),
    )


ENTRIES = (
    _stdc("stdc1-seg", 8_275_104, "72.22", "74.50"),
    _stdc("stdc2-seg", 12_305_568, "74.24", "77.04"),
)
