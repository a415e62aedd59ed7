"""CABiNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

_CABINET = "CABiNet, ICRA 2021"
_CABINET_SINCE_2026 = "dronefreak/CABiNet@331e58f31e5ce3c1d429e2d7ecb28b65d90e5622"


def _cabinet_rewrite(size: str, params: int, *checkpoints: Checkpoint) -> Entry:
    return Entry(
        name=f"cabinet-{size}",
        title=f"CABiNet-{size} (2026 code)",
        factory=f"segbench.models.cabinet_rewrite:cabinet_{size}",
        family="CABiNet",
        paper=_CABINET,
        fidelity="port",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=params,
        source=_CABINET_SINCE_2026,
        golden=(Golden(f"cabinet_head_{size}"),),
        checkpoints=checkpoints,
        note="Not the paper's network but a rewrite of 2026 in its first author's repository.",
    )


def _on_hub(name: str, dataset: str, classes: int, miou: str) -> Checkpoint:
    return Checkpoint(f"https://huggingface.co/dronefreak/{name}", "reference", dataset, classes, miou)


ENTRIES = (
    _cabinet_rewrite("small", 3_443_041, _on_hub("cabinet-mobilenetv3-small-uavid", "UAVid", 8, "66.84 (test)")),
    _cabinet_rewrite(
        "large",
        6_372_721,
        _on_hub("cabinet-mobilenetv3-large-uavid", "UAVid", 8, "68.60 (test)"),
        _on_hub("cabinet-mobilenetv3-large-vdd", "VDD", 7, "77.76 (test)"),
        _on_hub("aeroscapes-cabinet-mobilenetv3-large", "AeroScapes", 12, "67.83 (val)"),
    ),
)
