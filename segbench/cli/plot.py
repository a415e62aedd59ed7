"""``segbench plot``: one quantity against another over Records and the published costs; nothing is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from segbench.cli import options
from segbench.cli.output import console, progress_console
from segbench.cli.table import Networks, NoPublished, Paths, Sort, Top, WhereOption
from segbench.files import require_unread, require_writable_file
from segbench.units import plural


def plot(
    paths: Paths = None,
    networks: Networks = None,
    where: WhereOption = None,
    sort: Sort = None,
    top: Top = None,
    x: Annotated[str, typer.Option("--x", metavar="COLUMN", help="Across.")] = "macs",
    y: Annotated[str, typer.Option("--y", metavar="COLUMN", help="Upwards.")] = "miou",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="What stands beside each point.")] = "network",
    highlight: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Draw the others grey.", show_default=False)
    ] = None,
    miou: options.ReportedMiou = None,
    dataset: options.ReportedDataset = None,
    split: options.ReportedSplit = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The plot, in the format of its ending: .pdf, .svg or .png; plots/<y>-<x> as PDF and SVG without it.",
            show_default=False,
        ),
    ] = None,
    style: options.Style = "screen",
    no_published: NoPublished = False,
) -> None:
    """Plot one column against another; claimed figures are hollow, measured ones filled.

    Example: segbench plot --networks enet,bisenetv2,mfpnet --x macs --y miou --out f.pdf
    """
    with progress_console().status("drawing"):
        from segbench.report.comparison import STYLES, check_style
        from segbench.report.self_reported import self_reported
        from segbench.selection import choosing
        from segbench.selection.chosen_plot import NEEDED, axis_column, check_ending, check_highlight, write_plot
        from segbench.selection.columns import COLUMNS, find_column
        from segbench.selection.where import Where

        check_style(style)
        across, upwards, named = axis_column(x), axis_column(y), find_column(label)
        folder = Path("plots")
        files = (
            [folder / f"{upwards.name}-{across.name}.{ending}" for ending in ("pdf", "svg")] if out is None else [out]
        )
        for file in files:
            check_ending(file)
            require_unread([("--out", file)], paths or [])
            require_writable_file(file)
        choice = choosing.Choice(
            choosing.comma_separated(networks),
            [Where(text) for text in where or []],
            choosing.comma_separated(sort),
            top,
        )
        rows = choosing.gather(
            paths or [],
            published=not no_published,
            report=lambda networks: self_reported(miou or [], dataset, split, networks),
        )
        frame = choosing.chosen(rows, choice, [across, upwards, named, *(COLUMNS[name] for name in NEEDED)])
        wanted = check_highlight(choosing.comma_separated(highlight), frame)
        notes = [*choosing.not_shown(rows), *choosing.unlike(frame, [across, upwards])[1]]
        drawn = write_plot(frame, across, upwards, named, wanted, files, paper=STYLES[style])
    for note in notes:
        print(f"segbench: note: {note}", file=sys.stderr)
    missing = f"; {drawn.left_out} without {across.name} or {upwards.name} left out" if drawn.left_out else ""
    why = f"; {drawn.frontier}" if drawn.frontier else ""
    console().print(
        f"{plural(drawn.points, 'point')} in {' and '.join(map(str, files))}{missing}{why}",
        markup=False,
    )
