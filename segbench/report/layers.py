"""Where a network's parameters and multiply-accumulates are: as a tree for the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from segbench.record import Record, down_to
from segbench.results import ModuleRow
from segbench.units import DASH, scaled

DEPTH = 2
COLUMNS = ("model", "height", "width", "path", "type", "depth", "params", "macs", "share", "output")


def layers_tree(record: Record, depth: int | None = DEPTH) -> Table:
    """A tree of a Record's modules with parameters, MACs, share and output shape; what costs nothing is dim."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("module", overflow="fold")
    for heading in ("params", "MACs", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("output", no_wrap=True)
    shown = down_to(record.modules or (), depth)
    for module, guide in zip(shown, _guides([module.depth for module in shown]), strict=True):
        name = module.path.rpartition(".")[2] or record.model
        label = Text(guide, style="dim")
        label.append(name, style="bold not dim" if not module.path else "not dim")
        label.append(f"  {module.type}", style="dim")
        table.add_row(
            label,
            scaled(module.params) if module.params else DASH,
            scaled(module.macs) if module.macs else DASH,
            f"{module.share:.1%}" if module.share else DASH,
            _shape(module) or DASH,
            style="" if module.macs or module.params else "dim",
        )
    return table


def _guides(depths: Sequence[int]) -> list[str]:
    """Branches before each row of a tree that is given by its levels in order."""
    guides = []
    for place, depth in enumerate(depths):
        parts = []
        for level in range(1, depth + 1):
            # Whether a later row continues this level before one closes it.
            following = next((later for later in depths[place + 1 :] if later <= level), 0)
            goes_on = following == level
            if level < depth:
                parts.append("│ " if goes_on else "  ")
            else:
                parts.append("├ " if goes_on else "└ ")
        guides.append("".join(parts))
    return guides


def _shape(module: ModuleRow) -> str:
    return "x".join(map(str, module.output or ()))


def layers_csv(records: Iterable[Record], depth: int | None = None) -> str:
    """One line for each module of each Record, in plain integers; ``output`` as ``1x19x512x1024``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        for module in down_to(record.modules or (), depth):
            writer.writerow(
                (
                    record.model,
                    *record.resolution,
                    module.path,
                    module.type,
                    module.depth,
                    module.params,
                    module.macs,
                    f"{module.share or 0:.6f}",
                    _shape(module),
                )
            )
    return out.getvalue()
