"""``segbench synthetic``: street scenes in a data set's published layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench.cli.output import console
from segbench.resolution import parse, show


def complete_dataset(incomplete: str) -> list[str]:
    """Data sets that begin so."""
    from segbench.accuracy.datasets import DATASETS

    return [name for name in DATASETS if name.startswith(incomplete)]


def synthetic(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="cityscapes, camvid, bdd100k or ade20k; also camvid-merge and camvid-select.",
            autocompletion=complete_dataset,
            show_default=False,
        ),
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    images: Annotated[int, typer.Option("--images", help="Images in each of train and val.")] = 8,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="HxW", help="Height and width; small by default.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal files.")] = 0,
) -> None:
    """Write small procedural street scenes as the published data set is laid out, to try ``eval`` without a download.

    Example: segbench synthetic cityscapes /tmp/streets --images 20
    """
    from segbench.accuracy.synthetic import SIZES, write_synthetic

    given = None if size is None else parse(size)
    write_synthetic(dataset, folder, images=images, size=given, seed=seed)
    out, resolution = console(), show(given or SIZES[dataset])
    out.print(
        f"{images} train and {images} val images of {resolution} in {folder}, laid out as {dataset}.",
        markup=False,
    )
    out.print(
        "They are drawn, not photographed: what a network scores on them says nothing about the published data set.",
        style="dim",
    )
