"""The networks of the ESeg paper that segbench builds: its own, their ablations and the baselines they build on."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
