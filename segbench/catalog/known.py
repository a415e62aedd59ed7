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
    """

    name: str
    paper: str
    reason: str


_AUTO_DEEPLAB = "Auto-DeepLab (Liu et al., CVPR 2019)"


def _auto_deeplab(size: str, counted: str, printed: str) -> KnownNetwork:
    return KnownNetwork(
        f"auto-deeplab-{size}",
        _AUTO_DEEPLAB,
        "The authors' code is TensorFlow, and the widely used PyTorch port (NoamRosenberg/autodeeplab@065cf999) has "
        f"{counted} M parameters instead of the printed {printed} M.",
    )


_NETWORKS = (
    KnownNetwork(
        "acnet-r101",
        "ACNet, Adaptive Context Network (Fu et al., ICCV 2019)",
        "Neither its code was found, its first author's public repository has other networks alone, nor the paper's "
        "text, and no cost is printed that a reconstruction could be held against.",
    ),
    KnownNetwork(
        "rthpnet",
        "RTHPNet (Dong et al., IEEE TITS 2020)",
        "Neither its code nor the paper's text (arXiv 2003.08736) was found, and no cost is printed that a "
        "reconstruction could be held against.",
    ),
    KnownNetwork(
        "msfnet",
        "MSFNet, Multiply Spatial Fusion Network (Si et al., arXiv 2019)",
        "Neither its code nor the paper's text (arXiv 1911.07217) was found: lxtGH/Fast_Seg has a file of that name, "
        "whose forward pass is empty.",
    ),
    _auto_deeplab("s", "5.6", "10.2"),
    _auto_deeplab("m", "9.9", "21.6"),
    _auto_deeplab("l", "18.0", "44.4"),
    KnownNetwork(
        "naive-student",
        "Naive-Student (Chen et al., ECCV 2020)",
        "The authors work in TensorFlow, and no PyTorch code of its wide residual network was found.",
    ),
    KnownNetwork(
        "panoptic-deeplab-x71",
        "Panoptic-DeepLab (Cheng et al., CVPR 2020)",
        "The authors' PyTorch code has Xception-65 at output stride 32 (panoptic-deeplab-x65 here); Xception-71 at "
        "output stride 16 is in their TensorFlow code alone.",
    ),
)

KNOWN: Mapping[str, KnownNetwork] = MappingProxyType({network.name: network for network in _NETWORKS})
"""Name and reason of every network that is known and not built."""
