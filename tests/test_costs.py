"""results/costs.jsonl holds what the networks cost today, to the integer."""

from __future__ import annotations

from pathlib import Path

import pytest

from segbench import store
from segbench.catalog import CATALOG
from segbench.costs import costs, places
from segbench.record import Record
from tests.wiring import slow_if_large

STORED = {
    (record.model, record.resolution, record.classes): record
    for record in store.read(Path(__file__).parent.parent / "results" / "costs.jsonl")
}


def test_every_network_has_its_costs_at_every_paper_resolution() -> None:
    assert set(STORED) == {(name, *place) for name in CATALOG for place in places(name)}
    assert {(entry.name, size) for entry in CATALOG.values() for size in entry.resolutions} <= {
        (name, size) for name, size, _ in STORED
    }
    # CamVid has 11 classes, and MFPNet's tables print costs on it.
    assert ("mfpnet", (360, 480), 11) in STORED


def test_every_network_has_the_costs_of_its_stages() -> None:
    assert {record.model for record in STORED.values() if record.modules} == set(CATALOG)


def _counts(record: Record) -> tuple[object, ...]:
    return record.params, record.live_params, record.operations, record.modules


@pytest.mark.parametrize("name", [pytest.param(name, marks=slow_if_large(CATALOG[name])) for name in CATALOG])
def test_counts_are_what_the_file_says(name: str) -> None:
    for record in costs([name]):
        assert _counts(record) == _counts(STORED[name, record.resolution, record.classes])
