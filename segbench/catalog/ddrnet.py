"""DDRNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, on_google_drive
from segbench.resolution import SizeRule


def _ddrnet(name: str, params: int, *checkpoints: Checkpoint, note: str = "") -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        title=name.replace("ddrnet", "DDRNet"),
        factory=f"segbench.models.ddrnet:{factory}",
        family="DDRNet",
        paper="DDRNet, TITS 2022",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=params,
        size_rule=SizeRule(8),  # coarse maps are resized to floor(H / 8), fine ones have ceil(H / 8) rows
        source="ydhongHIT/DDRNet@de0db317c5af4b0946231f475cf74ca4f51b8ac2",
        golden=(Golden(factory), Golden(f"{factory}_aug")),
        checkpoints=checkpoints,
        searched="" if checkpoints else "README of ydhongHIT/DDRNet: of DDRNet-39 it links ImageNet weights alone",
        note=note,
    )


ENTRIES = (
    _ddrnet(
        "ddrnet-23-slim",
        5_695_987,
        on_google_drive("1d_K3Af5fKHYwxSo8HkxpnhiekhwovmiP", "cityscapes", 19, "77.8"),
        on_google_drive("1sh71nLdFKq1l89X3xyVO2J0d_3qBZui8", "camvid", 11, ""),
    ),
    _ddrnet("ddrnet-23", 20_148_947, on_google_drive("16viDZhbmuc3y7OSsUo2vhA7V6kYO0KX6", "cityscapes", 19, "79.5")),
    _ddrnet("ddrnet-39", 32_360_275, note="The authors released ImageNet weights, but none for segmentation."),
)
