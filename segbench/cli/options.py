"""The options that several commands share, and completion of network names."""

from __future__ import annotations

from collections.abc import Container
from typing import Annotated, TypedDict

import typer

from segbench import limits
from segbench.catalog import list_models
from segbench.errors import BadOption

MODES = ("forward", "swiftnet")


def complete_model(incomplete: str) -> list[str]:
    """Catalog names that begin with what was typed."""
    return [name for name in list_models() if name.startswith(incomplete)]


def complete_paper_or_model(incomplete: str) -> list[str]:
    """Papers' keys and catalog names that begin with what was typed."""
    from segbench.claims import PAPERS

    return [name for name in dict.fromkeys((*PAPERS, *list_models())) if name.startswith(incomplete)]


def complete_resolution(incomplete: str) -> list[str]:
    """Sizes of the catalog that begin with what was typed."""
    from segbench.catalog import CATALOG
    from segbench.resolution import show

    sizes = dict.fromkeys(show(size) for entry in CATALOG.values() for size in entry.resolutions)
    return [size for size in sizes if size.startswith(incomplete)]


def complete_mode(incomplete: str) -> list[str]:
    """Timed regions that begin with what was typed."""
    return [mode for mode in MODES if mode.startswith(incomplete)]


def check_device(given: str | None) -> str | None:
    """Refuse what names no device before torch is imported; for a callback of the option."""
    return None if given is None else limits.check_device(given)


def check_timeout(seconds: float) -> float:
    """Refuse a ``--timeout`` that is no time; for a callback of the option."""
    limits.check("--timeout", seconds, 0, limits.SECONDS, above=True, unit=" seconds")
    return seconds


Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL...",
        help="A catalog name, a shell pattern, package.module:factory or ./file.py:factory for a network of your own, "
        "or smp:NAME, torchvision:NAME, hf:NAME.",
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
        help="Catalog names or shell patterns; `compare` takes networks of your own too.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
Resolutions = Annotated[
    list[str] | None,
    typer.Option(
        "--res",
        metavar="HxW",
        help="Input height x width; repeatable. The papers' own by default.",
        autocompletion=complete_resolution,
        show_default=False,
    ),
]
Classes = Annotated[
    int | None,
    typer.Option(help="Output classes; 19 Cityscapes and BDD100K, 11 CamVid, 150 ADE20K.", show_default=False),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="1x3xHxW[:DTYPE]",
        help="What a network of your own takes, with H and W for the resolution; repeat it for several inputs.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="KEY|INDEX", help="Which output of a network of your own counts.", show_default=False
    ),
]
Arguments = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="NAME=VALUE",
        help="Constructor argument of a network of your own, JSON or text; repeatable.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:i]", help="Where to time.", callback=check_device)
]
Mode = Annotated[
    str | None,
    typer.Option(
        metavar="forward|swiftnet",
        autocompletion=complete_mode,
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
Batches = Annotated[
    str,
    typer.Option(
        "--batch",
        metavar="N[,N...]",
        help="Images per forward, the protocol's is 1; 1,2,4,8 is a sweep.",
    ),
]
Batch = Annotated[int, typer.Option(help="Images per forward; the protocol's is 1.")]
Rounds = Annotated[
    int | None, typer.Option(help="Rounds of frames; the protocol's number by default.", show_default=False)
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", callback=check_timeout, help="Longest time without a word from a process."),
]
Budget = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Time that timing a network may take. By default some seconds on a CPU; on a GPU the whole protocol runs.",
        show_default=False,
    ),
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

ReportedMiou = Annotated[
    list[str] | None,
    typer.Option(
        "--miou",
        metavar="MODEL=PERCENT",
        help="The mIoU that you report for a network, with --dataset and --split; repeatable.",
        show_default=False,
    ),
]
ReportedDataset = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Data set of --miou, such as cityscapes.", show_default=False),
]
ReportedSplit = Annotated[
    str | None, typer.Option("--split", metavar="val|test", help="Split of --miou.", show_default=False)
]
Style = Annotated[
    str,
    typer.Option(
        metavar="screen|paper|paper-wide",
        help="Plots for a screen, or for one column of a paper or both, as PDF and SVG, networks named as papers do.",
    ),
]
Formats = Annotated[
    str | None,
    typer.Option(metavar="svg,pdf,png", help="Formats of the plots, separated by commas.", show_default=False),
]


def plot_formats(style: str, formats: str | None) -> tuple[str, ...]:
    """The formats that ``--formats`` asks for, or else those of the style.

    Raises:
        BadOption: no such style or format.
    """
    from segbench.report.comparison import check_style, formats_of

    check_style(style)
    if formats is None:
        return formats_of(style)
    wanted = tuple(dict.fromkeys(filter(None, (part.strip().lower() for part in formats.split(",")))))
    check_style(style, wanted)
    return wanted


def refuse_others(context: typer.Context, used: Container[str], because: str) -> None:
    """Refuse options that would have no effect.

    Args:
        context: of the call.
        used: names of the parameters that have one.
        because: why the others have none.

    Raises:
        BadOption: names the first of those that were given.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in used and source is not None and source.name == "COMMANDLINE":
            raise BadOption(f"{because}: leave out {parameter.opts[0]}")


def refuse(context: typer.Context, name: str, because: str) -> None:
    """Refuse one option that would have no effect; see `refuse_others`."""
    others = {parameter.name or "" for parameter in context.command.params} - {name}
    refuse_others(context, others, because)


def batches(text: str) -> list[int]:
    """``"1,2,4,8"`` as numbers, each once.

    Raises:
        BadOption: not whole numbers of 1 or more.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 7 and int(part) for part in parts):
        raise BadOption(f"batch must be 1 or more, several as in 1,2,4,8: {text} given")
    return list(dict.fromkeys(map(int, parts)))


class Budgets(TypedDict):
    """``--budget`` as settings take it: for a CPU, where there always is one, and for a GPU."""

    budget_s: float
    gpu_budget_s: float | None


def budgets(given: float | None, on_cpu: float = 20.0) -> Budgets:
    """The budgets that ``--budget`` gives; see `Budgets`."""
    return {"budget_s": on_cpu if given is None else given, "gpu_budget_s": given}
