"""Where the audit takes its counts from: Records, and where they are not enough, counting anew. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from segbench import __version__
from segbench.counting.meanings import MEANINGS
from segbench.job import Job, Settings
from segbench.records.record import Record


class Counts:
    """Parameters and operations of catalog networks.

    Attributes:
        recounted: Records of what was counted here, in that order.
    """

    def __init__(self, records: Iterable[Record], recount: bool) -> None:
        """Take the counts that Records hold; of several of the same thing the latest.

        Args:
            records: in any order; those of another batch size say nothing here.
            recount: count what is missing. What another version counted, or under fewer rules, is then missing.
        """
        self.recounted: list[Record] = []
        self._recount = recount
        self._records: dict[tuple[str, int], dict[tuple[int, int], Record]] = {}
        for record in sorted(records, key=lambda record: record.created):
            if record.batch == 1 and (not recount or _is_of_today(record)):
                self._add(record)

    def params(self, model: str, classes: int, size: tuple[int, int]) -> int | None:
        """Parameters; they have no size, `size` is that to count at where no Record has them."""
        known = self._records.get((model, classes), {}).values()
        found = next((record.params for record in known if record.params is not None), None)
        if found is None and self._recount:
            return self._counted(model, classes, size).params
        return found

    def operations(self, model: str, classes: int, size: tuple[int, int]) -> Mapping[str, int]:
        """Operations by rule; none where they are not known and not to be counted."""
        record = self.record(model, classes, size)
        found = record.operations if record else {}
        return {rule: found[rule] for rule in MEANINGS if found.get(rule)}

    def record(self, model: str, classes: int, size: tuple[int, int]) -> Record | None:
        """The Record of a network with these classes at this size; None where there is none and none is to be made."""
        record = self._records.get((model, classes), {}).get(size)
        return self._counted(model, classes, size) if record is None and self._recount else record

    def _counted(self, model: str, classes: int, size: tuple[int, int]) -> Record:
        from segbench.measure.record import measure_job

        record = measure_job(Job(model=model, classes=classes, resolution=size, settings=Settings(speed=False)))
        self.recounted.append(record)
        self._add(record)
        return record

    def _add(self, record: Record) -> None:
        known = self._records.setdefault((record.model, record.classes), {})
        before = known.get(record.resolution)
        if before is not None and before.operations.get("macs") == record.operations.get("macs"):
            # A later segbench, or an earlier one, counts under other rules.
            record = replace(record, operations={**before.operations, **record.operations})
        known[record.resolution] = record


def _is_of_today(record: Record) -> bool:
    # The count of fast kernels is the youngest: a Record without it was made before the speed of networks was judged.
    known = {*MEANINGS, "live-macs-3x3"}
    return record.segbench == __version__ and record.params is not None and record.operations.keys() >= known
