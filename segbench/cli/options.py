"""The options that several commands share, and completion of network names."""

from __future__ import annotations

from typing import Annotated

import typer

from segbench import limits
from segbench.catalog import list_models


def complete_model(incomplete: str) -> list[str]:
    """Catalog names that begin with what was typed."""
    return [name for name in list_models() if name.startswith(incomplete)]


def complete_paper_or_model(incomplete: str) -> list[str]:
    """Papers' keys and catalog names that begin with what was typed."""
    from segbench.claims import PAPERS

    return [name for name in dict.fromkeys((*PAPERS, *list_models())) if name.startswith(incomplete)]


def check_timeout(seconds: float) -> float:
    """Refuse a ``--timeout`` that is no time; for a callback of the option."""
    limits.check("--timeout", seconds, 0, limits.SECONDS, above=True, unit=" seconds")
    return seconds


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL...",
        help="A catalog name, a shell pattern, or package.module:factory for a network of your own.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
PaperOrModel = Annotated[
    str | None,
    typer.Argument(
        metavar="[PAPER|MODEL]",
        help="A paper's key or a network; everything by default.",
        autocompletion=complete_paper_or_model,
        show_default=False,
    ),
]
Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN...]",
        help="Catalog names or shell patterns.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Resolutions = Annotated[
    list[str] | None,
    typer.Option(
        "--res", metavar="HxW", help="Input height x width; repeatable. The papers' own by default.", show_default=False
    ),
]
Classes = Annotated[
    int | None,
    typer.Option(help="Output classes; 19 Cityscapes and BDD100K, 11 CamVid, 150 ADE20K.", show_default=False),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:i]", help="Where to time.")]
Mode = Annotated[
    str | None,
    typer.Option(
        metavar="forward|swiftnet",
        help="Timed region: the forward with resident input (default), or SwiftNet's Figure 5 with copies and argmax.",
        show_default=False,
    ),
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="NAME",
        help="Time as a family of papers did: forward (segbench's own; cuDNN's benchmark on), swiftnet (off), "
        "fasterseg, efficient-segmentation-networks, mmseg-predict; in place of --mode.",
        show_default=False,
    ),
]
Waterfall = Annotated[
    bool,
    typer.Option(
        "--waterfall",
        help="FPS as each switch is applied: copies, argmax, resize, BN folding, precisions, CUDA graph.",
    ),
]
Optimize = Annotated[
    bool,
    typer.Option(
        "--optimize",
        help="Beside the protocol's FPS that of the fast mode: BN folded, channels_last, graph or compiled.",
    ),
]
Precision = Annotated[str, typer.Option(metavar="fp32|tf32|fp16|bf16", help="Arithmetic of the timed network.")]
Batch = Annotated[int, typer.Option(help="Images per forward; the protocol's is 1.")]
Rounds = Annotated[
    int | None, typer.Option(help="Rounds of frames; the protocol's number by default.", show_default=False)
]
Budget = Annotated[float, typer.Option(metavar="SECONDS", help="On a CPU, the time that timing a network may take.")]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", callback=check_timeout, help="Longest time without a word from a process."),
]
Counters = Annotated[
    list[str] | None,
    typer.Option(
        "--counter",
        metavar="RULE|fvcore|thop",
        help="Show a counting rule, or run the real fvcore or thop beside it; repeatable.",
        show_default=False,
    ),
]
NoSpeed = Annotated[bool, typer.Option("--no-speed", help="Count only; needs no device.")]
JsonPath = Annotated[
    str | None,
    typer.Option("--json", metavar="PATH|-", help="Write the Records as a JSON list.", show_default=False),
]
