"""Real-time networks with attention or efficient decoders: CABiNet, PP-LiteSeg, RTFormer."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
