"""Light networks of factorised and dilated convolutions: CGNet, DABNet, LEDNet, FBSNet and their kind."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
