"""``segbench plot``: one quantity against another over Records and the published costs; nothing is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.output import console, progress_console
from segbench.cli.table import Networks, NoPublished, Paths, Sort, Top, WhereOption, check_file


def plot(
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="The plot, in the format of its ending: .pdf, .svg or .png.")
    ],
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
    no_published: NoPublished = False,
) -> None:
    """Plot one column against another; claimed figures are hollow, measured ones filled.

    Example: segbench plot --networks enet,bisenetv2,mfpnet --x macs --y miou --out f.pdf
    """
    with progress_console().status("drawing"):
        from segbench.selection import choosing
        from segbench.selection.chosen_plot import axis_column, check_ending, check_highlight, write_plot
        from segbench.selection.columns import COLUMNS, find_column
        from segbench.selection.where import Where

        check_ending(out)
        check_file(out)
        across, upwards, named = axis_column(x), axis_column(y), find_column(label)
        names = choosing.comma_separated(networks)
        choice = choosing.Choice(names, [Where(text) for text in where or []], choosing.comma_separated(sort), top)
        needed = [across, upwards, named, *(COLUMNS[name] for name in ("source", "network", "resolution", "miou_is"))]
        frame = choosing.chosen(choosing.gather(paths or [], published=not no_published), choice, needed)
        wanted = check_highlight(choosing.comma_separated(highlight), frame)
        drawn, left_out = write_plot(frame, across, upwards, named, wanted, out)
    missing = f"; {left_out} without {across.name} or {upwards.name} left out" if left_out else ""
    console().print(f"{drawn} points in {out}{missing}", markup=False)
