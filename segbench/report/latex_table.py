"""A table to paste into a paper: booktabs at the width of the line, figures aligned, short notes below, papers cited.

It needs the booktabs package alone. Figures are aligned by what pads them, so that no package has to read them.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segbench.catalog.references import cited, references, title
from segbench.report.escape import latex
from segbench.units import DASH

BEST, SECOND = 1, 2
SHORT = {"not measured": "n.m.", "not built": "n.b."}
"""What stands in a column of figures in short, and in full below."""
RANKS = "Bold: best; underlined: second best, among networks of the same input size, classes, GPU, protocol and split."
# What a page takes below a caption and above the notes.
_MOST_ON_PAGE = 40
# Letters that fit beside each other, as pdflatex measures them in Computer Modern, and more in Times: in a column of a
# two-column paper (3.3 in), then on its page (6.9 in) in shrinking type, and then with less between the columns.
_IN_COLUMN, _IN_SMALL, _IN_FOOTNOTES, _IN_SCRIPT = 46, 98, 118, 134
# Letters that a citation takes, and the space between two columns.
_CITED, _BESIDE = 5, 2
_FIGURE = re.compile(r"(\D{0,2})([\d,]+)(?:\.(\d+))?([^\s\d(]*)(?: \((.*)\))?")
_SIZE = re.compile(r"(?<!\w)(\d+)x(\d+)(?!\w)")


@dataclass(frozen=True, slots=True)
class Figure:
    """What stands in a cell, on one of its lines.

    Attributes:
        text: a figure or a name.
        note: what it stands for; said once below the table, by a letter.
        rank: `BEST`, `SECOND` or 0.
        network: whose name the text is; it is then printed as papers do, and its paper cited.
    """

    text: str
    note: str = ""
    rank: int = 0
    network: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column.

    Attributes:
        text: of the column.
        number: whether its figures are aligned.
        group: over several neighbouring columns.
        note: said below the table.
    """

    text: str
    number: bool = False
    group: str = ""
    note: str = ""


Row = Sequence[Sequence[Figure]]
"""A list of lines for each column."""


def floats(
    caption: str, label: str, headings: Sequence[Heading], rows: Sequence[Row], notes: Iterable[str], breaks: set[int]
) -> str:
    """One float, or several where one would be longer than a page, with the notes below the last.

    Args:
        caption: in plain text.
        label: for references; of several floats, of the first.
        headings: one a column.
        rows: as many columns in each.
        notes: below those that the cells have.
        breaks: rows above which a rule stands, because they are not compared with those before.
    """
    letters: dict[str, str] = {}
    cells = [[row[place] for row in rows] for place in range(len(headings))]
    parts = [[heading.text] for heading in headings]
    if _width(parts, cells) > _IN_COLUMN:
        parts = [_parts(heading.text, column) for heading, column in zip(headings, cells, strict=True)]
    heads = [_heading(heading, lines, letters) for heading, lines in zip(headings, parts, strict=True)]
    decimals = [_decimals(rows, place) if heading.number else 0 for place, heading in enumerate(headings)]
    pages: list[list[str]] = [[]]
    for place, row in enumerate(rows):
        lines = _lines(row, headings, decimals, letters)
        if pages[-1] and len(pages[-1]) + len(lines) > _MOST_ON_PAGE:
            pages.append([])
        elif place in breaks:
            lines[0] = f"\\midrule {lines[0]}"
        pages[-1] += lines
    width = _width(parts, cells)
    kind = "table" if width <= _IN_COLUMN else "table*"
    size = "small" if width <= _IN_SMALL else "footnotesize" if width <= _IN_FOOTNOTES else "scriptsize"
    text = ["% Needs \\usepackage{booktabs}."]
    for number, page in enumerate(pages, 1):
        part = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
        columns = "".join("r" if heading.number else "l" for heading in headings)
        text += [
            f"\\begin{{{kind}}}",
            "\\centering",
            f"\\{size}",
            f"\\setlength{{\\tabcolsep}}{{{3 if width <= _IN_SCRIPT else 1}pt}}",
            f"\\caption{{{_prose(caption + part)}}}",
            *([f"\\label{{{label}}}"] if number == 1 else []),
            f"\\begin{{tabular*}}{{\\linewidth}}{{@{{\\extracolsep{{\\fill}}}}{columns}@{{}}}}",
            "\\toprule",
            *_grouped(headings, heads),
            "\\midrule",
            *page,
            "\\bottomrule",
            "\\end{tabular*}",
        ]
        if number < len(pages):
            text += [f"\\end{{{kind}}}", ""]
    figures = [figure for row in rows for lines in row for figure in lines]
    ranks = [RANKS] if any(figure.rank for figure in figures) else []
    present = {figure.text for figure in figures}
    short = [f"{brief}: {text}" for text, brief in SHORT.items() if text in present]
    below = [f"\\textsuperscript{{{letter}}}{_prose(note)}" for note, letter in letters.items()]
    below = ["; ".join([*below, *short]) + "."] if below or short else []
    below += [_prose(note) for note in (*ranks, *notes)]
    if below:
        text += ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\footnotesize"]
        text += [f"{note}\\par" for note in below]
        text += ["\\end{minipage}"]
    return "\n".join([*text, f"\\end{{{kind}}}"]) + "\n"


