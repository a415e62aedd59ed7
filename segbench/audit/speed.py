"""Printed FPS against the card's peak: what rate of arithmetic they imply. Imports no torch.

A frame of a network takes 2 operations for each multiply-accumulate that reaches its output. At the printed FPS that is
a rate, held here against what the card could do at its rated boost clock in FP32, the precision that these papers do
not state and that PyTorch has by default. Two bounds: every layer by direct convolution, and every layer that takes
Winograd's algorithm by F(4), which multiplies least (`segbench.counting.winograd`). Cards run above their rated clock,
so that ``beyond`` is said only where the share is above 1 at the highest clock known, too.

Bytes bound a frame as well: the image, one class index of a byte for each pixel of the result, and the parameters where
the last-level cache cannot hold them. Activations do not, because fused layers need not write them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from segbench.audit.counts import Counts
from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim
from segbench.claims.provenance import source_of
from segbench.counting.winograd import multiplications
from segbench.gpus import Gpu, Precision, cards_of
from segbench.resolution import show

BEYOND_DIRECT = "beyond direct convolution: needs a fast algorithm or lower precision"
BEYOND_WINOGRAD = "beyond Winograd F(4) too, on every card that the print may mean"
NO_SIZE = "no size printed: nothing to hold it against"
NO_CARD = "no GPU printed: nothing to hold it against"
UNKNOWN_CARD = "a GPU that segbench has no data of"
NOT_BUILT = "the network is not built"

BYTES = {"fp32": 4, "fp16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one frame must do.

    Attributes:
        macs: multiply-accumulates that reach the output.
        macs_3x3: of them, those in dense layers of stride 1 with a 3x3 kernel, dilated or not.
        macs_3x1: the same with a 3x1 or 1x3 kernel.
        params: parameters that reach the output.
        size: height and width.
    """

    macs: int
    macs_3x3: int
    macs_3x1: int
    params: int
    size: tuple[int, int]

    def operations(self, tile: int) -> float:
        """Two for each multiplication, by direct convolution (1) or Winograd's F(2) or F(4)."""
        return 2 * multiplications(self.macs, self.macs_3x3, self.macs_3x1, tile)

    def bytes_moved(self, gpu: Gpu, precision: Precision = "fp32") -> int:
        """Bytes between memory and chip: image, class indices, and parameters that the last-level cache cannot hold."""
        height, width = self.size
        weights = self.params * BYTES[precision]
        kept = weights <= gpu.last_level_cache_kib * 1024
        return 3 * height * width * BYTES[precision] + height * width + (0 if kept else weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedJudgement:
    """A printed FPS on one card that the print may mean; every share follows from the values beside it.

    Attributes:
        paper: with the next three, the row.
        table: number of the table, or where else it stands.
        model: catalog name.
        dataset: as in the claim.
        printed: FPS as printed.
        gpu: as printed.
        card: name in `segbench.gpus.GPUS`; empty where there is none.
        resolution: height and width; None where neither the paper nor the figure's source names one.
        resolution_of: ``paper`` or ``source``.
        precision: of the peak.
        peak_tflops: at the rated boost clock.
        boost_mhz: rated.
        highest_mhz: the highest clock that is known.
        bandwidth_gb_s: of the card's memory.
        macs: multiply-accumulates of a frame that reach the output.
        macs_3x3: of them, in layers that Winograd's algorithm computes with 2.25 or 4 times fewer multiplications.
        macs_3x1: of them, with 1.5 or 2 times fewer.
        bytes: that must move for a frame.
        share_direct: of the peak, by direct convolution.
        share_winograd_f2: of the peak, by Winograd's F(2) where it applies.
        share_winograd: of the peak, by Winograd's F(4) where it applies: the least of the three.
        share_bytes: of the bandwidth.
        verdict: what that says.
        note: doubts about the row.
    """

    paper: str
    table: str
    model: str
    dataset: str
    printed: str
    gpu: str
    card: str = ""
    resolution: tuple[int, int] | None = None
    resolution_of: str = ""
    precision: Precision = "fp32"
    peak_tflops: float | None = None
    boost_mhz: int | None = None
    highest_mhz: int | None = None
    bandwidth_gb_s: float | None = None
    macs: int | None = None
    macs_3x3: int | None = None
    macs_3x1: int | None = None
    bytes: int | None = None
    share_direct: float | None = None
    share_winograd_f2: float | None = None
    share_winograd: float | None = None
    share_bytes: float | None = None
    verdict: str = ""
    note: str = ""

    def beyond(self, share: float | None) -> bool:
        """Whether a share of the peak is above 1 at the highest clock known, too."""
        if share is None or not self.boost_mhz or not self.highest_mhz:
            return False
        return share * self.boost_mhz / self.highest_mhz > 1

    def to_json(self) -> dict[str, Any]:
        """As JSON types; the printed figure stays text."""
        return {**asdict(self), "resolution": list(self.resolution) if self.resolution else None}


def judge_speed(claims: Iterable[Claim], counts: Counts) -> list[SpeedJudgement]:
    """Hold every printed FPS among `claims` against each card that its print may mean.

    Args:
        claims: as from `segbench.claims.select`.
        counts: of the networks.
    """
    rows: list[SpeedJudgement] = []
    for claim in claims:
        if claim.fps is not None and claim.model:
            rows += _rows(claim, counts)
    return list(dict.fromkeys(rows))


def summary(rows: Iterable[SpeedJudgement]) -> str:
    """One line that a person can quote: how many printed figures, and what of them is beyond."""
    by_figure: dict[tuple[object, ...], list[SpeedJudgement]] = {}
    for row in rows:
        by_figure.setdefault((row.paper, row.table, row.model, row.dataset, row.printed, row.resolution), []).append(
            row
        )
    kinds = Counter(_kind(items) for items in by_figure.values())
    return f"{len(by_figure)} printed FPS: " + ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())


