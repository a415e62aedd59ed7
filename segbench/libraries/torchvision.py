"""torchvision: its segmentation networks by the names of its registry.

``torchvision:lraspp_mobilenet_v3_large``: the arguments of the builder are passed on. Source: pytorch/vision,
``torchvision/models/segmentation``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from segbench.libraries import imported, known, refuse_unknown, refuse_weights

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
    accepted = inspect.signature(models.get_model_builder(name)).parameters.values()
    refuse_unknown(f"torchvision:{name}", given, [item.name for item in accepted if item.kind is not item.VAR_KEYWORD])
    return models.get_model(name, **given)
