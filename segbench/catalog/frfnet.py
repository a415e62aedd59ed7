"""The networks of the FRFNet paper that segbench builds: its own and their ablations."""

from __future__ import annotations

from segbench.catalog.entry import Entry

_CITYSCAPES = (512, 1024)
_CAMVID = (360, 480)
_NOTE = "the architecture is not identifiable from the paper: many networks meet its printed costs"


def _entry(name: str, params: int, resolutions: tuple[tuple[int, int], ...], note: str, title: str) -> Entry:
    return Entry(
        name=name,
        title=title,
        factory=f"segbench.models.frfnet:{name.replace('-', '_')}",
        searched=(
            "the paper's text, and repositories called FRFNet (another network): no public code of it is "
            "known, and no weights"
        ),
        family="FRFNet",
        paper="FRFNet (Tan, arXiv 2021)",
        fidelity="reconstruction",
        resolutions=resolutions,
        params=params,
        note=note,
    )


_DANET = f"{_NOTE}; the printed FLOPs leave out the matrix products of the attention (0.726 GMACs at 512x1024)"
_ABLATION = f"{_NOTE}; Table 3 prints no cost, and FFM and SFM carry no parameters of their own"

ENTRIES = (
    _entry("frfnet", 4_002_479, (_CITYSCAPES, _CAMVID), _NOTE, "FRFNet"),
    _entry("frfnet-slim", 3_409_775, (_CITYSCAPES,), _NOTE, "FRFNet-slim"),
    _entry("frfnet-danet", 4_035_379, (_CITYSCAPES,), _DANET, "FRFNet-Danet"),
    _entry("frfnet-danet-slim", 3_442_675, (_CITYSCAPES,), _DANET, "FRFNet-Danet-slim"),
    _entry("frfnet-baseline", 3_994_095, (_CAMVID,), _ABLATION, "FRFNet (baseline)"),
    _entry("frfnet-msc", 4_002_479, (_CAMVID,), _ABLATION, "FRFNet (MSC)"),
    _entry("frfnet-msc-ffm", 4_002_479, (_CAMVID,), _ABLATION, "FRFNet (MSC+FFM)"),
)
