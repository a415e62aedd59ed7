"""Where a network's parameters and multiply-accumulates are: as a tree for the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich import box
from rich.table import Table
from rich.text import Text

from segbench.records.record import Record, down_to
from segbench.records.results import LayerTiming, ModuleRow
from segbench.units import DASH, scaled, significant

DEPTH = 2
_LEAST_FOLDED = 2
ALIKE = 0.1
SLOWEST = 10
COLUMNS = (
    *("model", "height", "width", "path", "type", "depth", "params", "macs", "share", "output"),
    *("time_ms", "time_share"),
)


def layers_tree(record: Record, depth: int | None = DEPTH) -> Table:
    """A tree of a Record's modules with parameters, MACs, share and output shape.

    Leaves without MACs, such as normalisations and activations, are one line for each module that holds them.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("module", overflow="fold")
    for heading in ("params", "MACs", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("output", no_wrap=True)
    shown, folded = _folded(down_to(record.modules or (), depth), record.modules or ())
    for module, guide in zip(shown, _guides([module.depth for module in shown]), strict=True):
        if module.path in folded:
            label = Text(f"{guide}{folded[module.path]}", style="dim")
            table.add_row(label, scaled(module.params) if module.params else DASH, DASH, DASH, DASH, style="dim")
            continue
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


def _folded(shown: Sequence[ModuleRow], rows: Sequence[ModuleRow]) -> tuple[list[ModuleRow], dict[str, str]]:
    """The rows of a tree, and by the path of those that stand for several leaves without MACs what these are."""
    outer = {row.path.rpartition(".")[0] for row in rows if row.path}
    idle: dict[str, list[ModuleRow]] = {}
    for row in shown:
        if row.path and row.path not in outer and not row.macs:
            idle.setdefault(row.path.rpartition(".")[0], []).append(row)
    kept, names = [], {}
    for row in shown:
        siblings = idle.get(row.path.rpartition(".")[0], [])
        if row not in siblings or len(siblings) < _LEAST_FOLDED:
            kept.append(row)
        elif row is siblings[0]:
            kept.append(replace(row, params=sum(item.params or 0 for item in siblings)))
            counts = Counter(item.type for item in siblings)
            names[row.path] = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    return kept, names


def heaviest_table(record: Record, count: int) -> Table:
    """The leaves of most MACs, then the sum of the others."""
    rows = record.modules or ()
    outer = {row.path.rpartition(".")[0] for row in rows if row.path}
    leaves = sorted((row for row in rows if row.path not in outer), key=lambda row: -(row.macs or 0))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("modules of most MACs", overflow="fold")
    for heading in ("params", "MACs", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("output", no_wrap=True)
    for row in leaves[:count]:
        label = Text(row.path or record.model)
        label.append(f"  {row.type}", style="dim")
        params = scaled(row.params) if row.params else DASH
        table.add_row(label, params, *_macs(row.macs or 0, row.share or 0.0), _shape(row) or DASH)
    if rest := leaves[count:]:
        params = scaled(sum(row.params or 0 for row in rest))
        share = sum(row.share or 0.0 for row in rest)
        table.add_row(f"{len(rest)} other modules", params, *_macs(sum(row.macs or 0 for row in rest), share), DASH)
    return table


def slowest_table(record: Record, timing: LayerTiming, count: int = SLOWEST) -> Table:
    """The leaves that take longest, slowest first, with their MACs; then the other leaves, and what no leaf took.

    The three add up to the frame, from which the cost of hooks is taken off; the caption says what that was, and warns
    where the frame without hooks took another time.
    """
    rows = record.modules or ()
    outer = {row.path.rpartition(".")[0] for row in rows if row.path}
    leaves = sorted((row for row in rows if row.path not in outer), key=lambda row: -(row.time_ms or 0.0))
    caption = (
        f"mean of {timing.frames} frames of {significant(timing.frame_ms)} ms with marks around every module, less "
        f"{significant(timing.hooks_ms)} ms of the marks' own; {significant(timing.plain_ms)} ms without them"
    )
    ratio = timing.frame_ms / timing.plain_ms if timing.plain_ms else 1.0
    if abs(ratio - 1) > ALIKE:
        caption += f". Warning: the two differ, by a ratio of {ratio:.2f}, so these times are rough"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, caption=caption)
    table.caption_justify = "left"
    table.add_column("slowest modules", overflow="fold")
    for heading in ("ms", "share", "MACs", "share of MACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in leaves[:count]:
        label = Text(row.path)
        label.append(f"  {row.type}", style="dim")
        table.add_row(label, *_time(row.time_ms or 0.0, timing), *_macs(row.macs or 0, row.share or 0.0))
    rest = leaves[count:]
    macs, share = sum(row.macs or 0 for row in rest), sum(row.share or 0.0 for row in rest)
    table.add_row(
        f"{len(rest)} other modules", *_time(sum(row.time_ms or 0.0 for row in rest), timing), *_macs(macs, share)
    )
    table.add_row("between modules", *_time(timing.between_modules_ms, timing), DASH, DASH)
    return table


def _time(milliseconds: float, timing: LayerTiming) -> tuple[str, str]:
    return significant(milliseconds), f"{milliseconds / timing.frame_ms:.1%}" if timing.frame_ms else DASH


def _macs(macs: int, share: float) -> tuple[str, str]:
    return scaled(macs) if macs else DASH, f"{share:.1%}" if share else DASH


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
                    *("" if value is None else f"{value:.6g}" for value in (module.time_ms, module.time_share)),
                )
            )
    return out.getvalue()
