"""CABiNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import Entry, Golden
from segbench.catalog.shared import CITYSCAPES, CITYSCAPES_HALF

_CABINET = "CABiNet, ICRA 2021"

ENTRIES = (
    Entry(
        name="cabinet",
        factory="segbench.models.cabinet:cabinet",
        searched="dronefreak/CABiNet: no weights of this form are known",
        family="CABiNet",
        paper=_CABINET,
        fidelity="official",
        resolutions=(CITYSCAPES, CITYSCAPES_HALF),
        params=2_584_864,
        source="dronefreak/CABiNet@abfff8a5a0ec25213f3d6e25c0d30120632551aa",
        golden=(Golden("cabinet_2021"),),
        note=(
            "The authors' code of 2021, the closest to the paper: the softmax of its feature fusion is constant, and "
            "queries and keys are one projection that runs twice. The authors released no weights of it."
        ),
    ),
)
