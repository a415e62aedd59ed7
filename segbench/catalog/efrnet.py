"""The networks of the EFRNet paper that segbench builds: its own and their ablations."""

from __future__ import annotations

from segbench.catalog.entry import Entry

_EFRNET = "EFRNet (Zhang et al., ICME 2021)"
_EFRNET_FACTORY = "segbench.models.efrnet:"
# Table 2 costs at 360x640, table 1 scores at 1024x2048.
_SIZES = ((360, 640), (1024, 2048))

ENTRIES = (
    Entry(
        name="efrnet",
        factory=_EFRNET_FACTORY + "efrnet",
        searched=(
            "the paper's text, names, code, issues and pages of public repositories: no public code of "
            "it is known, and no weights"
        ),
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=((360, 640), (720, 960), (1024, 2048)),
        params=478_022,
        note=(
            "Printed 0.48 M and 3.01 G (360x640) are met under ptflops-0.6.3 (478,022 and 3.0069 G); FFM1's skip, the "
            "blocks behind each FFM and all dilation rates are not in the text, and other configurations fit as well."
        ),
    ),
    Entry(
        name="efrnet-ffm1",
        title="EFRNet (FFM1)",
        factory=_EFRNET_FACTORY + "efrnet_ffm1",
        searched=(
            "the paper's text, names, code, issues and pages of public repositories: no public code of "
            "it is known, and no weights"
        ),
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=_SIZES,
        params=373_734,
        note="Ablation of table 1, for which the paper prints no cost: ENet with FFM1 for its last up-sampling.",
    ),
    Entry(
        name="efrnet-ffm1-ffm2",
        title="EFRNet (FFM1+FFM2)",
        factory=_EFRNET_FACTORY + "efrnet_ffm1_ffm2",
        searched=(
            "the paper's text, names, code, issues and pages of public repositories: no public code of "
            "it is known, and no weights"
        ),
        family="EFRNet",
        paper=_EFRNET,
        fidelity="reconstruction",
        resolutions=_SIZES,
        params=456_870,
        note="Ablation of table 1, for which the paper prints no cost: EFRNet without CARM.",
    ),
)
