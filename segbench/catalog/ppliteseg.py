"""PP-LiteSeg: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden, Preprocessing
from segbench.catalog.shared import CITYSCAPES_HALF, CITYSCAPES_THREE_QUARTERS, PADDLESEG, paddle

# What PaddleSeg's Normalize does where a configuration does not say otherwise.
_PADDLE_DEFAULT = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _pp_liteseg(name: str, params: int, stdc: str, miou: tuple[str, str, str], camvid_miou: str) -> Entry:
    cityscapes = [
        paddle(f"cityscapes/pp_liteseg_{stdc}_cityscapes_1024x512_scale{scale}_160k", "Cityscapes", 19, percent)
        for scale, percent in zip(("0.5", "0.75", "1.0"), miou, strict=True)
    ]
    camvid = paddle(f"camvid/pp_liteseg_{stdc}_camvid_960x720_10k", "CamVid", 11, camvid_miou)
    factory = name.replace("-", "_")
    return Entry(
        name=name,
        factory=f"segbench.models.ppliteseg:{factory}",
        family="PP-LiteSeg",
        paper="PP-LiteSeg, arXiv 2022",
        fidelity="official",
        resolutions=(CITYSCAPES_HALF, CITYSCAPES_THREE_QUARTERS),
        params=params,
        preprocessing=_PADDLE_DEFAULT,
        source=PADDLESEG,
        golden=(Golden(factory),),
        checkpoints=(*cityscapes, camvid),
        note="Its STDC averages without the padding, as Paddle does by default; that of STDC-Seg counts it.",
    )


ENTRIES = (
    _pp_liteseg("pp-liteseg-t", 8_028_320, "stdc1", ("73.10", "76.03", "77.04"), "73.30"),
    _pp_liteseg("pp-liteseg-b", 12_234_752, "stdc2", ("75.25", "78.75", "79.04"), "75.10"),
)
