"""What papers print for a network, as the foot of its profile: claimed figures, never mixed with measured ones."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from segbench.claims import Claim, load_claims
from segbench.record import Record
from segbench.resolution import show
from segbench.units import DASH

MOST_ROWS = 8


def claimed_table(record: Record) -> RenderableType | None:
    """The rows that papers print for the Record's network, those at its size first; None where there is none."""
    rows = list(dict.fromkeys(_cells(claim) for claim in _ordered(record)))
    if not rows:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for heading in ("in", "size", "data set"):
        table.add_column(heading)
    for heading in ("M params", "G FLOPs", "FPS"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("GPU", style="dim")
    table.add_column("mIoU %", justify="right", no_wrap=True)
    for row in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    title = Text("claimed: as printed, on the papers' own GPUs and under their own counting rules", style="dim")
    more = len(rows) - MOST_ROWS
    rest = [Text(f"and {more} more: segbench claims {record.model}", style="dim")] if more > 0 else []
    return Group(title, table, *rest)


def _ordered(record: Record) -> list[Claim]:
    """Rows with a figure: those at the Record's size first, those without a size and from running text last."""
    # Not by `load_claims(model=)`, which refuses names that no paper and no catalog has: a Record may have any.
    claims = [claim for claim in load_claims() if claim.model == record.model]
    figures = [claim for claim in claims if claim.params_m or claim.gflops or claim.fps or claim.miou_percent]
    return sorted(
        figures,
        key=lambda claim: (claim.size != record.resolution, not claim.table.isdigit(), claim.size is None),
    )


def _cells(claim: Claim) -> tuple[str, ...]:
    return (
        f"{claim.paper} {claim.where}",
        show(claim.size) if claim.size else DASH,
        f"{claim.dataset} {claim.split}".strip() or DASH,
        *(str(figure or DASH) for figure in (claim.params_m, claim.gflops, claim.fps)),
        claim.gpu if claim.fps else "",
        str(claim.miou_percent or DASH),
    )
