"""Name a network as papers print it, from its family and its own name; and the key that its paper is cited by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "dfnet2": "DFNet2",
        "efficientnet-b1": "EfficientNet-B1",
        "hrnetv2-w48": "HRNetV2-W48",
        "mit-b2": "MiT-B2",
        "mobilenetv2": "MobileNetV2",
        "os8": "OS 8",
        "os16": "OS 16",
        "os32": "OS 32",
        "r18": "ResNet-18",
        "r50": "ResNet-50",
        "r101": "ResNet-101",
        "resnest50": "ResNeSt-50",
        "resnest101": "ResNeSt-101",
        "resnet50": "ResNet-50",
        "resnext50": "ResNeXt-50",
        "x65": "Xception-65",
        "x71": "Xception-71",
        "xception39": "Xception-39",
        "xception71": "Xception-71",
    }
)
"""Backbones and settings (OS: output stride) that follow a family in parentheses, as names of networks say them."""


def key_of(family: str) -> str:
    """The key of a family's paper: its letters and digits in lower case.

    Example:
        >>> key_of("DeepLabV3+"), key_of("PP-LiteSeg")
        ('deeplabv3plus', 'ppliteseg')
    """
    return re.sub(r"[^a-z0-9]", "", family.lower().replace("+", "plus"))


def title_of(name: str, family: str) -> str:
    """The name as papers print it: the family, its variant, and its backbone in parentheses.

    Args:
        name: as users type it, such as ``"bisenet-r18"``.
        family: as its paper spells it, such as ``"BiSeNet"``.

    Example:
        >>> title_of("enet", "ENet"), title_of("pidnet-s", "PIDNet"), title_of("bisenet-r18", "BiSeNet")
        ('ENet', 'PIDNet-S', 'BiSeNet (ResNet-18)')
        >>> title_of("deeplabv3plus-r101-os8", "DeepLabV3+")
        'DeepLabV3+ (ResNet-101, OS 8)'
    """
    # The family's own hyphens need not stand in the name: fastscnn is Fast-SCNN.
    stem = "".join(f"{letter}-?" for letter in key_of(family))
    rest = re.sub(f"^{stem}", "", name)
    parts, variant = [], []
    for known in re.findall("|".join(sorted(_PARTS, key=len, reverse=True)) + "|[^-]+", rest):
        if known in _PARTS:
            parts.append(_PARTS[known])
        else:
            variant.append(known.upper() if len(known) <= 3 else known)
    return "-".join([family, *variant]) + (f" ({', '.join(parts)})" if parts else "")
