"""The audit for people: a terminal table and Markdown, claimed beside measured under every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from segbench.audit import UNITS, Audit, Judgement, SpeedJudgement
from segbench.audit.speed import sizes_of, summary
from segbench.catalog import KNOWN
from segbench.claims import PAPERS
from segbench.resolution import show

if TYPE_CHECKING:
    from rich.console import RenderableType

HEADINGS = ("paper", "table", "network", "size", "claimed", "rule", "measured", "error", "verdict")
SPEED_HEADINGS = ("table", "network", "FPS", "GPU", "size", "direct", "F(2)", "F(4)", "bytes", "verdict")
SPEED_NUMBERS = frozenset({"FPS", "direct", "F(2)", "F(4)", "bytes"})
_STYLES = {
    "exact": "green",
    "within 1 %": "green",
    "within 5 %": "yellow",
    "2x": "yellow",
    "explained": "yellow",
    "copied, not met": "red",
    "unexplained": "red",
}


def rich_table(result: Audit) -> RenderableType:
    """The judgements as a table for the terminal, the summary below it."""
    from rich.console import Group
    from rich.text import Text

    from segbench.report.listing import Listing

    rows: list[tuple[str | Text, ...]] = [
        (*_network_first(_cells(item)), Text(_verdict(item), style=_STYLES[item.verdict])) for item in result.judgements
    ]
    table = Listing(_network_first(HEADINGS), rows, frozenset({"claimed", "measured", "error"}), keys=2)
    parts: list[RenderableType] = [table]
    parts += [Text(line) for line in (*_explanations(result.judgements), *_remarks(result), result.summary)]
    return Group(*parts)


def _network_first(cells: Sequence[str]) -> tuple[str, ...]:
    """Cells of paper, table and network with the network before them, as a terminal's stacked rows begin."""
    return (cells[2], *cells[:2], *cells[3:])


def speed_table(rows: Sequence[SpeedJudgement]) -> RenderableType:
    """Printed FPS against peaks as a table for the terminal, the summary below it."""
    from rich.console import Group
    from rich.text import Text

    from segbench.report.listing import Listing

    cells = [_network_first((row.paper, *_speed_cells(row))) for row in rows]
    table = Listing(_network_first(("paper", *SPEED_HEADINGS)), cells, SPEED_NUMBERS, keys=2)
    return Group(table, Text(summary(rows)))


def markdown(result: Audit, speeds: Sequence[SpeedJudgement] = ()) -> str:
    """The whole audit as Markdown: a table per paper, what papers contradict each other in, and printed FPS.

    Args:
        result: of the costs.
        speeds: of the FPS; without any, the section is left out.
    """
    lines = [
        "# Audit: what the papers print, and what we count",
        "",
        "Parameters are counted with the classes of the claim's data set. FLOPs are counted under every rule at the "
        "printed size; the rule named is the one that explains the figure best, and of several equal ones that which "
        "explains most of the same paper's figures (`conv-macs`: convolutions and linear layers). `error` is "
        "(measured - claimed) / claimed. A verdict of `2x` means that only two operations per multiply-accumulate "
        "come near; `explained`, that no rule comes within 5 %, but the count of something that the list below its "
        "table names does; `copied, not met`, that another paper prints the figure first and no count of public code "
        "meets it. Where neither the paper nor the figure's source names a size, usual sizes are tried: such a "
        "verdict says `at a guess`, and only a count within 1 %, or that rounds to the printed digits, gives one. "
        "`segbench claims --provenance` shows the sources. Made by `segbench audit --markdown FILE`.",
        "",
        f"**{result.summary}.**",
        "",
    ]
    for paper in PAPERS:
        items = [item for item in result.judgements if item.claim.paper == paper]
        if items:
            lines += [f"## {PAPERS[paper]}", "", *_markdown_table(items), ""]
            known = [f"- {_escape(sentence)}" for sentence in _explanations(items)]
            lines += ["What is known of figures that no rule meets:", "", *known, ""] if known else []
    remarks = list(_remarks(result))
    if remarks:
        lines += ["## Across tables and papers", "", *(f"- {_escape(remark)}" for remark in remarks), ""]
    notes = list(dict.fromkeys((item.claim.model, item.claim.note) for item in result.judgements if item.claim.note))
    if notes:
        lines += ["## Doubts noted beside the claims", "", *(f"- `{model}`: {_escape(note)}" for model, note in notes)]
    if speeds:
        lines += ["", *_speed_section(speeds)]
    return "\n".join(lines).rstrip() + "\n"


