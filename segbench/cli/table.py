"""``segbench table`` and ``segbench find``: rows and columns of Records, chosen; nothing is measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from segbench import files, limits, resolution
from segbench.cli.terminal import terminal
from segbench.errors import BadOption, UnknownName

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH...]", help="Files of Records, or folders that hold them; the published costs besides."
    ),
]
NoPublished = Annotated[bool, typer.Option("--no-published", help="Leave the published costs out.")]
Networks = Annotated[
    str | None, typer.Option(metavar="NAME,...", help="These networks or patterns alone.", show_default=False)
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="EXPRESSION",
        help="Keep the rows that meet it, such as \"macs < 5e9 and resolution == '512x1024'\"; repeatable.",
        show_default=False,
    ),
]
Sort = Annotated[
    str | None, typer.Option(metavar="COLUMN,...", help="Sort by these; -COLUMN downwards.", show_default=False)
]
Top = Annotated[int | None, typer.Option(min=1, metavar="N", help="The first rows alone.", show_default=False)]
ColumnsOption = Annotated[
    str | None, typer.Option("--columns", metavar="COLUMN,...|list", help="What to show.", show_default=False)
]
Format = Annotated[str, typer.Option("--format", metavar="terminal|markdown|csv|latex|json", help="How to show it.")]
OutFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it into a file.", show_default=False)
]


def table(
    paths: Paths = None,
    networks: Networks = None,
    where: WhereOption = None,
    sort: Sort = None,
    top: Top = None,
    columns: ColumnsOption = None,
    form: Format = "terminal",
    out: OutFile = None,
    no_published: NoPublished = False,
) -> None:
    """Show rows and columns of Records and of the published costs; nothing is measured.

    Example: segbench table --where "macs < 5e9" --sort macs --top 10
    """
    _show(paths or [], networks, where or [], sort, top, columns, form, out, published=not no_published)


def find(
    paths: Paths = None,
    max_gmacs: Annotated[float | None, typer.Option(help="At most so many 1e9 MACs.", show_default=False)] = None,
    max_params: Annotated[
        float | None, typer.Option(help="At most so many million parameters.", show_default=False)
    ] = None,
    min_miou: Annotated[
        float | None, typer.Option(help="At least this mIoU in percent, measured or claimed.", show_default=False)
    ] = None,
    min_fps: Annotated[float | None, typer.Option(help="At least this measured FPS.", show_default=False)] = None,
    res: Annotated[str | None, typer.Option(metavar="HxW", help="At this input size.", show_default=False)] = None,
    classes: Annotated[int | None, typer.Option(help="With so many classes.", show_default=False)] = None,
    networks: Networks = None,
    where: WhereOption = None,
    sort: Sort = None,
    top: Top = None,
    columns: ColumnsOption = None,
    form: Format = "terminal",
    out: OutFile = None,
    no_published: NoPublished = False,
) -> None:
    """Find networks by what they cost and score: the short form of `segbench table --where`.

    Example: segbench find --max-gmacs 5 --min-miou 70 --res 512x1024
    """
    for name, number in (
        ("--max-gmacs", max_gmacs),
        ("--max-params", max_params),
        ("--min-miou", min_miou),
        ("--min-fps", min_fps),
    ):
        limits.check(name, number, 0, limits.SECONDS)
    limits.check("--classes", classes, 1, limits.CLASSES)
    limited = [
        *(f"macs <= {max_gmacs * 1e9!r}" for _ in [0] if max_gmacs is not None),
        *(f"params <= {max_params * 1e6!r}" for _ in [0] if max_params is not None),
        *(f"miou >= {min_miou!r}" for _ in [0] if min_miou is not None),
        *(f"fps >= {min_fps!r}" for _ in [0] if min_fps is not None),
        *(f"resolution == {resolution.show(resolution.parse(res))!r}" for _ in [0] if res is not None),
        *(f"classes == {classes}" for _ in [0] if classes is not None),
    ]
    if not limited and not where:
        raise BadOption("find wants something to find by, such as --max-gmacs 5 or --res 512x1024")
    order = sort or "-miou,macs"
    _show(paths or [], networks, [*limited, *(where or [])], order, top, columns, form, out, published=not no_published)


def _show(
    paths: list[Path],
    networks: str | None,
    where: list[str],
    sort: str | None,
    top: int | None,
    columns: str | None,
    form: str,
    out: Path | None,
    *,
    published: bool,
) -> None:
    from segbench.catalog.references import bibliography
    from segbench.selection import choosing
    from segbench.selection.chosen_latex import NEEDED
    from segbench.selection.columns import COLUMNS
    from segbench.selection.where import Where

    if form not in choosing.FORMATS:
        raise UnknownName("format", form, choosing.FORMATS)
    if columns == "list":
        terminal().print(choosing.listed_columns())
        return
    if out is not None:
        files.require_unread([("--out", out)], paths)
        files.require_writable_file(out)
        if form == "latex":
            files.require_writable_file(out.with_suffix(".bib"))
    wanted = choosing.columns_of(columns)
    choice = choosing.Choice(
        choosing.comma_separated(networks), [Where(text) for text in where], choosing.comma_separated(sort), top
    )
    needed = ["source", *choosing.UNLIKE, *(NEEDED if form == "latex" else ())]
    rows = choosing.gather(paths, published=published)
    frame = choosing.chosen(rows, choice, [*wanted, *(COLUMNS[name] for name in needed)])
    shown = wanted if columns else choosing.without_empty(frame, wanted)
    added, notes = choosing.unlike(frame, shown)
    for note in (*choosing.not_shown(rows), *notes):
        print(f"segbench: note: {note}", file=sys.stderr)
    # Whoever names columns gets these and no others.
    shown = shown if columns else [*shown, *added]
    if form == "terminal" and out is None:
        screen = terminal()
        if len(frame):
            screen.print(choosing.listing(frame, shown))
        screen.print(choosing.sources(frame), style="dim", markup=False)
        return
    text = choosing.as_text(frame, shown, "markdown" if form == "terminal" else form)
    if out is None:
        sys.stdout.write(text)
    else:
        files.write_text(out, text)
        if form == "latex" and (papers := bibliography(text)):
            files.write_text(out.with_suffix(".bib"), papers)
