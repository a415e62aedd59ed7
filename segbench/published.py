"""The results that the repository publishes: costs, the audit and a report, all made anew from the catalog and Records.

``python -m segbench.published results README.md`` counts every network, audits every printed cost, renders the report
over the counts, the accuracies in ``results/accuracy.jsonl`` and whatever timings lie in
``results/<device>/records.jsonl``, and puts the head of its table into the README. The same catalog, Records and
drawing libraries give the same bytes.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

from segbench.audit import audit, audit_speed, select
from segbench.audit.recorded import verdicts
from segbench.audit.render import markdown
from segbench.catalog import list_models
from segbench.compare.run import RECORDS
from segbench.costs import costs, lines
from segbench.errors import RecordError
from segbench.records import store
from segbench.report.comparison import write_report
from segbench.report.gather import read_all

COSTS, ACCURACY, AUDIT, REPORT = "costs.jsonl", "accuracy.jsonl", "audit.md", "report"
LIBRARIES = "report-drawn-with.json"
README_ROWS = 8
_BEGIN, _END = "<!-- head of results/report/table.md -->", "<!-- end of the table -->"


def render(results: Path, folder: Path) -> None:
    """Write the report over the Records in `results` into `folder`.

    Raises:
        OutputError: the folder cannot be written.
        RecordError: `results` holds no counts.
    """
    if not (results / COSTS).is_file():
        raise RecordError(f"{results} holds no {COSTS}")
    scored = [results / ACCURACY] if (results / ACCURACY).is_file() else []
    records = read_all([results / COSTS, *scored, *sorted(results.glob(f"*/{RECORDS}"))])
    write_report(records, folder, judgements=verdicts(records), formats=("png",))


def libraries() -> dict[str, str]:
    """Versions of what draws and packs: another one may give other bytes for the same picture."""
    return {name: metadata.version(name) for name in ("matplotlib", "numpy", "pillow", "plotly")}


def with_table(readme: str, table: str) -> str:
    """The README with the head of the report's table between its marks.

    Raises:
        RecordError: the README has no marks.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise RecordError(f"the README has no lines {_BEGIN!r} and {_END!r} for the head of the table")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    return "\n".join((before + begin, "", *rows[: 2 + README_ROWS], "", end)) + after


def main() -> None:
    """Make all published results anew in the folder named on the command line, and the README's table."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m segbench.published RESULTS README")
    results, readme = Path(sys.argv[1]), Path(sys.argv[2])
    counted = list(costs(list_models()))
    store.write_text(results / COSTS, lines(counted))
    claims = select(None)
    store.write_text(results / AUDIT, markdown(audit(claims, records=counted), audit_speed(claims, counted)))
    render(results, results / REPORT)
    store.write_text(results / LIBRARIES, json.dumps(libraries(), indent=1) + "\n")
    table = (results / REPORT / "table.md").read_text(encoding="utf-8")
    store.write_text(readme, with_table(readme.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    main()
