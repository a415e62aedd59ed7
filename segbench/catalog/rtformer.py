"""RTFormer: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF, PADDLESEG, paddle


def _rtformer(name: str, params: int, cityscapes_miou: str, ade20k_miou: str, note: str = "") -> Entry:
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        title=name.replace("rtformer", "RTFormer").replace("slim", "Slim").replace("base", "Base"),
        factory=f"segbench.models.rtformer:{factory}",
        family="RTFormer",
        paper="RTFormer, NeurIPS 2022",
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=params,
        source=PADDLESEG,
        golden=(Golden(factory),),
        checkpoints=(
            paddle(f"cityscapes/{factory}_cityscapes_1024x512_120k", "Cityscapes", 19, cityscapes_miou),
            paddle(f"ade20k/{factory}_ade20k_512x512_160k", "ADE20K", 150, ade20k_miou),
        ),
        note=note,
    )


ENTRIES = (
    _rtformer("rtformer-slim", 5_365_043, "76.31", "36.67"),
    _rtformer(
        "rtformer-base",
        17_765_971,
        "79.24",
        "42.02",
        note="FRMNet's comparison prints 16.8 M parameters; the authors' code has 17.77 M.",
    ),
)
