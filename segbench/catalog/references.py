"""Large reference networks: SegFormer, DeepLabV3+, PSPNet, HRNetV2, OCR."""

from __future__ import annotations

from segbench.catalog.entry import Entry

ENTRIES: tuple[Entry, ...] = ()