def _kind(rows: list[SpeedJudgement]) -> str:
    """What the row of the card that it asks least of says."""
    least = min(rows, key=lambda row: row.share_direct or 0)
    if least.share_direct is None:
        return least.verdict.partition(":")[0]
    return "within the roof" if least.verdict.endswith("roof") else least.verdict.partition(":")[0]


def _size_of_source(claim: Claim) -> tuple[int, int] | None:
    """Height and width in the source of the FPS, or else in that of the row's cost, as the audit of costs takes it."""
    source = source_of(claim, "fps")
    if source is None:
        cost = source_of(claim, "flops")
        source = cost if cost is not None and cost.evidence_kind != "count" else None
    return source.size if source else None


def _rows(claim: Claim, counts: Counts) -> list[SpeedJudgement]:
    row = SpeedJudgement(
        paper=claim.paper,
        table=claim.table,
        model=claim.model,
        dataset=claim.dataset,
        printed=str(claim.fps),
        gpu=claim.gpu,
        note=claim.note,
    )
    cards = cards_of(claim.gpu)
    named = claim.size or _size_of_source(claim)
    if claim.model not in CATALOG:
        return [replace(row, verdict=NOT_BUILT)]
    if not cards:
        return [replace(row, verdict=UNKNOWN_CARD if claim.gpu.strip("* ") else NO_CARD)]
    if named is None:
        return [replace(row, card=gpu.name, verdict=NO_SIZE) for gpu in cards]
    size = CATALOG[claim.model].size_rule.nearest(named)
    work = work_of(claim.model, DATASET_CLASSES.get(claim.dataset, 19), size, counts)
    if work is None:
        return []
    row = replace(row, resolution=size, resolution_of="paper" if claim.size else "source")
    return list(_with_verdicts([_on(row, work, gpu) for gpu in cards]))


def work_of(model: str, classes: int, size: tuple[int, int], counts: Counts) -> Work | None:
    """The work of a frame of a catalog network; None where it is not known and not to be counted."""
    record = counts.record(model, classes, size)
    if record is None or record.live_params is None or "live-macs-3x3" not in record.operations:
        return None
    live, of_3x3, of_3x1 = (record.operations[f"live-macs{kind}"] for kind in ("", "-3x3", "-3x1"))
    return Work(macs=live, macs_3x3=of_3x3, macs_3x1=of_3x1, params=record.live_params, size=size)


def _on(row: SpeedJudgement, work: Work, gpu: Gpu) -> SpeedJudgement:
    fps, peak, moved = float(row.printed), gpu.peak_flops(row.precision), work.bytes_moved(gpu, row.precision)
    direct, f2, f4 = (fps * work.operations(tile) / peak for tile in (1, 2, 4))
    return replace(
        row,
        card=gpu.name,
        peak_tflops=peak / 1e12,
        boost_mhz=gpu.boost_mhz,
        highest_mhz=gpu.highest_mhz,
        bandwidth_gb_s=gpu.bandwidth_gb_s,
        macs=work.macs,
        macs_3x3=work.macs_3x3,
        macs_3x1=work.macs_3x1,
        bytes=moved,
        share_direct=direct,
        share_winograd_f2=f2,
        share_winograd=f4,
        share_bytes=fps * moved / (1e9 * gpu.bandwidth_gb_s),
    )


def _with_verdicts(rows: list[SpeedJudgement]) -> Iterator[SpeedJudgement]:
    everywhere = all(row.beyond(row.share_winograd) for row in rows)
    for row in rows:
        if everywhere:
            verdict = BEYOND_WINOGRAD
        elif row.beyond(row.share_direct):
            verdict = BEYOND_DIRECT
        else:
            verdict = f"{max(row.share_direct or 0, row.share_bytes or 0):.0%} of the roof".replace("%", " %")
        yield replace(row, verdict=verdict)


def sizes_of(row: SpeedJudgement) -> str:
    """The size, and whose it is, in words."""
    if row.resolution is None:
        return "not printed"
    return show(row.resolution) + (" (its source's)" if row.resolution_of == "source" else "")
