"""results/costs.jsonl holds what the networks cost today, to the integer."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench import store
from segbench.catalog import CATALOG
from segbench.costs import costs
from segbench.record import Record

STORED = {
    (record.model, record.resolution): record
    for record in store.read(Path(__file__).parent.parent / "results" / "costs.jsonl")
}


def test_every_network_has_its_costs_at_every_paper_resolution() -> None:
    assert set(STORED) == {(entry.name, size) for entry in CATALOG.values() for size in entry.resolutions}


def _counts(record: Record) -> tuple[object, ...]:
    return record.classes, record.params, record.live_params, record.operations


@pytest.mark.parametrize("name", CATALOG)
def test_counts_are_what_the_file_says(name: str) -> None:
    for record in costs([name]):
        assert _counts(record) == _counts(STORED[name, record.resolution])
