"""Parameters and operations of every network at its papers' resolutions: ``results/costs.jsonl``.

``python -m segbench.costs FILE`` counts the catalog anew; no device is needed and the same catalog gives the same
bytes, so that a change of a count shows in a review. A test recounts the file to the integer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import segbench
from segbench import store
from segbench.catalog import CATALOG, list_models
from segbench.measure.counting import operation_counts
from segbench.measure.operations import record
from segbench.measure.subject import resolve
from segbench.record import Record


def costs(names: Iterable[str]) -> Iterator[Record]:
    """One Record for each network and paper resolution, without time or environment; each network is built once."""
    for name in names:
        subject = resolve(name)
        net = subject.build("meta")
        for size in CATALOG[name].resolutions:
            ledger = record(net, (1, 3, *size))
            yield Record(
                model=name,
                fidelity=subject.fidelity,
                classes=CATALOG[name].classes,
                resolution=size,
                params=ledger.params,
                live_params=ledger.live_params,
                operations=operation_counts(ledger),
                segbench=segbench.__version__,
                created="",
            )


def lines(records: Iterable[Record]) -> str:
    """Records as JSONL with their costs alone."""
    return "".join(json.dumps(_costs_only(record.to_json())) + "\n" for record in records)


def _costs_only(content: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in content.items() if value not in (None, {}, [], "")}


def main() -> None:
    """Write the costs of the whole catalog to the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m segbench.costs FILE")
    store.write_text(Path(sys.argv[1]), lines(costs(list_models())))


if __name__ == "__main__":
    main()
