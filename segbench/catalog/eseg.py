"""The networks of the ESeg paper that segbench builds: its own and its decoder on ResNet-50."""

from __future__ import annotations

from segbench.catalog.entry import Entry

_ESEG = "Meng et al., arXiv 2203.12683"


def _eseg(name: str, params: int, note: str, family: str = "ESeg", title: str = "") -> Entry:
    function = name.replace("-", "_")
    return Entry(
        name,
        f"segbench.models.eseg:{function}",
        family,
        _ESEG,
        "reconstruction",
        ((1024, 2048),),
        params,
        title=title,
        cite="eseg",
        searched="the paper's text: it names no code and no weights, and none are known",
        note=note,
    )


_LITE_NOTE = (
    "Costs are predicted, because the paper prints none for its Lite variants; "
    "it does not say which operators they use (options lite_ops, stem_channels)."
)


def _main_note(params: str, flops: str, error: str) -> str:
    return (
        f"No public code: params meet the printed {params} M; convolution MACs lie {error} % under its {flops} B, "
        "and within 0.3 % of them with half of the element-wise products added."
    )


ENTRIES = (
    _eseg("eseg-lite-s", 635_479, _LITE_NOTE, title="ESeg-Lite-S"),
    _eseg("eseg-lite-m", 1_588_041, _LITE_NOTE, title="ESeg-Lite-M"),
    _eseg("eseg-lite-l", 4_212_701, _LITE_NOTE, title="ESeg-Lite-L"),
    _eseg("eseg-s", 6_862_179, _main_note("6.9", "34.5", "1.6")),
    _eseg("eseg-m", 19_997_389, _main_note("20.0", "112", "1.3")),
    _eseg("eseg-l", 70_501_143, _main_note("70.5", "343", "0.8")),
    _eseg(
        "bifpn-resnet50",
        25_253_763,
        "ESeg-S's decoder on ResNet-50: convolution MACs lie 0.3 % under the printed 188.0 B; params are not printed.",
        family="BiFPN",
    ),
)
