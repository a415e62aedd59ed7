"""torchvision: its segmentation networks by the names of its registry.

``torchvision:lraspp_mobilenet_v3_large``: every argument of the builder is passed on. Source: pytorch/vision,
``torchvision/models/segmentation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from segbench.libraries import imported, known, refuse_weights

PACKAGE = "torchvision"


def names() -> Iterable[str]:
    """Names of its segmentation networks."""
    models = imported("torchvision.models", PACKAGE)
    found: Iterable[str] = models.list_models(module=models.segmentation)
    return found


def build(name: str, classes: int | None, arguments: Mapping[str, Any]) -> Any:
    """The network with ``num_classes=`` output channels and random weights, in its backbone too."""
    known("torchvision", name, names())
    refuse_weights("torchvision", arguments, ("weights", "weights_backbone"))
    models = imported("torchvision.models", PACKAGE)
    given: dict[str, Any] = {"weights": None, "weights_backbone": None, **arguments}
    if classes is not None:
        given.setdefault("num_classes", classes)
    return models.get_model(name, **given)
