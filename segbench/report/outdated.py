"""Records of a network that has since changed under its name: they are marked, and stand under a name of their own."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

from segbench.catalog import CATALOG
from segbench.published_costs import published_costs
from segbench.records.record import Record


def outdated(record: Record) -> str:
    """Why a Record is not of the network that the catalog has under its name today; empty where it is.

    Parameters decide: a network that has others is another one. Records of users' own networks are never outdated.
    """
    entry = CATALOG.get(record.model)
    if entry is None or record.params is None or not record.classes:
        return ""
    today: int | None = entry.params
    if record.classes != entry.classes or record.options:
        today = None if record.options else _published().get((record.model, record.classes))
        today = today or _parameters(record.model, record.classes, json.dumps(record.options or {}, sort_keys=True))
    if today in (None, record.params):
        return ""
    return (
        f"{record.model} had {record.params:,} parameters when this was measured and has {today:,} in today's catalog: "
        "it is another network now"
    )


def marked(record: Record) -> Record:
    """The Record, or where it is outdated one under a name that no network has, so that it is ranked with none."""
    reason = outdated(record)
    if not reason:
        return record
    return replace(
        record,
        model=f"{record.model} of segbench {record.segbench or 'before'} ({record.params:,} parameters)",
        fidelity=None,
        notes=[*record.notes, reason],
    )


@functools.cache
def _published() -> dict[tuple[str, int], int]:
    """Parameters by network and class count, as far as they are published: reading them needs no torch."""
    return {(item.model, item.classes): item.params for item in published_costs() if item.params is not None}


@functools.cache
def _parameters(name: str, classes: int, options: str) -> int | None:
    import torch

    from segbench.errors import SegbenchError
    from segbench.models import build

    try:
        with torch.device("meta"):
            net = build(name, classes, **json.loads(options))
    except (SegbenchError, TypeError):
        return None
    return sum(parameter.numel() for parameter in net.parameters())
