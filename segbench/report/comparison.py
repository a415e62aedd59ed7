"""What a comparison leaves in its folder: the table as Markdown and CSV, and the Pareto plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segbench import store
from segbench.claims import load_claims
from segbench.record import Record
from segbench.report.pareto import pareto_plots, write_plots
from segbench.report.table import Table, comparison_table


def write_comparison(records: Sequence[Record], folder: Path, paper: str | None = None) -> tuple[Table, list[Path]]:
    """Write ``table.md``, ``table.csv`` and ``plots/*.png|svg``.

    Args:
        records: measured networks, failures included.
        folder: an existing folder.
        paper: take the claims of this paper only; all five papers' otherwise.

    Returns:
        The table, for the terminal, and the files written.

    Raises:
        OutputError: the folder cannot be written.
    """
    claims = load_claims(paper=paper)
    table = comparison_table(records, claims)
    written = [folder / "table.md", folder / "table.csv"]
    store.write_text(written[0], table.markdown())
    store.write_text(written[1], table.csv())
    return table, written + write_plots(pareto_plots(records, claims), folder / "plots")
