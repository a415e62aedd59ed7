"""The published costs of every network, ``results/costs.jsonl``, which an installed segbench carries beside its code.

``python -m segbench.costs`` makes the file. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from segbench.records import store
from segbench.records.record import Record

FILE = "costs.jsonl"


def published_costs() -> list[Record]:
    """The Records of the file, in catalog order; none where neither a wheel nor a checkout has it.

    Raises:
        RecordError: the file is broken.
    """
    package = Path(__file__).parent
    places = (package / FILE, package.parent / "results" / FILE)
    return next((store.read(path) for path in places if path.is_file()), [])
