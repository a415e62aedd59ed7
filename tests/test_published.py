"""What lies in results/ and in the README is what the catalog and the stored Records give today, byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segbench.errors import RecordError
from segbench.published import AUDIT, COSTS, LIBRARIES, REPORT, libraries, render, with_table
from segbench.report.folder import MANIFEST, files_of

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
DRAWN_WITH = json.loads((RESULTS / LIBRARIES).read_text())
# The embedded plotting library, and its hash in the page's policy, change with its version.
LIBRARY = re.compile(r"<script.*?</script>|sha256-[A-Za-z0-9+/=]+", re.DOTALL)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    render(RESULTS, folder)
    return folder


@pytest.mark.slow
def test_the_stored_report_is_today_s(rendered: Path) -> None:
    names = files_of(RESULTS / REPORT)
    assert names == files_of(rendered)
    assert {path.relative_to(RESULTS / REPORT).as_posix() for path in (RESULTS / REPORT).rglob("*.*")} == set(names)
    texts = [name for name in names if name.endswith((".md", ".csv", ".tex", ".bib")) or name == MANIFEST]
    assert len(texts) > 50
    assert [name for name in texts if (rendered / name).read_bytes() != (RESULTS / REPORT / name).read_bytes()] == []
    stored, today = ((folder / "index.html").read_text("utf-8") for folder in (RESULTS / REPORT, rendered))
    assert LIBRARY.sub("", stored) == LIBRARY.sub("", today)
    if libraries()["plotly"] != DRAWN_WITH["plotly"]:
        pytest.skip(f"the stored page has plotly {DRAWN_WITH['plotly']}; all else is equal")
    assert stored == today


@pytest.mark.slow
def test_the_stored_plots_are_today_s(rendered: Path) -> None:
    others = {name: version for name, version in DRAWN_WITH.items() if libraries()[name] != version}
    if others.keys() - {"plotly"}:
        pytest.skip(f"the stored plots were drawn with {others}")
    plots = [name for name in files_of(rendered) if name.endswith(".png")]
    assert len(plots) > 10
    assert [name for name in plots if not _same_picture(rendered / name, RESULTS / REPORT / name)] == []


def _same_picture(one: Path, other: Path) -> bool:
    """Equal bytes; or equal pixels but for the last bit, which another kind of processor may round differently."""
    if one.read_bytes() == other.read_bytes():
        return True
    first, second = (np.asarray(Image.open(path).convert("RGB"), dtype=int) for path in (one, other))
    return first.shape == second.shape and int(np.abs(first - second).max()) <= 1


def test_the_readme_shows_the_head_of_the_stored_table_and_a_stored_plot() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert with_table(readme, (RESULTS / REPORT / "table.md").read_text("utf-8")) == readme
    assert "| sgcpnet |" in readme
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", readme)
    assert len(pictures) == 2
    assert all((ROOT / picture).is_file() for picture in pictures)


def test_a_readme_without_marks_and_a_folder_without_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="head of results"):
        with_table("# segbench", "| a |")
    with pytest.raises(RecordError, match=COSTS):
        render(tmp_path, tmp_path / "report")


def test_the_audit_s_summary_stands_in_its_first_lines() -> None:
    head = (RESULTS / AUDIT).read_text("utf-8").splitlines()[:6]
    assert any(re.fullmatch(r"\*\*\d+ printed costs.*\*\*", line) for line in head)
