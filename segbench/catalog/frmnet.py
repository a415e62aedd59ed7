"""The networks of the FRMNet paper that segbench builds: its own and their ablations."""

from __future__ import annotations

from segbench.catalog.entry import Entry

_PAPER = "FRMNet (Wang et al., arXiv 2412.08670)"
_SIZES = ((1024, 2048), (720, 1280))

ENTRIES = (
    Entry(
        name="frmnet",
        factory="segbench.models.frmnet:frmnet",
        searched="the paper's text, repository names and the web: no public code of it is known, and no weights",
        family="FRMNet",
        paper=_PAPER,
        fidelity="reconstruction",
        resolutions=_SIZES,
        params=16_477_525,
        note=(
            "Printed 16.48 M and 214.82 G (1024x2048) are met, 94.55 G (720x1280) is missed by 0.007 % "
            "(94.557 under ptflops-0.6.9); flow alignment, key/value pooling and FFN width are inferred from them."
        ),
    ),
    Entry(
        name="frmnet-ppm",
        title="FRMNet (PPM)",
        factory="segbench.models.frmnet:frmnet_ppm",
        searched="the paper's text, repository names and the web: no public code of it is known, and no weights",
        family="FRMNet",
        paper=_PAPER,
        fidelity="exact",
        resolutions=_SIZES,
        params=15_229_395,
        note=(
            "Ablation of table 2: printed 15.23 M and 213.21 G are met under ptflops-0.6.9 with SFNet's PPM and its "
            "flow-aligned head, which the text does not name."
        ),
    ),
    Entry(
        name="frmnet-dappm",
        title="FRMNet (DAPPM)",
        factory="segbench.models.frmnet:frmnet_dappm",
        searched="the paper's text, repository names and the web: no public code of it is known, and no weights",
        family="FRMNet",
        paper=_PAPER,
        fidelity="exact",
        resolutions=_SIZES,
        params=15_979_987,
        note=(
            "Ablation of table 2: printed 15.98 M and 214.81 G are met under ptflops-0.6.9, which skips SyncBatchNorm "
            "(with ordinary batch normalisation 214.827 G)."
        ),
    ),
)
