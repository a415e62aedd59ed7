"""Two-branch networks: BiSeNet, BiSeNetV2, DDRNet, PIDNet, STDC."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
