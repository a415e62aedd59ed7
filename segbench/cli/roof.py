"""``segbench roof``: the highest FPS that a card's data sheet allows a network, without the card."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from segbench import resolution
from segbench.cli import options
from segbench.cli.networks import source_files
from segbench.cli.output import check_targets, console, progress
from segbench.errors import UnknownName
from segbench.gpus import GPUS, Precision, find
from segbench.records import store

if TYPE_CHECKING:
    from rich.console import RenderableType

    from segbench.roof import Roof

LAYERS = 10
PRECISIONS = ("fp32", "fp16")
_WORDS = {
    "direct": "direct convolution",
    "winograd_f2": "Winograd F(2) where it applies",
    "winograd_f4": "Winograd F(4) where it applies",
}


def roof(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A catalog name, or package.module:factory for a network of your own.",
            autocompletion=options.complete_model,
            show_default=False,
        ),
    ],
    gpu: Annotated[
        str,
        typer.Option("--gpu", metavar="NAME", help=f"One of: {', '.join(GPUS)}.", show_default=False),
    ],
    res: Annotated[
        str | None,
        typer.Option("--res", metavar="HxW", help="Input height x width; the first of the papers' by default."),
    ] = None,
    classes: options.Classes = None,
    precision: Annotated[
        str, typer.Option(metavar="fp32|fp16", help="Arithmetic; FP16 takes tensor cores where the card has them.")
    ] = "fp32",
    timeout: options.Timeout = 600.0,
    json_path: Annotated[
        str | None,
        typer.Option("--json", metavar="PATH|-", help="Write the bound as a JSON object.", show_default=False),
    ] = None,
) -> None:
    """Predict the highest FPS that a card allows a network, from data sheets alone.

    Example: segbench roof erfnet --gpu "Titan X (Maxwell)" --res 720x960
    """
    card = find(gpu)
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    size = None if res is None else resolution.parse(res)
    check_targets(reads=source_files([model]), json=json_path)
    with progress("importing torch"):
        from segbench.cli.isolated import roof_of

        found = roof_of(model, classes, size, card, cast(Precision, precision), timeout)
    if json_path is not None:
        text = json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n"
        if json_path == "-":
            sys.stdout.write(text)
        else:
            store.write_text(Path(json_path), text)
    if json_path != "-":
        console().print(_view(found))


def _view(found: Roof) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from segbench.report.listing import Listing
    from segbench.roof import ALGORITHMS, LABEL
    from segbench.units import scaled, significant

    gpu, work = found.gpu, found.work
    clocks = tuple(f"FPS at {mhz} MHz" for mhz in (gpu.boost_mhz, gpu.highest_mhz))
    bounds = Listing(
        (LABEL, *clocks, "bound by"),
        [
            (
                _WORDS[name],
                *(significant(found.fps(name, highest=clock)) for clock in (False, True)),
                found.bound_by(name),
            )
            for name in ALGORITHMS
        ],
        frozenset(clocks),
    )
    layers = Listing(
        ("layers that bind", "kernel", "MACs", "direct", "Winograd F(4)"),
        [
            (
                layer.path,
                layer.kernel or "-",
                scaled(layer.macs),
                *(f"{share:.1%}".replace("%", " %") for share in (layer.share_direct, layer.share_winograd)),
            )
            for layer in found.layers[:LAYERS]
        ],
        frozenset({"MACs", "direct", "Winograd F(4)"}),
    )
    blank = Text("")
    conditions = (
        f"{found.model} at {resolution.show(work.size)}, {found.classes} classes, batch 1, {found.precision}, on "
        f"{gpu.name}: {gpu.peak_flops(found.precision) / 1e12:.2f} TFLOP/s at the rated boost clock, "
        f"{gpu.bandwidth_gb_s:g} GB/s. {scaled(work.macs)} MACs reach the output, of them {scaled(work.macs_3x3)} in "
        f"3x3 and {scaled(work.macs_3x1)} in 3x1 and 1x3 layers that Winograd takes; "
        f"{work.bytes_moved(gpu, found.precision) / 2**20:.1f} MiB move. Nothing was measured."
    )
    return Group(Text(conditions), blank, bounds, blank, layers, blank, Text(f"Sources: {gpu.sources}", style="dim"))
