"""Lawin: its catalog entries."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF
from segbench.resolution import SizeRule

_LAWIN = "Lawin (Yan et al., arXiv 2022)"
_LAWIN_SOURCE = "yan-hao-tian/lawin@0fe2ffa7b41850572e23c61b2cb60ebf305313d8"
_LAWIN_NOTE = (
    "The authors published the decoder alone, so its encoder is mmsegmentation's; here the map is pooled once for all "
    "large windows, there each window by itself, for the same result."
)

ENTRIES = (
    Entry(
        name="lawin",
        factory="segbench.models.lawin:lawin",
        searched=(
            "README of yan-hao-tian/lawin: it links Lawin-MaskFormer and -Mask2Former with Swin, none of this form"
        ),
        family="Lawin",
        paper=_LAWIN,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=87_432_707,
        size_rule=SizeRule(64),
        source=_LAWIN_SOURCE,
        golden=(Golden("lawin_mit_b5"),),
        note=_LAWIN_NOTE,
    ),
    Entry(
        name="lawin-mit-b2",
        factory="segbench.models.lawin:lawin_mit_b2",
        searched=(
            "README of yan-hao-tian/lawin: it links Lawin-MaskFormer and -Mask2Former with Swin, none of this form"
        ),
        family="Lawin",
        paper=_LAWIN,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=30_185_987,
        size_rule=SizeRule(64),
        source=_LAWIN_SOURCE,
        golden=(Golden("lawin_mit_b2"),),
        note=_LAWIN_NOTE,
    ),
)
