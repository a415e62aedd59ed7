"""The networks of the MFPNet paper that segbench builds: its own and their ablations."""

from __future__ import annotations

from segbench.catalog.entry import Entry

_CITYSCAPES, _CAMVID, _CAMVID_LARGE = (512, 1024), (360, 480), (720, 960)
_INFERRED = (
    "reconstructed without public code: the paper gives the modules, widths and scales are inferred from its published "
    "costs, and the wiring of the SGCN and its 28x28 nodes are one of several readings that meet them"
)


def _entry(
    name: str,
    factory: str,
    params: int,
    note: str = _INFERRED,
    resolutions: tuple[tuple[int, int], ...] = (_CAMVID,),
    title: str = "",
) -> Entry:
    return Entry(
        name=name,
        title=title,
        factory=f"segbench.models.mfpnet:{factory}",
        searched=(
            "the paper's text, and repositories called MFPNet (others' networks): no public code of it "
            "is known, and no weights"
        ),
        family="MFPNet",
        paper="MFPNet, Xu et al. 2023 (arXiv 2309.04914)",
        fidelity="reconstruction",
        resolutions=resolutions,
        params=params,
        note=note,
    )


ENTRIES = (
    _entry("mfpnet", "mfpnet", 1_001_696, resolutions=(_CITYSCAPES, _CAMVID, _CAMVID_LARGE)),
    _entry(
        "mfpnet-no-sgcn",
        "mfpnet_no_sgcn",
        843_328,
        "reconstructed without public code: widths and scales are inferred from the paper's published costs, and plain "
        "skips in place of the SGCN are assumed",
        (_CITYSCAPES, _CAMVID),
        title="MFPNet (no SGCN)",
    ),
    _entry(
        "mfpnet-no-head",
        "mfpnet_no_head",
        999_824,
        f"{_INFERRED}; the classifier at half resolution is inferred",
        title="MFPNet (no head)",
    ),
    _entry(
        "mfpnet-se-head",
        "mfpnet_se_head",
        999_972,
        f"{_INFERRED}; so is the reduction (4) of the SE head",
        title="MFPNet (SE head)",
    ),
    _entry(
        "mfpnet-psp-head",
        "mfpnet_psp_head",
        1_000_112,
        f"{_INFERRED}; so are bins and widths of the PSP head",
        title="MFPNet (PSP head)",
    ),
    _entry(
        "mfpnet-1brm",
        "mfpnet_1brm",
        550_112,
        f"{_INFERRED}; the paper prints no costs of this ablation",
        title="MFPNet (1 BRM)",
    ),
    _entry(
        "mfpnet-dilation2",
        "mfpnet_dilation2",
        1_001_696,
        f"{_INFERRED}; the paper prints no costs of this ablation",
        title="MFPNet (dilation 2)",
    ),
)
