"""Networks with a pyramid decoder on a classification backbone: ICNet, SwiftNet, SFNet-Lite, ShelfNet and their kind."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
