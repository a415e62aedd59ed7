"""Networks of the papers' tables that segbench knows and does not build, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """A network that the papers compare themselves with and that cannot be built honestly.

    Attributes:
        name: as claims name it.
        paper: short reference of the network's own paper.
        reason: why it is not built, in one sentence.
        title: the name as papers print it.
        cite: key of the paper in ``references.bib``.
    """

    name: str
    paper: str
    reason: str
    title: str
    cite: str


_NETWORKS = (
    KnownNetwork(
        "acnet-r101",
        "ACNet, Adaptive Context Network (Fu et al., ICCV 2019)",
        "Neither its code nor the paper's text was found (junfu1115/DANet, of the same first author, lists other "
        "networks), and no cost is printed that a reconstruction could be held against.",
        "ACNet (ResNet-101)",
        "acnet",
    ),
    KnownNetwork(
        "rthpnet",
        "RTHPNet (Dong et al., IEEE TITS 2020)",
        "Neither its code nor the paper's text (arXiv 2003.08736) was found, and no cost is printed that a "
        "reconstruction could be held against.",
        "RTHPNet",
        "rthpnet",
    ),
    KnownNetwork(
        "msfnet",
        "MSFNet, Multiply Spatial Fusion Network (Si et al., arXiv 2019)",
        "Neither its code nor the paper's text (arXiv 1911.07217) was found: lxtGH/Fast_Seg has a file of that name, "
        "whose forward pass is empty.",
        "MSFNet",
        "msfnet",
    ),
)

KNOWN: Mapping[str, KnownNetwork] = MappingProxyType({network.name: network for network in _NETWORKS})
"""Name and reason of every network that is known and not built."""
