"""A profile ends in what papers print for the network, as printed and apart from what was measured."""

from __future__ import annotations

from rich.console import Console

from segbench.claims import load_claims
from segbench.records.record import Record
from segbench.report.card import MOST_CLAIMS, claimed_table, profile_card


def _shown(record: Record, width: int = 120) -> str:
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(profile_card(record))
    return capture.get()


def _record(model: str, size: tuple[int, int]) -> Record:
    return Record(model=model, classes=19, resolution=size, params=1, operations={"macs": 1})


def test_figures_stand_as_printed_and_those_at_the_size_come_first() -> None:
    text = _shown(_record("mfpnet", (360, 480)))
    lines = [line for line in text.splitlines() if line.strip().startswith("mfpnet Table")]
    assert "1.00157" in text
    assert "6.20" in text
    assert lines[0].split()[3] == "360x480"
    assert "163" in text
    assert "V100" in text
    assert "segbench claims --network mfpnet" in text
    assert len(lines) <= MOST_CLAIMS


def test_a_row_is_shown_once_and_rows_without_figures_are_not() -> None:
    for model in {claim.model for claim in load_claims() if claim.model}:
        if claimed_table(_record(model, (512, 1024))) is None:
            assert not any(claim.fps or claim.params_m for claim in load_claims(model=model)), model
    rows = [line for line in _shown(_record("frfnet", (512, 1024))).splitlines() if "frfnet Table" in line]
    assert len(rows) == len(set(rows)) > 1


def test_a_network_of_ones_own_has_no_claims() -> None:
    assert claimed_table(_record("mypackage.mymodule:MyNet", (64, 64))) is None
    assert "claimed" not in _shown(_record("mypackage.mymodule:MyNet", (64, 64)))
    assert claimed_table(_record("a-name-from-elsewhere", (64, 64))) is None


def test_it_fits_eighty_columns() -> None:
    assert max(map(len, _shown(_record("enet", (360, 640)), width=80).splitlines())) <= 80