def _speed_section(rows: Sequence[SpeedJudgement]) -> Iterator[str]:
    yield "## Printed FPS against the card's peak"
    yield ""
    yield (
        "Two operations for each multiply-accumulate that reaches the output, times the printed FPS, as a share of "
        "what the card could do in FP32 at its rated boost clock: `direct` by direct convolution, `F(2)` and `F(4)` "
        "by Winograd's algorithm on every layer that takes it. `bytes` is the share of the bandwidth that image, "
        "class indices and parameters need. Cards run above their rated clock: `beyond` is said only where the share "
        "is above 1 at the highest clock known, too. Precision is never printed; FP32 is assumed. The work is that of "
        "the network built here, which the tables above hold against the printed cost. Each verdict follows from the "
        "values that `segbench audit --speed --json -` prints; docs/audit.md does one by hand."
    )
    yield ""
    yield f"**{summary(rows)}.**"
    yield ""
    for paper in PAPERS:
        own = [row for row in rows if row.paper == paper]
        if own:
            yield f"### {PAPERS[paper]}"
            yield ""
            yield "| " + " | ".join(SPEED_HEADINGS) + " |"
            yield "| " + " | ".join("---:" if name in SPEED_NUMBERS else ":---" for name in SPEED_HEADINGS) + " |"
            for row in own:
                yield "| " + " | ".join(_escape(cell) for cell in _speed_cells(row)) + " |"
            yield ""


def _speed_cells(row: SpeedJudgement) -> tuple[str, ...]:
    """A row under `SPEED_HEADINGS`."""
    shares = (row.share_direct, row.share_winograd_f2, row.share_winograd, row.share_bytes)
    cells = ("-" if share is None else f"{share:.2f}" for share in shares)
    card = f"{row.gpu}: {row.card}" if row.card and row.card != row.gpu else row.gpu or "not printed"
    return (row.table, row.model, row.printed, card, sizes_of(row), *cells, row.verdict)


def _markdown_table(items: Sequence[Judgement]) -> Iterator[str]:
    headings = HEADINGS[1:]
    yield "| " + " | ".join(headings) + " |"
    rules = ["---:" if heading in {"claimed", "measured", "error"} else ":---" for heading in headings]
    yield "| " + " | ".join(rules) + " |"
    for item in items:
        yield "| " + " | ".join(_escape(cell) for cell in (*_cells(item)[1:], _verdict(item))) + " |"


def _cells(item: Judgement) -> tuple[str, ...]:
    """A row under `HEADINGS`, but for the verdict."""
    claim, best = item.claim, item.best
    letter = "M" if item.quantity == "params" else "G"
    decimals = max(item.figure.decimals, 1) + 1
    return (
        claim.paper,
        claim.table,
        claim.model,
        _size(item),
        f"{item.figure} {letter}",
        _rule(item),
        f"{best.measured / UNITS[item.quantity]:.{decimals}f} {letter}",
        f"{best.error:+.2%}",
    )


def _size(item: Judgement) -> str:
    if item.quantity == "params":
        return f"{item.classes} classes"
    assert item.best.resolution is not None
    counted = show(item.best.resolution)
    return (
        counted
        if item.claim.size == item.best.resolution
        else f"{counted} (printed {show(item.claim.size)})"
        if item.claim.size
        else f"{counted} (a guess)"
        if item.best.guessed
        else f"{counted} (its source's)"
    )


def _rule(item: Judgement) -> str:
    if item.quantity == "params":
        return "parameters"
    return item.best.rule if item.best.verdict != "unexplained" else f"closest: {item.best.rule}"


def _verdict(item: Judgement) -> str:
    """The verdict; then rules that explain the figure as well, or where it agrees after all."""
    text = f"{item.verdict} at a guess" if item.guessed else str(item.verdict)
    rivals = list(dict.fromkeys(reading.rule for reading in item.rivals if reading.rule != item.best.rule))
    if rivals and item.quantity == "flops":
        text += f"; so does {rivals[0]}" if len(rivals) == 1 else f"; so do {len(rivals)} other rules"
    return f"{text}; {item.hint}" if item.hint and item.verdict not in {"explained", "copied, not met"} else text


def _explanations(items: Iterable[Judgement]) -> Iterator[str]:
    """A sentence for each figure that has one, with how near the count that it names comes."""
    seen = set()
    for item in items:
        explanation, error = item.explanation, item.explained_error
        if explanation is not None and (explanation, item.figure) not in seen:
            seen.add((explanation, item.figure))
            letter = "M" if item.quantity == "params" else "G"
            near = "" if error is None else f" ({error:+.2%} against the printed figure)"
            yield f"{item.claim.model}, {item.figure} {letter}, {item.verdict}: {explanation.sentence}{near}"


def _remarks(result: Audit) -> Iterator[str]:
    for table in result.mixed_units():
        yield f"{table} mixes units: some rows are multiply-accumulates, others two operations for each."
    for model, items in result.disagreements():
        figures = "; ".join(
            f"{item.figure} G ({item.claim.paper} {item.claim.where}, "
            f"{show(item.claim.size) if item.claim.size else 'size not printed'})"
            for item in items
        )
        yield f"{model} is printed with different costs: {figures}."
    if result.not_built:
        names = list(dict.fromkeys(claim.model for claim in result.not_built))
        yield f"Not judged, because the network is not built: {', '.join(names)}."
        for name in names:
            if name in KNOWN:
                yield f"{name} is not built: {KNOWN[name].reason}"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
