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
        "No public code was found, and no cost is printed that a reconstruction could be held against.",
    ),
    KnownNetwork(
        "rthpnet",
        "RTHPNet (Dong et al., IEEE TITS 2020)",
        "No public code was found, and no cost is printed that a reconstruction could be held against.",
    ),
    KnownNetwork(
        "msfnet",
        "MSFNet, Multiply Spatial Fusion Network (Si et al., BMVC 2020)",
        "No implementation was found: lxtGH/Fast_Seg has a file of that name, whose forward pass is empty.",
    ),
    _auto_deeplab("s", "5.6", "10.2"),
    _auto_deeplab("m", "9.9", "21.6"),
    _auto_deeplab("l", "18.0", "44.4"),
    KnownNetwork(
        "bisenet-xception39",
        "BiSeNet (Yu et al., ECCV 2018)",
        "The authors' public code of it (ycszen/TorchSeg@62eeb159) has 1.8 M parameters instead of the printed 5.8 M.",
    ),
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
