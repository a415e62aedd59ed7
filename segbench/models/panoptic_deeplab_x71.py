"""Panoptic-DeepLab on Xception-71 (Cheng et al., CVPR 2020), as its parameters are printed.

A reconstruction: the encoder is DeepLab's, numerically equal; decoders and heads are those of the authors' later code
(``panoptic_branches.py``), with depthwise separable dilated convolutions in the pyramid pooling, which that code does
not offer and without which the network has 71.8 M parameters instead of the printed 46.7 M. The finer maps are taken
where the encoder's code ends its entry flow's blocks at a stride; a map of 256 channels at stride 8 would round alike.
"""

from __future__ import annotations

from typing import ClassVar

from segbench.models.backbones.xception71 import Xception71
from segbench.models.panoptic_branches import TwoBranchPanopticDeepLab


class PanopticDeepLabX71(TwoBranchPanopticDeepLab):
    """Both branches on Xception-71; the renames are those of the encoder's reference keys."""

    renames: ClassVar[tuple[tuple[str, str], ...]] = (
        (r"^xception_71\.entry_flow\.conv1_1\.", "encoder.stem.0."),
        (r"^xception_71\.entry_flow\.conv1_2\.", "encoder.stem.1."),
        (r"^xception_71\.entry_flow\.(block\d)\.unit_1\.xception_module\.", r"encoder.\1."),
        (r"^xception_71\.middle_flow\.block1\.(unit_\d+)\.xception_module\.", r"encoder.middle.\1."),
        (r"^xception_71\.exit_flow\.block(\d)\.unit_1\.xception_module\.", r"encoder.exit\1."),
        (r"\.separable_(conv\d)_(depthwise|pointwise)\.", r".sep_\1.\2."),
        (r"\.depthwise\.depthwise\.", ".depthwise.conv."),
        (r"(\.pointwise|\.shortcut|\.stem\.\d)\.weight$", r"\1.conv.weight"),
        (r"\.BatchNorm\.", ".bn."),
    )


def panoptic_deeplab_x71(num_classes: int = 19) -> PanopticDeepLabX71:
    """Panoptic-DeepLab on Xception-71 at output stride 16: 46,745,486 parameters at 19 classes."""
    return PanopticDeepLabX71(Xception71(), num_classes, separable_aspp=True)
