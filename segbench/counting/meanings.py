"""The counting rules by name, and what each counts, in the words that users read. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "macs": "multiply-accumulates",
        "conv-macs": "convolutions and linear layers",
        "2xmacs": "2 operations per MAC",
        "fvcore": "as fvcore counts",
        "thop": "as thop counts",
        "ptflops-0.6.3": "as ptflops 0.6.3 counts",
        "ptflops-0.6.9": "as ptflops 0.6.9 counts",
        "torchstat": "as torchstat counts",
    }
)


def identifier(rule: str) -> str:
    """A counting rule as an expression or the head of a column can name it: ``conv_macs``, ``_2xmacs``."""
    name = re.sub(r"\W", "_", rule)
    return f"_{name}" if name[0].isdigit() else name
