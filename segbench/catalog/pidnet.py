"""PIDNet: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Checkpoint, Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, on_google_drive
from segbench.resolution import SizeRule


def _pidnet(name: str, params: int, *checkpoints: Checkpoint) -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.pidnet:{factory}",
        family="PIDNet",
        paper="PIDNet, CVPR 2023",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=params,
        size_rule=SizeRule(8),  # coarse maps are resized to floor(H / 8), fine ones have ceil(H / 8) rows
        source="XuJiacong/PIDNet@4c158cf24ce432f0a8cb43364fae38d93cee0dc3",
        golden=(Golden(factory), Golden(f"{factory}_noaux")),
        checkpoints=checkpoints,
    )


ENTRIES = (
    _pidnet(
        "pidnet-s",
        7_625_715,
        on_google_drive("1JakgBam_GrzyUMp-NbEVVBPEIXLSCssH", "cityscapes", 19, "78.8"),
        on_google_drive("1h3IaUpssCnTWHiPEUkv-VgFmj86FkY3J", "camvid", 11, "80.1"),
    ),
    _pidnet(
        "pidnet-m",
        28_538_515,
        on_google_drive("1q0i4fVWmO7tpBKq_eOyIXe-mRf_hIS7q", "cityscapes", 19, "79.9"),
        on_google_drive("1rNGTc8LD42h8G3HaedtqwS0un4_-gEbB", "camvid", 11, "82.0"),
    ),
    _pidnet("pidnet-l", 36_939_571, on_google_drive("1AR8LHC3613EKwG23JdApfTGsyOAcH0_L", "cityscapes", 19, "80.9")),
)
