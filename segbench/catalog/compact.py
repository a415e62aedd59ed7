"""Light networks of other designs: ESPNetv2, Fast-SCNN, SGCPNet, DSANet, DFANet, SQNet, SegNet, RegSeg."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
