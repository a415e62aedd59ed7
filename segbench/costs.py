"""Parameters and operations of every network as the papers' tables print it: ``results/costs.jsonl``.

``python -m segbench.costs FILE`` counts the catalog anew; no device is needed and the same catalog gives the same
bytes, so that a change of a count shows in a review. A test recounts the file to the integer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

import segbench
from segbench import store
from segbench.catalog import CATALOG, list_models
from segbench.claims import PAPERS
from segbench.counting.count import operation_counts
from segbench.counting.modules import modules
from segbench.counting.tracer import trace
from segbench.measure.subject import resolve
from segbench.planning import STAGE_LEVELS, sizes_and_classes
from segbench.record import Record, down_to


def costs(names: Iterable[str]) -> Iterator[Record]:
    """One Record for each network, paper resolution and class count, without time or environment.

    The first Record of a network has the costs of its modules down to `STAGE_LEVELS`, from which reports draw stages.
    """
    for name in names:
        nets: dict[int, nn.Module] = {}
        for number, (size, classes) in enumerate(places(name)):
            subject = resolve(name, classes)
            if classes not in nets:
                nets[classes] = subject.build("meta")
            net = nets[classes]
            traced = trace(net, (1, 3, *size))
            yield Record(
                model=name,
                fidelity=subject.fidelity,
                classes=classes,
                resolution=size,
                params=traced.params,
                live_params=traced.live_params,
                operations=operation_counts(traced),
                modules=None if number else _stages(modules(traced, net)),
                segbench=segbench.__version__,
                created="",
            )


def _stages(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The modules down to `STAGE_LEVELS`, with exact integers alone."""
    return [{key: row[key] for key in ("path", "type", "params", "macs")} for row in down_to(rows, STAGE_LEVELS)]


def places(name: str) -> list[tuple[tuple[int, int], int]]:
    """Sizes and class counts of a network: the catalog's, and those at which `segbench compare --paper` measures it."""
    entry = CATALOG[name]
    printed = [place for paper in PAPERS for place in sizes_and_classes(name, paper=paper)]
    return list(dict.fromkeys([*((size, entry.classes) for size in entry.resolutions), *printed]))


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
