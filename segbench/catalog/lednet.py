"""LEDNet: its catalog entry."""

from __future__ import annotations

from segbench.catalog.entry import UNIT_RANGE, Entry, Golden
from segbench.resolution import SizeRule

ENTRIES = (
    Entry(
        name="lednet",
        factory="segbench.models.lednet:lednet",
        searched="README and files of xiaoyufenfei/LEDNet: it names a folder of weights and keeps none",
        family="LEDNet",
        paper="LEDNet (Wang et al., ICIP 2019)",
        fidelity="official",
        resolutions=((1024, 2048), (512, 1024)),
        params=923_083,
        classes=20,
        size_rule=SizeRule(32),
        preprocessing=UNIT_RANGE,
        source="xiaoyufenfei/LEDNet@5d900d9cfabb3091c952b79be34246aea0608e42",
        golden=(Golden("lednet"),),
        note=(
            "The authors' code fixes 20 output channels (the 20th class is ignored pixels) and an output of 512x1024; "
            "its classifier of the encoder alone, 2,580 parameters that no inference reaches, is left out."
        ),
    ),
)