def _prose(text: str) -> str:
    """Text of a sentence: sizes with a multiplication sign, papers whose figures it has cited."""
    escaped = _SIZE.sub(r"\1$\\times$\2", latex(text))
    return re.sub(r" ?\((\w+)\)", lambda found: _cite(found[1]) if found[1] in references() else found[0], escaped)


def _cite(key: str) -> str:
    return f"~\\cite{{{key}}}"


def _letter(note: str, letters: dict[str, str]) -> str:
    """The mark of a note, which a later cell with the same note shares: a to z, then aa."""
    if not note:
        return ""
    if note not in letters:
        place, alphabet = len(letters), string.ascii_lowercase
        letters[note] = (alphabet[place // 26 - 1] if place >= 26 else "") + alphabet[place % 26]
    return f"\\textsuperscript{{{letters[note]}}}"


def _parts(heading: str, cells: Sequence[Sequence[Figure]]) -> list[str]:
    """The lines of a heading: what stands in brackets below the rest, where the figures are narrower."""
    name, bracket, rest = heading.partition(" (")
    return [name, f"({rest}"] if bracket and len(heading) > _widest(cells) else [heading]


def _heading(heading: Heading, lines: Sequence[str], letters: dict[str, str]) -> str:
    text = "\\\\".join(map(latex, lines)) + _letter(heading.note, letters)
    return f"\\shortstack[{'r' if heading.number else 'l'}]{{{text}}}" if len(lines) > 1 else text


def _decimals(rows: Iterable[Row], place: int) -> int:
    """The most digits behind the point of a column's figures."""
    found = [_FIGURE.fullmatch(figure.text) for row in rows for figure in row[place]]
    return max((len(match[3] or "") for match in found if match), default=0)


def _lines(row: Row, headings: Sequence[Heading], decimals: Sequence[int], letters: dict[str, str]) -> list[str]:
    """A line of LaTeX for each line of the tallest cell."""
    height = max((len(lines) for lines in row), default=0)
    return [
        " & ".join(
            _cell(lines[line], headings[place].number, decimals[place], letters) if line < len(lines) else ""
            for place, lines in enumerate(row)
        )
        + " \\\\"
        for line in range(height)
    ]


def _cell(figure: Figure, number: bool, decimals: int, letters: dict[str, str]) -> str:
    if figure.network:
        paper = cited(figure.network)
        name = latex(title(figure.network)) + (_cite(paper.key) if paper else "")
        return name + _letter(figure.note, letters)
    match = _FIGURE.fullmatch(figure.text) if number else None
    if number and figure.text in SHORT:
        return f"\\multicolumn{{1}}{{c}}{{{SHORT[figure.text]}}}"
    if number and figure.text == DASH:
        return "\\multicolumn{1}{c}{--}"
    if match is None:
        return _SIZE.sub(r"\1$\\times$\2", latex(figure.text)) + _letter(figure.note, letters)
    before, whole, behind, mark, unlike = match.groups()
    text = latex(before) + whole.replace(",", "{,}") + (f".{behind}" if behind else "")
    if figure.rank:
        text = f"\\textbf{{{text}}}" if figure.rank == BEST else f"\\underline{{{text}}}"
    note = ", ".join(filter(None, (figure.note, unlike)))
    # What follows a figure must not move its digits.
    after = latex(mark) + _letter(note, letters)
    missing = decimals - len(behind or "")
    padding = f"\\phantom{{{'' if behind else '.'}{'0' * missing}}}" if missing else ""
    return text + (f"\\rlap{{{after}}}" if after else "") + padding


def _width(parts: Sequence[Sequence[str]], cells: Sequence[Sequence[Sequence[Figure]]]) -> int:
    """Letters that the columns take, with what stands between them."""
    return sum(max(*map(len, lines), _widest(column)) + _BESIDE for lines, column in zip(parts, cells, strict=True))


def _widest(cells: Sequence[Sequence[Figure]]) -> int:
    """Letters of the widest cell of a column."""
    return max(
        (
            len(title(figure.network)) + _CITED if figure.network else len(SHORT.get(figure.text, figure.text))
            for lines in cells
            for figure in lines
        ),
        default=0,
    )


def _grouped(headings: Sequence[Heading], heads: Sequence[str]) -> list[str]:
    """One line of headings, or two with a rule under each heading that stands over several columns."""
    below = " & ".join(heads) + " \\\\"
    if not any(heading.group for heading in headings):
        return [below]
    above, rules, place = [], [], 1
    for group, members in itertools.groupby(headings, key=lambda heading: heading.group):
        span = len(list(members))
        above.append(f"\\multicolumn{{{span}}}{{c}}{{{latex(group)}}}" if group else " & ".join([""] * span))
        if group:
            rules.append(f"\\cmidrule(lr){{{place}-{place + span - 1}}}")
        place += span
    return [" & ".join(above) + " \\\\", "".join(rules), below]
